//! Events of a session, as people watch them. A pure reading of the log: a watcher that comes back sees
//! the same again.

use std::collections::HashMap;

use atoll_agent::ToolOutput;
use atoll_api::Progress;
use atoll_domain::{Body, Event, Kind, Outcome, Step, TestEvidence, TreeId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::session::CallRecord;
use crate::shared::Shared;

/// A line's length, in characters.
const LINE_CHARS_MAX: usize = 200;

/// What must be remembered from event to event.
#[derive(Debug, Default)]
pub(crate) struct Viewer {
    /// Tools under way: name and call, by step.
    calls: HashMap<u64, (String, CallRecord)>,
    /// The last job's wall time, in milliseconds.
    wall_ms: u64,
    /// The copy's tree.
    tree: Option<TreeId>,
    /// The test command.
    test: Vec<String>,
    /// Model calls so far.
    steps: u64,
}

/// That another model goes on, and what stays behind.
fn switched(b: &atoll_domain::ModelSwitched, model: &str) -> String {
    let lost = match b.thoughts_lost {
        0 => String::new(),
        1 => "; a thought of the model before stays behind".into(),
        n => format!("; {n} thoughts of the model before stay behind"),
    };
    format!("{}/{model} goes on{lost}", b.provider)
}

/// A label that was gained or cleared. What every session begins with is no news.
fn labels_told(shared: &Shared, event: &Event, body: &Body) -> Option<String> {
    if !matches!(body, Body::Labelled(_) | Body::Declassified(_)) {
        return None;
    }
    // Whoever runs a single job knows what they gave it, and goes on with nothing of it.
    let row = event.session.and_then(|s| shared.log.session(&s).ok()?);
    if row.is_some_and(|row| row.mode == "exec") {
        return None;
    }
    match body {
        Body::Labelled(b) if !matches!(b.source.as_str(), "workspace" | "repository") => {
            let what = b.what.as_ref().map(|w| shared.words(w));
            let what = what.unwrap_or_else(|| crate::labels::bare(&b.source));
            Some(format!("this context is {} now: {what}", b.label.name()))
        }
        Body::Declassified(b) if b.files.is_none() => {
            let why = shared.words(&b.why);
            Some(format!("no longer {}: {why}", b.label.name()))
        }
        _ => None,
    }
}

impl Viewer {
    /// What an event shows; `None`: nothing to people.
    pub(crate) fn progress(&mut self, shared: &Shared, event: &Event) -> Option<Progress> {
        match event.typed() {
            Body::SessionOpened(b) => {
                let opened: Option<crate::session::Opened> = shared.json(&b.config);
                self.test = opened.and_then(|o| o.agent.test).unwrap_or_default();
                let model = shared.words(&b.model);
                let model = if model.is_empty() {
                    String::new()
                } else {
                    format!("{}/{model}", b.provider)
                };
                Some(Progress::Opened {
                    ordinal: shared.ordinal_of(&b.id),
                    model,
                    steps_max: b.steps_max,
                })
            }
            Body::SessionForked(b) => self.forked(shared, &b),
            Body::WorkspaceSnapped(b) => {
                self.tree = shared.tree(&b.tree);
                Some(Progress::Snapped {
                    files: b.files,
                    masked: b.masked,
                    skipped: b.skipped,
                })
            }
            Body::PromptSent(b) => Some(Progress::Prompt {
                turn: b.turn,
                text: shared.words(&b.text),
                steer: b.steer,
            }),
            Body::ModelAsked(b) => Some(Progress::Asking { step: b.step.0 }),
            Body::ReplyReceived(b) => {
                self.steps += 1;
                let message: Option<atoll_domain::Message> = shared.json(&b.message);
                let text = message.map(|m| m.joined_text()).unwrap_or_default();
                let text = restored(shared, event, text);
                Some(Progress::Replied {
                    step: b.step.0,
                    text,
                    usage: b.usage,
                    micros: b.micros,
                })
            }
            Body::ReplyFailed(b) => Some(Progress::ReplyFailed {
                step: b.step.0,
                reason: b.reason,
                words: shared.words(&b.words),
            }),
            Body::ToolCall(b) => {
                let record = shared.json(&b.call).unwrap_or(CallRecord {
                    id: String::new(),
                    by: String::new(),
                    target: String::new(),
                });
                let what = record.target.clone();
                self.calls.insert(b.step.0, (b.tool.clone(), record));
                Some(Progress::Tool {
                    step: b.step.0,
                    tool: b.tool,
                    what,
                })
            }
            Body::ToolResult(b) => self.tool_done(shared, b),
            Body::Compacted(_) => Some(Progress::Note {
                text: "the conversation was summarised to fit the model".into(),
            }),
            other => self.others(shared, event, other),
        }
    }

    fn others(&mut self, shared: &Shared, event: &Event, body: Body) -> Option<Progress> {
        match body {
            Body::ExecStarted(b) => Some(Progress::JobStarted { job: b.job }),
            Body::ExecOutput(b) => {
                let bytes = shared.log.content(&b.chunk).ok().flatten();
                let bytes = bytes.unwrap_or_default();
                let stream = if b.stream == 1 { "out" } else { "err" };
                Some(Progress::Output {
                    job: b.job,
                    stream: stream.into(),
                    bytes: BASE64.encode(&bytes),
                })
            }
            Body::Closed(b) if b.kind == Kind::Run => {
                let mut outcome: Outcome = shared.json(&b.outcome?)?;
                self.wall_ms = outcome.usage.wall_ms;
                // The output was shown as it came.
                (outcome.stdout, outcome.stderr) = (String::new(), String::new());
                Some(Progress::JobEnded {
                    outcome: Box::new(outcome),
                })
            }
            Body::GateOpened(b) => {
                let row = shared.log.gate(&b.gate).ok().flatten()?;
                Some(Progress::Gate {
                    gate: Box::new(shared.gate_view(&row)),
                })
            }
            Body::GateAnswered(b) => {
                let row = shared.log.gate(&b.gate).ok().flatten()?;
                let answer = serde_json::to_value(b.answer).ok()?;
                let answer = answer.as_str().unwrap_or_default().to_owned();
                Some(Progress::GateAnswered {
                    ordinal: format!("g{}", row.ordinal),
                    answer,
                    by: event.actor.id.clone(),
                })
            }
            Body::PolicyDenied(b) => Some(Progress::Denied {
                what: b.kind.name().into(),
                rules: b.rules,
            }),
            Body::PatchProposed(b) => {
                let row = shared.log.patch(&b.id).ok().flatten()?;
                Some(Progress::Patch {
                    patch: Box::new(shared.patch_detail(&row)),
                })
            }
            Body::TurnEnded(b) => {
                let spent = event
                    .session
                    .and_then(|s| shared.log.session(&s).ok().flatten())
                    .map(|r| r.spent);
                let words = restored(shared, event, shared.words(&b.words));
                Some(Progress::Ended {
                    end: b.end,
                    words,
                    spent: spent.unwrap_or_default(),
                    steps: self.steps,
                })
            }
            Body::TurnUndone(b) => Some(Progress::Undone { turn: b.turn }),
            Body::SessionParked(b) => Some(Progress::Parked { reason: b.reason }),
            Body::ModelSwitched(b) => Some(Progress::Note {
                text: switched(&b, &shared.words(&b.model)),
            }),
            Body::SessionResumed(b) if b.unknown > 0 => Some(Progress::Note {
                text: "what was under way when the node stopped has an unknown outcome".into(),
            }),
            other => labels_told(shared, event, &other).map(|text| Progress::Note { text }),
        }
    }

    /// A fork begins as its parent was opened.
    fn forked(&mut self, shared: &Shared, b: &atoll_domain::SessionForked) -> Option<Progress> {
        let row = shared.log.session(&b.id).ok().flatten()?;
        let opened: Option<crate::session::Opened> = shared.json(&row.config);
        let agent = opened.map(|o| o.agent).unwrap_or_default();
        self.test = agent.test.unwrap_or_default();
        self.tree = shared.tree(&b.tree);
        Some(Progress::Forked {
            ordinal: format!("s{}", row.ordinal),
            parent: shared.ordinal_of(&b.parent),
            seq: b.seq,
            model: shared.session_view(&row).model,
            steps_max: agent.steps_max,
        })
    }

    fn tool_done(&mut self, shared: &Shared, b: atoll_domain::ToolResult) -> Option<Progress> {
        if let Some(tree) = b.tree.as_ref().and_then(|t| shared.tree(t)) {
            self.tree = Some(tree);
        }
        let (tool, record) = self.calls.remove(&b.step.0)?;
        let output: Option<ToolOutput> = shared.json(&b.result);
        if tool == "test"
            && let Some(output) = &output
            && output.exit_code.is_some()
        {
            return Some(self.tested(output, &record));
        }
        let line = output
            .as_ref()
            .map(|o| first_line(&o.text))
            .unwrap_or_default();
        let count = |f: fn(&ToolOutput) -> Option<u64>| output.as_ref().and_then(f).unwrap_or(0);
        let Step(step) = b.step;
        let (added, removed) = (count(|o| o.added), count(|o| o.removed));
        Some(Progress::ToolDone {
            step,
            tool,
            ok: b.ok,
            line,
            added,
            removed,
        })
    }

    fn tested(&self, output: &ToolOutput, record: &CallRecord) -> Progress {
        let evidence = TestEvidence {
            cmd: self.test.clone(),
            tree: self.tree.clone().unwrap_or_else(no_tree),
            ok: output.ok(),
            exit_code: output.exit_code,
            passed: output.passed,
            failed: output.failed,
            skipped: output.skipped,
            wall_ms: self.wall_ms,
        };
        Progress::Tested {
            evidence,
            baseline: record.by == "baseline",
        }
    }
}

/// Git's empty tree: what is said where the tree was erased.
fn no_tree() -> TreeId {
    match TreeId::parse("4b825dc642cb6eb9a060e54bf8d69288fbee4904") {
        Some(tree) => tree,
        None => unreachable!("forty hex digits"),
    }
}

fn first_line(text: &str) -> String {
    let line = text
        .lines()
        .find(|l| !l.trim().is_empty())
        .unwrap_or_default()
        .trim();
    let plain = line.chars().map(|c| if c == '\t' { ' ' } else { c });
    let mut out: String = plain.take(LINE_CHARS_MAX).collect();
    if out.len() < line.len() {
        out.push('…');
    }
    out
}

/// One line of `session show`: what, the line, whether it did what it was for.
pub(crate) fn line(progress: &Progress) -> Option<(String, String, Option<bool>)> {
    let row = match progress {
        Progress::Snapped { files, .. } => {
            ("snapshot".into(), format!("{files} files"), Some(true))
        }
        Progress::Replied { text, usage, .. } if text.trim().is_empty() => (
            "model".into(),
            format!("{} tokens", usage.input_tokens + usage.output_tokens),
            Some(true),
        ),
        Progress::Replied { text, .. } => ("model".into(), first_line(text), Some(true)),
        Progress::ReplyFailed { reason, words, .. } => (
            "model".into(),
            format!("{reason}: {}", first_line(words)),
            Some(false),
        ),
        Progress::Tool { tool, what, .. } => (tool_word(tool).into(), first_line(what), None),
        Progress::ToolDone {
            tool,
            ok,
            line,
            added,
            removed,
            ..
        } => {
            let line = if tool == "edit" && *ok {
                format!("+{added} -{removed}")
            } else {
                line.clone()
            };
            (String::new(), line, Some(*ok))
        }
        Progress::Tested { evidence, .. } => (String::new(), evidence.words(), Some(evidence.ok)),
        Progress::Gate { gate } => (
            "gate".into(),
            format!("{} {}", gate.ordinal, first_line(&gate.question.what)),
            None,
        ),
        Progress::GateAnswered {
            ordinal,
            answer,
            by,
        } => ("gate".into(), format!("{ordinal} {answer}, by {by}"), None),
        Progress::Denied { what, rules } => {
            let line = format!("{what}: {}", rules.join(", "));
            ("denied".into(), line, Some(false))
        }
        Progress::Patch { patch } => {
            let line = format!("{} {}", patch.view.ordinal, patch.view.title);
            ("patch".into(), line, Some(true))
        }
        Progress::Note { text } => ("note".into(), first_line(text), None),
        Progress::JobEnded { outcome } => {
            let how = outcome
                .reason
                .map_or_else(|| "ended".to_owned(), |r| r.name().to_owned());
            (
                "job".into(),
                format!("{how}, {} ms", outcome.usage.wall_ms),
                Some(outcome.ok),
            )
        }
        Progress::Ended { end, words, .. } => {
            ("end".into(), first_line(words), Some(end.exit_code() == 0))
        }
        Progress::Parked { reason } => ("parked".into(), reason.clone(), None),
        other => return of_turn(other),
    };
    Some(row)
}

/// The same, of where a turn begins and what becomes of it.
fn of_turn(progress: &Progress) -> Option<(String, String, Option<bool>)> {
    let row = match progress {
        Progress::Prompt {
            text, steer: true, ..
        } => ("steer".into(), first_line(text), None),
        Progress::Prompt { text, turn, .. } => (format!("turn {turn}"), first_line(text), None),
        Progress::Undone { turn } => (
            "undone".into(),
            format!("turn {turn}: its changes of the copy were taken back"),
            None,
        ),
        Progress::Forked { parent, seq, .. } => (
            "forked".into(),
            format!("from {parent} at event {seq}"),
            None,
        ),
        _ => return None,
    };
    Some(row)
}

fn tool_word(tool: &str) -> &'static str {
    match tool {
        "read_file" => "read",
        "list" => "list",
        "search" => "search",
        "edit" => "edit",
        "run" => "run",
        "test" => "test",
        "finish" => "finish",
        _ => "tool",
    }
}

/// For who watches: what was taken out of what the model got stands in its words again.
fn restored(shared: &Shared, event: &Event, text: String) -> String {
    match event.session {
        Some(session) => shared.restored(session, text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_is_a_tree() {
        assert_eq!(no_tree().as_str().len(), 40);
    }
}
