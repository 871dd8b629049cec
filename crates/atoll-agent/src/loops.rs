//! Noticing that a model goes in circles.

use std::collections::{BTreeSet, VecDeque};

use atoll_domain::Hash;

use crate::output::{Status, ToolOutput};

/// How far back equal calls are looked for.
const MARKS_MAX: usize = 48;
const SAME_WARN: usize = 3;
const SAME_STOP: usize = 5;
const BACK_WARN: u64 = 2;
const BACK_STOP: u64 = 4;
const FAIL_WARN: u64 = 6;
const FAIL_STOP: u64 = 12;
/// States of the workspace that are remembered in a turn.
const STATES_MAX: usize = 4096;

/// What a turn's calls looked like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loops {
    /// Call and result of the calls since the workspace last came to a new state.
    marks: VecDeque<(u64, u64)>,
    /// States that the workspace was in.
    states: BTreeSet<u64>,
    /// How often an edit led back to one of them.
    back: u64,
    /// Failed calls, one after the other.
    fails: u64,
    /// What is to be said at the end of the round.
    due: Option<Due>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    Warn(&'static str),
    Stop(&'static str),
}

/// What the round's end makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    Warn(String),
    Stop(String),
}

/// A digest of what a text says, numbers aside: times and addresses differ in each run.
fn mark(parts: &[&str], numbers: bool) -> u64 {
    let mut joined = parts.join("\u{1f}");
    if !numbers {
        joined.retain(|c| !c.is_ascii_digit());
    }
    let Hash(bytes) = Hash::of(joined.as_bytes());
    bytes[..8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

impl Loops {
    /// A new turn's, in the state that the workspace is in.
    pub(crate) fn new(tree: Option<&str>) -> Loops {
        let mut loops = Loops::default();
        if let Some(tree) = tree {
            loops.states.insert(mark(&[tree], true));
        }
        loops
    }

    /// A call and its result; `state`: what names the workspace's state after an edit that was made.
    pub(crate) fn saw(
        &mut self,
        name: &str,
        arguments: &str,
        out: &ToolOutput,
        state: Option<&str>,
    ) {
        if let Some(state) = state {
            self.fails = 0;
            if self.states.len() < STATES_MAX && self.states.insert(mark(&[state], true)) {
                self.marks.clear();
                return;
            }
            self.back += 1;
            if self.back >= BACK_STOP {
                self.due(Due::Stop("the edits went back and forth"));
            } else if self.back == BACK_WARN {
                self.due(Due::Warn(
                    "Your edits go back and forth between states that were there before. Stop editing, read the code and the failure again, and find out what is really wrong.",
                ));
            }
        }
        let one = (mark(&[name, arguments], true), mark(&[&out.text], false));
        self.marks.push_back(one);
        if self.marks.len() > MARKS_MAX {
            self.marks.pop_front();
        }
        let same = self.marks.iter().filter(|m| **m == one).count();
        if same >= SAME_STOP {
            self.due(Due::Stop(
                "the same call was made again and again with the same result",
            ));
        } else if same == SAME_WARN {
            self.due(Due::Warn(
                "You made the same call three times and got the same result each time. It will not change: do something else, or call `finish` with `solved: false` and say what is in the way.",
            ));
        }
        let failed = matches!(
            out.status,
            Status::Failed | Status::Rejected | Status::Denied
        );
        self.fails = if failed { self.fails + 1 } else { 0 };
        if self.fails >= FAIL_STOP {
            self.due(Due::Stop("one call after the other failed"));
        } else if self.fails == FAIL_WARN {
            self.due(Due::Warn(
                "Your last calls all failed. Read their errors: check the names and arguments of the tools, and read a file before you edit it.",
            ));
        }
    }

    fn due(&mut self, due: Due) {
        if !matches!(self.due, Some(Due::Stop(_))) {
            self.due = Some(due);
        }
    }

    /// What is due, once.
    pub(crate) fn verdict(&mut self) -> Verdict {
        match self.due.take() {
            None => Verdict::Fine,
            Some(Due::Warn(text)) => Verdict::Warn(text.into()),
            Some(Due::Stop(why)) => Verdict::Stop(why.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_call_with_the_same_result_is_a_loop() {
        let mut loops = Loops::new(None);
        for i in 1..=5 {
            let out = ToolOutput::read(&format!("1 failed in 0.{i} s"), None);
            loops.saw("run", "make", &out, None);
            match (i, loops.verdict()) {
                (1 | 2 | 4, Verdict::Fine) | (3, Verdict::Warn(_)) | (5, Verdict::Stop(_)) => {}
                (i, other) => panic!("{i}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_arguments_or_results_or_new_states_are_progress() {
        let mut loops = Loops::new(Some("t0"));
        let out = ToolOutput::read("same", None);
        for i in 0..20 {
            loops.saw("read_file", &format!("{{\"start_line\":{i}}}"), &out, None);
            loops.saw("test", "{}", &out, None);
            loops.saw("edit", "x", &out, Some(&format!("t{}", i + 1)));
            assert_eq!(loops.verdict(), Verdict::Fine);
        }
    }

    #[test]
    fn edits_back_and_forth_and_rows_of_failures_are_noticed() {
        let mut loops = Loops::new(Some("a"));
        let out = ToolOutput::edited(1, 1, "", &[]);
        let mut seen = Vec::new();
        for (i, state) in ["b", "a", "b", "a", "b"].iter().enumerate() {
            loops.saw("edit", &i.to_string(), &out, Some(state));
            seen.push(loops.verdict());
        }
        assert!(matches!(seen[2], Verdict::Warn(_)), "{seen:?}");
        assert!(matches!(seen[4], Verdict::Stop(_)), "{seen:?}");
        let mut loops = Loops::new(None);
        let bad = ToolOutput::rejected("no");
        let verdicts: Vec<Verdict> = (0..12)
            .map(|i| {
                loops.saw("edit", &i.to_string(), &bad, None);
                loops.verdict()
            })
            .collect();
        assert!(matches!(verdicts[5], Verdict::Warn(_)));
        assert!(matches!(verdicts[11], Verdict::Stop(_)));
    }
}
