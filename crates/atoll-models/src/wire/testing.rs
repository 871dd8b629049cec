//! A conversation with everything in it that wires must write down, and what a decoder stands on.

use std::collections::VecDeque;

use atoll_domain::action::ModelCall;
use atoll_domain::{ActionKey, Conversation, Message, ModelRef, Part, Speaker, ToolCall, ToolSpec};
use atoll_ports::models::{Delta, Reply};
use serde_json::json;

use super::{Decode, Sheet};
use crate::fault::Fault;
use crate::usage::Sent;

pub(super) fn call_of(conversation: Conversation) -> ModelCall {
    ModelCall {
        session: None,
        key: ActionKey::derive(&[b"k"]),
        model: ModelRef {
            provider: "p".into(),
            model: "m".into(),
        },
        endpoint: "h:1".into(),
        remote: false,
        conversation,
        output_tokens_max: 99,
        input_tokens_estimate: 10,
        price: None,
        ttl_s: 60,
    }
}

pub(super) fn image() -> Part {
    Part::Image {
        media_type: "image/png".into(),
        data: "aGk=".into(),
    }
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    }
}

/// Images of a person and of a tool, ids that repeat and that not all take, arguments that are no JSON, thoughts
/// with and without a signature, and a result that is empty.
pub(super) fn conversation() -> Conversation {
    let mut look = Message::text(Speaker::User, "look");
    look.content.push(image());
    let mut asked = Message::text(Speaker::Assistant, "");
    asked.content = vec![
        Part::Reasoning {
            text: "signed".into(),
            signature: Some("sig".into()),
            sealed: None,
        },
        Part::Reasoning {
            text: String::new(),
            signature: None,
            sealed: Some("c2VhbGVk".into()),
        },
        Part::Reasoning {
            text: "plainly".into(),
            signature: None,
            sealed: None,
        },
    ];
    asked.tool_calls = vec![
        call("same", "run", "{\"cmd\":\"ls\"}"),
        call("f:1", "look", "rm -rf"),
    ];
    let mut shot = Message::tool("f:1", "a screenshot");
    shot.content.push(image());
    let mut again = Message::text(Speaker::Assistant, "");
    again.tool_calls = vec![call("same", "run", "{}")];
    Conversation {
        messages: vec![
            Message::text(Speaker::System, "be good"),
            look,
            asked,
            Message::tool("same", "a.txt"),
            shot,
            again,
            Message::tool("same", ""),
            Message::text(Speaker::User, "and now?"),
        ],
        tools: vec![ToolSpec {
            name: "run".into(),
            description: "runs".into(),
            parameters: json!({"type": "object"}),
        }],
        form: None,
    }
}

pub(super) fn sheet() -> Sheet {
    Sheet {
        model: "asked".into(),
        key: ActionKey::derive(&[b"k"]),
        sent: Sent {
            text_bytes: 400,
            messages: 1,
            images: 0,
        },
        output_tokens_max: 1_000,
        form: None,
    }
}

pub(super) fn decode(
    mut decoder: Box<dyn Decode>,
    bytes: &[u8],
) -> (Vec<Delta>, Result<Reply, Fault>) {
    let mut out = VecDeque::new();
    let fed = decoder.feed(bytes, &mut out);
    let reply = fed.and_then(|_| decoder.finish(&mut out));
    (out.into(), reply)
}
