//! Sessions.

use std::collections::BTreeMap;

use atoll_domain::{Budget, Cost, Label, Labels, Ms, SessionEnd, SessionId, SessionState};
use serde::{Deserialize, Serialize};

use crate::{ExecView, GateView, OnAsk, PatchView};

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// `s4`.
    pub ordinal: String,
    /// Its id.
    pub session: SessionId,
    /// `code` or `exec`.
    pub mode: String,
    /// The workspace's path.
    pub root: String,
    /// The first words.
    pub prompt: String,
    /// `provider/model`.
    pub model: String,
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
    /// Steps taken.
    pub steps: u64,
    /// What it spent.
    pub spent: Cost,
    /// Its budget.
    pub budget: Budget,
    /// What its context touched.
    pub labels: Labels,
    /// The grant that it runs under: `c3`; none: the owner's own.
    #[serde(default)]
    pub grant: Option<String>,
}

/// One step, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// Its event's number.
    pub seq: u64,
    /// When.
    pub ts: Ms,
    /// `turn 2`, `model`, `read`, `edit`, `test`, `run`, `gate`, `patch`, `end`, ….
    pub what: String,
    /// One line.
    pub line: String,
    /// Whether it did what it was for; `None` where that has no meaning.
    pub ok: Option<bool>,
}

/// A session in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDetail {
    /// As in the list.
    #[serde(flatten)]
    pub view: SessionView,
    /// What is left of its budget, shared with its forks, with nothing that is reserved.
    #[serde(default)]
    pub left: Budget,
    /// Its steps.
    pub steps_taken: Vec<StepView>,
    /// Its patches.
    pub patches: Vec<PatchView>,
    /// Its open gates.
    pub gates: Vec<GateView>,
    /// Its jobs.
    pub jobs: Vec<ExecView>,
    /// Where its labels come from, the oldest first, those that were cleared too.
    #[serde(default)]
    pub sources: Vec<LabelSource>,
    /// What people said in it, the latest last. Long stories keep the latest; what was erased is not there.
    #[serde(default)]
    pub said: Vec<String>,
    /// What the model said last.
    #[serde(default)]
    pub answer: Option<String>,
    /// Tokens of its last call, in and out: what of the model's window is in use.
    #[serde(default)]
    pub context_tokens: Option<u64>,
}

/// Where a label of a session comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelSource {
    /// The label.
    pub label: Label,
    /// What exactly, for people: `file notes.md, written by s3 (untrusted)`.
    pub what: String,
    /// The number of the event that set it.
    pub seq: u64,
    /// The number of the event that cleared it, if one did.
    #[serde(default)]
    pub cleared: Option<u64>,
}

/// Clear a label: of a session's context, or of files of its workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclassifyRequest {
    /// Which: `untrusted` alone can be cleared.
    pub label: Label,
    /// The owner's reason.
    pub why: String,
    /// Of this file, or of all below this folder, in place of the session's context.
    #[serde(default)]
    pub file: Option<String>,
}

/// What was cleared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// The label.
    pub label: Label,
    /// The session's sources that no longer count.
    pub sources: Vec<LabelSource>,
    /// Files that no longer carry it.
    pub files: Vec<String>,
}

/// Go on beside a session, from one of its points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkRequest {
    /// The end of this turn; without it the last that ended.
    #[serde(default)]
    pub turn: Option<u64>,
}

/// Go on with a session.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ResumeRequest {
    /// More words; without them a parked turn goes on where it stood.
    #[serde(default)]
    pub prompt: Option<String>,
    /// Another model to go on with: `provider/model`.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether it only plans from now on; as before if left out.
    #[serde(default)]
    pub plan: Option<bool>,
    /// What an ask becomes.
    #[serde(default)]
    pub on_ask: OnAsk,
    /// Provider keys of the caller's environment, by variable. Never logged.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
}

impl std::fmt::Debug for ResumeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResumeRequest")
            .field("prompt", &self.prompt)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
