//! The agent's own words to the model.

use crate::config::SessionConfig;

pub(crate) const NUDGE: &str = "You called no tool. To go on, call one. When the work is done, call `finish` with a title and a summary; if only an answer was asked for, the summary is the answer.";
pub(crate) const NUDGE_CHAT: &str = "Your answer was empty. Answer the person, or call a tool.";
pub(crate) const CHAT_TESTS_FAIL: &str = "Not yet: you changed files, and the tests don't pass";
pub(crate) const NUDGE_PLAN: &str =
    "Your answer was empty. Answer with the plan, or call a tool to look further.";
pub(crate) const CUT_LENGTH: &str = "Your reply reached the limit of its length and was cut off. Go on in smaller steps: short thoughts, one edit at a time.";
pub(crate) const CUT_STREAM: &str =
    "The connection broke in the middle of your last reply, which is lost. Answer again.";
pub(crate) const RESTORED: &str = "The session was resumed and the files were brought back to their last checkpoint. Read what you rely on again.";
pub(crate) const STEERED: &str = "Not finished: the person said more. Their words follow.";
pub(crate) const ACCEPTED: &str = "Done: the work ends here.";
pub(crate) const AFTER_FINISH: &str = "Not done: `finish` came before it.";
pub(crate) const NOTHING_CHANGED: &str = "Nothing was changed and the tests fail. If the task is to mend them, go on. If only an answer was asked for, call `finish` again with the answer as the summary. If it can't be done, call it with `solved: false`.";

pub(crate) fn undone(turn: u64) -> String {
    format!(
        "A person took the changes of turn {turn} back. Read files again before you rely on them."
    )
}

pub(crate) fn last_reply(config: &SessionConfig) -> String {
    if config.plan {
        "This is your last reply: answer with the plan now.".into()
    } else if config.chats() {
        "This is your last reply in this turn: answer now, without calling a tool.".into()
    } else {
        "This is your last reply in this turn: call `finish` now, with `solved: false` if the work is not done.".into()
    }
}

/// A finish that can't be accepted, since the tests fail.
pub(crate) fn tests_fail(said: &str, left: u64, unrelated_possible: bool, again: bool) -> String {
    let again = if again {
        " Nothing was edited since you last saw their output."
    } else {
        ""
    };
    let unrelated = if unrelated_possible {
        " They failed before your change too: if the task doesn't ask to mend them, call `finish` with `unrelated_failures: true`."
    } else {
        ""
    };
    let times = match left {
        0 => "the next unsuccessful `finish` ends the work without a patch".to_owned(),
        n => format!("`finish` is taken {n} more times at most"),
    };
    format!(
        "Not finished: the tests don't pass: {said}.{again}{unrelated} Mend what fails and call `finish` again, or call it with `solved: false` and the reason; {times}."
    )
}
