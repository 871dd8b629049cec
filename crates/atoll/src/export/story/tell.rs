//! What each event adds to the story.

use atoll_api::{PatchRecord, Question};
use atoll_domain::{
    Body, Budget, ClosedHow, Event, GateAnswerKind, Kind, Message, Outcome, Part, PatchClass,
    test_words,
};
use serde_json::Value;

use super::{Block, Mark, Row, Said, Turn, Words, Writer, row, who};
use crate::ui::ended;
use crate::ui::words::{count, dollars, plural, span};

fn text<'a>(words: &'a Words, field: &str) -> &'a str {
    words.get(field).map_or("", |said| said.text.as_str())
}

fn json(words: &Words, field: &str) -> Option<Value> {
    serde_json::from_str(text(words, field)).ok()
}

fn read<T: serde::de::DeserializeOwned>(words: &Words, field: &str) -> Option<T> {
    serde_json::from_str(text(words, field)).ok()
}

fn string(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn file(words: &Words, field: &str) -> Option<Block> {
    let said: &Said = words.get(field)?;
    said.file.clone().map(Block::File)
}

fn limits(budget: &Budget) -> String {
    let parts = [
        budget.micros_max.map(dollars),
        budget.tokens_max.map(|n| format!("{} tokens", count(n))),
        budget.ms_max.map(|ms| format!("{} per turn", span(ms))),
        budget.runs_max.map(|n| plural(n, "run")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Why the guard said no, in words.
fn verdict(verdict: &str) -> &str {
    match verdict {
        "deny" => "the policy says no",
        "ask" => "it needs a person, and this run denies what it would ask",
        "error" => "a rule could not be evaluated",
        "budget" => "over the budget",
        "full" => "the log was full",
        "expired" => "the answer came too late",
        other => other,
    }
}

impl Writer {
    /// One event, with its contents.
    pub fn take(&mut self, event: &Event, words: &Words) {
        match event.typed() {
            Body::SessionOpened(b) => {
                let model = text(words, "model");
                let about = [
                    ("folder", text(words, "root").to_owned()),
                    ("mode", b.mode),
                    (
                        "model",
                        match model {
                            "" => String::new(),
                            model => format!("{}/{model}", b.provider),
                        },
                    ),
                    ("profile", b.profile),
                    ("budget", limits(&b.budget)),
                    (
                        "agent",
                        match b.revision.as_str() {
                            "" => String::new(),
                            revision => format!("revision {revision}"),
                        },
                    ),
                ];
                self.story.about = about.into_iter().filter(|(_, v)| !v.is_empty()).collect();
            }
            Body::PromptSent(b) => self.prompt(event, b.turn, b.steer, words),
            Body::ReplyReceived(b) => {
                let turn = self.turn();
                turn.input_tokens += b.usage.input_tokens;
                turn.output_tokens += b.usage.output_tokens;
                turn.micros += b.micros;
                self.reply(event, &b.usage, b.micros, words);
            }
            Body::ReplyFailed(b) => {
                let words = self.text("what the provider said", text(words, "words"), false);
                let head = format!("no reply: {}", b.reason);
                self.push(event, row("model", head).mark(Mark::Bad).with(words));
            }
            Body::ToolCall(b) => self.call(event, b.step.0, &b.tool, words),
            Body::ToolResult(b) => self.result(b.step.0, b.ok, words),
            Body::TurnEnded(b) => {
                let good = b.end.exit_code() == 0;
                let mark = if good { Mark::Good } else { Mark::Bad };
                let head = format!("turn {} ended: {}", b.turn, ended(b.end));
                let words = self.text("in words", text(words, "words"), false);
                self.push(event, row("end", head).mark(mark).with(words));
                self.turn().end = Some(b.end);
            }
            other => self.decided(event, other, words),
        }
    }

    fn prompt(&mut self, event: &Event, number: u64, steer: bool, words: &Words) {
        if !steer {
            self.story.turns.push(Turn {
                number,
                ..Turn::default()
            });
        }
        let head = if steer { "steers" } else { "asks" };
        let head = format!("{} {head}", who(&event.actor));
        let said = match text(words, "text") {
            "" => Some(Block::Rows(vec![("words", "erased, or left out".into())])),
            words => self.text("", words, false),
        };
        self.push(event, row("you", head).with(said));
    }

    fn reply(&mut self, event: &Event, usage: &atoll_domain::Usage, micros: u64, words: &Words) {
        let message: Option<Message> = read(words, "message");
        let used = format!(
            "{} tokens in, {} out",
            count(usage.input_tokens),
            count(usage.output_tokens)
        );
        let paid = if micros > 0 {
            format!(", {}", dollars(micros))
        } else {
            String::new()
        };
        let mut reply = row("model", format!("{used}{paid}"));
        match message {
            None => {
                let raw = self.text("the reply", text(words, "message"), true);
                reply = reply.with(raw);
            }
            Some(message) => {
                for part in &message.content {
                    if let Part::Reasoning { text, .. } = part {
                        let thought = self.text("thoughts", text, true);
                        reply = reply.with(thought);
                    }
                }
                let said = self.text("", &message.joined_text(), false);
                reply = reply.with(said);
                for call in message.tool_calls {
                    self.calls.insert(call.id, call.arguments);
                }
            }
        }
        self.push(event, reply);
    }

    fn call(&mut self, event: &Event, step: u64, tool: &str, words: &Words) {
        let call = json(words, "call").unwrap_or_default();
        let tag = match tool {
            "read_file" => "read",
            other => other,
        };
        let by = string(&call, "by");
        let by = match by.as_str() {
            "" | "model" => String::new(),
            by => format!(" ({by})"),
        };
        let head = format!("{}{by}", string(&call, "target"));
        let head = if head.trim().is_empty() {
            tool.to_owned()
        } else {
            head
        };
        let arguments = self.calls.remove(&string(&call, "id")).unwrap_or_default();
        let arguments = match arguments.trim() {
            "" | "{}" => None,
            arguments => self.text("the call", arguments, true),
        };
        if let Some(at) = self.push(event, row(tag, head).with(arguments)) {
            self.tools.insert(step, at);
        }
    }

    fn result(&mut self, step: u64, ok: bool, words: &Words) {
        let Some(place) = self.tools.remove(&step) else {
            return;
        };
        let output = json(words, "result").unwrap_or_default();
        let number = |name: &str| output[name].as_u64();
        let (added, removed) = (number("added"), number("removed"));
        let exit = output["exit_code"]
            .as_i64()
            .and_then(|n| i32::try_from(n).ok());
        let counts = (number("passed"), number("failed"), number("skipped"));
        let told = self.text("result", &string(&output, "text"), true);
        let Some(item) = self.item(place) else { return };
        let test = item.tag == "test";
        let ok = ok && !(test && exit.is_some_and(|code| code != 0));
        item.mark = if ok { Mark::Good } else { Mark::Bad };
        if test && exit.is_some() {
            item.head = format!("{}: {}", item.head, test_words(ok, exit, counts));
        } else if added.unwrap_or(0) + removed.unwrap_or(0) > 0 {
            let (added, removed) = (added.unwrap_or(0), removed.unwrap_or(0));
            item.head = format!("{} +{added} -{removed}", item.head);
        }
        item.blocks.extend(told);
    }

    fn decided(&mut self, event: &Event, body: Body, words: &Words) {
        match body {
            Body::Granted(b) => {
                self.story.permits += 1;
                if let Some(gate) = b.gate {
                    let head = format!(
                        "{} allowed, as {} was answered",
                        b.kind.name(),
                        self.names.of(&gate)
                    );
                    self.push(event, row("permit", head).mark(Mark::Good));
                }
            }
            Body::Closed(b) => self.closed(event, &b, words),
            Body::PolicyDenied(b) => {
                self.story.denied += 1;
                let action = self.text("what was wanted", text(words, "action"), true);
                let facts = self.text("what was known", text(words, "facts"), true);
                let told = row(
                    "denied",
                    format!("{}: {}", b.kind.name(), verdict(&b.verdict)),
                )
                .mark(Mark::Bad)
                .rows(vec![("rules", b.rules.join(", "))]);
                self.push(event, told.with(action).with(facts));
            }
            Body::GateOpened(b) => self.asked(event, &b, words),
            Body::GateAnswered(b) => {
                let (mark, how) = match b.answer {
                    GateAnswerKind::Once => (Mark::Good, "yes, once"),
                    GateAnswerKind::Session => (Mark::Good, "yes, for this in this session"),
                    GateAnswerKind::No => (Mark::Bad, "no"),
                    GateAnswerKind::Expired => (Mark::Bad, "nobody answered in time"),
                    _ => (Mark::Bad, "no: nobody was there to be asked"),
                };
                let head = format!(
                    "{}: {how}, by {}",
                    self.names.of(&b.gate),
                    who(&event.actor)
                );
                let why = vec![("why", text(words, "why").to_owned())];
                self.push(event, row("gate", head).mark(mark).rows(why));
            }
            Body::PatchProposed(b) => self.patch(event, &b, words),
            other => self.judged(event, other, words),
        }
    }

    /// What a person decided of patches and money.
    fn judged(&mut self, event: &Event, body: Body, words: &Words) {
        match body {
            Body::PatchAccepted(b) => {
                let onto = if b.branch { " onto a branch" } else { "" };
                let head = format!(
                    "{} accepted{onto} by {}",
                    self.names.of(&b.id),
                    who(&event.actor)
                );
                self.push(event, row("decision", head).mark(Mark::Good));
            }
            Body::PatchRejected(b) => {
                let head = format!("{} rejected by {}", self.names.of(&b.id), who(&event.actor));
                let why = vec![("why", text(words, "why").to_owned())];
                self.push(event, row("decision", head).mark(Mark::Bad).rows(why));
            }
            Body::PatchEdited(b) => {
                let (old, new) = (self.names.of(&b.id), self.names.of(&b.into));
                let head = format!(
                    "{old} edited by {}: {new} took its place",
                    who(&event.actor)
                );
                self.push(event, row("decision", head));
            }
            Body::PatchUndone(b) => {
                let head = format!(
                    "{} taken back by {}",
                    self.names.of(&b.id),
                    who(&event.actor)
                );
                self.push(event, row("decision", head));
            }
            Body::PatchBranched(_) => {
                let head = format!("on the branch {}", text(words, "name"));
                let commit = vec![("commit", text(words, "commit").to_owned())];
                self.push(event, row("decision", head).rows(commit));
            }
            Body::SpendGranted(b) => {
                let head = format!(
                    "{} lets up to {} a session be spent with {}",
                    who(&event.actor),
                    dollars(b.micros_max),
                    b.provider
                );
                self.push(event, row("decision", head));
            }
            other => self.worked(event, other, words),
        }
    }

    fn closed(&mut self, event: &Event, b: &atoll_domain::Closed, words: &Words) {
        let bad = !matches!(b.how, ClosedHow::Done | ClosedHow::Unused);
        let job = self.running.take_if(|_| b.kind == Kind::Run);
        let place = job.and_then(|job| self.jobs.get(&job).copied());
        let why = b.reason.map(|r| r.name()).unwrap_or_default();
        if let Some(place) = place {
            let outcome: Option<Outcome> = read(words, "outcome");
            let Some(item) = self.item(place) else { return };
            let good = outcome.as_ref().is_some_and(|o| o.ok);
            item.mark = if good { Mark::Good } else { Mark::Bad };
            let exit = outcome.as_ref().and_then(|o| o.exit_code);
            let exit = exit.map(|code| format!("exit {code}")).unwrap_or_default();
            let time = outcome.map(|o| span(o.usage.wall_ms)).unwrap_or_default();
            let told = [exit.as_str(), why, time.as_str()];
            let told: Vec<&str> = told.into_iter().filter(|t| !t.is_empty()).collect();
            item.head = format!("{}: {}", item.head, told.join(", "));
        } else if bad && (b.how == ClosedHow::Lost || b.reason.is_some()) {
            // A tool's own failure stands in its row.
            let how = match b.how {
                ClosedHow::Lost => "outcome unknown: its whole reserve is taken",
                _ => "failed",
            };
            let head = format!("{}: {how}", b.kind.name());
            let told = row("effect", head).mark(Mark::Bad);
            self.push(event, told.rows(vec![("why", why.to_owned())]));
        }
    }

    fn asked(&mut self, event: &Event, b: &atoll_domain::GateOpened, words: &Words) {
        self.story.asked += 1;
        let q: Question = read(words, "question").unwrap_or_default();
        let head = match q.what.as_str() {
            "" => b.kind.name(),
            what => what,
        };
        let head = format!("{} asks: {head}", self.names.of(&b.gate));
        let detail = self.text("all of it", &q.detail, true);
        let rows = vec![
            ("where", q.place),
            ("why", q.why),
            ("rules", b.rules.join(", ")),
            ("spent", q.spent),
            ("labels", q.labels.join(", ")),
        ];
        let told: Row = row("gate", head).mark(Mark::Asks).rows(rows);
        self.push(event, told.with(detail));
    }

    fn patch(&mut self, event: &Event, b: &atoll_domain::PatchProposed, words: &Words) {
        let record: Option<PatchRecord> = read(words, "record");
        let name = self.names.of(&b.id);
        let title = record.as_ref().map(|r| r.title.clone()).unwrap_or_default();
        let tests = |e: &Option<atoll_domain::TestEvidence>| {
            e.as_ref().map(|e| e.words()).unwrap_or_default()
        };
        let class = match b.class {
            PatchClass::Ordinary => String::new(),
            PatchClass::RunsOutside => "changes files that something outside runs by itself".into(),
            PatchClass::Refused => "holds what is never let out".into(),
        };
        let mut rows = vec![("class", class)];
        if let Some(r) = &record {
            rows.extend([
                ("tests before", tests(&r.before)),
                ("tests after", tests(&r.after)),
                ("sandbox", r.sandbox.clone()),
                ("model", r.model.clone()),
                ("made of", r.edited.clone().unwrap_or_default()),
            ]);
        }
        let mark = match b.tests_ok {
            Some(true) => Mark::Good,
            Some(false) => Mark::Bad,
            None => Mark::Plain,
        };
        let summary = record.map(|r| r.summary).unwrap_or_default();
        let summary = self.text("", &summary, false);
        let diff = self.diff("diff", text(words, "diff"));
        let head = format!("{name} {title}, {}", plural(b.files, "file"));
        let told = row("patch", head).mark(mark).with(summary).rows(rows);
        self.push(event, told.with(file(words, "diff")).with(diff));
    }

    fn worked(&mut self, event: &Event, body: Body, words: &Words) {
        let told = match body {
            Body::ExecStarted(b) => {
                let head = format!("{} {}", self.names.of(&b.job), b.purpose.name());
                if let Some(at) = self.push(event, row("job", head)) {
                    self.jobs.insert(b.job, at);
                }
                self.running = Some(b.job);
                return;
            }
            Body::ExecRequest(b) => {
                let spec = json(words, "spec").unwrap_or_default();
                let cmd = spec["cmd"].as_array().cloned().unwrap_or_default();
                let cmd: Vec<&str> = cmd.iter().filter_map(Value::as_str).collect();
                let spec = self.text("the job", text(words, "spec"), true);
                let job = self.names.short(&b.job).unwrap_or_else(|| "a job".into());
                let head = format!("{} runs {job}", who(&event.actor));
                row("you", head)
                    .rows(vec![("command", cmd.join(" "))])
                    .with(spec)
            }
            Body::ArtifactSaved(b) => {
                let head = format!("{} keeps {}", self.names.of(&b.job), text(words, "path"));
                row("file", head).with(file(words, "content"))
            }
            Body::WorkspaceSnapped(b) => {
                let mut head = format!("{} copied", plural(b.files, "file"));
                if b.masked > 0 {
                    let masked = plural(b.masked, "file");
                    head.push_str(&format!(", {masked} of credentials left out"));
                }
                row("copy", head)
            }
            Body::Labelled(b) => {
                let label = b.label.name();
                self.story.labels.push(label.to_owned());
                let what = match b.what {
                    Some(_) => text(words, "what").to_owned(),
                    None => b.source,
                };
                row("label", format!("{label}, from {what}"))
            }
            other => match self.went(event, other, words) {
                Some(told) => told,
                None => return,
            },
        };
        self.push(event, told);
    }

    /// How the session itself went on.
    fn went(&mut self, event: &Event, body: Body, words: &Words) -> Option<Row> {
        let told = match body {
            Body::SessionForked(b) => {
                row("forked", format!("from {} at event {}", b.parent, b.seq))
            }
            Body::TurnStopped(b) => row("stop", b.reason).mark(Mark::Bad),
            Body::SessionParked(b) => row("parked", b.reason),
            Body::SessionResumed(b) if b.unknown > 0 => {
                let head = "what was under way when the node stopped has an unknown outcome";
                row("resumed", head).mark(Mark::Bad)
            }
            Body::SessionResumed(_) => row("resumed", ""),
            Body::ModelSwitched(b) => row(
                "model",
                format!("{}/{} goes on", b.provider, text(words, "model")),
            ),
            Body::PlanSet(b) => row(
                "plan",
                if b.on {
                    "only plans from here"
                } else {
                    "does what is asked again"
                },
            ),
            Body::TurnUndone(b) => row(
                "undone",
                format!("turn {}: its changes of the copy were taken back", b.turn),
            ),
            Body::Compacted(_) => {
                let summary = self.text("the summary", text(words, "summary"), true);
                row("note", "the conversation was summarised to fit the model").with(summary)
            }
            Body::FeedbackNote(_) => {
                let words = self.text("", text(words, "text"), false);
                row("note", who(&event.actor)).with(words)
            }
            Body::Erased(_) => {
                let why = vec![("why", text(words, "why").to_owned())];
                row("erased", format!("a content, by {}", who(&event.actor))).rows(why)
            }
            Body::SessionClosed(b) => row("end", format!("closed: {}", ended(b.end))),
            Body::SessionDeleted(_) => row("end", format!("deleted by {}", who(&event.actor))),
            Body::Unknown { kind, .. } => row("event", kind),
            _ => return None,
        };
        Some(told)
    }
}
