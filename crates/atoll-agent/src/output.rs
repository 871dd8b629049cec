//! What a tool gave: recorded with `ToolResult`, read by the fold.

use atoll_domain::{Outcome, Part, Reason, Unit};
use serde::{Deserialize, Serialize};

use crate::clip::clip;
use crate::counts::{parse_counts, parse_skipped};
use crate::report;

/// What is recorded of one output at most, in bytes. The context takes less.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// Of that, room for how a command ended.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// How a tool call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was done. A command that ran and failed is done too: see `exit_code`.
    Done,
    /// It was tried and failed, and that is known.
    Failed,
    /// The guard, or a person at a gate, said no.
    Denied,
    /// The call was malformed and nothing was tried.
    Rejected,
    /// It began and nobody saw its end.
    Unknown,
    /// Someone stopped it; the turn ends.
    Cancelled,
    /// A budget is used up; the turn ends.
    Limit,
}

/// A tool's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// How it ended.
    pub status: Status,
    /// What the model reads.
    pub text: String,
    /// A command's exit code, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Tests passed, where the output says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<u64>,
    /// Tests failed, where the output says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Tests skipped, where the output says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// Lines added by an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    /// Lines removed by an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    /// The picture that was read for a model that takes some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Part>,
    /// The limit that was reached: `money`, `tokens`, `seconds`, `runs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

impl ToolOutput {
    fn of(status: Status, text: impl AsRef<str>) -> ToolOutput {
        ToolOutput {
            status,
            text: clip(text.as_ref(), usize::MAX, RECORD_BYTES_MAX),
            exit_code: None,
            passed: None,
            failed: None,
            skipped: None,
            added: None,
            removed: None,
            picture: None,
            unit: None,
        }
    }

    /// A read, list or search. `more` says how to get what is not in `text`.
    pub fn read(text: &str, more: Option<&str>) -> ToolOutput {
        let text = if text.is_empty() { "(nothing)" } else { text };
        match more {
            Some(more) => ToolOutput::of(Status::Done, format!("{text}\n[{more}]")),
            None => ToolOutput::of(Status::Done, text),
        }
    }

    /// A picture that was read: `text` says which, `media_type` what it is, `data` is its bytes in base64.
    pub fn pictured(text: &str, media_type: String, data: String) -> ToolOutput {
        ToolOutput {
            picture: Some(Part::Image { media_type, data }),
            ..ToolOutput::read(text, None)
        }
    }

    /// A value that was taken out of an unread content.
    pub fn extracted(value: &serde_json::Value) -> ToolOutput {
        ToolOutput::of(Status::Done, format!("The value is {value}."))
    }

    /// An edit that was written. `diff` is short; `tolerated` says what did not match exactly.
    pub fn edited(added: u64, removed: u64, diff: &str, tolerated: &[String]) -> ToolOutput {
        let mut text = format!("Edited: +{added} -{removed}.");
        for what in tolerated {
            text.push_str(&format!("\nNote: {what}."));
        }
        if !diff.trim().is_empty() {
            text.push('\n');
            text.push_str(&clip(diff, 60, 6000));
        }
        ToolOutput {
            added: Some(added),
            removed: Some(removed),
            ..ToolOutput::of(Status::Done, text)
        }
    }

    /// A command or test run that started. Why it ended early is said before its output.
    pub fn job(outcome: &Outcome) -> ToolOutput {
        let joined = match (outcome.stdout.trim_end(), outcome.stderr.trim_end()) {
            (out, "") => out.to_owned(),
            ("", err) => err.to_owned(),
            (out, err) => format!("{out}\n[standard error]\n{err}"),
        };
        let joined = report::readable(&joined);
        let joined = joined.trim_end();
        let (passed, failed) = parse_counts(joined);
        let mut lines = vec![ended(outcome)];
        if let Some(hint) = outcome.detail.as_ref().and_then(|d| d.hint.as_deref()) {
            lines.push(clip(hint, 20, HEAD_BYTES_MAX / 2));
        }
        if outcome.truncated {
            lines.push("Some of the output was dropped.".to_owned());
        }
        lines.push(if joined.is_empty() {
            "(no output)".to_owned()
        } else {
            report::digest(joined, usize::MAX, RECORD_BYTES_MAX - HEAD_BYTES_MAX)
        });
        let status = match outcome.reason {
            Some(Reason::Cancelled) => Status::Cancelled,
            Some(Reason::Denied) => Status::Denied,
            Some(Reason::Lost) => Status::Unknown,
            Some(Reason::Sandbox | Reason::OutsideSubset) => Status::Failed,
            _ => Status::Done,
        };
        ToolOutput {
            exit_code: outcome.exit_code,
            passed,
            failed,
            skipped: parse_skipped(joined),
            ..ToolOutput::of(status, lines.join("\n"))
        }
    }

    /// It was tried and failed: an adapter's error in its own words.
    pub fn failed(words: &str) -> ToolOutput {
        ToolOutput::of(Status::Failed, words)
    }

    /// The guard, or a person, said no. `rules` are the deciding ones.
    pub fn denied(rules: &[String], why: &str) -> ToolOutput {
        let by = if rules.is_empty() {
            String::new()
        } else {
            format!(" ({})", rules.join(", "))
        };
        ToolOutput::of(
            Status::Denied,
            format!("Denied{by}: {why}\nDon't try it again; find a way without it."),
        )
    }

    /// A malformed call, answered without an effect.
    pub fn rejected(why: &str) -> ToolOutput {
        ToolOutput::of(Status::Rejected, why)
    }

    /// It began and nobody saw its end.
    pub fn unknown() -> ToolOutput {
        ToolOutput::of(
            Status::Unknown,
            "Its outcome is unknown: the node stopped while it ran. It may have happened, in part or whole. Look before you repeat it.",
        )
    }

    /// Whether it was stopped.
    pub fn is_cancelled(&self) -> bool {
        self.status == Status::Cancelled
    }

    /// Someone stopped it.
    pub fn cancelled() -> ToolOutput {
        ToolOutput::of(Status::Cancelled, "It was stopped.")
    }

    /// A budget is used up.
    pub fn limit(unit: Unit, words: &str) -> ToolOutput {
        ToolOutput {
            unit: Some(unit),
            ..ToolOutput::of(Status::Limit, words)
        }
    }

    /// Whether it did what it was for: what `ToolResult.ok` records.
    pub fn ok(&self) -> bool {
        self.status == Status::Done && self.exit_code.unwrap_or(0) == 0
    }
}

fn ended(outcome: &Outcome) -> String {
    let wall = outcome.usage.wall_ms;
    let took = format!("{}.{} s", wall / 1000, wall % 1000 / 100);
    match (outcome.reason, outcome.exit_code, outcome.signal) {
        (Some(Reason::Timeout), ..) => format!("It was ended after {took}: its time was up."),
        (Some(reason), ..) => format!("It was ended after {took}: {}.", reason.name()),
        (None, Some(code), _) => format!("Exit code {code}, {took}."),
        (None, None, Some(signal)) => format!("Ended by signal {signal}, {took}."),
        (None, None, None) => format!("Ended, {took}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::{JobId, Ms};

    fn outcome() -> Outcome {
        let job = JobId::new(Ms(1), [0; 10]);
        let mut outcome = Outcome::unrun(job, Reason::Lost, "");
        (outcome.reason, outcome.detail) = (None, None);
        outcome
    }

    #[test]
    fn a_job_says_how_it_ended_and_what_its_tests_did() {
        let mut run = outcome();
        run.exit_code = Some(1);
        run.stdout = "1 failed, 8 passed in 0.03s".into();
        run.usage.wall_ms = 840;
        let out = ToolOutput::job(&run);
        assert_eq!(out.status, Status::Done);
        assert!(!out.ok());
        assert_eq!((out.passed, out.failed), (Some(8), Some(1)));
        assert!(
            out.text.starts_with("Exit code 1, 0.8 s.\n"),
            "{}",
            out.text
        );
        run.reason = Some(Reason::Timeout);
        assert!(ToolOutput::job(&run).text.contains("its time was up"));
        run.reason = Some(Reason::Cancelled);
        assert_eq!(ToolOutput::job(&run).status, Status::Cancelled);
    }

    #[test]
    fn it_is_recorded_bounded_and_read_again() {
        let out = ToolOutput::read(&"line\n".repeat(100_000), Some("more from line 7"));
        assert!(out.text.len() < RECORD_BYTES_MAX + 100);
        assert!(out.text.ends_with("[more from line 7]"));
        let json = atoll_domain::canonical_json(&out).unwrap();
        assert_eq!(serde_json::from_slice::<ToolOutput>(&json).unwrap(), out);
    }
}
