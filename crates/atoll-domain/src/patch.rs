//! A proposed change: what a tree holds that its base does not.

use serde::{Deserialize, Serialize};

use crate::TreeId;

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// Its content changes.
    Modified,
    /// It goes.
    Deleted,
    /// Only its mode changes.
    Mode,
}

/// What a change could do once it is outside the box. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchClass {
    /// Source, text, data.
    Ordinary,
    /// Something outside runs it by itself: hooks, CI, build scripts, agent instructions, ….
    RunsOutside,
    /// Never let out.
    Refused,
}

/// One file of a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path, relative to the workspace, with `/`.
    pub path: String,
    /// What happens to it.
    pub change: Change,
    /// What it could do outside.
    pub class: PatchClass,
    /// Why it is in that class, unless it is ordinary.
    pub why: Option<String>,
    /// Its content's blob before, 40 hex digits.
    pub before: Option<String>,
    /// Its content's blob after.
    pub after: Option<String>,
    /// Its mode before: 644, 755 or 120000 for a link.
    pub mode_before: Option<u32>,
    /// Its mode after.
    pub mode_after: Option<u32>,
    /// Whether it isn't text.
    pub binary: bool,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// Whether it is a test.
    pub is_test: bool,
}

/// A patch without its diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchSummary {
    /// The tree it starts from.
    pub base: TreeId,
    /// The tree with it.
    pub tree: TreeId,
    /// Its files.
    pub files: Vec<FileChange>,
    /// The worst class among them.
    pub class: PatchClass,
}

/// A test run that speaks for or against a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestEvidence {
    /// The command.
    pub cmd: Vec<String>,
    /// The tree it ran on.
    pub tree: TreeId,
    /// Whether it passed.
    pub ok: bool,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Tests passed, where the runner's output says so.
    pub passed: Option<u64>,
    /// Tests failed, where the runner's output says so.
    pub failed: Option<u64>,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
}
