//! The state machine. `fold` takes what happened, `next` says what is to be done; both are pure.
//!
//! At most one effect is to be done at a time (`todo`), each with a step of its own. It is *proposed*
//! until an event says that it started, and gone when its outcome is folded.
//!
//! | to do | input | then |
//! |---|---|---|
//! | nothing | `Prompt` | first turn: survey; else attach or ask |
//! | survey (list) | `ToolDone` | code: baseline if a test command is known and no plan is wanted; else attach or ask |
//! | attach (read) | `ToolDone` | the next file that a chat's words name; else ask |
//! | baseline (test) | `ToolDone` | ask; a small model whose tests fail is led: see `led/mod.rs` |
//! | ask | `Reply` with calls | the first call: tool, reject or finish |
//! | | `Reply` without | plan: end; chat: conclude; nudge, twice; then conclude |
//! | | `ReplyFailed` | `cut`, `garbage`, `lost`: ask again, twice; `auth`, `refused`, `unreachable`, `rate_limited`, `server`, `timeout`: end unreachable (the adapter tried again); `context`: squeeze, then ask; `denied`, `needs_person`, `limit`, `cancelled`: end |
//! | tool, reject | `ToolDone` | the next call; after the last: close the round |
//! | finish call | (at once) | conclude |
//! | check (test) | `ToolDone` | conclude |
//! | compact | `Compacted` | ask |
//! | finish | `TurnEnded` | nothing |
//! | any | `Prompt` | held until the round closes |
//! | any but finish | `Stopped` | finish: cancelled, limit or needs you |
//! | finish: cancelled | `Stopped` for another reason | finish for that reason |
//! | any | `TurnEnded` | nothing |
//! | any | `Resumed` | the same, proposed again with the same step |
//! | any | an outcome of another step | ignored |
//!
//! *Close the round*: loop detection (note, or end failed); what a person said meanwhile; at the last
//! allowed model call a note, past it the end; compact if the conversation outgrew its room; else ask.
//!
//! *Conclude*: a person said more: go on. Nothing changed: an answer (once sent back if tests fail).
//! No tests: patch. Tests not run since the last change: check. They pass: patch. They fail no more than
//! before and the model says that they are unrelated: patch. Else sent back, thrice; then failed. A chat that
//! changed something is sent back once; then it is a patch that says that its tests fail: a person reads it.

use std::collections::VecDeque;

use atoll_domain::action::ReadOp;
use atoll_domain::{SessionEnd, Step};
use serde::Serialize;

use crate::config::SessionConfig;
use crate::context;
use crate::effect::{By, Effect, Proposal};
use crate::input::Input;
use crate::led::Led;
use crate::ledger::Ledger;
use crate::loops::Loops;
use crate::tools::ToolRequest;
use crate::transcript::{Entry, Said};

/// A test run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestRun {
    /// Its step.
    pub step: Step,
    /// Whether it could be run at all.
    pub ran: bool,
    /// Whether it passed.
    pub ok: bool,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Tests passed, where the output says so.
    pub passed: Option<u64>,
    /// Tests failed, where the output says so.
    pub failed: Option<u64>,
    /// Tests skipped, where the output says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
}

impl TestRun {
    /// In a few words: `1 failed, 8 passed`.
    pub fn words(&self) -> String {
        if !self.ran {
            return "could not be run".into();
        }
        let counts = (self.passed, self.failed, self.skipped);
        atoll_domain::test_words(self.ok, self.exit_code, counts)
    }
}

/// What is known of the tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    pub baseline: Option<TestRun>,
    pub last: Option<TestRun>,
    /// Whether something changed since `last`.
    pub stale: bool,
}

/// The running turn, or the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub number: u64,
    pub running: bool,
    pub task: String,
    pub rounds: u64,
    pub nudges: u64,
    pub retries: u64,
    pub squeezes: u64,
    pub sent_back: u64,
    pub answer_sent_back: bool,
    pub denials: u64,
    /// Values that were taken out of unread contents.
    pub extracts: u64,
    /// Why something was denied last.
    pub denied: String,
    /// Edits that were made, and commands that changed files. Test runs are not counted: what they leave
    /// behind is nobody's change.
    pub edits: u64,
    /// The tree when it began.
    pub tree: Option<String>,
    /// Files that its words name, still to be read.
    pub attach: Vec<ReadOp>,
}

/// The first turn's task, with what is known at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct First {
    pub text: String,
    pub context: String,
}

/// A wish to end the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finishing {
    /// The call that it answers; `None` if the model just stopped calling tools.
    pub call_id: Option<String>,
    pub title: String,
    pub summary: String,
    pub unrelated_failures: bool,
}

/// A call that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub call_id: String,
    pub name: String,
    pub arguments: String,
    pub parsed: Result<crate::tools::Parsed, String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Survey,
    Baseline,
    Attach(ReadOp),
    /// A file is read for a model that is led.
    Look(String),
    Ask {
        wait_ms: u64,
    },
    Call(Queued),
    Check(Finishing),
    Compact {
        upto: u64,
        saved_tokens: u64,
        summary: String,
    },
    Finish {
        end: SessionEnd,
        words: String,
        proposal: Option<Proposal>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Todo {
    pub step: u64,
    pub started: bool,
    pub what: What,
}

/// A session, as its inputs made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(crate) config: SessionConfig,
    pub(crate) opened: bool,
    pub(crate) closed: bool,
    pub(crate) step: u64,
    pub(crate) turn: Turn,
    pub(crate) todo: Option<Todo>,
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) held: Vec<Said>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) first: Option<First>,
    pub(crate) listing: Option<String>,
    pub(crate) baseline_text: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) ledger: Ledger,
    pub(crate) tests: Tests,
    pub(crate) loops: Loops,
    pub(crate) tree: Option<String>,
    /// How many tokens the provider counts for a thousand of ours.
    pub(crate) scale_permille: u64,
    /// How much of the window is used: less after the provider said that it was too much.
    pub(crate) room_permille: u64,
    /// What is known while a small model is led.
    pub(crate) led: Led,
}

impl Default for State {
    fn default() -> State {
        State {
            config: SessionConfig::default(),
            opened: false,
            closed: false,
            step: 0,
            turn: Turn::default(),
            todo: None,
            queue: VecDeque::new(),
            held: Vec::new(),
            entries: Vec::new(),
            first: None,
            listing: None,
            baseline_text: None,
            summary: None,
            ledger: Ledger::default(),
            tests: Tests::default(),
            loops: Loops::default(),
            tree: None,
            scale_permille: 1000,
            room_permille: 1000,
            led: Led::default(),
        }
    }
}

/// How far a turn is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The turn, from 1; 0 before the first.
    pub turn: u64,
    /// Whether it runs.
    pub running: bool,
    /// Model calls made in it.
    pub rounds: u64,
    /// Model calls allowed in it.
    pub rounds_max: u64,
    /// Tokens that the conversation takes, estimated.
    pub context_tokens: u64,
    /// The model's window.
    pub context_tokens_max: u64,
    /// The tests before any change.
    pub before: Option<TestRun>,
    /// The last test run.
    pub tests: Option<TestRun>,
}

/// The state after `input`. Never fails: an input that has no meaning here changes nothing.
pub fn fold(mut state: State, input: &Input) -> State {
    state.take(input);
    state
}

/// What is to be done now: nothing, or one effect that is not yet under way.
pub fn next(state: &State) -> Vec<Effect> {
    let proposed = state.todo.iter().filter(|todo| !todo.started);
    proposed.map(|todo| state.effect(todo)).collect()
}

impl State {
    /// The effect that is under way: after a restart, the one whose outcome is unknown.
    pub fn in_flight(&self) -> Option<Effect> {
        let todo = self.todo.as_ref().filter(|todo| todo.started)?;
        Some(self.effect(todo))
    }

    /// The last step that was proposed; 0 before the first.
    pub fn step(&self) -> Step {
        Step(self.step)
    }

    /// Whether a turn is running.
    pub fn running(&self) -> bool {
        self.turn.running
    }

    /// The configuration in force.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// How many thoughts of its model would be left behind by another one.
    pub fn thoughts(&self) -> u64 {
        let thoughts = self.entries.iter().map(|entry| match &entry.said {
            Said::Reply { thoughts, .. } => thoughts.len() as u64,
            _ => 0,
        });
        thoughts.sum()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            turn: self.turn.number,
            running: self.turn.running,
            rounds: self.turn.rounds,
            rounds_max: self.config.rounds_max(),
            context_tokens: context::tokens(self),
            context_tokens_max: self.config.window_tokens(),
            before: self.tests.baseline.clone(),
            tests: self.tests.last.clone(),
        }
    }

    fn effect(&self, todo: &Todo) -> Effect {
        let step = Step(todo.step);
        let own = |by, tool| Effect::UseTool {
            step,
            call_id: String::new(),
            by,
            tool,
        };
        let test = || ToolRequest::Test {
            cmd: self.config.test.clone().unwrap_or_default(),
        };
        match &todo.what {
            What::Survey => own(By::Survey, crate::turn::survey()),
            What::Baseline => own(By::Baseline, test()),
            What::Attach(what) => own(By::Attach, ToolRequest::Read { what: what.clone() }),
            What::Look(path) => {
                let what = ReadOp::Read {
                    path: path.clone(),
                    start_line: None,
                    lines_max: None,
                };
                own(By::Survey, ToolRequest::Read { what })
            }
            What::Check(_) => own(By::Check, test()),
            What::Ask { wait_ms } => {
                let (conversation, input_tokens_estimate) = context::conversation(self);
                Effect::CallModel {
                    step,
                    wait_ms: *wait_ms,
                    conversation,
                    output_tokens_max: match self.led() {
                        true => crate::led::OUTPUT_TOKENS_MAX,
                        false => self.config.reserve_tokens(),
                    },
                    input_tokens_estimate,
                }
            }
            What::Call(call) => match &call.parsed {
                Ok(parsed) => Effect::UseTool {
                    step,
                    call_id: call.call_id.clone(),
                    by: By::Model,
                    tool: parsed.request.clone(),
                },
                Err(why) => Effect::RejectCall {
                    step,
                    call_id: call.call_id.clone(),
                    name: call.name.clone(),
                    why: why.clone(),
                },
            },
            What::Compact {
                upto,
                saved_tokens,
                summary,
            } => Effect::Compact {
                step,
                upto: Step(*upto),
                saved_tokens: *saved_tokens,
                summary: summary.clone(),
            },
            What::Finish {
                end,
                words,
                proposal,
            } => Effect::FinishTurn {
                step,
                turn: self.turn.number,
                end: *end,
                words: words.clone(),
                proposal: proposal.clone(),
            },
        }
    }

    /// The next effect, with the next step.
    pub(crate) fn set(&mut self, what: What) {
        self.step += 1;
        self.todo = Some(Todo {
            step: self.step,
            started: false,
            what,
        });
    }

    pub(crate) fn say(&mut self, said: Said) {
        let step = self.step;
        self.entries.push(Entry { step, said });
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.say(Said::Note(text.into()));
    }
}
