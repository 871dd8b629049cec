//! A conversation as a request.

use std::collections::HashMap;

use atoll_domain::action::ModelCall;
use atoll_domain::{Message, Part, Speaker, ToolSpec};
use serde_json::{Map, Value, json};

use crate::config::Thinking;
use crate::usage::Sent;
use crate::wire::calls::object_of;
use crate::wire::{Manners, Outgoing, VARIED, fit};

pub(in crate::wire) fn request(call: &ModelCall, manners: Manners) -> Outgoing {
    let conversation = &*fit::seen(&call.conversation, manners);
    let mut sent = Sent {
        messages: conversation.messages.len() as u64,
        ..Sent::default()
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model.model));
    body.insert("stream".into(), json!(true));
    let messages = messages(&conversation.messages, &mut sent);
    body.insert("messages".into(), Value::Array(messages));
    if !conversation.tools.is_empty() {
        let tools: Vec<Value> = conversation.tools.iter().map(tool).collect();
        sent.text_bytes += tools
            .iter()
            .map(|t| t.to_string().len() as u64)
            .sum::<u64>();
        body.insert("tools".into(), Value::Array(tools));
    }
    if let Some(form) = &conversation.form {
        body.insert("format".into(), form.schema.clone());
    }
    match manners.thinking {
        None => {}
        Some(Thinking::Off) => drop(body.insert("think".into(), json!(false))),
        Some(_) => drop(body.insert("think".into(), json!(true))),
    }
    // Its own window is small whatever the model can do, and what doesn't fit would be dropped from the front
    // without a word: the window is asked for, and what passes it is to be refused.
    let mut options = json!({"num_predict": call.output_tokens_max});
    if conversation.form.as_ref().is_some_and(|form| form.varied) {
        options["temperature"] = json!(VARIED);
    }
    if manners.context_tokens > 0 {
        options["num_ctx"] = json!(manners.context_tokens);
    }
    body.insert("options".into(), options);
    body.insert("truncate".into(), json!(false));
    body.insert("shift".into(), json!(false));
    Outgoing {
        path: "/api/chat",
        body: Value::Object(body).to_string().into_bytes().into(),
        sent,
    }
}

fn tool(spec: &ToolSpec) -> Value {
    json!({"type": "function", "function": {
        "name": spec.name, "description": spec.description, "parameters": spec.parameters,
    }})
}

fn messages(messages: &[Message], sent: &mut Sent) -> Vec<Value> {
    let mut out = Vec::with_capacity(messages.len());
    // Which tool an id belongs to: results are told by the tool's name here.
    let mut names: HashMap<&str, &str> = HashMap::new();
    // Templates show images of a user's message alone: those of tools follow behind the results.
    let mut images = Vec::new();
    for message in messages {
        if message.role != Speaker::Tool && !images.is_empty() {
            out.push(of_tools(std::mem::take(&mut images)));
        }
        let text = message.joined_text();
        sent.text_bytes += text.len() as u64;
        let mut own = pictures(message);
        sent.images += own.len() as u64;
        let mut value = json!({"role": role(message.role), "content": text});
        match message.role {
            Speaker::Tool => {
                let id = message.tool_call_id.as_deref().unwrap_or_default();
                value["tool_call_id"] = json!(id);
                if let Some(name) = names.get(id) {
                    value["tool_name"] = json!(name);
                }
                images.append(&mut own);
            }
            Speaker::Assistant => {
                let calls = message.tool_calls.iter().map(|call| {
                    names.insert(&call.id, &call.name);
                    let arguments = Value::Object(object_of(&call.arguments));
                    sent.text_bytes += (call.name.len() + arguments.to_string().len()) as u64;
                    json!({"id": call.id, "function": {"name": call.name, "arguments": arguments}})
                });
                let calls: Vec<Value> = calls.collect();
                if !calls.is_empty() {
                    value["tool_calls"] = Value::Array(calls);
                }
                let thought = fit::own_thoughts(message);
                if !thought.is_empty() {
                    sent.text_bytes += thought.len() as u64;
                    value["thinking"] = json!(thought);
                }
            }
            Speaker::System | Speaker::User => {}
        }
        if !own.is_empty() {
            value["images"] = json!(own);
        }
        out.push(value);
    }
    if !images.is_empty() {
        out.push(of_tools(images));
    }
    out
}

fn of_tools(images: Vec<String>) -> Value {
    json!({"role": "user", "content": "[images of the results above]", "images": images})
}

fn pictures(message: &Message) -> Vec<String> {
    let images = message.content.iter().filter_map(|part| match part {
        Part::Image { data, .. } => Some(data.clone()),
        _ => None,
    });
    images.collect()
}

fn role(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{call_of, conversation};

    fn sent(manners: Manners) -> Value {
        let out = request(&call_of(conversation()), manners);
        serde_json::from_slice(&out.body).unwrap()
    }

    #[test]
    fn the_whole_of_it() {
        let body = sent(Manners {
            context_tokens: 8_192,
            thinking: Some(Thinking::On),
            ..Manners::default()
        });
        let wanted = json!({
            "model": "m", "stream": true, "truncate": false, "shift": false, "think": true,
            "options": {"num_predict": 99, "num_ctx": 8192},
            "tools": [{"type": "function", "function": {"name": "run", "description": "runs", "parameters": {"type": "object"}}}],
            "messages": [
                {"role": "system", "content": "be good"},
                {"role": "user", "content": "look", "images": ["aGk="]},
                {"role": "assistant", "content": "", "thinking": "plainly", "tool_calls": [
                    {"id": "same", "function": {"name": "run", "arguments": {"cmd": "ls"}}},
                    {"id": "f:1", "function": {"name": "look", "arguments": {"invalid_arguments": "rm -rf"}}},
                ]},
                {"role": "tool", "content": "a.txt", "tool_call_id": "same", "tool_name": "run"},
                {"role": "tool", "content": "a screenshot", "tool_call_id": "f:1", "tool_name": "look"},
                {"role": "user", "content": "[images of the results above]", "images": ["aGk="]},
                {"role": "assistant", "content": "", "tool_calls": [{"id": "same", "function": {"name": "run", "arguments": {}}}]},
                {"role": "tool", "content": "", "tool_call_id": "same", "tool_name": "run"},
                {"role": "user", "content": "and now?"},
            ],
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn a_model_that_reads_text_alone_is_told_what_it_misses() {
        let body = sent(Manners {
            text_only: true,
            ..Manners::default()
        });
        assert!(!body.to_string().contains("aGk="));
        let missed = body["messages"][1]["content"].as_str().unwrap();
        assert!(
            missed.starts_with("look\n[an image was left out"),
            "{missed}"
        );
    }
}
