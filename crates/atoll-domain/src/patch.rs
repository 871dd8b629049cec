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
    /// Tests skipped, where the runner's output says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
}

impl TestEvidence {
    /// How it went, in a few words; see [`test_words`].
    pub fn words(&self) -> String {
        test_words(
            self.ok,
            self.exit_code,
            (self.passed, self.failed, self.skipped),
        )
    }
}

/// How a test run went: `1 failed, 8 passed`, `461 passed, 2 skipped`, and where the output counts nothing
/// `passed (exit 0)`: a count that nobody knows is never told as none. `counts` are passed, failed, skipped.
pub fn test_words(
    ok: bool,
    exit_code: Option<i32>,
    counts: (Option<u64>, Option<u64>, Option<u64>),
) -> String {
    let (passed, failed, skipped) = counts;
    let more_than_none = |n: Option<u64>| n.filter(|n| *n > 0);
    let mut parts = Vec::new();
    parts.extend(more_than_none(failed).map(|n| format!("{n} failed")));
    // None passed is worth a word only beside what failed or was skipped.
    let any = !parts.is_empty() || skipped.is_some();
    parts.extend(
        passed
            .filter(|n| *n > 0 || any)
            .map(|n| format!("{n} passed")),
    );
    parts.extend(more_than_none(skipped).map(|n| format!("{n} skipped")));
    let counted = parts.join(", ");
    let how = match (ok, exit_code) {
        (true, Some(code)) => format!("passed (exit {code})"),
        (true, None) => "passed".into(),
        (false, Some(127)) => "could not be run (exit 127)".into(),
        (false, Some(code)) => format!("failed (exit {code})"),
        (false, None) => "failed".into(),
    };
    match (ok, more_than_none(failed), more_than_none(passed)) {
        // The counts say what the end says.
        (true, None, Some(_)) | (false, Some(_), _) => counted,
        _ if counted.is_empty() => how,
        _ => format!("{how}, {counted}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_where_they_are_known() {
        let words = |ok, code, passed, failed, skipped| {
            test_words(ok, Some(code), (passed, failed, skipped))
        };
        let some = Some;
        assert_eq!(words(true, 0, some(9), some(0), None), "9 passed");
        assert_eq!(
            words(true, 0, some(9), some(0), some(2)),
            "9 passed, 2 skipped"
        );
        assert_eq!(
            words(false, 1, some(8), some(1), some(0)),
            "1 failed, 8 passed"
        );
        assert_eq!(
            words(false, 1, some(0), some(1), None),
            "1 failed, 0 passed"
        );
        assert_eq!(words(false, 1, None, some(3), None), "3 failed");
        // go without -v, and what counts nothing at all.
        assert_eq!(words(true, 0, None, some(0), None), "passed (exit 0)");
        assert_eq!(words(true, 0, None, None, None), "passed (exit 0)");
        assert_eq!(words(false, 2, None, None, None), "failed (exit 2)");
        assert_eq!(
            words(false, 127, None, None, None),
            "could not be run (exit 127)"
        );
        // What the end and the counts say differs: both are told.
        assert_eq!(
            words(false, 1, some(9), some(0), None),
            "failed (exit 1), 9 passed"
        );
        assert_eq!(
            words(true, 0, some(8), some(1), None),
            "passed (exit 0), 1 failed, 8 passed"
        );
        assert_eq!(words(true, 0, some(0), some(0), None), "passed (exit 0)");
        assert_eq!(test_words(false, None, (None, None, None)), "failed");
    }
}
