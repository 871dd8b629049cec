//! A conversation as a request.

use atoll_domain::action::ModelCall;
use atoll_domain::{Conversation, Speaker, ToolSpec};
use serde_json::{Map, Value, json};

use super::turns::MayThink;
use super::{form, turns};
use crate::config::Thinking;
use crate::usage::Sent;
use crate::wire::{Manners, Outgoing, fit};

/// The least that may be thought, in tokens; and what is taken where no figure is configured.
const THINKING_TOKENS_MIN: u64 = 1_024;
const THINKING_TOKENS: u64 = 4_096;

pub(in crate::wire) fn request(call: &ModelCall, manners: Manners) -> Outgoing {
    let conversation = &*fit::seen(&call.conversation, manners);
    let mut sent = Sent {
        messages: conversation.messages.len() as u64,
        ..Sent::default()
    };
    let may = turns::may_think(&conversation.messages);
    let thinking = thinking(call, manners, may);
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model.model));
    body.insert("max_tokens".into(), json!(call.output_tokens_max));
    body.insert("stream".into(), json!(true));
    let system = system(conversation);
    if !system.is_empty() {
        sent.text_bytes += system.len() as u64;
        let block = json!({"type": "text", "text": system});
        body.insert("system".into(), json!([marked(block)]));
    }
    let tools = tools(conversation, &mut sent);
    if !tools.is_empty() {
        body.insert("tools".into(), Value::Array(tools));
    }
    if let Some(form) = &conversation.form {
        // Beside other tools the model may still choose one of those first.
        let choice = match conversation.tools.is_empty() {
            true => json!({"type": "tool", "name": form.name, "disable_parallel_tool_use": true}),
            false => json!({"type": "any"}),
        };
        body.insert("tool_choice".into(), choice);
    }
    if let Some(thinking) = &thinking {
        body.insert("thinking".into(), thinking.clone());
    }
    // Some models think unasked, and want their thoughts back.
    let thoughts = manners.thinking.is_none() || thinking.is_some();
    let told = match may {
        MayThink::Telling(at) if thinking.is_some() => Some(at),
        _ => None,
    };
    let mut messages = turns::messages(&conversation.messages, thoughts, told, &mut sent);
    mark_last(&mut messages);
    body.insert("messages".into(), Value::Array(messages));
    Outgoing {
        path: "/messages",
        body: Value::Object(body).to_string().into_bytes().into(),
        sent,
    }
}

/// All that is before the mark may be kept by the provider and read at a fraction of its price. A prefix that is
/// too short for that is not kept, and the mark then means nothing.
fn marked(mut block: Value) -> Value {
    block["cache_control"] = json!({"type": "ephemeral"});
    block
}

/// The conversation so far is the beginning of the next one.
fn mark_last(messages: &mut [Value]) {
    let last = messages.last_mut().filter(|m| m["role"] == "user");
    let blocks = last.and_then(|m| m["content"].as_array_mut());
    if let Some(block) = blocks.and_then(|b| b.last_mut()) {
        *block = marked(block.take());
    }
}

fn system(conversation: &Conversation) -> String {
    let all = conversation.messages.iter();
    let said = all.filter(|m| m.role == Speaker::System);
    let texts: Vec<String> = said.map(atoll_domain::Message::joined_text).collect();
    texts.join("\n\n").trim().to_owned()
}

fn tools(conversation: &Conversation, sent: &mut Sent) -> Vec<Value> {
    let mut tools: Vec<Value> = conversation.tools.iter().map(tool).collect();
    tools.extend(conversation.form.as_ref().map(form::tool));
    sent.text_bytes += tools
        .iter()
        .map(|t| t.to_string().len() as u64)
        .sum::<u64>();
    if let Some(last) = tools.pop() {
        tools.push(marked(last));
    }
    tools
}

fn tool(spec: &ToolSpec) -> Value {
    let mut schema = spec.parameters.clone();
    // A tool without parameters still takes an object here.
    if !schema.is_object() || schema.get("type").is_none() {
        schema = json!({"type": "object", "properties": {}});
    }
    json!({"name": spec.name, "description": spec.description, "input_schema": schema})
}

/// Whether and how the model is to think. Not where it must call a tool, and not in the middle of a turn that was
/// begun without a thought (by another model, say): the provider refuses both.
fn thinking(call: &ModelCall, manners: Manners, may: MayThink) -> Option<Value> {
    let wanted = manners.thinking?;
    if call.conversation.form.is_some() || may == MayThink::No {
        return None;
    }
    let tokens = match wanted {
        Thinking::Off => return None,
        Thinking::Adaptive => return Some(json!({"type": "adaptive"})),
        Thinking::On => THINKING_TOKENS,
        Thinking::Tokens(tokens) => tokens,
    };
    // A quarter of what may be written is left for the answer.
    let most = call.output_tokens_max - call.output_tokens_max / 4;
    let budget = tokens.min(most.saturating_sub(1));
    (budget >= THINKING_TOKENS_MIN).then(|| json!({"type": "enabled", "budget_tokens": budget}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{call_of, conversation};
    use atoll_domain::{Form, Message};

    fn sent(
        conversation: Conversation,
        output_tokens_max: u64,
        thinking: Option<Thinking>,
    ) -> Value {
        let call = ModelCall {
            output_tokens_max,
            ..call_of(conversation)
        };
        let manners = Manners {
            thinking,
            ..Manners::default()
        };
        serde_json::from_slice(&request(&call, manners).body).unwrap()
    }

    #[test]
    fn what_stays_the_same_is_marked_for_the_cache() {
        let body = sent(conversation(), 99, None);
        let mark = json!({"type": "ephemeral"});
        let system = json!([{"type": "text", "text": "be good", "cache_control": mark}]);
        assert_eq!(body["system"], system);
        let tools = json!([{"name": "run", "description": "runs", "input_schema": {"type": "object"}, "cache_control": mark}]);
        assert_eq!(body["tools"], tools);
        let last = body["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last["content"][1]["cache_control"], mark);
        // A mark on each of the three; a provider takes four.
        assert_eq!(body.to_string().matches("cache_control").count(), 3);
        assert_eq!(
            (&body["model"], &body["max_tokens"], &body["stream"]),
            (&json!("m"), &json!(99), &json!(true))
        );
        assert!(body.get("thinking").is_none() && body.get("tool_choice").is_none());
    }

    #[test]
    fn thinking_leaves_room_for_an_answer_or_is_left_out() {
        let asked = || Conversation {
            messages: vec![Message::text(Speaker::User, "hi")],
            ..Conversation::default()
        };
        let of = |max, thinking| sent(asked(), max, Some(thinking))["thinking"].take();
        let enabled = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
        assert_eq!(of(8_192, Thinking::On), enabled(4_096));
        assert_eq!(of(8_192, Thinking::Tokens(2_000)), enabled(2_000));
        assert_eq!(of(8_192, Thinking::Tokens(100_000)), enabled(6_143));
        assert_eq!(of(1_024, Thinking::On), Value::Null);
        assert_eq!(of(8_192, Thinking::Off), Value::Null);
        assert_eq!(of(8_192, Thinking::Adaptive), json!({"type": "adaptive"}));
        // In the middle of a turn that another model began.
        let mut under_way = conversation();
        under_way.messages.pop();
        let body = sent(under_way, 8_192, Some(Thinking::On));
        assert!(body.get("thinking").is_none() && !body.to_string().contains("signed"));
        // In the next one, which may be its own.
        let body = sent(conversation(), 8_192, Some(Thinking::On));
        assert_eq!(body["thinking"], enabled(4_096));
        assert!(body.to_string().contains("[called run with {}]"));
    }

    #[test]
    fn a_form_is_a_tool_that_must_be_called() {
        let form = |schema| Form {
            name: "answer".into(),
            schema,
            varied: false,
        };
        let asked = |schema, tools| Conversation {
            messages: vec![Message::text(Speaker::User, "hi")],
            form: Some(form(schema)),
            tools,
        };
        let body = sent(
            asked(json!({"type": "array"}), vec![]),
            8_192,
            Some(Thinking::On),
        );
        let schema = json!({"type": "object", "properties": {"value": {"type": "array"}}, "required": ["value"]});
        assert_eq!(body["tools"][0]["input_schema"], schema);
        let choice = json!({"type": "tool", "name": "answer", "disable_parallel_tool_use": true});
        assert_eq!(body["tool_choice"], choice);
        assert!(body.get("thinking").is_none());
        let body = sent(
            asked(json!({"type": "object"}), conversation().tools),
            99,
            None,
        );
        assert_eq!(body["tools"][1]["input_schema"], json!({"type": "object"}));
        assert_eq!(body["tool_choice"], json!({"type": "any"}));
        let text = |schema, arguments: &str| form::text(&form(schema), arguments.into());
        assert_eq!(text(json!({"type": "array"}), "{\"value\":[1]}"), "[1]");
        assert_eq!(
            text(json!({"type": "object"}), "{\"value\":1}"),
            "{\"value\":1}"
        );
        assert_eq!(text(json!(true), "oops"), "oops");
    }
}
