//! What a tool gave.

use atoll_domain::{SessionEnd, Step};

use crate::clip::clip;
use crate::context;
use crate::output::{Status, ToolOutput};
use crate::prompt::{one_line, relative};
use crate::report::{digest, failing};
use crate::state::{Finishing, Queued, State, TestRun, What};
use crate::tools::ToolRequest;
use crate::transcript::Said;

/// Denied calls in a turn before it ends.
const DENIALS_MAX: u64 = 5;

impl State {
    pub(crate) fn tool_done(&mut self, step: u64, output: &ToolOutput, tree: Option<&String>) {
        let tool = |what: &What| {
            matches!(
                what,
                What::Survey
                    | What::Baseline
                    | What::Attach(_)
                    | What::Look(_)
                    | What::Call(_)
                    | What::Check(_)
            )
        };
        if !self.is_at(step, tool) {
            return;
        }
        let Some(todo) = self.todo.take() else {
            return;
        };
        let moved = tree.is_some_and(|tree| self.tree.as_ref() != Some(tree));
        if let Some(tree) = tree {
            self.tree = Some(tree.clone());
        }
        // What stops the turn does so wherever it comes from.
        match output.status {
            Status::Cancelled => {
                self.tests.stale = true;
                return self.end(SessionEnd::Cancelled, "Stopped.".into(), None);
            }
            Status::Limit => {
                self.tests.stale = true;
                return self.limit_of(output.unit);
            }
            _ => {}
        }
        match todo.what {
            What::Survey => {
                if output.status == Status::Done {
                    self.listing = Some(output.text.clone());
                }
                if self.config.test.is_some() && !self.config.plan && !self.config.chats() {
                    self.set(What::Baseline);
                } else {
                    self.attach_or_begin();
                }
            }
            What::Attach(what) => self.attached(&what, output),
            What::Baseline => {
                self.tests.baseline = Some(self.tested(step, output));
                self.baseline_text = Some(output.text.clone());
                // The tests may write files of their own: the turn's changes are counted from here.
                self.turn.tree = self.tree.clone();
                self.loops = crate::loops::Loops::new(self.tree.as_deref());
                match self.led() {
                    true => self.lead(&output.text),
                    false => self.begin(),
                }
            }
            What::Look(path) => self.looked(&path, output),
            What::Check(finishing) => self.checked(step, output, finishing),
            What::Call(call) => self.called(step, call, output, moved),
            What::Ask { .. } | What::Compact { .. } | What::Finish { .. } => {}
        }
    }

    /// Takes a test run in.
    fn tested(&mut self, step: u64, output: &ToolOutput) -> TestRun {
        let (passed, failed) = match (output.passed, output.failed) {
            (None, None) => crate::counts::parse_counts(&output.text),
            counts => counts,
        };
        let ran = output.status == Status::Done && output.exit_code != Some(127);
        let run = TestRun {
            step: Step(step),
            ran,
            ok: ran && output.exit_code == Some(0),
            exit_code: output.exit_code,
            passed,
            failed,
            skipped: output.skipped,
        };
        if output.status != Status::Unknown {
            self.tests.last = Some(run.clone());
            self.tests.stale = false;
        }
        self.ledger.tested(&run);
        run
    }

    fn checked(&mut self, step: u64, output: &ToolOutput, finishing: Finishing) {
        let run = self.tested(step, output);
        if output.status == Status::Unknown {
            // The node ended in its middle: run it again. It counts as a try, so that this ends.
            self.turn.sent_back += 1;
            if self.turn.sent_back <= crate::finish::SENT_BACK_MAX {
                return self.set(What::Check(finishing));
            }
        }
        self.concluded_by(finishing, &run, output);
    }

    fn called(&mut self, step: u64, call: Queued, output: &ToolOutput, moved: bool) {
        let (request, notes) = match &call.parsed {
            Ok(parsed) => (Some(&parsed.request), parsed.notes.as_slice()),
            Err(_) => (None, [].as_slice()),
        };
        let done = output.status == Status::Done;
        let target = request.map(ToolRequest::target).unwrap_or_default();
        match request {
            Some(ToolRequest::Read { .. }) => self.ledger.read(&target, done),
            Some(ToolRequest::Edit { .. }) => {
                self.ledger.edited(&target, output);
                self.tests.stale |= done || output.status == Status::Unknown;
                self.turn.edits += u64::from(done);
            }
            Some(ToolRequest::Run { .. }) => {
                self.ledger.ran(&target, output);
                let unknown = output.status == Status::Unknown;
                self.tests.stale |= moved || unknown;
                self.turn.edits += u64::from(moved);
            }
            Some(ToolRequest::Test { .. }) => {
                self.tested(step, output);
            }
            Some(ToolRequest::Extract { .. } | ToolRequest::Finish { .. }) | None => {}
        }
        if output.status == Status::Denied {
            self.turn.denials += 1;
            let why = output.text.lines().next().unwrap_or_default();
            self.turn.denied = one_line(why, 200);
        }
        let edit = done && matches!(request, Some(ToolRequest::Edit { .. }));
        let state = edit.then(|| match (&self.tree, moved) {
            (Some(tree), true) => tree.clone(),
            _ => format!("{}{}", call.name, call.arguments),
        });
        self.loops
            .saw(&call.name, &call.arguments, output, state.as_deref());
        let text = self.readable(request, output, notes);
        let brief = brief(request, &call.name, &target, output);
        self.say(Said::Result {
            call_id: call.call_id.clone(),
            text,
            brief,
        });
        if self.turn.denials >= DENIALS_MAX {
            let last = &self.turn.denied;
            let words = format!("Denied {DENIALS_MAX} times in this turn; last: {last}");
            return self.end(SessionEnd::Denied, words, None);
        }
        if self.led() {
            return self.led_edited(done);
        }
        self.advance();
    }

    /// A tool's output as the model gets it: what was tolerated first, then what failed, then the output,
    /// bounded.
    fn readable(
        &self,
        request: Option<&ToolRequest>,
        output: &ToolOutput,
        notes: &[String],
    ) -> String {
        let limit = context::result_bytes(&self.config);
        let mut text: String = notes.iter().map(|note| format!("[{note}]\n")).collect();
        if matches!(output.status, Status::Rejected | Status::Failed) {
            text.push_str("Error: ");
        }
        let job = matches!(
            request,
            Some(ToolRequest::Run { .. } | ToolRequest::Test { .. })
        );
        if !job {
            text.push_str(&clip(&output.text, 400, limit));
            return text;
        }
        text.push_str(&tests_line(output));
        text.push_str(&digest(&relative(&self.config, &output.text), 400, limit));
        text
    }
}

/// `Tests: 1 failed, 8 passed. Failing: test_rounding.`, where the output says so.
pub(crate) fn tests_line(output: &ToolOutput) -> String {
    let counts = [(output.failed, "failed"), (output.passed, "passed")];
    let said = counts
        .iter()
        .filter_map(|(n, word)| n.map(|n| format!("{n} {word}")));
    let said = said.collect::<Vec<_>>().join(", ");
    let failing = match output.exit_code {
        Some(0) => None,
        _ => failing(&output.text),
    };
    match (said.as_str(), failing) {
        ("", None) => String::new(),
        ("", Some(names)) => format!("Failing: {names}.\n"),
        (said, None) => format!("Tests: {said}.\n"),
        (said, Some(names)) => format!("Tests: {said}. Failing: {names}.\n"),
    }
}

/// One line that stands for a result when there is no room for it.
fn brief(request: Option<&ToolRequest>, name: &str, target: &str, output: &ToolOutput) -> String {
    let name = match request {
        Some(request) => request.name(),
        None => name,
    };
    let how = match output.status {
        Status::Done => match (request, output.exit_code) {
            (Some(ToolRequest::Read { .. }), _) => {
                format!("{} lines", output.text.lines().count())
            }
            (Some(ToolRequest::Edit { .. }), _) => format!(
                "+{} -{}",
                output.added.unwrap_or(0),
                output.removed.unwrap_or(0)
            ),
            (Some(ToolRequest::Extract { .. }), _) => output.text.clone(),
            (_, Some(code)) => format!("exit code {code}"),
            _ => "done".into(),
        },
        Status::Failed => "failed".into(),
        Status::Denied => "denied".into(),
        Status::Rejected => "malformed".into(),
        Status::Unknown => "outcome unknown".into(),
        Status::Cancelled | Status::Limit => "stopped".into(),
    };
    one_line(&format!("{name} {target}: {how}"), 200)
}
