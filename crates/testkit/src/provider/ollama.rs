//! Ollama's own API: lines of JSON, as <https://github.com/ollama/ollama/blob/main/docs/api.md> has them.

use serde_json::{Value, json};

use super::script::{Call, Fault};
use super::writer::{Event, Writer, pieces};

pub(crate) const VERSION: &str = "0.12.6";

/// Tool calls come whole, with objects for arguments, and by themselves without ids.
fn call(w: &Writer<'_>, i: usize, call: &Call) -> Value {
    let arguments = match &call.arguments {
        Value::Null => json!({}),
        other => other.clone(),
    };
    let mut value = json!({"function": {"name": call.name, "arguments": arguments}});
    let index = w.index(i);
    if !index.is_null() {
        value["function"]["index"] = index;
    }
    if call.id.is_some() || w.reply.has(&Fault::SameIds) {
        value["id"] = w.id(i, call);
    }
    value
}

fn line(w: &Writer<'_>, message: Value) -> Value {
    let mut line = json!({"model": w.model(), "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false});
    if w.reply.has(&Fault::UnknownFields) {
        line["remote_model"] = Value::Null;
        line["logprobs"] = json!([{"deep": [1, 2.5, null]}]);
        line["message"]["images"] = Value::Null;
    }
    line
}

fn ended(w: &Writer<'_>, mut line: Value) -> Value {
    line["done"] = json!(true);
    // It says `stop` for tool calls as well.
    if let Some(finish) = w.finish() {
        let reason = if finish == "tool_calls" {
            "stop"
        } else {
            finish
        };
        line["done_reason"] = json!(reason);
    }
    for field in [
        "total_duration",
        "load_duration",
        "prompt_eval_duration",
        "eval_duration",
    ] {
        line[field] = json!(1_000_000);
    }
    if w.reply.has(&Fault::NoUsage) {
        return line;
    }
    let (read, written) = w.counted();
    let (read, written) = match &w.reply.usage {
        Some(Value::Object(told)) => (
            told.get("prompt_tokens").cloned().unwrap_or_default(),
            told.get("completion_tokens").cloned().unwrap_or_default(),
        ),
        Some(other) => (other.clone(), other.clone()),
        None => (json!(read), json!(written)),
    };
    line["prompt_eval_count"] = read;
    line["eval_count"] = written;
    line
}

pub(crate) fn whole(w: &Writer<'_>) -> Value {
    let mut message = json!({"role": "assistant", "content": w.content().unwrap_or_default()});
    if let Some(thought) = &w.reply.reasoning {
        message["thinking"] = json!(thought);
    }
    if !w.calls().is_empty() {
        let calls = w.calls().iter().enumerate().map(|(i, c)| call(w, i, c));
        message["tool_calls"] = calls.collect();
    }
    ended(w, line(w, message))
}

pub(crate) fn events(w: &Writer<'_>) -> Vec<Event> {
    let mut out = Vec::new();
    let mut say = |message: Value| out.push(Event::plain(&line(w, message)));
    for piece in pieces(w.reply.reasoning.as_deref().unwrap_or_default()) {
        say(json!({"role": "assistant", "content": "", "thinking": piece}));
    }
    for piece in pieces(&w.content().unwrap_or_default()) {
        say(json!({"role": "assistant", "content": piece}));
    }
    for (i, c) in w.calls().iter().enumerate() {
        say(json!({"role": "assistant", "content": "", "tool_calls": [call(w, i, c)]}));
    }
    if w.reply.has(&Fault::ErrorInStream) {
        out.push(Event::plain(&error(w)));
        return out;
    }
    let end = ended(w, line(w, json!({"role": "assistant", "content": ""})));
    out.push(Event {
        last: true,
        ..Event::plain(&end)
    });
    out
}

pub(crate) fn error(w: &Writer<'_>) -> Value {
    json!({"error": w.reply.error.as_deref().unwrap_or("something went wrong")})
}

/// What the real one refuses in a request, in its words.
pub(crate) fn wrong(request: &Value) -> Option<String> {
    if request["model"].as_str().is_none_or(str::is_empty) {
        return Some("model is required".into());
    }
    let unread = |field: &str, kind: &str| {
        Some(format!(
            "json: cannot unmarshal {kind} into Go struct field ChatRequest.messages.{field}"
        ))
    };
    for message in request["messages"].as_array()? {
        if !message["content"].is_string() {
            return unread("content", "array");
        }
        let images = message["images"].as_array().map_or(&[][..], Vec::as_slice);
        if !images.iter().all(Value::is_string) {
            return unread("images", "object");
        }
        let calls = message["tool_calls"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if !calls.iter().all(|c| c["function"]["arguments"].is_object()) {
            return unread("tool_calls.function.arguments", "string");
        }
    }
    None
}

/// `GET /api/tags`.
pub(crate) fn tags(models: &[String]) -> Value {
    let rows = models.iter().map(|name| {
        json!({"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 397_821_319_u64,
            "digest": "a8b0c51577010a279d933d14c2a8ab4b268079d44c5c8830c0a93900f1827c67",
            "details": {"parent_model": "", "format": "gguf", "family": "qwen2", "families": ["qwen2"],
                "parameter_size": "494.03M", "quantization_level": "Q4_K_M"}})
    });
    json!({"models": rows.collect::<Vec<_>>()})
}

/// `POST /api/show`.
pub(crate) fn show() -> Value {
    json!({"license": "", "modelfile": "FROM x", "parameters": "", "template": "{{ .Prompt }}",
        "details": {"parent_model": "", "format": "gguf", "family": "qwen2", "families": ["qwen2"],
            "parameter_size": "494.03M", "quantization_level": "Q4_K_M"},
        "model_info": {"general.architecture": "qwen2", "general.parameter_count": 494_032_768_u64, "qwen2.context_length": 65_536},
        "capabilities": ["completion", "tools"], "modified_at": "2026-01-01T00:00:00Z"})
}
