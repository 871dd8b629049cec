//! Patches.

use atoll_domain::{Cost, Ms, PatchId, PatchSummary, SessionId, TestEvidence};
use serde::{Deserialize, Serialize};

/// What is kept of a patch beside its diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRecord {
    /// A title, by the agent.
    pub title: String,
    /// What was done and why, by the agent.
    pub summary: String,
    /// Files and classes.
    pub change: PatchSummary,
    /// The test run before any change.
    pub before: Option<TestEvidence>,
    /// The test run on the patch.
    pub after: Option<TestEvidence>,
    /// What the session had spent.
    pub cost: Cost,
    /// Steps taken.
    pub steps: u64,
    /// `provider/model`.
    pub model: String,
    /// Whether the tests ran in a sandbox, and how strong it was.
    pub sandbox: String,
    /// The patch that a person made this one of, by hand: `p7`. Its tests were not run on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<String>,
}

/// A patch in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchView {
    /// `p7`.
    pub ordinal: String,
    /// Its id.
    pub patch: PatchId,
    /// The session's id.
    pub session: SessionId,
    /// `s4`.
    pub session_ordinal: String,
    /// `proposed`, `accepted`, `rejected`, `undone`, `superseded`.
    pub state: String,
    /// The title.
    pub title: String,
    /// Files changed.
    pub files: u64,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// `ordinary`, `runs_outside`, `refused`.
    pub class: String,
    /// Whether the tests passed.
    pub tests_ok: Option<bool>,
    /// When it was proposed.
    pub proposed: Ms,
    /// The branch that it was let out on, or taken back from; not in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// A patch in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchDetail {
    /// As in the list.
    #[serde(flatten)]
    pub view: PatchView,
    /// The workspace's path.
    pub root: String,
    /// The record; `None` if it was erased.
    pub record: Option<PatchRecord>,
    /// The diff.
    pub diff: String,
    /// The session's events, first and last.
    pub events: (u64, u64),
}

/// Let a patch out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptRequest {
    /// Onto a new branch of this name in place of the files.
    #[serde(default)]
    pub branch: Option<String>,
    /// The person saw the files that something outside runs, and wants them too.
    #[serde(default)]
    pub confirm_runs_outside: bool,
}

/// A private copy in which a patch is edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditBegun {
    /// The edit: what it is ended with.
    pub edit: SessionId,
    /// The copy's folder on this machine.
    pub folder: String,
    /// The patch's files, relative to it. One that the patch removes isn't there.
    pub files: Vec<String>,
}

/// Ends an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditRequest {
    /// The edit.
    pub edit: SessionId,
    /// Without a new patch: the copy is thrown away.
    #[serde(default)]
    pub abandon: bool,
}
