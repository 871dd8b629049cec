//! A conversation as a request.

use atoll_domain::action::ModelCall;
use atoll_domain::{Message, Part, Speaker, ToolCall, ToolSpec};
use serde_json::{Map, Value, json};

use crate::config::OutputLimit;
use crate::usage::Sent;
use crate::wire::calls::object_of;
use crate::wire::fit;
use crate::wire::{Manners, Outgoing, VARIED};

pub(in crate::wire) fn request(call: &ModelCall, manners: Manners) -> Outgoing {
    let conversation = &*fit::seen(&call.conversation, manners);
    let mut sent = Sent {
        messages: conversation.messages.len() as u64,
        ..Sent::default()
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model.model));
    let messages = messages(&conversation.messages, manners, &mut sent);
    body.insert("messages".into(), Value::Array(messages));
    if !conversation.tools.is_empty() {
        let tools = conversation.tools.iter().map(|t| tool(t, &mut sent));
        body.insert("tools".into(), Value::Array(tools.collect()));
    }
    if let Some(form) = &conversation.form {
        let strict = is_strict(&form.schema);
        let value = json!({"type": "json_schema", "json_schema": {
            "name": form.name, "schema": form.schema, "strict": strict,
        }});
        sent.text_bytes += value.to_string().len() as u64;
        body.insert("response_format".into(), value);
        if form.varied {
            body.insert("temperature".into(), json!(VARIED));
        }
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

/// Whether a schema is of the part that OpenAI can hold a model to: each object closed, and all of it required.
fn is_strict(schema: &Value) -> bool {
    let Some(map) = schema.as_object() else {
        return schema
            .as_array()
            .is_none_or(|all| all.iter().all(is_strict));
    };
    if let Some(properties) = map.get("properties").and_then(Value::as_object) {
        let required = map.get("required").and_then(Value::as_array);
        let named = |name: &String| required.is_some_and(|r| r.iter().any(|v| v == name));
        if map.get("additionalProperties") != Some(&Value::Bool(false))
            || !properties.keys().all(named)
        {
            return false;
        }
    }
    map.values().all(is_strict)
}

fn tool(spec: &ToolSpec, sent: &mut Sent) -> Value {
    let value = json!({"type": "function", "function": {
        "name": spec.name, "description": spec.description, "parameters": spec.parameters,
    }});
    sent.text_bytes += value.to_string().len() as u64;
    value
}

fn messages(messages: &[Message], manners: Manners, sent: &mut Sent) -> Vec<Value> {
    let mut out = Vec::with_capacity(messages.len());
    // Tool messages take text alone: their images follow as a user's, after the last of the results, which
    // must stand together.
    let mut images = Vec::new();
    for message in messages {
        if message.role != Speaker::Tool && !images.is_empty() {
            out.push(json!({"role": "user", "content": std::mem::take(&mut images)}));
        }
        out.push(one(message, manners, &mut images, sent));
    }
    if !images.is_empty() {
        out.push(json!({"role": "user", "content": images}));
    }
    out
}

fn one(message: &Message, manners: Manners, images: &mut Vec<Value>, sent: &mut Sent) -> Value {
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
            let parts: Vec<Value> = message.content.iter().filter_map(part).collect();
            json!({"role": "user", "content": parts})
        }
        Speaker::Assistant => assistant(message, text, manners, sent),
        Speaker::Tool => {
            images.extend(pictures().filter_map(part));
            json!({"role": "tool", "tool_call_id": message.tool_call_id, "content": text})
        }
    }
}

/// `None`: this wire has no place for it.
fn part(part: &Part) -> Option<Value> {
    match part {
        Part::Text { text } => Some(json!({"type": "text", "text": text})),
        Part::Image { media_type, data } => Some(
            json!({"type": "image_url", "image_url": {"url": format!("data:{media_type};base64,{data}")}}),
        ),
        Part::Reasoning { .. } => None,
    }
}

fn assistant(message: &Message, text: String, manners: Manners, sent: &mut Sent) -> Value {
    let mut value = json!({"role": "assistant", "content": text});
    if manners.reasoning_back {
        let thought = fit::own_thoughts(message);
        if !thought.is_empty() {
            sent.text_bytes += thought.len() as u64;
            value["reasoning_content"] = json!(thought);
        }
    }
    if !message.tool_calls.is_empty() {
        if text.is_empty() {
            value["content"] = Value::Null;
        }
        let calls: Vec<Value> = message.tool_calls.iter().map(|c| call(c, sent)).collect();
        value["tool_calls"] = Value::Array(calls);
    }
    value
}

fn call(call: &ToolCall, sent: &mut Sent) -> Value {
    // As it was written, if it was an object: to the byte, which a provider's cache likes.
    let is_object = serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok();
    let arguments = if is_object {
        call.arguments.clone()
    } else {
        Value::Object(object_of(&call.arguments)).to_string()
    };
    sent.text_bytes += (call.name.len() + arguments.len()) as u64;
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{call_of, image};
    use atoll_domain::{Conversation, Form};

    fn sent(conversation: Conversation, manners: Manners) -> (Value, Sent) {
        let call = call_of(conversation);
        let out = request(&call, manners);
        (serde_json::from_slice(&out.body).unwrap(), out.sent)
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
            form: None,
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
            ..Manners::default()
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
                ..Conversation::default()
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

    #[test]
    fn a_form_is_strict_only_if_its_schema_can_be_held_to() {
        let closed = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
        let open = json!({"type": "array", "items": {"type": "object", "properties": {"n": {}}}});
        for (schema, strict) in [(closed, true), (open, false)] {
            let form = Form {
                name: "answer".into(),
                schema: schema.clone(),
                varied: false,
            };
            let asked = Conversation {
                form: Some(form),
                ..Conversation::default()
            };
            let wanted = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}});
            assert_eq!(sent(asked, Manners::default()).0["response_format"], wanted);
        }
    }

    #[test]
    fn thoughts_go_back_only_where_they_are_wanted_and_only_ones_own() {
        let mut said = Message::text(Speaker::Assistant, "yes");
        let thought = |text: &str, signature: Option<&str>| Part::Reasoning {
            text: text.into(),
            signature: signature.map(str::to_owned),
            sealed: None,
        };
        said.content
            .insert(0, thought("signed elsewhere", Some("s")));
        said.content.insert(0, thought("hmm", None));
        let conversation = Conversation {
            messages: vec![said],
            ..Conversation::default()
        };
        let (body, _) = sent(conversation.clone(), Manners::default());
        let wanted = json!({"role": "assistant", "content": "yes"});
        assert_eq!(body["messages"][0], wanted);
        let manners = Manners {
            reasoning_back: true,
            ..Manners::default()
        };
        let (body, _) = sent(conversation, manners);
        assert_eq!(body["messages"][0]["reasoning_content"], "hmm");
    }
}
