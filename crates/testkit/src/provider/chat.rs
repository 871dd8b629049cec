//! Chat completions: the whole object, or the events of a stream.

use serde_json::{Value, json};

use super::script::{Call, Fault};
use super::writer::{Event, Writer, pieces};

fn usage(w: &Writer<'_>) -> Value {
    if let Some(usage) = &w.reply.usage {
        return usage.clone();
    }
    let (read, written) = w.counted();
    json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written})
}

fn arguments(w: &Writer<'_>, call: &Call) -> Value {
    match &call.arguments {
        Value::String(text) => json!(text),
        Value::Null => json!("{}"),
        other if w.reply.has(&Fault::ObjectArguments) => other.clone(),
        other => json!(other.to_string()),
    }
}

pub(crate) fn whole(w: &Writer<'_>) -> Value {
    let calls: Vec<Value> = w.calls().iter().enumerate().map(|(i, c)| {
        json!({"id": w.id(i, c), "type": "function", "function": {"name": c.name, "arguments": arguments(w, c)}})
    }).collect();
    let mut message = json!({"role": "assistant", "content": w.content()});
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    if let Some(reasoning) = &w.reply.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    let mut whole = json!({
        "id": format!("chatcmpl-{:04}", w.number), "object": "chat.completion", "created": 0,
        "model": w.model(),
        "choices": [{"index": 0, "message": message, "finish_reason": w.finish(), "logprobs": null}],
    });
    if !w.reply.has(&Fault::NoUsage) {
        whole["usage"] = usage(w);
    }
    whole
}

fn chunk(w: &Writer<'_>, delta: &Value, finish: Option<&str>) -> Value {
    let mut chunk = json!({
        "id": format!("chatcmpl-{:04}", w.number), "object": "chat.completion.chunk", "created": 0,
        "model": w.model(),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    });
    if w.reply.has(&Fault::UnknownFields) {
        chunk["obfuscation"] = json!("xyzzy");
        chunk["system_fingerprint"] = Value::Null;
        chunk["usage"] = Value::Null;
        chunk["choices"][0]["logprobs"] = Value::Null;
        chunk["choices"][0]["delta"]["refusal"] = Value::Null;
        chunk["choices"][0]["delta"]["annotations"] = json!([{"kind": {"deep": [1, 2.5, null]}}]);
    }
    chunk
}

pub(crate) fn events(w: &Writer<'_>) -> Vec<Event> {
    let mut out = vec![chunk(w, &json!({"role": "assistant", "content": ""}), None)];
    for piece in pieces(w.reply.reasoning.as_deref().unwrap_or_default()) {
        out.push(chunk(w, &json!({"reasoning_content": piece}), None));
    }
    for piece in pieces(&w.content().unwrap_or_default()) {
        out.push(chunk(w, &json!({"content": piece}), None));
    }
    for (i, call) in w.calls().iter().enumerate() {
        call_events(w, i, call, &mut out);
    }
    if w.reply.has(&Fault::ErrorInStream) {
        out.push(error(w));
        return out.iter().map(Event::plain).collect();
    }
    out.push(chunk(w, &json!({}), w.finish()));
    let asked = w.request["stream_options"]["include_usage"] == json!(true);
    if asked && !w.reply.has(&Fault::NoUsage) {
        let mut last = chunk(w, &json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = usage(w);
        out.push(last);
    }
    let mut out: Vec<Event> = out.iter().map(Event::plain).collect();
    if !w.reply.has(&Fault::NoDone) {
        out.push(Event {
            name: None,
            data: "[DONE]".into(),
            last: true,
        });
    }
    out
}

fn call_events(w: &Writer<'_>, i: usize, call: &Call, out: &mut Vec<Value>) {
    let (id, arguments) = (w.id(i, call), arguments(w, call));
    let odd = w.reply.has(&Fault::NoIndex) || w.reply.has(&Fault::IndexZero);
    let whole = odd || !arguments.is_string();
    let mut first = json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": if whole { arguments.clone() } else { json!("") }}});
    if id.is_null()
        && let Some(map) = first.as_object_mut()
    {
        map.remove("id");
    }
    if !w.reply.has(&Fault::NoIndex) {
        first["index"] = w.index(i);
    }
    out.push(chunk(w, &json!({"tool_calls": [first]}), None));
    if whole {
        return;
    }
    for (n, piece) in pieces(arguments.as_str().unwrap_or_default())
        .iter()
        .enumerate()
    {
        let mut more = json!({"index": i, "function": {"arguments": piece}});
        if w.reply.has(&Fault::ChangingIds) {
            more["id"] = json!(format!("call_other_{i}_{n}"));
        }
        out.push(chunk(w, &json!({"tool_calls": [more]}), None));
    }
}

/// The error object of a refusal.
pub(crate) fn error(w: &Writer<'_>) -> Value {
    json!({"error": {
        "message": w.reply.error.as_deref().unwrap_or("something went wrong"),
        "type": w.reply.error_type.as_deref().unwrap_or("server_error"),
        "code": w.reply.error_code, "param": null,
    }})
}
