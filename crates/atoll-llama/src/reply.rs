//! A reply's text, as it comes: words, or one call of a tool.

use atoll_domain::{ActionKey, Message, Speaker, ToolCall};
use atoll_ports::models::Delta;
use serde_json::Value;

/// Longer arguments no tool has, in bytes.
const CALL_LIMIT_BYTES: usize = 1 << 20;

/// How every call begins.
const HEAD: &str = "{\"tool\": ";

/// What was written so far.
#[derive(Debug)]
pub struct Written {
    tools: bool,
    text: String,
    /// So much of it was shown, in bytes.
    shown: usize,
    named: bool,
}

impl Written {
    /// Nothing yet. `tools`: whether a call may be written.
    pub fn new(tools: bool) -> Written {
        Written {
            tools,
            text: String::new(),
            shown: 0,
            named: false,
        }
    }

    fn is_call(&self) -> bool {
        self.tools && self.text.starts_with(HEAD)
    }

    /// Takes a piece; what a watcher sees of it. A call's JSON isn't shown as words.
    pub fn push(&mut self, piece: &str) -> Option<Delta> {
        self.text.push_str(piece);
        let open = self.tools && HEAD.starts_with(self.text.as_str());
        if !open && !self.is_call() {
            let from = std::mem::replace(&mut self.shown, self.text.len());
            let fresh = &self.text[from..];
            return (!fresh.is_empty()).then(|| Delta::Text(fresh.to_owned()));
        }
        if self.named {
            return None;
        }
        let name = name(&self.text)?;
        self.named = true;
        Some(Delta::ToolNamed(name))
    }

    /// The whole message and why it ended. A call that was cut by the limit stays words: it can't be done.
    pub fn finish(self, key: &ActionKey, finish: &str) -> (Message, String) {
        let call = if self.is_call() && self.text.len() <= CALL_LIMIT_BYTES {
            call(&self.text, key)
        } else {
            None
        };
        match call {
            Some(call) => {
                let mut message = Message::text(Speaker::Assistant, "");
                message.content.clear();
                message.tool_calls.push(call);
                (message, "tool_calls".into())
            }
            None => (Message::text(Speaker::Assistant, self.text), finish.into()),
        }
    }
}

/// The tool's name, once it is written whole.
fn name(text: &str) -> Option<String> {
    let rest = text.strip_prefix(HEAD)?;
    let mut whole = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    whole.next()?.ok()
}

fn call(text: &str, key: &ActionKey) -> Option<ToolCall> {
    let value: Value = serde_json::from_str(text).ok()?;
    let id = ActionKey::derive(&[b"call", key.as_bytes(), text.as_bytes()]).to_string();
    let id: String = id.trim_start_matches("key_").chars().take(12).collect();
    Some(ToolCall {
        id: format!("call_{id}"),
        name: value["tool"].as_str()?.to_owned(),
        arguments: value["arguments"]
            .as_object()
            .map(|_| value["arguments"].to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ActionKey {
        ActionKey::derive(&[b"k"])
    }

    #[test]
    fn a_call_is_named_once_and_not_shown_as_words() {
        let mut written = Written::new(true);
        let pieces = [
            "{\"to",
            "ol\": \"re",
            "ad\"",
            ", \"arguments\": {\"path\": \"a\"}}",
        ];
        let seen: Vec<Delta> = pieces.iter().filter_map(|p| written.push(p)).collect();
        assert_eq!(seen, [Delta::ToolNamed("read".into())]);
        let (message, finish) = written.finish(&key(), "stop");
        assert_eq!(finish, "tool_calls");
        assert_eq!(message.tool_calls[0].name, "read");
        assert_eq!(message.tool_calls[0].arguments, "{\"path\":\"a\"}");
        assert!(message.tool_calls[0].id.starts_with("call_"));
    }

    #[test]
    fn an_object_that_is_no_call_is_shown_whole() {
        let mut written = Written::new(true);
        let seen: Vec<Delta> = ["{", "\"to", "pic\": 1", "}"]
            .iter()
            .filter_map(|p| written.push(p))
            .collect();
        let text = |t: &str| Delta::Text(t.into());
        assert_eq!(seen, [text("{\"topic\": 1"), text("}")]);
        let (message, finish) = written.finish(&key(), "stop");
        assert_eq!(message.joined_text(), "{\"topic\": 1}");
        assert_eq!(finish, "stop");
    }

    #[test]
    fn words_stay_words_and_so_does_a_call_that_was_cut() {
        let mut written = Written::new(true);
        assert_eq!(written.push("hi"), Some(Delta::Text("hi".into())));
        let (message, finish) = written.finish(&key(), "stop");
        assert_eq!(
            (message.joined_text().as_str(), finish.as_str()),
            ("hi", "stop")
        );
        let mut cut = Written::new(true);
        cut.push("{\"tool\": \"read\", \"argum");
        let (message, finish) = cut.finish(&key(), "length");
        assert!(message.tool_calls.is_empty());
        assert_eq!(finish, "length");
        // Without tools, JSON is an answer like another.
        let mut json = Written::new(false);
        assert!(
            json.push("{\"tool\": \"read\", \"arguments\": {}}")
                .is_some()
        );
        assert!(json.finish(&key(), "stop").0.tool_calls.is_empty());
    }
}
