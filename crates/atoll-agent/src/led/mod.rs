//! A small model is led: below a billion parameters it can't choose among tools, nor keep a plan. The agent looks
//! for the files that the failing tests are about, shows them, and asks one thing alone: which line is wrong, and
//! what is the right one? It writes that line into the copy, runs the tests, and asks again with what was tried.
//! Whatever it does goes the way of every tool's call: by permit, into the log.
//!
//! | to do | input | then |
//! |---|---|---|
//! | baseline | `ToolDone`, red | look at the files that the output names, then at those that these name |
//! | look (read) | `ToolDone` | the next file; after the last: ask |
//! | ask | `Reply` with a line of the files, or a part of one, and what stands there instead, not tried before | edit |
//! | | any other `Reply` | ask again |
//! | edit | `ToolDone` | check; failed: ask again |
//! | check (test) | `ToolDone`, green | patch |
//! | | fewer fail than before | keep the edit, look again |
//! | | else | ask again; the next edit takes this one back |
//! | ask | no reply is left | take the last edit back; end failed |
//!
//! Where the tests pass before any change there is nothing to be led to: the session goes on as any other.

mod form;
mod look;
mod talk;

use atoll_domain::{Edit, Message, SessionEnd};

pub(crate) use self::talk::{conversation, system};

use crate::clip::cut_bytes;
use crate::finish;
use crate::output::ToolOutput;
use crate::prompt::{one_line, relative};
use crate::report::failing;
use crate::state::{Finishing, Queued, State, TestRun, What};
use crate::tools::{Parsed, ToolRequest};
use crate::transcript::Said;

use self::look::Shown;

/// The most that it writes in one reply, in tokens: a line and what stands in its place.
pub(crate) const OUTPUT_TOKENS_MAX: u64 = 160;
/// What is kept of the tests' output, in bytes.
const OUTPUT_BYTES_MAX: usize = 1500;
/// Tries that are remembered, so that none is made twice.
const TRIED_MAX: usize = 64;

/// What is known while a small model is led.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Led {
    /// Files that are still to be read.
    queue: Vec<String>,
    /// Whether the files that were read were searched for the names of others.
    followed: bool,
    /// Tests that were read, for the names in them.
    tests: String,
    /// The files in question, as they were before the edit that stands.
    files: Vec<Shown>,
    /// What the failing tests say, and their names.
    output: String,
    names: Option<String>,
    /// What was tried: the line, and what was written instead.
    tried: Vec<(String, String)>,
    /// What was said of parts of lines: the line, the part, and what was to stand there.
    parts: Vec<(String, String, String)>,
    /// The edit that stands in the copy: file, line, and what it was replaced by.
    stands: Option<Change>,
    /// The tests with what stays in the copy, where that helped.
    kept: Option<TestRun>,
    /// No file was found that the tests are about: there is nothing to be led to.
    lost: bool,
}

/// The latest are kept.
fn bound<T>(tried: &mut Vec<T>) {
    if tried.len() > TRIED_MAX {
        tried.remove(0);
    }
}

/// One line of a file, changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    file: usize,
    line: usize,
    now: String,
}

impl State {
    /// Whether the model is led: it is small, and tests fail that it could mend.
    pub(crate) fn led(&self) -> bool {
        let red = |run: &TestRun| run.ran && !run.ok;
        self.config.leads() && !self.led.lost && self.tests.baseline.as_ref().is_some_and(red)
    }

    /// The tests were run before any change: looks at the files that they are about.
    pub(crate) fn lead(&mut self, output: &str) {
        let output = relative(&self.config, output);
        let listing = self.listing.as_deref().unwrap_or_default();
        self.led = Led {
            queue: look::named(&output, listing),
            output: look::telling(&output, OUTPUT_BYTES_MAX),
            names: failing(&output),
            ..Led::default()
        };
        self.look_on();
    }

    fn look_on(&mut self) {
        if self.led.queue.is_empty() && !self.led.followed {
            self.led.followed = true;
            let listing = self.listing.as_deref().unwrap_or_default();
            let words = format!("{}\n{}", self.led.output, self.led.tests);
            let read: Vec<&str> = self.led.files.iter().map(|f| f.path.as_str()).collect();
            self.led.queue = look::followed(&words, listing, &read);
        }
        if self.led.queue.is_empty() {
            self.led.lost = !talk::asks(&self.led);
            return self.begin();
        }
        let path = self.led.queue.remove(0);
        self.set(What::Look(path));
    }

    pub(crate) fn looked(&mut self, path: &str, output: &ToolOutput) {
        self.ledger.read(path, output.ok());
        if output.ok() {
            match look::is_test(path) {
                true => {
                    let text = look::lines(&output.text).join("\n");
                    self.led.tests.push_str(&cut_bytes(&text, 8 << 10));
                }
                false => self.led.files.push(Shown::new(path, &output.text)),
            }
        }
        self.look_on();
    }

    /// A reply of a model that is led.
    pub(crate) fn led_reply(&mut self, message: &Message) {
        let text = message.joined_text();
        self.say(Said::Reply {
            text: cut_bytes(text.trim(), 2000),
            calls: Vec::new(),
            thoughts: Vec::new(),
        });
        let Some(said) = form::understood(&text) else {
            return self.ask(); // in the same words: chance decides otherwise
        };
        if let form::Said::Part { line, part, by } = &said {
            self.led
                .parts
                .push((line.clone(), part.clone(), by.clone()));
            bound(&mut self.led.parts);
        }
        let Some((file, line, now)) = said.change(&self.led.files) else {
            return self.ask();
        };
        let was = self.led.files[file].lines[line].clone();
        let pair = (was.trim().to_owned(), now.trim().to_owned());
        if now == was || self.led.tried.contains(&pair) {
            return self.ask();
        }
        self.led.tried.push(pair);
        bound(&mut self.led.tried);
        self.led_edit(Change { file, line, now });
    }

    /// Writes a change into the copy, and takes the one that stands back with it.
    fn led_edit(&mut self, change: Change) {
        let before = self.led.stands.take();
        let elsewhere = before.clone().filter(|old| old.file != change.file);
        if let Some(old) = elsewhere {
            let undo = self.edit_of(old.file, Some(&old), None);
            self.enqueue(undo);
        }
        let here = before.filter(|old| old.file == change.file);
        let edit = self.edit_of(change.file, here.as_ref(), Some(&change));
        self.enqueue(edit);
        self.led.stands = Some(change);
        self.led_next();
    }

    fn edit_of(&self, file: usize, old: Option<&Change>, new: Option<&Change>) -> ToolRequest {
        let shown = &self.led.files[file];
        let change = |c: Option<&Change>| c.map(|c| (c.line, c.now.clone()));
        let (search, replace) = look::block(&shown.lines, change(old), change(new));
        ToolRequest::Edit {
            path: shown.path.clone(),
            edit: Edit::Replace {
                search,
                replace,
                all: false,
            },
        }
    }

    fn enqueue(&mut self, request: ToolRequest) {
        let arguments = match &request {
            ToolRequest::Edit { path, .. } => path.clone(),
            _ => String::new(),
        };
        self.queue.push_back(Queued {
            call_id: format!("led_{}_{}", self.step, self.queue.len()),
            name: "edit".into(),
            arguments,
            parsed: Ok(Parsed {
                request,
                notes: Vec::new(),
            }),
        });
    }

    /// The next edit; after the last: the tests.
    fn led_next(&mut self) {
        match self.queue.pop_front() {
            Some(call) => self.set(What::Call(call)),
            None => {
                let finishing = self.led_finishing();
                self.set(What::Check(finishing));
            }
        }
    }

    /// An edit was done, or not.
    pub(crate) fn led_edited(&mut self, ok: bool) {
        if self.led.stands.is_none() {
            return self.led_failed(); // the last one was taken back
        }
        if !ok {
            self.queue.clear();
            self.led.stands = None;
            return self.ask();
        }
        self.led_next();
    }

    fn led_finishing(&self) -> Finishing {
        let path = |c: &Change| self.led.files[c.file].path.clone();
        let stands = self.led.stands.as_ref();
        let path = stands.map(path).unwrap_or_default();
        let names = self.led.names.clone().unwrap_or_else(|| "the tests".into());
        let line = stands.map_or(0, |c| self.led.files[c.file].from + c.line);
        Finishing {
            call_id: None,
            title: one_line(&format!("Make {names} pass"), 72),
            summary: format!(
                "Line {line} of {path} was wrong, as the model says; the tests pass with its own."
            ),
            unrelated_failures: false,
        }
    }

    /// The tests were run on an edit.
    pub(crate) fn led_checked(&mut self, finishing: Finishing, run: &TestRun, output: &ToolOutput) {
        if run.ok {
            return self.patch(finishing);
        }
        let before = self.led.kept.as_ref().or(self.tests.baseline.as_ref());
        let before = before.map(|run| (run.passed, run.failed));
        if before.is_some_and(|(passed, failed)| run.passed > passed && run.failed < failed) {
            // It helps: it stays, and what is left is looked at afresh.
            self.lead(&output.text);
            self.led.kept = Some(run.clone());
            return;
        }
        self.ask();
    }

    /// No reply is left: the copy goes back to what it was, so that whoever goes on begins there.
    pub(crate) fn led_over(&mut self) {
        match self.led.stands.take() {
            Some(old) => {
                let undo = self.edit_of(old.file, Some(&old), None);
                self.enqueue(undo);
                if let Some(call) = self.queue.pop_front() {
                    self.set(What::Call(call));
                }
            }
            None => self.led_failed(),
        }
    }

    fn led_failed(&mut self) {
        // What was tried last is taken back: the tests say what they said before it.
        self.tests.last = self.led.kept.clone().or(self.tests.baseline.clone());
        self.tests.stale = false;
        let words = finish::failed_words(self, "");
        self.end(SessionEnd::Failed, words, None);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
