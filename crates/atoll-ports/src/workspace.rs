//! Workspaces: snapshots, private copies, files, patches.

use std::path::Path;

use atoll_domain::action::{Accept, FileRead, FileWrite, Snap, Undo};
use atoll_domain::{
    CopyRef, Hash, Language, Mount, PatchSummary, SessionId, Tick, TreeId, WorkspaceId,
};
use atoll_guard::{BoxFuture, Permit};
use serde::{Deserialize, Serialize};

use crate::Did;
use crate::sweep::{Keep, Swept};

/// What went wrong with files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{0}: no such file or folder in the workspace")]
    Missing(String),
    /// The path leads out, is an alias of `.git`, or is otherwise not allowed.
    #[error("{path}: {why}")]
    Forbidden {
        /// The path.
        path: String,
        /// Why.
        why: String,
    },
    /// Credential files are kept from agents.
    #[error("{0}: looks like a credential file, which is kept out of the copy")]
    Masked(String),
    /// What is there is not what was expected.
    #[error("changed meanwhile: {}", .0.join(", "))]
    Conflict(Vec<String>),
    /// An edit can't be applied.
    #[error("{0}")]
    Edit(String),
    /// Too large.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// A pattern, path or option is malformed.
    #[error("{0}")]
    Invalid(String),
    /// A patch holds what is never let out.
    #[error("never let out of the box: {}", .0.join(", "))]
    Refused(Vec<String>),
    /// A branch can be neither made nor removed.
    #[error("the branch {name:?}: {why}")]
    Branch {
        /// As it was given.
        name: String,
        /// Why.
        why: String,
        /// What to do; may be empty.
        todo: String,
    },
    /// The disk or the system failed.
    #[error("{0}")]
    Io(String),
}

/// Which workspace a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its canonical absolute path.
    pub root: String,
    /// Where the folder that was named lies below it (`crates/one`); empty for the workspace itself.
    pub below: String,
}

/// A taken snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapped {
    /// The tree.
    pub tree: TreeId,
    /// Files in it.
    pub files: u64,
    /// Their length together.
    pub bytes: u64,
    /// Credential files that were left out.
    pub masked: Vec<String>,
    /// Other files that were left out, and why.
    pub skipped: Vec<(String, String)>,
    /// The checkout's branch or commit, for people.
    pub head: Option<String>,
}

/// What a read gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadOut {
    /// The text, numbered for `read`, plain for `list` and `search`.
    pub text: String,
    /// SHA-256 of the whole file, for `read`.
    pub hash: Option<Hash>,
    /// Whether more was there than is in `text`, and how to get it.
    pub more: Option<String>,
    /// The file, if it is a picture that a model could be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
}

/// A picture, known by its first bytes; its name says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`: what models take.
    pub media_type: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

pub use atoll_domain::Edit;

/// An edit worked out against the file as it is: what a `FileWrite` needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// SHA-256 of the content it replaces; `None` for a new file.
    pub before: Option<Hash>,
    /// The new content; `None`: the file goes.
    pub content: Option<Vec<u8>>,
    /// Lines added and removed.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// A short diff for the transcript.
    pub diff: String,
    /// What was tolerated ("indentation differed by 4 spaces").
    pub tolerated: Vec<String>,
}

/// A test command that was found by parsing alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCommand {
    /// The command.
    pub cmd: Vec<String>,
    /// The language whose toolchain it wants.
    pub language: Language,
    /// What says so: `Cargo.toml`, `package.json: scripts.test`.
    pub because: String,
}

/// What was found in a checkout by parsing alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detected {
    /// Test commands, the best first.
    pub tests: Vec<TestCommand>,
    /// The languages.
    pub languages: Vec<Language>,
    /// The folder below the root whose project is one of its own: the one that was named, where it has
    /// a manifest and the root none of that language. Empty: the root.
    pub project: String,
    /// AGENTS.md, else CLAUDE.md: text for the agent, never policy.
    pub guide: Option<String>,
    /// `.atoll/workspace.toml`'s test command: only with the owner's trust.
    pub suggested_test: Option<Vec<String>>,
    /// `.atoll/workspace.toml`'s command that makes the copy ready: only with the owner's trust.
    pub suggested_setup: Option<Vec<String>>,
    /// `.atoll/workspace.toml`'s mounts: only with the owner's trust.
    pub suggested_mounts: Vec<Mount>,
    /// SHA-256 over `.atoll/`'s content, which trust is bound to; `None` without `.atoll/`.
    pub atoll_hash: Option<Hash>,
    /// What is wrong with `.atoll/`, for people.
    pub problems: Vec<String>,
}

/// A patch worked out from two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diffed {
    /// Files and classes.
    pub summary: PatchSummary,
    /// The unified diff.
    pub diff: String,
}

/// A patch that was let out, or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The files written or removed; none for a branch.
    pub paths: Vec<String>,
    /// The branch's commit, for a branch.
    pub commit: Option<String>,
}

/// Workspaces and the private copies of sessions.
pub trait Workspaces: Send + Sync {
    /// The workspace that `place` belongs to: the repository around it, else `place` itself. Refuses
    /// what can't be a workspace.
    fn identify(&self, place: &Path) -> Result<Identified, Error>;
    /// Takes a snapshot of a checkout as it is.
    fn snapshot(&self, permit: Permit<Snap>, now: Tick)
    -> BoxFuture<'_, Did<Snap, Snapped, Error>>;
    /// Makes a session's private copy, or brings it to `tree`, touching only what differs.
    /// `owner`: the uid and gid it must belong to.
    fn checkout(
        &self,
        session: SessionId,
        workspace: WorkspaceId,
        root: &str,
        tree: &TreeId,
        owner: Option<(u32, u32)>,
    ) -> BoxFuture<'_, Result<CopyRef, Error>>;
    /// What a person should know of the copy's private `.git`: that its history was made up, or rewritten.
    fn git_note(&self, session: SessionId) -> Result<Option<String>, Error>;
    /// Takes a snapshot of a session's copy. Only while no job runs in it.
    fn capture(&self, session: SessionId) -> BoxFuture<'_, Result<Snapped, Error>>;
    /// Reads, lists or searches in a session's copy.
    fn read(
        &self,
        permit: Permit<FileRead>,
        now: Tick,
    ) -> BoxFuture<'_, Did<FileRead, ReadOut, Error>>;
    /// Works an edit out, writing nothing.
    fn plan_edit(&self, session: SessionId, path: &str, edit: &Edit) -> Result<Planned, Error>;
    /// Writes one file of a session's copy, if it is what the action says it replaces.
    fn write(
        &self,
        permit: Permit<FileWrite>,
        now: Tick,
    ) -> BoxFuture<'_, Did<FileWrite, Hash, Error>>;
    /// What is in a session's copy, by parsing alone. What the folder `below` says comes first (empty:
    /// the whole workspace).
    fn detect(&self, session: SessionId, below: &str) -> Result<Detected, Error>;
    /// The patch between two trees.
    fn diff(
        &self,
        workspace: WorkspaceId,
        base: &TreeId,
        tree: &TreeId,
    ) -> BoxFuture<'_, Result<Diffed, Error>>;
    /// The files of a tree whose content is one of `blobs` (40 hex digits each): path and blob.
    fn holding(
        &self,
        workspace: WorkspaceId,
        tree: &TreeId,
        blobs: std::collections::BTreeSet<String>,
    ) -> BoxFuture<'_, Result<Vec<(String, String)>, Error>>;
    /// The blob that a content is, 40 hex digits.
    fn blob_of(&self, content: &[u8]) -> String;
    /// Lets a patch out: all of it or nothing, also over a crash.
    fn accept(
        &self,
        permit: Permit<Accept>,
        now: Tick,
    ) -> BoxFuture<'_, Did<Accept, Applied, Error>>;
    /// Takes an accepted patch back, if its files are as it left them.
    fn undo(&self, permit: Permit<Undo>, now: Tick) -> BoxFuture<'_, Did<Undo, Applied, Error>>;
    /// Finishes or rolls back what a crash interrupted; what was done, for people. Once, at start-up.
    fn recover(&self) -> Result<Vec<String>, Error>;
    /// Forgets what is held in memory for a session that rests; it is read again when it is needed.
    fn rest(&self, session: SessionId);
    /// Removes copies and trees that `keep` doesn't name, in as many steps as there are workspaces. What
    /// was interrupted is gone on with by the next sweep, and nothing that is kept is ever missing.
    fn sweep(&self, keep: Keep) -> BoxFuture<'_, Result<Swept, Error>>;
    /// Removes a session's private copy.
    fn remove(&self, session: SessionId) -> Result<(), Error>;
}
