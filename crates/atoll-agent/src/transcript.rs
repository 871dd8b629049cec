//! The transcript as the fold keeps it: what a conversation is made of.

use atoll_domain::Part;

/// What is kept of a reply's thoughts, in bytes; of longer ones nothing, since a part of one is worth nothing.
const THOUGHT_BYTES_MAX: usize = 64 << 10;

/// The thoughts of a reply, if they aren't too long to be sent again with each call.
pub(crate) fn thoughts_of(content: &[Part]) -> Vec<Part> {
    let thoughts = content
        .iter()
        .filter(|p| matches!(p, Part::Reasoning { .. }));
    let bytes = |part: &Part| match part {
        Part::Reasoning {
            text,
            signature,
            sealed,
        } => {
            let len = |o: &Option<String>| o.as_ref().map_or(0, String::len);
            text.len() + len(signature) + len(sealed)
        }
        _ => 0,
    };
    match thoughts.clone().map(bytes).sum::<usize>() <= THOUGHT_BYTES_MAX {
        true => thoughts.cloned().collect(),
        false => Vec::new(),
    }
}

/// A call in a reply, as it is sent back to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its id, unique in its reply.
    pub id: String,
    /// Its name, safe to echo.
    pub name: String,
    /// Its arguments: always valid JSON, since servers parse what is echoed.
    pub arguments: String,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A later turn's task; the first turn's is kept apart.
    Task { turn: u64, text: String },
    /// A person's words while a turn ran.
    Steer(String),
    /// The agent's own words to the model.
    Note(String),
    /// A picture that a person attached, and what is said with it.
    Picture { note: String, picture: Part },
    /// The model's reply, with what it thought before: that goes back to the same model within the turn.
    Reply {
        text: String,
        calls: Vec<Call>,
        thoughts: Vec<Part>,
    },
    /// A tool's result: the text, and one line that stands for it when there is no room.
    Result {
        call_id: String,
        text: String,
        brief: String,
    },
}

/// An entry and the last step when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub step: u64,
    pub said: Said,
}

/// The name of a call, safe for every server: letters, digits, `_` and `-`, 64 at most.
pub(crate) fn safe_name(name: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    let name: String = name.chars().filter(fine).take(64).collect();
    if name.is_empty() {
        "unknown".into()
    } else {
        name
    }
}

/// The provider's id if it is short, plain and not used before in the reply; else one of ours.
pub(crate) fn safe_id(id: &str, step: u64, index: usize, before: &[Call]) -> String {
    let plain = !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_graphic());
    if plain && before.iter().all(|call| call.id != id) {
        return id.to_owned();
    }
    let mut own = format!("call_{step}_{index}");
    while before.iter().any(|call| call.id == own) {
        own.push('x');
    }
    own
}

/// The arguments as valid JSON: as they are, or said to be malformed.
pub(crate) fn safe_arguments(arguments: &str) -> String {
    let valid = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments);
    if valid.is_ok() && arguments.len() <= 256 << 10 {
        return arguments.to_owned();
    }
    let shown = crate::clip::cut_bytes(arguments, 300);
    serde_json::json!({ "malformed": shown }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_echoed_is_safe() {
        assert_eq!(safe_name("functions.read file\u{1b}"), "functionsreadfile");
        assert_eq!(safe_name("💥"), "unknown");
        let first = Call {
            id: "a".into(),
            name: String::new(),
            arguments: String::new(),
        };
        assert_eq!(safe_id("b", 7, 1, std::slice::from_ref(&first)), "b");
        assert_eq!(safe_id("a", 7, 1, std::slice::from_ref(&first)), "call_7_1");
        assert_eq!(safe_id("", 7, 0, &[]), "call_7_0");
        assert_eq!(safe_arguments("{\"a\":1}"), "{\"a\":1}");
        assert_eq!(safe_arguments("{\"a\":"), "{\"malformed\":\"{\\\"a\\\":\"}");
    }
}
