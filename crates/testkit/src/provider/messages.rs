//! Anthropic's messages: the whole object, or the events of a stream, as
//! <https://docs.anthropic.com/en/api/messages-streaming> has them.

use serde_json::{Map, Value, json};

use super::script::{Call, Fault};
use super::writer::{Event, Writer, pieces};

/// Usage in this wire's words; figures of a script in those of chat completions are renamed, true or not.
fn usage(w: &Writer<'_>) -> Value {
    match &w.reply.usage {
        Some(Value::Object(told)) => {
            let mut out = Map::new();
            for (name, value) in told {
                let name = match name.as_str() {
                    "prompt_tokens" => "input_tokens",
                    "completion_tokens" => "output_tokens",
                    "total_tokens" => continue,
                    other => other,
                };
                out.insert(name.into(), value.clone());
            }
            Value::Object(out)
        }
        Some(other) => other.clone(),
        None => {
            let (read, written) = w.counted();
            json!({"input_tokens": read, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": written, "service_tier": "standard"})
        }
    }
}

fn stop_reason<'a>(w: &'a Writer<'_>) -> Option<&'a str> {
    w.finish().map(|finish| match finish {
        "stop" => "end_turn",
        "tool_calls" => "tool_use",
        "length" => "max_tokens",
        other => other,
    })
}

fn input(call: &Call) -> Value {
    match &call.arguments {
        Value::Null => json!({}),
        other => other.clone(),
    }
}

/// The content, block by block: a first form, and what is added to it.
fn blocks(w: &Writer<'_>) -> Vec<(Value, Vec<Value>)> {
    let mut out = Vec::new();
    if let Some(sealed) = &w.reply.sealed {
        out.push((json!({"type": "redacted_thinking", "data": sealed}), vec![]));
    }
    if let Some(thought) = &w.reply.reasoning {
        let mut deltas: Vec<Value> = pieces(thought)
            .into_iter()
            .map(|p| json!({"type": "thinking_delta", "thinking": p}))
            .collect();
        deltas.push(json!({"type": "signature_delta", "signature": signature(w)}));
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        out.push((block, deltas));
    }
    if let Some(text) = w.content() {
        let deltas = pieces(&text)
            .into_iter()
            .map(|p| json!({"type": "text_delta", "text": p}));
        out.push((json!({"type": "text", "text": ""}), deltas.collect()));
    }
    for (i, call) in w.calls().iter().enumerate() {
        let mut block =
            json!({"type": "tool_use", "id": w.id(i, call), "name": call.name, "input": {}});
        if block["id"].is_null()
            && let Some(map) = block.as_object_mut()
        {
            map.remove("id");
        }
        if w.reply.has(&Fault::ObjectArguments) {
            block["input"] = input(call);
            out.push((block, vec![]));
            continue;
        }
        let text = match &call.arguments {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        // The real one begins with an empty piece.
        let all = [String::new()].into_iter().chain(pieces(&text));
        let deltas = all.map(|p| json!({"type": "input_json_delta", "partial_json": p}));
        out.push((block, deltas.collect()));
    }
    out
}

fn signature(w: &Writer<'_>) -> String {
    format!("sig+{:04}/==", w.number)
}

pub(crate) fn whole(w: &Writer<'_>) -> Value {
    let mut content = Vec::new();
    if let Some(sealed) = &w.reply.sealed {
        content.push(json!({"type": "redacted_thinking", "data": sealed}));
    }
    if let Some(thought) = &w.reply.reasoning {
        content.push(json!({"type": "thinking", "thinking": thought, "signature": signature(w)}));
    }
    if let Some(text) = w.content().filter(|t| !t.is_empty()) {
        content.push(json!({"type": "text", "text": text}));
    }
    for (i, call) in w.calls().iter().enumerate() {
        content.push(json!({"type": "tool_use", "id": w.id(i, call), "name": call.name, "input": input(call)}));
    }
    let mut whole = message(w);
    whole["content"] = json!(content);
    whole["stop_reason"] = json!(stop_reason(w));
    if !w.reply.has(&Fault::NoUsage) {
        whole["usage"] = usage(w);
    }
    whole
}

fn message(w: &Writer<'_>) -> Value {
    let mut message = json!({
        "id": format!("msg_{:04}", w.number), "type": "message", "role": "assistant", "model": w.model(),
        "content": [], "stop_reason": null, "stop_sequence": null,
    });
    if w.reply.has(&Fault::UnknownFields) {
        message["container"] = Value::Null;
        message["context_management"] = json!({"applied_edits": [{"deep": [1, 2.5, null]}]});
    }
    message
}

fn named(w: &Writer<'_>, mut data: Value) -> Event {
    if w.reply.has(&Fault::UnknownFields) {
        data["obfuscation"] = json!("xyzzy");
    }
    Event {
        name: data["type"].as_str().map(str::to_owned),
        data: data.to_string(),
        last: false,
    }
}

pub(crate) fn events(w: &Writer<'_>) -> Vec<Event> {
    let mut start = message(w);
    let told = !w.reply.has(&Fault::NoUsage);
    if told {
        // The beginning counts what was read, and the first token.
        let mut usage = usage(w);
        if usage["output_tokens"].is_u64() {
            usage["output_tokens"] = json!(1);
        }
        start["usage"] = usage;
    }
    let mut out = vec![
        named(w, json!({"type": "message_start", "message": start})),
        named(w, json!({"type": "ping"})),
    ];
    if w.reply.has(&Fault::UnknownFields) {
        out.push(named(
            w,
            json!({"type": "a_later_event", "of": ["kind", 3]}),
        ));
    }
    for (i, (block, deltas)) in blocks(w).into_iter().enumerate() {
        let event = |kind: &str, field: &str, value: Value| {
            let mut event = json!({"type": kind, "index": w.index(i)});
            if event["index"].is_null()
                && let Some(map) = event.as_object_mut()
            {
                map.remove("index");
            }
            if !field.is_empty() {
                event[field] = value;
            }
            named(w, event)
        };
        out.push(event("content_block_start", "content_block", block));
        out.extend(
            deltas
                .into_iter()
                .map(|delta| event("content_block_delta", "delta", delta)),
        );
        out.push(event("content_block_stop", "", Value::Null));
    }
    if w.reply.has(&Fault::ErrorInStream) {
        out.push(named(w, error(w)));
        return out;
    }
    let mut end = json!({"type": "message_delta", "delta": {"stop_reason": stop_reason(w), "stop_sequence": null}});
    if told {
        end["usage"] = match usage(w) {
            Value::Object(usage) => json!({"output_tokens": usage.get("output_tokens")}),
            other => other,
        };
    }
    out.push(named(w, end));
    if !w.reply.has(&Fault::NoDone) {
        let mut stop = named(w, json!({"type": "message_stop"}));
        stop.last = true;
        out.push(stop);
    }
    out
}

pub(crate) fn error(w: &Writer<'_>) -> Value {
    let by_status = match w.reply.status {
        Some(400) => "invalid_request_error",
        Some(401) => "authentication_error",
        Some(403) => "permission_error",
        Some(404) => "not_found_error",
        Some(413) => "request_too_large",
        Some(429) => "rate_limit_error",
        Some(529) => "overloaded_error",
        _ => "api_error",
    };
    let kind = w.reply.error_type.as_deref().unwrap_or(by_status);
    refusal(
        kind,
        w.reply.error.as_deref().unwrap_or("something went wrong"),
    )
}

pub(crate) fn refusal(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}

/// What the real one refuses in a request, in its words.
pub(crate) fn wrong(request: &Value) -> Option<String> {
    if request["max_tokens"].as_u64().is_none_or(|n| n == 0) {
        return Some("max_tokens: Field required".into());
    }
    let messages = request["messages"].as_array()?;
    if messages.is_empty() {
        return Some("messages: at least one message is required".into());
    }
    for (n, message) in messages.iter().enumerate() {
        if let Some(why) = wrong_message(message, n) {
            return Some(why);
        }
        let next = messages.get(n + 1);
        let ids = ids(message, "tool_use", "id");
        let answered = next
            .map(|m| self::ids(m, "tool_result", "tool_use_id"))
            .unwrap_or_default();
        if let Some(id) = ids.iter().find(|id| !answered.contains(id)) {
            return Some(format!(
                "messages.{n}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}"
            ));
        }
        if message["role"] == "user" && n > 0 {
            let called = self::ids(&messages[n - 1], "tool_use", "id");
            let results = self::ids(message, "tool_result", "tool_use_id");
            if let Some(id) = results.iter().find(|id| !called.contains(id)) {
                return Some(format!(
                    "messages.{n}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"
                ));
            }
        }
    }
    wrong_thinking(request, messages)
}

fn ids(message: &Value, kind: &str, field: &str) -> Vec<String> {
    let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
    let of_kind = blocks.iter().filter(|b| b["type"] == kind);
    of_kind
        .filter_map(|b| b[field].as_str().map(str::to_owned))
        .collect()
}

fn wrong_message(message: &Value, n: usize) -> Option<String> {
    if !["user", "assistant"].contains(&message["role"].as_str().unwrap_or_default()) {
        return Some(format!("messages: Unexpected role {}", message["role"]));
    }
    let empty = || {
        Some(format!(
            "messages.{n}: all messages must have non-empty content"
        ))
    };
    let blocks = match &message["content"] {
        Value::String(text) if text.is_empty() => return empty(),
        Value::Array(blocks) if blocks.is_empty() => return empty(),
        Value::Array(blocks) => blocks,
        _ => return None,
    };
    for block in blocks {
        let wrong = match block["type"].as_str().unwrap_or_default() {
            "text" if block["text"].as_str().is_none_or(str::is_empty) => {
                "text content blocks must be non-empty"
            }
            "tool_use" if !block["input"].is_object() => {
                "tool_use.input: Input should be a valid dictionary"
            }
            "thinking"
                if !block["signature"]
                    .as_str()
                    .is_some_and(|s| s.starts_with("sig+")) =>
            {
                "Invalid `signature` in `thinking` block"
            }
            "text" | "tool_use" | "tool_result" | "image" | "thinking" | "redacted_thinking" => {
                continue;
            }
            _ => "Input tag found does not match any of the expected tags",
        };
        return Some(format!("messages.{n}: {wrong}"));
    }
    None
}

fn wrong_thinking(request: &Value, messages: &[Value]) -> Option<String> {
    if request["thinking"]["type"] != "enabled" {
        return None;
    }
    let budget = request["thinking"]["budget_tokens"].as_u64().unwrap_or(0);
    if budget < 1024 {
        return Some(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".into(),
        );
    }
    if request["max_tokens"].as_u64() <= Some(budget) {
        return Some("`max_tokens` must be greater than `thinking.budget_tokens`".into());
    }
    if request["tool_choice"]["type"]
        .as_str()
        .is_some_and(|t| t == "tool" || t == "any")
    {
        return Some("Thinking may not be enabled when tool_choice forces tool use.".into());
    }
    let last = messages.iter().rposition(|m| m["role"] == "assistant")?;
    let follows = !ids(&messages[last], "tool_use", "id").is_empty() && last + 1 < messages.len();
    let first = &messages[last]["content"][0]["type"];
    (follows && first != "thinking" && first != "redacted_thinking").then(|| {
        format!("messages.{last}.content.0.type: Expected `thinking` or `redacted_thinking`, but found {first}. When `thinking` is enabled, a final `assistant` message must start with a thinking block")
    })
}
