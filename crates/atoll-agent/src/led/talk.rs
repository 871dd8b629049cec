//! What a small model is told, and what its reply means.

use atoll_domain::{Conversation, Form, Message, Speaker};

use super::form::{self, Ask};
use super::{Led, look};
use crate::clip::cut_bytes;
use crate::config::SessionConfig;
use crate::context::raw_tokens;
use crate::state::State;
use crate::transcript::Said;

const SYSTEM: &str = include_str!("../../prompts/led.md");
/// Tries that it is told of.
const TOLD_MAX: usize = 4;
/// Of a person's words, in bytes.
const WORDS_BYTES_MAX: usize = 600;

/// The system message.
pub(crate) fn system(_: &SessionConfig) -> String {
    SYSTEM.trim_end().to_owned()
}

/// One round of it, for a model that has never seen one.
fn example(ask: Ask) -> [Message; 2] {
    let file =
        "def days(weeks):\n    \"\"\"How many days these weeks have.\"\"\"\n    return weeks * 6\n";
    let test = "    self.assertEqual(days(2), 14)\nAssertionError: 12 != 14";
    let answer = match ask {
        Ask::Part => r#"{"line": "return weeks * 6", "replace": "6", "by": "7"}"#,
        Ask::Line => r#"{"wrong": "return weeks * 6", "right": "return weeks * 7"}"#,
    };
    let asked = format!("{}{}", file_of("calendar.py", file), question(ask, test));
    [
        Message::text(Speaker::User, asked),
        Message::text(Speaker::Assistant, answer),
    ]
}

fn file_of(path: &str, text: &str) -> String {
    format!("File {path}:\n```\n{text}```\n\n")
}

fn question(ask: Ask, output: &str) -> String {
    let asked = match ask {
        Ask::Part => "Which line is wrong, and what must change in it?",
        Ask::Line => "Which line is wrong, and what is the right line?",
    };
    format!("This test fails:\n```\n{output}\n```\n\n{asked}")
}

/// Whether there is anything to ask: files that were found, with lines that may be wrong.
pub(super) fn asks(led: &Led) -> bool {
    let whole: Vec<_> = led.files.iter().map(|f| 0..f.lines.len()).collect();
    !look::offered(&led.files, &whole).is_empty()
}

/// The conversation for the next call, and an upper estimate of its tokens: always one question, with all that
/// is known.
pub(crate) fn conversation(state: &State) -> (Conversation, u64) {
    let led = &state.led;
    let ask = Ask::after(state.turn.rounds);
    let about = format!("{}\n{}", led.output, led.tests);
    let words = look::words(&about);
    let shown: Vec<_> = led.files.iter().map(|f| f.window(&words)).collect();
    let mut text = String::new();
    for (file, range) in led.files.iter().zip(&shown) {
        let part = file.lines[range.clone()].join("\n");
        text.push_str(&file_of(&file.path, &format!("{part}\n")));
    }
    for said in people(state) {
        text.push_str(&format!("The person says: {said}\n\n"));
    }
    text.push_str(&question(ask, &led.output));
    let tried: Vec<String> = led
        .tried
        .iter()
        .rev()
        .take(TOLD_MAX)
        .map(|(_, right)| format!("- {right}"))
        .collect();
    // What is kept out of the form needn't be told.
    if !tried.is_empty() && ask == Ask::Line {
        text.push_str(&format!(
            "\nThese were tried, and the test still fails:\n{}\n",
            tried.join("\n")
        ));
    }
    let [asked, answered] = example(ask);
    let lines = look::offered(&led.files, &shown);
    let conversation = Conversation {
        messages: vec![
            Message::text(Speaker::System, system(&state.config)),
            asked,
            answered,
            Message::text(Speaker::User, text),
        ],
        tools: Vec::new(),
        form: Some(Form {
            name: "mend".into(),
            schema: match ask {
                Ask::Part => form::part(&lines, &led.parts),
                Ask::Line => form::whole(&lines),
            },
            varied: true,
        }),
    };
    let tokens = raw_tokens(&conversation);
    (conversation, tokens)
}

/// What people said beside the first task, which is to make the tests pass.
fn people(state: &State) -> Vec<String> {
    let said = state.entries.iter().filter_map(|entry| match &entry.said {
        Said::Task { text, .. } | Said::Steer(text) => Some(cut_bytes(text, WORDS_BYTES_MAX)),
        _ => None,
    });
    let mut said: Vec<String> = said.collect();
    let first = state.first.as_ref().map(|first| first.text.as_str());
    if let Some(first) = first.filter(|_| said.is_empty()) {
        said.push(cut_bytes(first, WORDS_BYTES_MAX));
    }
    said.split_off(said.len().saturating_sub(2))
}
