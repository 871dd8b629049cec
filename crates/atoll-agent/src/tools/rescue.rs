//! Tool calls that a model wrote into its text, because its server did not take them out.

use atoll_domain::ToolCall;
use serde_json::Value;

use super::parse::known;
use super::{CALLS_MAX, json};

/// The text without the calls, and the calls: `<tool_call>{…}</tool_call>` blocks, fenced JSON blocks or
/// a reply that is one JSON object, of the form `{"name": …, "arguments": {…}}` with a tool's name.
pub(crate) fn rescue(text: &str) -> Option<(String, Vec<ToolCall>)> {
    if !text.contains('{') {
        return None;
    }
    for (open, close) in [
        ("<tool_call>", "</tool_call>"),
        ("```json", "```"),
        ("```", "```"),
    ] {
        let (rest, blocks) = cut(text, open, close);
        let calls: Option<Vec<ToolCall>> = blocks.iter().map(|b| call(b)).collect();
        if let Some(calls) = calls.filter(|c| !c.is_empty()) {
            return Some((rest, calls));
        }
    }
    call(text.trim()).map(|one| (String::new(), vec![one]))
}

/// Takes the blocks between `open` and `close` out; a last one without its end counts.
fn cut<'a>(text: &'a str, open: &str, close: &str) -> (String, Vec<&'a str>) {
    let (mut rest, mut blocks, mut from) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = from.split_once(open) {
        rest.push_str(before);
        let (block, next) = after.split_once(close).unwrap_or((after, ""));
        if blocks.len() < CALLS_MAX {
            blocks.push(block.trim());
        }
        from = next;
    }
    rest.push_str(from);
    (rest.trim().to_owned(), blocks)
}

fn call(block: &str) -> Option<ToolCall> {
    if !block.starts_with('{') {
        return None;
    }
    let (mut map, _) = json::object(block).ok()?;
    if let Some(Value::Object(inner)) = map.get("function") {
        map = inner.clone();
    }
    let name = map.get("name").or_else(|| map.get("tool"))?.as_str()?;
    known(name)?;
    let arguments = map.get("arguments").or_else(|| map.get("parameters"))?;
    Some(ToolCall {
        id: String::new(),
        name: name.to_owned(),
        arguments: match arguments {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn calls_in_text_are_found() {
        let hermes = "I look.\n<tool_call>\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"a.py\"}}\n</tool_call>";
        let (rest, calls) = rescue(hermes).unwrap();
        assert_eq!((rest.as_str(), calls.len()), ("I look.", 1));
        assert_eq!(calls[0].arguments, r#"{"path":"a.py"}"#);
        let two = "<tool_call>{\"name\":\"list\",\"arguments\":{}}</tool_call><tool_call>{\"name\":\"test\",\"arguments\":{}}";
        assert_eq!(rescue(two).unwrap().1.len(), 2);
        let fenced = "```json\n{\"name\": \"edit\", \"arguments\": {\"path\": \"a\", \"content\": \"x\\n\"}}\n```";
        assert_eq!(rescue(fenced).unwrap().1[0].name, "edit");
        let bare = r#"{"name": "search", "parameters": {"pattern": "x"}}"#;
        assert_eq!(rescue(bare).unwrap().1[0].name, "search");
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in [
            "done",
            "{\"name\": \"rm_rf\", \"arguments\": {}}",
            "```json\n{\"name\": \"till\", \"version\": \"1.0\"}\n```",
            "use {\"name\": \"read_file\"} for it",
            "```\nfn main() {}\n```",
        ] {
            assert_eq!(rescue(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in any::<String>(), inner in r#"[{}"a:,\[\]<>/`nameargumts_col\\]{0,80}"#) {
            let _ = rescue(&text);
            let _ = rescue(&inner);
            let _ = rescue(&format!("<tool_call>{inner}</tool_call>```{inner}"));
        }
    }
}
