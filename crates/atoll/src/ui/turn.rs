//! A turn as it goes: from updates to lines.

use atoll_api::{Progress, Update};
use atoll_domain::{Shown, TestEvidence, shell_words};

use unicode_width::UnicodeWidthStr;

use crate::ui::words::{bytes, plural, span};
use crate::ui::{Style, wrap};

const LABEL: usize = 8;
/// Lines of the agent's words that are shown; `atoll log show` has the rest.
const WORDS_LINES_MAX: usize = 6;

/// What a turn's renderer remembers from update to update.
#[derive(Debug)]
pub struct Turn {
    style: Style,
    tool: Option<(String, String)>,
    steps: (u64, u64),
    doing: String,
    streamed_bytes: u64,
}

/// `pytest -q: 1 failed, 8 passed`.
pub fn evidence(e: &TestEvidence) -> String {
    let cmd = shell_words(&e.cmd);
    format!("{}: {}", Shown::line(&cmd), e.words())
}

/// What a small model that is led would write instead of a line: of its whole reply, that is what it says.
fn line_of(text: &str) -> Option<String> {
    let inside = text.trim().strip_prefix('{')?.trim_start();
    let led = ["\"wrong\"", "\"line\""];
    led.iter().find_map(|head| inside.strip_prefix(head))?;
    let value: serde_json::Value = serde_json::from_str(text.trim()).unwrap_or_default();
    let field = |name: &str| value[name].as_str();
    Some(
        match (field("right"), field("line"), field("replace"), field("by")) {
            (Some(right), ..) => right.to_owned(),
            (_, Some(line), Some(part), Some(by)) => format!("{part} -> {by} in {line}"),
            _ => "(a reply that has no end)".to_owned(),
        },
    )
}

/// A tool's name, as people say it.
fn word(tool: &str) -> &str {
    match tool {
        "read_file" => "read",
        other => other,
    }
}

impl Turn {
    /// At its beginning.
    pub fn new(style: Style) -> Turn {
        Turn {
            style,
            tool: None,
            steps: (0, 0),
            doing: "starting".into(),
            streamed_bytes: 0,
        }
    }

    /// What goes on, in one line without its time: for a line that is written over, and for heartbeats.
    pub fn now(&self) -> String {
        let step = match self.steps {
            (0, _) => String::new(),
            (n, 0) => format!("step {n}, "),
            (n, max) => format!("step {n} of {max}, "),
        };
        format!("{step}{}", self.doing)
    }

    /// The page is so wide now.
    pub fn fit(&mut self, columns: usize) {
        self.style.columns = columns;
    }

    fn line(&self, label: &str, text: &str, right: &str) -> String {
        let edged = self.style.edges(&format!("{label:<LABEL$}{text}"), right);
        format!("{}\n", edged.trim_end())
    }

    fn prose(&self, label: &str, text: &str) -> String {
        let shown = Shown::text(text.trim());
        let room = self.style.columns.saturating_sub(LABEL).max(20);
        let lines = wrap(shown.as_str(), room);
        let mut out = String::new();
        for (i, line) in lines.iter().take(WORDS_LINES_MAX).enumerate() {
            let head = if i == 0 { label } else { "" };
            out.push_str(format!("{head:<LABEL$}{}", self.style.dim(line)).trim_end());
            out.push('\n');
        }
        if lines.len() > WORDS_LINES_MAX {
            let more = plural((lines.len() - WORDS_LINES_MAX) as u64, "more line");
            out.push_str(&format!(
                "{:LABEL$}{}\n",
                "",
                self.style.dim(&format!("… {more} …"))
            ));
        }
        out
    }

    /// The lines of an update; empty if it changes only [`Turn::now`].
    pub fn update(&mut self, update: &Update) -> String {
        match &update.progress {
            Progress::Opened {
                ordinal,
                model,
                steps_max,
            } => {
                self.steps.1 = *steps_max;
                self.line("session", &format!("{ordinal}, {}", Shown::line(model)), "")
            }
            Progress::Forked {
                ordinal,
                parent,
                model,
                steps_max,
                ..
            } => {
                self.steps.1 = *steps_max;
                let text = format!("{ordinal}, a fork of {parent}, {}", Shown::line(model));
                self.line("session", &text, "")
            }
            Progress::Snapped {
                files,
                masked,
                skipped,
            } => self.snapped(*files, *masked, *skipped),
            Progress::Prompt {
                text, steer: true, ..
            } => self.prose("you", text),
            Progress::Asking { .. } => {
                self.steps.0 += 1;
                self.streamed_bytes = 0;
                self.doing = "the model thinks".into();
                String::new()
            }
            Progress::Text { text } | Progress::Reasoning { text } => {
                self.streamed_bytes += text.len() as u64;
                let does = match update.progress {
                    Progress::Reasoning { .. } => "thinks",
                    _ => "writes",
                };
                let so_far = bytes(self.streamed_bytes);
                self.doing = format!("the model {does}, {so_far}");
                String::new()
            }
            Progress::Retrying { .. } => self.retrying(&update.progress),
            Progress::Replied { text, .. } => {
                self.doing = "working".into();
                if text.trim().is_empty() {
                    String::new()
                } else if let Some(line) = line_of(text) {
                    self.line("agent", &line, "")
                } else {
                    self.prose("agent", text)
                }
            }
            Progress::ReplyFailed { reason, words, .. } => {
                // Its end says what to do: it is not cut.
                self.prose("model", &format!("failed, {reason}: {words}"))
            }
            _ => self.work(update),
        }
    }

    /// `the provider says wait 20 s (429), try 2 of 5`.
    fn retrying(&mut self, progress: &Progress) -> String {
        let Progress::Retrying {
            wait_ms,
            reason,
            status,
            asked,
            attempt,
            attempts_max,
        } = progress
        else {
            return String::new();
        };
        let why = match (status, reason.as_str()) {
            (_, "unreachable") => "can't be reached".to_owned(),
            (Some(status), _) => status.to_string(),
            (None, reason) => Shown::line(reason).to_string(),
        };
        let wait = span(*wait_ms);
        let mut text = match asked {
            true => format!("the provider says wait {wait} ({why})"),
            false => format!("no answer ({why}), waiting {wait}"),
        };
        if *attempts_max > 0 {
            text.push_str(&format!(", try {attempt} of {attempts_max}"));
        }
        self.doing = text.clone();
        self.line("model", &text, "")
    }

    fn snapped(&mut self, files: u64, masked: u64, skipped: u64) -> String {
        self.doing = "preparing the private copy".into();
        let mut text = format!("private copy of {}", plural(files, "file"));
        if masked > 0 {
            text.push_str(&format!("; {} left out", plural(masked, "credential file")));
        }
        if skipped > 0 {
            text.push_str(&format!("; {} skipped", count_skipped(skipped)));
        }
        self.line("copy", &text, "")
    }

    fn tool_done(
        &mut self,
        tool: &str,
        ok: bool,
        line: &str,
        (added, removed): (u64, u64),
    ) -> String {
        let what = match self.tool.take() {
            Some((name, what)) if name == tool => what,
            _ => String::new(),
        };
        self.doing = "working".into();
        let right = match (ok, tool) {
            (true, "edit") => format!("+{added} -{removed}"),
            (true, _) => String::new(),
            (false, _) => "failed".into(),
        };
        let mut out = self.line(word(tool), &what, &right);
        if !ok && !line.trim().is_empty() {
            let said = Shown::line(line).cut(self.style.columns.saturating_sub(LABEL));
            out.push_str(&format!("{:LABEL$}{}\n", "", self.style.dim(said.as_str())));
        }
        out
    }

    /// Tools and tests.
    fn work(&mut self, update: &Update) -> String {
        match &update.progress {
            Progress::Tool { tool, what, .. } => {
                let what = Shown::line(what).to_string();
                self.doing = format!("{} {what}", word(tool));
                self.tool = Some((tool.clone(), what));
                String::new()
            }
            Progress::ToolDone {
                tool,
                ok,
                line,
                added,
                removed,
                ..
            } => self.tool_done(tool, *ok, line, (*added, *removed)),
            Progress::Tested {
                evidence: e,
                baseline,
            } => {
                self.tool = None;
                let when = if *baseline {
                    " (before any change)"
                } else {
                    ""
                };
                // However long the command is, how it went stays on the line.
                let how = format!(": {}{when}", e.words());
                let room = self.style.columns.saturating_sub(LABEL + how.width());
                let cmd = Shown::line(&shell_words(&e.cmd))
                    .cut(room.max(12))
                    .to_string();
                self.line("test", &format!("{cmd}{how}"), "")
            }
            _ => self.rest(update),
        }
    }

    fn rest(&mut self, update: &Update) -> String {
        match &update.progress {
            Progress::GateAnswered {
                ordinal,
                answer,
                by,
            } => {
                self.doing = "working".into();
                let (ordinal, answer) = (Shown::line(ordinal), Shown::line(answer));
                let by = Shown::line(by);
                let by = if by.as_str().is_empty() {
                    String::new()
                } else {
                    format!(", by {by}")
                };
                self.line("gate", &format!("{ordinal} was answered: {answer}{by}"), "")
            }
            Progress::Gate { gate } => {
                self.doing = format!("waiting for you at {}", Shown::line(&gate.ordinal));
                String::new()
            }
            Progress::Denied { what, rules } => {
                let text = format!("{}: {}", Shown::line(what), Shown::line(&rules.join(", ")));
                self.line("denied", &text, "")
            }
            Progress::Note { text } => self.prose("note", text),
            Progress::Parked { reason } => self.line("parked", Shown::line(reason).as_str(), ""),
            _ => String::new(),
        }
    }
}

fn count_skipped(skipped: u64) -> String {
    plural(skipped, "other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::{Ms, TreeId, Usage};

    fn tell(turn: &mut Turn, progress: Progress) -> String {
        turn.update(&Update {
            seq: Some(1),
            ts: Ms(1),
            session: None,
            progress,
        })
    }

    fn tested(failed: u64, passed: u64) -> TestEvidence {
        TestEvidence {
            cmd: vec!["pytest".into(), "-q".into()],
            tree: TreeId::parse(&"a".repeat(40)).unwrap(),
            ok: failed == 0,
            exit_code: Some(i32::from(failed > 0)),
            passed: Some(passed),
            failed: Some(failed),
            skipped: None,
            wall_ms: 800,
        }
    }

    fn first_minute() -> Vec<Progress> {
        vec![
            Progress::Opened {
                ordinal: "s1".into(),
                model: "ollama/m".into(),
                steps_max: 30,
            },
            Progress::Snapped {
                files: 12,
                masked: 1,
                skipped: 0,
            },
            Progress::Tested {
                evidence: tested(1, 8),
                baseline: true,
            },
            Progress::Asking { step: 2 },
            Progress::Replied {
                step: 2,
                text: "I'll look.".into(),
                usage: Usage::default(),
                micros: 0,
            },
            Progress::Tool {
                step: 3,
                tool: "read_file".into(),
                what: "till/total.py".into(),
            },
            Progress::ToolDone {
                step: 3,
                tool: "read_file".into(),
                ok: true,
                line: "1 | x".into(),
                added: 0,
                removed: 0,
            },
            Progress::Tool {
                step: 4,
                tool: "edit".into(),
                what: "till/total.py".into(),
            },
            Progress::ToolDone {
                step: 4,
                tool: "edit".into(),
                ok: true,
                line: "".into(),
                added: 2,
                removed: 1,
            },
            Progress::Tool {
                step: 5,
                tool: "run".into(),
                what: "rm -rf /\u{1b}[2J".into(),
            },
            Progress::ToolDone {
                step: 5,
                tool: "run".into(),
                ok: false,
                line: "denied".into(),
                added: 0,
                removed: 0,
            },
            Progress::Tested {
                evidence: tested(0, 9),
                baseline: false,
            },
        ]
    }

    #[test]
    fn a_turn_reads_as_in_the_first_minute() {
        let mut turn = Turn::new(Style::PLAIN);
        let mut out = String::new();
        for progress in first_minute() {
            out.push_str(&tell(&mut turn, progress));
        }
        let edit = format!("edit    till/total.py{:54}+2 -1\n", "");
        let run = format!("run     rm -rf /\\e[2J{:53}failed\n", "");
        assert_eq!(
            out,
            format!(
                "session s1, ollama/m\n\
                 copy    private copy of 12 files; 1 credential file left out\n\
                 test    pytest -q: 1 failed, 8 passed (before any change)\n\
                 agent   I'll look.\n\
                 read    till/total.py\n\
                 {edit}{run}        denied\n\
                 test    pytest -q: 9 passed\n"
            )
        );
        assert_eq!(turn.now(), "step 1 of 30, working");
    }

    #[test]
    fn a_wait_for_the_provider_is_told() {
        let retrying = |reason: &str, status, asked, attempts_max| Progress::Retrying {
            wait_ms: 20_000,
            reason: reason.into(),
            status,
            asked,
            attempt: 2,
            attempts_max,
        };
        let mut turn = Turn::new(Style::PLAIN);
        let mut say = |progress| tell(&mut turn, progress);
        assert_eq!(
            say(retrying("rate_limited", Some(429), true, 5)),
            "model   the provider says wait 20 s (429), try 2 of 5\n"
        );
        assert_eq!(
            say(retrying("server", Some(503), false, 5)),
            "model   no answer (503), waiting 20 s, try 2 of 5\n"
        );
        assert_eq!(
            say(retrying("unreachable", None, false, 3)),
            "model   no answer (can't be reached), waiting 20 s, try 2 of 3\n"
        );
        assert_eq!(
            turn.now(),
            "no answer (can't be reached), waiting 20 s, try 2 of 3"
        );
    }

    #[test]
    fn a_model_that_is_led_says_a_line() {
        let mut turn = Turn::new(Style::PLAIN);
        let mut say = |text: &str| {
            let text = text.to_owned();
            tell(
                &mut turn,
                Progress::Replied {
                    step: 1,
                    text,
                    usage: Usage::default(),
                    micros: 0,
                },
            )
        };
        let reply = r#"{ "wrong": "return a", "right": "return b"}"#;
        assert_eq!(say(reply), "agent   return b\n");
        let cut = r#"{"wrong": "return a", "right": "ret"#;
        assert_eq!(say(cut), "agent   (a reply that has no end)\n");
        let part = r#"{"line": "return a + 1", "replace": "1", "by": "2"}"#;
        assert_eq!(say(part), "agent   1 -> 2 in return a + 1\n");
        let other = r#"{"title": "x"}"#;
        assert_eq!(say(other), format!("agent   {other}\n"));
    }

    #[test]
    fn nothing_hostile_gets_through_and_long_words_are_cut() {
        let mut turn = Turn::new(Style::PLAIN);
        let text = format!("\u{1b}]0;owned\u{7}{}", "many words ".repeat(200));
        let out = tell(&mut turn, Progress::Note { text });
        assert!(out.chars().all(|c| !c.is_control() || c == '\n'), "{out:?}");
        assert!(
            out.lines().count() == WORDS_LINES_MAX + 1 && out.contains("more lines"),
            "{out}"
        );
    }
}
