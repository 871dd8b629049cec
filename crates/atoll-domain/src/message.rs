//! What is said between a person, a model and its tools. Content comes in parts, so that images fit.

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Instructions of the node.
    System,
    /// A person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One part of a message's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// An image, by its bytes in base64.
    Image {
        /// Its media type, such as `image/png`.
        media_type: String,
        /// Base64 of its bytes.
        data: String,
    },
    /// What the model thought before it spoke. It goes back to the wire that it came from, and to no other.
    Reasoning {
        /// The thought; empty where the provider keeps it to itself.
        text: String,
        /// The provider's signature over it, sent back as it came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        /// A thought that the provider encrypted, in place of its text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed: Option<String>,
    },
}

impl Part {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Part {
        Part::Text { text: text.into() }
    }
}

/// A model's wish to call a tool. `arguments` is what it wrote, unparsed: it may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id, as the provider gave it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// JSON, if the model kept to the schema.
    pub arguments: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Speaker,
    /// What is said.
    pub content: Vec<Part>,
    /// The assistant's tool calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool's result answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message of one text.
    pub fn text(role: Speaker, text: impl Into<String>) -> Message {
        Message {
            role,
            content: vec![Part::text(text)],
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
    /// A tool's result.
    pub fn tool(call_id: impl Into<String>, text: impl Into<String>) -> Message {
        Message {
            tool_call_id: Some(call_id.into()),
            ..Message::text(Speaker::Tool, text)
        }
    }
    /// Its text parts, joined. Thoughts are none.
    pub fn joined_text(&self) -> String {
        let texts = self.content.iter().filter_map(|p| match p {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } | Part::Reasoning { .. } => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// A tool as a model is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// The form that a reply must have: one JSON value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// A name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// A JSON Schema of the reply.
    pub schema: serde_json::Value,
    /// Whether another reply is wanted each time it is asked: then chance decides more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varied: bool,
}

/// A whole request's conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<ToolSpec>,
    /// The form of the reply's text, where one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
}
