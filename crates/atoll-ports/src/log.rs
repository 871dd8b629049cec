//! The log and what is read from it.

use atoll_domain::{
    ActionKey, Actor, Again, Budget, Commitment, Cost, Event, EventId, GateAnswerKind, GateId,
    GrantId, Hash, JobId, Kind, Label, Labels, Ms, PatchClass, PatchId, PermitId, Purpose, Role,
    SessionEnd, SessionId, SessionState, WorkspaceId,
};
use atoll_guard::{Appended, BoxFuture, Entry, Full, Journal};
use serde::{Deserialize, Serialize};

use crate::sweep::Swept;

/// What went wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It can't be read or written.
    #[error("the log can't be read: {0}")]
    Io(String),
    /// Its content is not what it should be.
    #[error("the log is damaged{}: {why}", at(*.seq))]
    Damaged {
        /// Where; 0: not at one event.
        seq: u64,
        /// Why.
        why: String,
    },
    /// Another node has it.
    #[error("another node (pid {pid}) has the data directory {path}")]
    Locked {
        /// Its pid.
        pid: u32,
        /// The directory.
        path: String,
    },
    /// It was written by a newer version.
    #[error(
        "the store's version is {found}, and this binary knows {known}: it is older than its store"
    )]
    Newer {
        /// The store's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The data directory can't be used.
    #[error("{0}")]
    Unusable(String),
    /// There is no such thing.
    #[error("no {0}")]
    Missing(String),
}

fn at(seq: u64) -> String {
    match seq {
        0 => String::new(),
        seq => format!(" at event {seq}"),
    }
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this session alone.
    pub session: Option<SessionId>,
    /// Of topics with this prefix.
    pub topic: Option<String>,
    /// Of these kinds.
    pub kinds: Vec<String>,
}

/// A session as the log's projection has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its ordinal: `s4` is 4.
    pub ordinal: u64,
    /// Its id.
    pub id: SessionId,
    /// `code` or `exec`.
    pub mode: String,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// The workspace's path (content; empty if erased).
    pub root: Commitment,
    /// Its configuration (content).
    pub config: Commitment,
    /// The first words (content).
    pub prompt: Option<Commitment>,
    /// Provider.
    pub provider: String,
    /// Model (content).
    pub model: Commitment,
    /// Where it stands.
    pub state: SessionState,
    /// How its last turn ended.
    pub end: Option<SessionEnd>,
    /// When it began.
    pub opened: Ms,
    /// When its last event was.
    pub updated: Ms,
    /// Turns begun.
    pub turns: u64,
    /// The last step that was proposed.
    pub steps: u64,
    /// What it spent.
    pub spent: Cost,
    /// Its budget.
    pub budget: Budget,
    /// What its context touched.
    pub labels: Labels,
    /// The tree after the last outcome that changed it (content).
    pub tree: Option<Commitment>,
    /// The tree that it began with (content).
    pub base: Option<Commitment>,
    /// Its first and last events.
    pub seqs: (u64, u64),
    /// The grant that it runs under; none: the owner's own. A fork has its parent's.
    pub grant: Option<GrantId>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Its ordinal: `c3` is 3.
    pub ordinal: u64,
    /// Its id.
    pub id: GrantId,
    /// The grant that it is an attenuation of.
    pub parent: Option<GrantId>,
    /// What its holder is here.
    pub role: Role,
    /// When it was minted, or first seen.
    pub minted: Ms,
    /// Until when.
    pub expires: Ms,
    /// The kinds of actions; `None`: all.
    pub kinds: Option<Vec<Kind>>,
    /// What may be spent under it.
    pub budget: Budget,
    /// What was settled under it and its attenuations.
    pub spent: Cost,
    /// Requests within a minute.
    pub requests_per_min: u64,
    /// The longest body of a request, in bytes.
    pub body_limit_bytes: u64,
    /// Folders and hosts (content, JSON).
    pub scope: Commitment,
    /// Its name (content).
    pub name: Commitment,
    /// When an action was last admitted under it.
    pub used: Option<Ms>,
    /// When it was revoked.
    pub revoked: Option<Ms>,
}

/// A gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRow {
    /// Its ordinal: `g3` is 3.
    pub ordinal: u64,
    /// Its id.
    pub id: GateId,
    /// In which session.
    pub session: Option<SessionId>,
    /// The kind of action.
    pub kind: Kind,
    /// The question (content, JSON).
    pub question: Commitment,
    /// The action's hash (content).
    pub hash: Commitment,
    /// The rules that ask.
    pub rules: Vec<String>,
    /// When it was opened.
    pub opened: Ms,
    /// When it expires.
    pub expires: Ms,
    /// The answer, if there is one. The first counts.
    pub answer: Option<GateAnswerKind>,
    /// Who gave it.
    pub answerer: Option<Actor>,
    /// The first permit that was granted by it: it is used up.
    pub used: Option<PermitId>,
}

/// Where a label of a session comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRow {
    /// The event that set it; a fork has its parent's.
    pub seq: u64,
    /// The label.
    pub label: Label,
    /// `workspace`, `network`, ….
    pub source: String,
    /// What exactly (content).
    pub what: Option<Commitment>,
    /// The event that cleared it; 0: none did.
    pub cleared: u64,
}

/// Contents that came out of a labelled context, or that the owner freed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRow {
    /// The event.
    pub seq: u64,
    /// The label.
    pub label: Label,
    /// The session that they came from.
    pub session: Option<SessionId>,
    /// Paths and blobs (content, JSON).
    pub files: Commitment,
    /// Whether they are freed rather than marked.
    pub cleared: bool,
}

/// Where a patch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchState {
    /// Waits for a person.
    Proposed,
    /// Let out.
    Accepted,
    /// Turned down.
    Rejected,
    /// Taken back.
    Undone,
    /// Edited by a person: another patch took its place.
    Superseded,
}

/// A patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRow {
    /// Its ordinal: `p7` is 7.
    pub ordinal: u64,
    /// Its id.
    pub id: PatchId,
    /// From which session.
    pub session: SessionId,
    /// Where it stands.
    pub state: PatchState,
    /// How many files.
    pub files: u64,
    /// The worst class.
    pub class: PatchClass,
    /// Whether the tests passed.
    pub tests_ok: Option<bool>,
    /// The record (content, JSON).
    pub record: Commitment,
    /// The diff (content).
    pub diff: Commitment,
    /// When it was proposed.
    pub proposed: Ms,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its ordinal: `j9` is 9.
    pub ordinal: u64,
    /// Its id.
    pub id: JobId,
    /// In which session.
    pub session: Option<SessionId>,
    /// Why it was run.
    pub purpose: Purpose,
    /// Its permit.
    pub permit: PermitId,
    /// When it started.
    pub started: Ms,
    /// The outcome (content, JSON), once it ended.
    pub outcome: Option<Commitment>,
    /// How its permit was closed.
    pub how: Option<atoll_domain::ClosedHow>,
}

/// A permit that was granted and not closed: after a crash, an effect with an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPermit {
    /// The permit.
    pub permit: PermitId,
    /// The event that granted it.
    pub granted: EventId,
    /// Its number.
    pub seq: u64,
    /// In which session.
    pub session: Option<SessionId>,
    /// The kind of action.
    pub kind: Kind,
    /// The idempotency key.
    pub key: Option<ActionKey>,
    /// What a resume may do.
    pub again: Again,
    /// What was reserved.
    pub reserve: Cost,
    /// The canonical action (content).
    pub action: Commitment,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Events read.
    pub events: u64,
    /// The last one's hash.
    pub head: Hash,
    /// Checkpoints whose signature and root hold.
    pub checkpoints: u64,
    /// The newest checkpoint's note, to keep elsewhere.
    pub note: Option<String>,
    /// The first bad line and why, if it isn't intact.
    pub bad: Option<(u64, String)>,
    /// Contents that were checked against their commitments, and that are gone (erased).
    pub contents: (u64, u64),
    /// Events that came after the clock was set back: order is by number, not by time.
    pub clock_back: u64,
    /// Whose log it is: the root key that its first event names.
    pub root: Option<String>,
    /// Checkpoints kept elsewhere that were compared and fit.
    pub kept: u64,
}

/// What an export holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// This session's events alone, each with its proof; else all.
    pub session: Option<SessionId>,
    /// With what the events commit to, as far as it wasn't erased.
    pub contents: bool,
    /// Of a part: with the proof that the log extends the one of so many events.
    pub since: Option<u64>,
}

/// Where the next segment of a log is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Behind the segment that this note seals; `None`: from event 1 on.
    pub behind: Option<String>,
    /// Its last event came before this.
    pub before: Ms,
    /// And its first one before this, if it holds less than `events_max`.
    pub begun: Ms,
    /// Events in it, as far as a checkpoint stands so close.
    pub events_max: u64,
}

/// A run of events that ends where a checkpoint covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first event.
    pub first: u64,
    /// Its last one.
    pub last: u64,
}

/// Takes one line at a time. An error of its own ends the export.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> std::io::Result<()>;

/// The log. Reads are short and blocking, on connections of their own; appends are awaited.
pub trait Log: Journal {
    /// Appends events in one transaction, in order: all or none.
    fn append_all(
        &self,
        entries: Vec<Entry>,
        sync: bool,
    ) -> BoxFuture<'_, Result<Vec<Appended>, Full>>;
    /// The last event's number; 0 in an empty log.
    fn head(&self) -> u64;
    /// Resolves when the head passes `seq`.
    fn past(&self, seq: u64) -> BoxFuture<'_, u64>;
    /// At most `limit` events after `after`, in order.
    fn events(&self, after: u64, limit: usize, filter: &Filter) -> Result<Vec<Event>, Error>;
    /// The same of the whole log, as an export's lines without their new line, each with its number.
    fn lines(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error>;
    /// The event with this id.
    fn event(&self, id: &EventId) -> Result<Option<Event>, Error>;
    /// A content, unless it was erased.
    fn content(&self, commitment: &Commitment) -> Result<Option<Vec<u8>>, Error>;
    /// Sessions, the newest first.
    fn sessions(&self, limit: usize) -> Result<Vec<SessionRow>, Error>;
    /// By id.
    fn session(&self, id: &SessionId) -> Result<Option<SessionRow>, Error>;
    /// By ordinal; 0 is the latest.
    fn session_by_ordinal(&self, ordinal: u64) -> Result<Option<SessionRow>, Error>;
    /// Gates, the newest first; `open`: only those without an answer.
    fn gates(&self, open: bool, limit: usize) -> Result<Vec<GateRow>, Error>;
    /// By ordinal; 0 is the latest.
    fn gate_by_ordinal(&self, ordinal: u64) -> Result<Option<GateRow>, Error>;
    /// By id.
    fn gate(&self, id: &GateId) -> Result<Option<GateRow>, Error>;
    /// Of one session, the newest first.
    fn gates_of(&self, session: &SessionId, limit: usize) -> Result<Vec<GateRow>, Error>;
    /// Where a session's labels come from, the oldest first, the cleared ones too.
    fn labels_of(&self, session: &SessionId) -> Result<Vec<LabelRow>, Error>;
    /// What was marked and freed in a workspace, the newest first.
    fn marks_of(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<MarkRow>, Error>;
    /// Patches, the newest first.
    fn patches(&self, limit: usize) -> Result<Vec<PatchRow>, Error>;
    /// By ordinal; 0 is the latest.
    fn patch_by_ordinal(&self, ordinal: u64) -> Result<Option<PatchRow>, Error>;
    /// By id.
    fn patch(&self, id: &PatchId) -> Result<Option<PatchRow>, Error>;
    /// Jobs, the newest first.
    fn jobs(&self, limit: usize) -> Result<Vec<JobRow>, Error>;
    /// By ordinal; 0 is the latest.
    fn job_by_ordinal(&self, ordinal: u64) -> Result<Option<JobRow>, Error>;
    /// By id.
    fn job(&self, id: &JobId) -> Result<Option<JobRow>, Error>;
    /// The latest time of any event, by the wall clock: setting the clock back doesn't change it.
    fn latest(&self) -> Result<Ms, Error>;
    /// Grants, the newest first.
    fn grants(&self, limit: usize) -> Result<Vec<GrantRow>, Error>;
    /// By id.
    fn grant(&self, id: &GrantId) -> Result<Option<GrantRow>, Error>;
    /// Whether it was revoked, also where it was never seen.
    fn grant_revoked(&self, id: &GrantId) -> Result<bool, Error>;
    /// How many attenuations were seen of the grant that its chain began with.
    fn grant_children(&self, id: &GrantId) -> Result<u64, Error>;
    /// Permits that were granted and not closed.
    fn open_permits(&self) -> Result<Vec<OpenPermit>, Error>;
    /// What was spent on a day (days since the Unix epoch, UTC).
    fn spent_on(&self, day: u64) -> Result<Cost, Error>;
    /// Up to how much the owner granted spending per session, in this workspace with this provider.
    fn spend_granted(&self, workspace: &WorkspaceId, provider: &str) -> Result<Option<u64>, Error>;
    /// Writes a checkpoint if anything is new. `now` by the wall clock.
    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Appended>, Full>>;
    /// Checks chain, Merkle roots, signatures and contents.
    fn verify(&self) -> Result<Verified, Error>;
    /// Drops all projections and makes them again.
    fn rebuild(&self) -> BoxFuture<'_, Result<u64, Error>>;
    /// The next segment; `None`: there is none yet. Errors: `behind` seals another log's.
    fn cut(&self, cut: &Cut) -> Result<Option<Segment>, Error>;
    /// Hands out a segment's lines, each without its new line, and verifies them as it does.
    fn segment(&self, segment: Segment, out: Sink<'_>) -> Result<(), Error>;
    /// Takes away what lies beside the log and no content names. What is left counts the log itself.
    fn sweep(&self) -> BoxFuture<'_, Result<Swept, Error>>;
    /// Hands out an export's lines, each without its new line, and says how many events they held. A part is
    /// proven by the newest checkpoint and ends with it: write one first. Nothing was left out where it is `Ok`.
    fn export(&self, what: &Export, out: Sink<'_>) -> Result<u64, Error>;
    /// Bytes free for the log, and whether new actions are refused.
    fn room(&self) -> (u64, bool);
}
