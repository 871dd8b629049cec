//! What was done in a session, in bounded form: the stuff of summaries.

use std::collections::{BTreeMap, VecDeque};

use crate::clip::cut_bytes;
use crate::output::ToolOutput;
use crate::prompt::one_line;
use crate::state::TestRun;

const PATHS_MAX: usize = 60;
const LINES_MAX: usize = 12;
const SAID_MAX: usize = 4;
const SAID_BYTES_MAX: usize = 700;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    reads: BTreeMap<String, u64>,
    edits: BTreeMap<String, (u64, u64, u64)>,
    runs: VecDeque<String>,
    tests: VecDeque<String>,
    commands: u64,
    test_runs: u64,
    said: VecDeque<String>,
}

fn push(lines: &mut VecDeque<String>, line: String, max: usize) {
    lines.push_back(line);
    if lines.len() > max {
        lines.pop_front();
    }
}

impl Ledger {
    pub(crate) fn read(&mut self, target: &str, done: bool) {
        if done && (self.reads.len() < PATHS_MAX || self.reads.contains_key(target)) {
            *self.reads.entry(one_line(target, 160)).or_default() += 1;
        }
    }

    pub(crate) fn edited(&mut self, path: &str, output: &ToolOutput) {
        let (Some(added), Some(removed)) = (output.added, output.removed) else {
            return;
        };
        if self.edits.len() < PATHS_MAX || self.edits.contains_key(path) {
            let row = self.edits.entry(one_line(path, 160)).or_default();
            row.0 += 1;
            row.1 = row.1.saturating_add(added);
            row.2 = row.2.saturating_add(removed);
        }
    }

    pub(crate) fn ran(&mut self, line: &str, output: &ToolOutput) {
        self.commands += 1;
        let how = match output.exit_code {
            Some(code) => format!("exit code {code}"),
            None => format!("{:?}", output.status).to_lowercase(),
        };
        let line = format!("{}: {how}", one_line(line, 120));
        push(&mut self.runs, line, LINES_MAX);
    }

    pub(crate) fn tested(&mut self, run: &TestRun) {
        self.test_runs += 1;
        push(&mut self.tests, run.words(), LINES_MAX);
    }

    pub(crate) fn said(&mut self, text: &str) {
        if !text.is_empty() {
            push(&mut self.said, cut_bytes(text, SAID_BYTES_MAX), SAID_MAX);
        }
    }

    /// For people: `edited till/total.py 3 times, ran the tests 5 times`.
    pub(crate) fn tried(&self) -> String {
        const NAMED_MAX: usize = 4;
        let times = |n: u64| match n {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            n => format!("{n} times"),
        };
        let mut parts: Vec<String> = self
            .edits
            .iter()
            .take(NAMED_MAX)
            .map(|(path, row)| format!("edited {path} {}", times(row.0)))
            .collect();
        if self.edits.len() > NAMED_MAX {
            parts.push(format!(
                "edited {} more files",
                self.edits.len() - NAMED_MAX
            ));
        }
        if self.commands > 0 {
            parts.push(format!("ran commands {}", times(self.commands)));
        }
        if self.test_runs > 0 {
            parts.push(format!("ran the tests {}", times(self.test_runs)));
        }
        parts.join(", ")
    }

    /// For the model, in place of what it no longer sees.
    pub(crate) fn summary(&self) -> String {
        let mut out = String::from(
            "The start of this conversation was left out to make room. What was done in it:\n",
        );
        if !self.edits.is_empty() {
            out.push_str("\nFiles edited (the edits are in the files):\n");
            for (path, (times, added, removed)) in &self.edits {
                out.push_str(&format!("- {path}: {times} edits, +{added} -{removed}\n"));
            }
        }
        if !self.reads.is_empty() {
            let names: Vec<&str> = self.reads.keys().map(String::as_str).collect();
            let names = names.join(", ");
            out.push_str(&format!(
                "\nRead, listed or searched: {}\n",
                cut_bytes(&names, 2400)
            ));
        }
        if !self.runs.is_empty() {
            out.push_str("\nLast commands:\n");
            for line in &self.runs {
                out.push_str(&format!("- {line}\n"));
            }
        }
        if !self.tests.is_empty() {
            let runs: Vec<&str> = self.tests.iter().map(String::as_str).collect();
            out.push_str(&format!("\nTest runs, oldest first: {}\n", runs.join("; ")));
        }
        if !self.said.is_empty() {
            out.push_str("\nWhat you said, oldest first:\n");
            for text in &self.said {
                out.push_str(&format!("- {text}\n"));
            }
        }
        out.push_str("\nRead a file again before you edit it.");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_says_what_was_tried() {
        let mut ledger = Ledger::default();
        for i in 0..1000 {
            ledger.read(&format!("src/{i}.rs"), true);
            ledger.edited(&format!("src/{i}.rs"), &ToolOutput::edited(2, 1, "", &[]));
            ledger.ran("make", &ToolOutput::failed("x"));
            ledger.said(&"words ".repeat(1000));
        }
        let summary = ledger.summary();
        assert!(summary.len() < 12_000, "{}", summary.len());
        assert!(summary.contains("- src/0.rs: 1 edits, +2 -1"));
        assert!(
            ledger
                .tried()
                .ends_with("edited 56 more files, ran commands 1000 times")
        );
    }
}
