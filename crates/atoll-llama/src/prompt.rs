//! A conversation as turns that every chat template takes: system, user and assistant, in turn; tools described in
//! the system's text, their results told by the user.

use atoll_domain::{Conversation, Message, Part, Speaker, ToolSpec};
use serde_json::{Value, json};

use crate::wire::Turn;

/// A form's schema is told up to this length, in bytes.
const SCHEMA_BYTES_MAX: usize = 240;

/// Why a conversation can't be put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CantPut {
    /// It holds an image.
    #[error("this model reads text alone, and the conversation holds an image")]
    Image,
}

/// A conversation's turns.
pub fn turns(conversation: &Conversation) -> Result<Vec<Turn>, CantPut> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for message in &conversation.messages {
        if message
            .content
            .iter()
            .any(|p| matches!(p, Part::Image { .. }))
        {
            return Err(CantPut::Image);
        }
        let (role, text) = match message.role {
            Speaker::System => {
                system.push(message.joined_text());
                continue;
            }
            Speaker::User => ("user", message.joined_text()),
            Speaker::Assistant => ("assistant", assistant(message)),
            Speaker::Tool => ("user", format!("Result:\n{}", message.joined_text())),
        };
        match turns.last_mut() {
            // Many templates want the two to take turns.
            Some(last) if last.role == role => {
                last.text.push_str("\n\n");
                last.text.push_str(&text);
            }
            _ => turns.push(Turn {
                role: role.into(),
                text,
            }),
        }
    }
    if !conversation.tools.is_empty() {
        system.push(tools(&conversation.tools));
    }
    if let Some(form) = &conversation.form {
        let schema = form.schema.to_string();
        // A longer one would be most of what a small model reads; the grammar holds it to that all the same.
        if schema.len() <= SCHEMA_BYTES_MAX {
            system.push(format!(
                "Answer with one JSON value of this schema and nothing else: {schema}"
            ));
        }
    }
    if !system.is_empty() {
        let turn = Turn {
            role: "system".into(),
            text: system.join("\n\n"),
        };
        turns.insert(0, turn);
    }
    Ok(turns)
}

/// What the assistant said, its calls as it must write them.
fn assistant(message: &Message) -> String {
    let mut parts = vec![message.joined_text()];
    parts.extend(message.tool_calls.iter().map(|call| {
        let arguments: Value = serde_json::from_str(&call.arguments)
            .unwrap_or_else(|_| json!({"invalid_arguments": call.arguments}));
        written(&call.name, &arguments)
    }));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// A call, to the byte as the grammar wants its beginning.
fn written(name: &str, arguments: &Value) -> String {
    format!(
        "{{\"tool\": {}, \"arguments\": {arguments}}}",
        Value::from(name)
    )
}

fn tools(tools: &[ToolSpec]) -> String {
    let mut out = String::from(
        "You have tools. To use one, write nothing but one JSON object:\n\
         {\"tool\": NAME, \"arguments\": {...}}\n\
         Its result comes in the next message. When all is done, answer in plain words.\n\nTools:",
    );
    for tool in tools {
        out.push_str(&format!(
            "\n- {}: {}\n  arguments: ",
            tool.name, tool.description
        ));
        out.push_str(&compact(&tool.parameters));
    }
    out
}

/// A schema in the few words that a small model needs: properties with type and description.
fn compact(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return schema.to_string();
    };
    let required = schema["required"].as_array();
    let needed = |name: &str| required.is_some_and(|r| r.iter().any(|v| v == name));
    let rows = properties.iter().map(|(name, property)| {
        let kind = match (&property["enum"], &property["type"]) {
            (Value::Array(values), _) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                values.join("|")
            }
            (_, Value::String(kind)) => kind.clone(),
            _ => "any".into(),
        };
        let optional = if needed(name) { "" } else { ", optional" };
        let about = property["description"].as_str().unwrap_or_default();
        format!("{name} ({kind}{optional}) {about}")
            .trim()
            .to_owned()
    });
    rows.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::ToolCall;

    fn read() -> ToolSpec {
        ToolSpec {
            name: "read".into(),
            description: "reads a file".into(),
            parameters: json!({"type": "object", "properties": {
                "path": {"type": "string", "description": "which"},
                "how": {"enum": ["text", "hex"]},
            }, "required": ["path"]}),
        }
    }

    #[test]
    fn roles_take_turns_and_tools_are_told() {
        let mut asked = Message::text(Speaker::Assistant, "I look.");
        asked.tool_calls.push(ToolCall {
            id: "c1".into(),
            name: "read".into(),
            arguments: "{\"path\":\"a\"}".into(),
        });
        let conversation = Conversation {
            messages: vec![
                Message::text(Speaker::System, "Be good."),
                Message::text(Speaker::User, "hi"),
                Message::text(Speaker::User, "there"),
                asked,
                Message::tool("c1", "text of a"),
                Message::text(Speaker::System, "Be brief."),
            ],
            tools: vec![read()],
            form: None,
        };
        let turns = turns(&conversation).unwrap();
        let roles: Vec<&str> = turns.iter().map(|t| t.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
        assert!(
            turns[0]
                .text
                .starts_with("Be good.\n\nBe brief.\n\nYou have tools.")
        );
        assert!(turns[0].text.ends_with(
            "- read: reads a file\n  arguments: path (string) which; how (\"text\"|\"hex\", optional)"
        ));
        assert_eq!(turns[1].text, "hi\n\nthere");
        assert_eq!(
            turns[2].text,
            "I look.\n{\"tool\": \"read\", \"arguments\": {\"path\":\"a\"}}"
        );
        assert_eq!(turns[3].text, "Result:\ntext of a");
    }

    #[test]
    fn an_image_is_refused_and_no_call_is_lost() {
        let mut message = Message::text(Speaker::User, "look");
        message.content.push(Part::Image {
            media_type: "image/png".into(),
            data: "aGk=".into(),
        });
        let conversation = |message| Conversation {
            messages: vec![message],
            tools: vec![],
            form: None,
        };
        assert_eq!(turns(&conversation(message)), Err(CantPut::Image));
        let mut odd = Message::text(Speaker::Assistant, "");
        odd.tool_calls.push(ToolCall {
            id: String::new(),
            name: "r\"n".into(),
            arguments: "rm -rf".into(),
        });
        let turns = turns(&conversation(odd)).unwrap();
        assert_eq!(
            turns[0].text,
            "{\"tool\": \"r\\\"n\", \"arguments\": {\"invalid_arguments\":\"rm -rf\"}}"
        );
        let read: Value = serde_json::from_str(&turns[0].text).unwrap();
        assert_eq!(read["tool"], "r\"n");
    }
}
