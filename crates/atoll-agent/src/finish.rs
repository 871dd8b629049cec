//! When the work is done, and what is said when it is not.

use atoll_domain::SessionEnd;

use crate::output::ToolOutput;
use crate::prompt::relative;
use crate::report::{digest, failing};
use crate::state::{Finishing, State, TestRun, What};
use crate::words;

/// How often a finish is sent back because the tests fail.
pub(crate) const SENT_BACK_MAX: u64 = 3;

impl State {
    /// A wish to end the work: see *Conclude* in the table of `state.rs`.
    pub(crate) fn conclude(&mut self, finishing: Finishing) {
        if self.steered() {
            self.reply_to(&finishing, words::STEERED);
            return self.close_round();
        }
        if !self.changed() {
            return self.answered(finishing);
        }
        if self.config.test.is_none() {
            return self.patch(finishing);
        }
        match self.tests.last.clone().filter(|_| !self.tests.stale) {
            None => self.set(What::Check(finishing)),
            Some(run) => self.judged(finishing, &run, None),
        }
    }

    /// The check was run.
    pub(crate) fn concluded_by(
        &mut self,
        finishing: Finishing,
        run: &TestRun,
        output: &ToolOutput,
    ) {
        if self.steered() {
            self.reply_to(&finishing, words::STEERED);
            return self.close_round();
        }
        if self.led() {
            return self.led_checked(finishing, run, output);
        }
        self.judged(finishing, run, Some(output));
    }

    fn judged(&mut self, finishing: Finishing, run: &TestRun, output: Option<&ToolOutput>) {
        let before = self.tests.baseline.as_ref();
        let as_before = before.is_some_and(|before| no_worse(run, before))
            && !is_about_failing_tests(&self.turn.task);
        if run.ok || !run.ran || (as_before && finishing.unrelated_failures) {
            return self.patch(finishing);
        }
        self.turn.sent_back += 1;
        if self.config.chats() {
            return self.judged_in_chat(finishing, run, output);
        }
        if self.turn.sent_back > SENT_BACK_MAX {
            self.reply_to(&finishing, words::ACCEPTED);
            let words = failed_words(self, "");
            return self.end(SessionEnd::Failed, words, None);
        }
        let left = SENT_BACK_MAX - self.turn.sent_back;
        let mut text = words::tests_fail(&run.words(), left, as_before, output.is_none());
        if let Some(output) = output {
            let limit = crate::context::result_bytes(&self.config);
            text.push('\n');
            let shown = relative(&self.config, &output.text);
            if let Some(names) = failing(&shown) {
                text.push_str(&format!("Failing: {names}.\n"));
            }
            text.push_str(&digest(&shown, 160, limit));
        }
        self.reply_to(&finishing, &text);
        self.close_round();
    }

    /// Failing tests go back to the model once. Then the person gets the patch, which says that they fail.
    fn judged_in_chat(&mut self, finishing: Finishing, run: &TestRun, output: Option<&ToolOutput>) {
        if self.turn.sent_back > 1 {
            return self.patch(finishing);
        }
        let mut text = format!("{}: {}.", words::CHAT_TESTS_FAIL, run.words());
        text.push_str(" Mend what fails, or answer again and say why they fail.\n");
        if let Some(output) = output {
            let limit = crate::context::result_bytes(&self.config);
            let shown = relative(&self.config, &output.text);
            text.push_str(&digest(&shown, 160, limit));
        }
        self.reply_to(&finishing, &text);
        self.close_round();
    }

    /// Nothing was changed: the summary is the answer, unless the tests fail and nobody thought of it.
    fn answered(&mut self, finishing: Finishing) {
        let red = self
            .tests
            .last
            .as_ref()
            .is_some_and(|run| run.ran && !run.ok);
        let question = self.turn.task.trim_end().ends_with('?');
        if red && !self.config.chats() && !question && !self.turn.answer_sent_back {
            self.turn.answer_sent_back = true;
            self.reply_to(&finishing, words::NOTHING_CHANGED);
            return self.close_round();
        }
        self.reply_to(&finishing, words::ACCEPTED);
        let Finishing { title, summary, .. } = finishing;
        let words = if summary.is_empty() { title } else { summary };
        self.end(SessionEnd::Answer, words, None);
    }

    pub(crate) fn patch(&mut self, finishing: Finishing) {
        self.reply_to(&finishing, words::ACCEPTED);
        let tests = match &self.tests.last {
            Some(run) if !self.tests.stale => format!("tests: {}", run.words()),
            _ => "no tests were run".into(),
        };
        let words = format!("{} ({tests})", finishing.title);
        let proposal = self.proposal(finishing.title, finishing.summary);
        self.end(SessionEnd::Patch, words, Some(proposal));
    }

    /// To the call, or, if the model just stopped, as a note.
    fn reply_to(&mut self, finishing: &Finishing, text: &str) {
        match &finishing.call_id {
            Some(id) => self.answer(id, text, "finish"),
            None if text == words::ACCEPTED => {}
            None => self.note(text),
        }
    }
}

/// Whether the person's own words ask for tests to pass: then failing tests are never beside the point,
/// whatever the model says.
fn is_about_failing_tests(task: &str) -> bool {
    let task = task.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| task.contains(word));
    any(&["test", "spec", "suite", "build", "ci "])
        && any(&[
            "fail", "pass", "fix", "mend", "repair", "green", "red ", "broken",
        ])
}

/// Whether no more fails than before, and no less passes.
fn no_worse(now: &TestRun, before: &TestRun) -> bool {
    if !before.ran || before.ok {
        return false;
    }
    match (now.failed, before.failed) {
        (Some(now_failed), Some(before_failed)) => {
            now_failed <= before_failed && now.passed.unwrap_or(0) >= before.passed.unwrap_or(0)
        }
        (None, None) => now.exit_code == before.exit_code,
        _ => false,
    }
}

/// Why there is no patch, and what was tried. `why` may be empty: then the tests say it.
pub(crate) fn failed_words(state: &State, why: &str) -> String {
    let rounds = state.turn.rounds;
    let plural = if rounds == 1 { "" } else { "s" };
    let red = state
        .tests
        .last
        .as_ref()
        .filter(|run| run.ran && !run.ok && !state.tests.stale);
    let tests = red.map(|run| match run.failed {
        Some(1) => "1 test still fails".to_owned(),
        Some(n) if n > 1 => format!("{n} tests still fail"),
        _ => "the tests still fail".to_owned(),
    });
    let mut words = if state.config.plan {
        "No plan"
    } else if state.config.chats() {
        "No answer"
    } else {
        "No patch"
    }
    .to_owned();
    match (tests, why) {
        (Some(tests), "") => words.push_str(&format!(": {tests} after {rounds} turn{plural}.")),
        (Some(tests), why) => {
            words.push_str(&format!(": {tests} after {rounds} turn{plural}; {why}."));
        }
        (None, "") => words.push_str(&format!(" after {rounds} turn{plural}.")),
        (None, why) => words.push_str(&format!(" after {rounds} turn{plural}: {why}.")),
    }
    let tried = state.ledger.tried();
    if !tried.is_empty() {
        words.push_str(&format!(" Tried: {tried}."));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_asks_for_green_tests_is_known() {
        for task in [
            "make the failing test pass",
            "Fix the tests",
            "get the suite GREEN",
        ] {
            assert!(is_about_failing_tests(task), "{task}");
        }
        for task in [
            "add a --json flag",
            "write tests for total()",
            "rename x to y",
        ] {
            assert!(!is_about_failing_tests(task), "{task}");
        }
    }

    #[test]
    fn no_worse_compares_counts_or_exit_codes() {
        let run = |failed, passed| TestRun {
            step: atoll_domain::Step(1),
            ran: true,
            ok: failed == Some(0),
            exit_code: Some(1),
            passed,
            failed,
            skipped: None,
        };
        let before = run(Some(2), Some(7));
        assert!(no_worse(&run(Some(2), Some(7)), &before));
        assert!(no_worse(&run(Some(1), Some(8)), &before));
        assert!(!no_worse(&run(Some(3), Some(9)), &before));
        assert!(
            !no_worse(&run(Some(2), Some(3)), &before),
            "tests went missing"
        );
        assert!(!no_worse(&run(None, None), &before), "it no longer builds");
        assert!(
            !no_worse(&run(Some(1), Some(8)), &run(Some(0), Some(9))),
            "it was green"
        );
        assert!(no_worse(&run(None, None), &run(None, None)));
    }
}
