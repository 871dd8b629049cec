//! A conversation as a request.

use atoll_domain::action::ModelCall;
use atoll_domain::{Message, Part, Speaker, ToolCall, ToolSpec};
use serde_json::{Map, Value, json};

use crate::config::OutputLimit;
use crate::usage::Sent;
use crate::wire::{Manners, Outgoing};

pub(in crate::wire) fn request(call: &ModelCall, manners: Manners) -> Outgoing {
    let conversation = &call.conversation;
    let mut sent = Sent {
        messages: conversation.messages.len() as u64,
        ..Sent::default()
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model.model));
    let messages = messages(&conversation.messages, &mut sent);
    body.insert("messages".into(), Value::Array(messages));
    if !conversation.tools.is_empty() {
        let tools = conversation.tools.iter().map(|t| tool(t, &mut sent));
        body.insert("tools".into(), Value::Array(tools.collect()));
    }
    let limit = match manners.output_limit {
        OutputLimit::MaxTokens => "max_tokens",
        OutputLimit::MaxCompletionTokens => "max_completion_tokens",
    };
    body.insert(limit.into(), json!(call.output_tokens_max));
    body.insert("stream".into(), json!(true));
    if manners.usage_in_stream {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Outgoing {
        path: "/chat/completions",
        body: Value::Object(body).to_string().into_bytes().into(),
        sent,
    }
}

fn tool(spec: &ToolSpec, sent: &mut Sent) -> Value {
    let value = json!({"type": "function", "function": {
        "name": spec.name, "description": spec.description, "parameters": spec.parameters,
    }});
    sent.text_bytes += value.to_string().len() as u64;
    value
}

fn messages(messages: &[Message], sent: &mut Sent) -> Vec<Value> {
    let mut out = Vec::with_capacity(messages.len());
    // Tool messages take text alone: their images follow as a user's, after the last of the results, which
    // must stand together.
    let mut images = Vec::new();
    for message in messages {
        if message.role != Speaker::Tool && !images.is_empty() {
            out.push(json!({"role": "user", "content": std::mem::take(&mut images)}));
        }
        out.push(one(message, &mut images, sent));
    }
    if !images.is_empty() {
        out.push(json!({"role": "user", "content": images}));
    }
    out
}

fn one(message: &Message, images: &mut Vec<Value>, sent: &mut Sent) -> Value {
    let text = message.joined_text();
    sent.text_bytes += text.len() as u64;
    let pictures = || {
        message
            .content
            .iter()
            .filter(|p| matches!(p, Part::Image { .. }))
    };
    sent.images += pictures().count() as u64;
    match message.role {
        Speaker::System => json!({"role": "system", "content": text}),
        Speaker::User if pictures().next().is_none() => json!({"role": "user", "content": text}),
        Speaker::User => {
            let parts: Vec<Value> = message.content.iter().map(part).collect();
            json!({"role": "user", "content": parts})
        }
        Speaker::Assistant => assistant(message, text, sent),
        Speaker::Tool => {
            images.extend(pictures().map(part));
            json!({"role": "tool", "tool_call_id": message.tool_call_id, "content": text})
        }
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image { media_type, data } => {
            json!({"type": "image_url", "image_url": {"url": format!("data:{media_type};base64,{data}")}})
        }
    }
}

fn assistant(message: &Message, text: String, sent: &mut Sent) -> Value {
    let mut value = json!({"role": "assistant", "content": text});
    if !message.tool_calls.is_empty() {
        if text.is_empty() {
            value["content"] = Value::Null;
        }
        let calls: Vec<Value> = message.tool_calls.iter().map(|c| call(c, sent)).collect();
        value["tool_calls"] = Value::Array(calls);
    }
    value
}

/// Servers parse old calls' arguments again and fail on what is no object: such arguments are wrapped, so that
/// the model still sees what it wrote.
fn call(call: &ToolCall, sent: &mut Sent) -> Value {
    let is_object = serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok();
    let arguments = if is_object {
        call.arguments.clone()
    } else {
        json!({"invalid_arguments": call.arguments}).to_string()
    };
    sent.text_bytes += (call.name.len() + arguments.len()) as u64;
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::{ActionKey, Conversation, ModelRef};

    fn sent(conversation: Conversation, manners: Manners) -> (Value, Sent) {
        let call = ModelCall {
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
        };
        let out = request(&call, manners);
        (serde_json::from_slice(&out.body).unwrap(), out.sent)
    }

    fn image() -> Part {
        Part::Image {
            media_type: "image/png".into(),
            data: "aGk=".into(),
        }
    }

    #[test]
    fn the_whole_of_it() {
        let mut asked = Message::text(Speaker::Assistant, "");
        asked.tool_calls = vec![
            ToolCall {
                id: "c1".into(),
                name: "run".into(),
                arguments: "{\"cmd\":\"ls\"}".into(),
            },
            ToolCall {
                id: "c2".into(),
                name: "run".into(),
                arguments: "rm -rf".into(),
            },
        ];
        let conversation = Conversation {
            messages: vec![
                Message::text(Speaker::System, "be good"),
                Message::text(Speaker::User, "hi"),
                asked,
                Message::tool("c1", "a.txt"),
                Message::tool("c2", "no"),
            ],
            tools: vec![ToolSpec {
                name: "run".into(),
                description: "runs".into(),
                parameters: json!({"type": "object"}),
            }],
        };
        let (body, sent) = sent(
            conversation,
            Manners {
                usage_in_stream: true,
                ..Manners::default()
            },
        );
        let wanted = json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 99,
            "tools": [{"type": "function", "function": {"name": "run", "description": "runs", "parameters": {"type": "object"}}}],
            "messages": [
                {"role": "system", "content": "be good"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "run", "arguments": "{\"cmd\":\"ls\"}"}},
                    {"id": "c2", "type": "function", "function": {"name": "run", "arguments": "{\"invalid_arguments\":\"rm -rf\"}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
                {"role": "tool", "tool_call_id": "c2", "content": "no"},
            ],
        });
        assert_eq!(body, wanted);
        assert_eq!((sent.messages, sent.images), (5, 0));
        assert!(sent.text_bytes > 100);
    }

    #[test]
    fn the_limit_has_two_names_and_usage_need_not_be_asked_for() {
        let manners = Manners {
            output_limit: OutputLimit::MaxCompletionTokens,
            usage_in_stream: false,
        };
        let (body, _) = sent(Conversation::default(), manners);
        assert_eq!(
            body,
            json!({"model": "m", "messages": [], "stream": true, "max_completion_tokens": 99})
        );
    }

    #[test]
    fn images_are_data_uris_and_follow_the_tools_that_made_them() {
        let mut look = Message::text(Speaker::User, "look");
        look.content.push(image());
        let mut shot = Message::tool("c1", "a screenshot");
        shot.content.push(image());
        let messages = vec![
            look,
            shot,
            Message::tool("c2", "done"),
            Message::text(Speaker::Assistant, "I see"),
        ];
        let (body, sent) = sent(
            Conversation {
                messages,
                tools: vec![],
            },
            Manners::default(),
        );
        let url = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
        let wanted = json!([
            {"role": "user", "content": [{"type": "text", "text": "look"}, url]},
            {"role": "tool", "tool_call_id": "c1", "content": "a screenshot"},
            {"role": "tool", "tool_call_id": "c2", "content": "done"},
            {"role": "user", "content": [url]},
            {"role": "assistant", "content": "I see"},
        ]);
        assert_eq!(body["messages"], wanted);
        assert_eq!(sent.images, 2);
    }
}
