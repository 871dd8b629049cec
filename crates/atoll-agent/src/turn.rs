//! A turn from its first words to its end.

use atoll_domain::action::ReadOp;
use atoll_domain::{SessionEnd, Unit};

use crate::clip::{clip, cut_bytes};
use crate::context;
use crate::effect::Proposal;
use crate::finish;
use crate::input::Input;
use crate::loops::{Loops, Verdict};
use crate::output::ToolOutput;
use crate::prompt;
use crate::state::{First, State, TestRun, Todo, Turn, What};
use crate::tools::{ToolRequest, first_sentence};
use crate::transcript::Said;
use crate::words;

/// What is kept of a person's words, in bytes: of longer ones the beginning and the end.
pub const TASK_BYTES_MAX: usize = 64 << 10;
/// Words of a person that wait for the round to close, at most; more are joined to the last.
const HELD_MAX: usize = 16;

/// What the agent looks at by itself before its first model call.
pub(crate) fn survey() -> ToolRequest {
    ToolRequest::Read {
        what: ReadOp::List {
            path: String::new(),
            depth: Some(2),
        },
    }
}

impl State {
    pub(crate) fn take(&mut self, input: &Input) {
        let early = matches!(input, Input::Opened(_) | Input::Snapped { .. });
        if self.closed || (!self.opened && !early) {
            return;
        }
        match input {
            Input::Opened(config) => {
                if !self.turn.running {
                    self.config = (**config).clone();
                    self.opened = true;
                }
            }
            Input::Snapped { tree } => {
                self.tree = Some(tree.clone());
                self.turn.tree.get_or_insert_with(|| tree.clone());
            }
            Input::Prompt { turn, text, .. } => self.prompted(*turn, text),
            Input::Started { step, .. } => {
                if let Some(todo) = self.todo.as_mut().filter(|todo| todo.step == step.0) {
                    todo.started = true;
                }
            }
            Input::Reply {
                step,
                message,
                finish,
                usage,
            } => {
                if self.is_at(step.0, |what| matches!(what, What::Ask { .. })) {
                    self.replied(message, finish, usage);
                }
            }
            Input::ReplyFailed {
                step,
                reason,
                words,
            } => {
                if self.is_at(step.0, |what| matches!(what, What::Ask { .. })) {
                    self.reply_failed(reason, words);
                }
            }
            Input::ToolDone { step, output, tree } => self.tool_done(step.0, output, tree.as_ref()),
            Input::Compacted { upto, summary } => self.compacted(upto.0, summary),
            Input::Stopped { reason } => self.stopped(reason),
            Input::TurnEnded { .. } => self.ended(),
            Input::Resumed { tree } => self.resumed(tree),
            Input::Switched {
                context_tokens,
                output_tokens_max,
            } => self.switched(*context_tokens, *output_tokens_max),
            // Between turns: a running one goes on as it began.
            Input::Planning { on } => {
                if !self.turn.running {
                    self.config.plan = *on;
                }
            }
            Input::Undone { turn, tree } => {
                self.moved_to(tree);
                self.held.push(Said::Note(words::undone(*turn)));
                self.bound_held();
            }
            Input::Closed => {
                self.ended();
                self.closed = true;
            }
        }
    }

    /// Another model goes on: it has a window of its own, and can't read the thoughts of the one before.
    fn switched(&mut self, context_tokens: u64, output_tokens_max: u64) {
        self.config.context_tokens = context_tokens;
        self.config.output_tokens_max = output_tokens_max;
        (self.scale_permille, self.room_permille) = (1000, 1000);
        self.forget_thoughts(0);
        // What it is asked is not what the other one was asked: that is a step of its own.
        let asks = |todo: &Todo| matches!(todo.what, What::Ask { .. });
        if self.todo.as_ref().is_some_and(asks) {
            self.ask_in_room();
        }
    }

    /// Thoughts go back to the model that had them, within the turn; those of its last reply longer, since a
    /// provider wants what is gone on with to begin with one.
    fn forget_thoughts(&mut self, keep: usize) {
        let replies = self
            .entries
            .iter_mut()
            .rev()
            .filter_map(|e| match &mut e.said {
                Said::Reply { thoughts, .. } => Some(thoughts),
                _ => None,
            });
        for thoughts in replies.skip(keep) {
            thoughts.clear();
        }
    }

    pub(crate) fn is_at(&self, step: u64, is: impl Fn(&What) -> bool) -> bool {
        self.todo
            .as_ref()
            .is_some_and(|todo| todo.step == step && is(&todo.what))
    }

    fn prompted(&mut self, turn: u64, text: &str) {
        let text = cut_bytes(text, TASK_BYTES_MAX);
        if self.turn.running {
            self.held.push(Said::Steer(text));
            self.bound_held();
            return;
        }
        self.turn = Turn {
            number: turn.max(self.turn.number + 1),
            running: true,
            attach: match self.config.chats() {
                true => crate::attach::named(&text),
                false => Vec::new(),
            },
            task: text,
            tree: self.tree.clone(),
            ..Turn::default()
        };
        self.loops = Loops::new(self.tree.as_deref());
        if self.first.is_none() {
            self.set(What::Survey);
        } else if self.config.leads() {
            // It knows nothing of the turn before: what fails is looked at afresh.
            self.set(What::Baseline);
        } else {
            self.attach_or_begin();
        }
    }

    /// Reads the files that the words name, one by one; then the task is put to the model.
    pub(crate) fn attach_or_begin(&mut self) {
        match self.turn.attach.is_empty() {
            true => self.begin(),
            false => {
                let what = self.turn.attach.remove(0);
                self.set(What::Attach(what));
            }
        }
    }

    /// A file that the words name, for the model.
    pub(crate) fn attached(&mut self, what: &ReadOp, output: &ToolOutput) {
        let limit = context::result_bytes(&self.config);
        let name = ToolRequest::Read { what: what.clone() }.target();
        let text = clip(&output.text, 400, limit);
        if let Some(picture) = output.picture.clone().filter(|_| output.ok()) {
            let note = format!("The person attached a picture: {text}");
            self.held.push(Said::Picture { note, picture });
            return self.attach_or_begin();
        }
        self.held.push(Said::Note(match output.ok() {
            true => format!("The person attached {name}:\n{text}"),
            false => format!("The person named {name}, which can't be read: {text}"),
        }));
        self.bound_held();
        self.attach_or_begin();
    }

    fn bound_held(&mut self) {
        while self.held.len() > HELD_MAX {
            let last = self.held.pop();
            if let (Some(Said::Steer(before)), Some(Said::Steer(text))) =
                (self.held.last_mut(), last)
            {
                *before = cut_bytes(&format!("{before}\n{text}"), TASK_BYTES_MAX);
            }
        }
    }

    /// The survey is done: the task is put to the model.
    pub(crate) fn begin(&mut self) {
        if self.first.is_none() {
            let limit = context::opening_bytes(&self.config);
            let baseline = self.tests.baseline.clone();
            let run = baseline.as_ref().zip(self.baseline_text.as_deref());
            let context = prompt::opening(&self.config, self.listing.as_deref(), run, limit);
            self.first = Some(First {
                text: self.turn.task.clone(),
                context,
            });
            self.baseline_text = None;
            if !self.config.leads() {
                self.listing = None; // a model that is led is shown what it names
            }
            self.flush();
        } else {
            self.flush();
            let (turn, text) = (self.turn.number, self.turn.task.clone());
            self.say(Said::Task { turn, text });
        }
        self.ask();
    }

    fn flush(&mut self) {
        for said in std::mem::take(&mut self.held) {
            self.say(said);
        }
    }

    /// Whether a person said something that the model has not seen.
    pub(crate) fn steered(&self) -> bool {
        self.held.iter().any(|said| matches!(said, Said::Steer(_)))
    }

    /// All calls are answered: look for loops, take in what was said meanwhile, ask again.
    pub(crate) fn close_round(&mut self) {
        match self.loops.verdict() {
            Verdict::Fine => {}
            Verdict::Warn(text) => self.note(text),
            Verdict::Stop(why) => {
                let words = finish::failed_words(self, &why);
                return self.end(SessionEnd::Failed, words, None);
            }
        }
        self.ask();
    }

    /// The next model call, if there is one left.
    pub(crate) fn ask(&mut self) {
        let max = self.config.rounds_max();
        if self.turn.rounds >= max && self.led() {
            return self.led_over();
        }
        if self.turn.rounds >= max {
            let plural = if max == 1 { "" } else { "s" };
            return self.limit(&format!("the limit of {max} turn{plural} was reached"));
        }
        self.flush();
        if max > 2 && self.turn.rounds + 1 == max && !self.led() {
            self.note(words::last_reply(&self.config));
        }
        self.ask_in_room();
    }

    /// The next model call, after making room for it.
    pub(crate) fn ask_in_room(&mut self) {
        if self.led() {
            return self.set(What::Ask { wait_ms: 0 });
        }
        context::age(self);
        match context::compaction(self) {
            Some(what) => self.set(what),
            None => self.set(What::Ask { wait_ms: 0 }),
        }
    }

    fn compacted(&mut self, upto: u64, summary: &str) {
        let at = |what: &What| matches!(what, What::Compact { upto: u, .. } if *u == upto);
        let step = self.step;
        if !self.is_at(step, at) {
            return;
        }
        self.entries.retain(|entry| entry.step > upto);
        self.summary = Some(summary.to_owned());
        self.set(What::Ask { wait_ms: 0 });
    }

    fn stopped(&mut self, reason: &str) {
        let ending = match self.todo.as_ref().map(|todo| &todo.what) {
            Some(What::Finish { end, .. }) => Some(*end),
            _ => None,
        };
        // What was under way says that it was cancelled; the stop says why, and may come after it.
        let done = match ending {
            Some(SessionEnd::Cancelled) => reason == "cancelled",
            Some(_) => true,
            None => false,
        };
        if !self.turn.running || done {
            return;
        }
        // What is under way is ended in its middle: nobody knows what it left behind.
        let calling = |todo: &Todo| todo.started && matches!(todo.what, What::Call(_));
        self.tests.stale |= self.todo.as_ref().is_some_and(calling);
        match reason {
            "cancelled" => self.end(SessionEnd::Cancelled, "Stopped.".into(), None),
            "needs_person" => self.needs_person(&self.turn.denied.clone()),
            "seconds" => self.limit_of(Some(Unit::Seconds)),
            other => self.limit(&format!(
                "the budget of {} is used up",
                prompt::one_line(other, 60)
            )),
        }
    }

    /// A person must decide, and this run does not wait for one.
    pub(crate) fn needs_person(&mut self, why: &str) {
        let words = format!("A person must decide, and this run does not wait: {why}");
        self.end(SessionEnd::NeedsYou, words, None);
    }

    fn ended(&mut self) {
        self.todo = None;
        self.queue.clear();
        self.turn.running = false;
        self.forget_thoughts(1);
    }

    fn resumed(&mut self, tree: &str) {
        if let Some(todo) = self.todo.as_mut() {
            todo.started = false;
        }
        if !tree.is_empty() && self.tree.as_deref().is_some_and(|t| t != tree) {
            self.held.push(Said::Note(words::RESTORED.into()));
            self.bound_held();
            self.moved_to(tree);
        } else if !tree.is_empty() {
            self.tree = Some(tree.to_owned());
        }
    }

    /// The files are those of another tree: the tests say nothing of it.
    fn moved_to(&mut self, tree: &str) {
        if self.tree.as_deref() != Some(tree) {
            self.tree = Some(tree.to_owned());
            self.tests.stale = true;
        }
    }

    /// A limit was reached. Work that made red tests green isn't thrown away: it is proposed, and the limit said.
    pub(crate) fn limit(&mut self, what: &str) {
        let red = |run: &TestRun| run.ran && !run.ok;
        let was_red = self.tests.baseline.as_ref().is_some_and(red);
        let is_green = self.tests.last.as_ref().is_some_and(|run| run.ok) && !self.tests.stale;
        if self.changed() && was_red && is_green {
            let title = prompt::one_line(first_sentence(&self.turn.task), 72);
            let words = format!("The tests pass; {what} before the model said that it was done.");
            let proposal = self.proposal(title, words.clone());
            return self.end(SessionEnd::Patch, words, Some(proposal));
        }
        let words = finish::failed_words(self, what);
        self.end(SessionEnd::Limit, words, None);
    }

    pub(crate) fn limit_of(&mut self, unit: Option<Unit>) {
        let what = match unit {
            Some(Unit::Money) => "money",
            Some(Unit::Tokens) => "tokens",
            Some(Unit::Seconds) => "time",
            Some(Unit::Runs) => "runs",
            None => "this session",
        };
        self.limit(&format!("the budget of {what} is used up"));
    }

    pub(crate) fn proposal(&self, title: String, summary: String) -> Proposal {
        Proposal {
            title,
            summary,
            tests: self.tests.last.clone().filter(|_| !self.tests.stale),
            before: self.tests.baseline.clone(),
        }
    }

    pub(crate) fn end(&mut self, end: SessionEnd, words: String, proposal: Option<Proposal>) {
        self.queue.clear();
        self.set(What::Finish {
            end,
            words,
            proposal,
        });
    }

    /// Whether this turn changed the workspace: it edited, and where its trees are known, they differ.
    pub(crate) fn changed(&self) -> bool {
        let back = self.turn.tree.is_some() && self.turn.tree == self.tree;
        self.turn.edits > 0 && !back
    }
}
