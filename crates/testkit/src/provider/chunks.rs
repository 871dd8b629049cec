//! A reply as the wire has it: the whole object, or the events of a stream.

use serde_json::{Value, json};

use super::script::{Call, Fault, Reply};

/// Content and arguments are streamed in pieces of so many characters.
const PIECE_CHARS: usize = 24;

/// What is put on the wire, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Sleep(u64),
    /// The connection breaks.
    Break,
    /// Nothing more, ever.
    Hang,
}

/// One request's reply, being written.
pub(crate) struct Writer<'a> {
    pub(crate) request: &'a Value,
    pub(crate) reply: &'a Reply,
    pub(crate) number: u64,
}

impl Writer<'_> {
    fn model(&self) -> &str {
        self.request["model"].as_str().unwrap_or("scripted")
    }

    fn content(&self) -> Option<String> {
        let huge = self.reply.faults.iter().find_map(|f| match f {
            Fault::Huge(bytes) => Some("x".repeat(*bytes)),
            _ => None,
        });
        huge.or_else(|| self.reply.content.clone())
    }

    fn calls(&self) -> &[Call] {
        self.reply.tool_calls.as_deref().unwrap_or_default()
    }

    fn id(&self, i: usize, call: &Call) -> Value {
        if self.reply.has(&Fault::NoIds) {
            return Value::Null;
        }
        if self.reply.has(&Fault::SameIds) {
            return json!("call_same");
        }
        let made = || format!("call_{:04}_{i}", self.number);
        json!(call.id.clone().unwrap_or_else(made))
    }

    fn arguments(&self, call: &Call) -> Value {
        match &call.arguments {
            Value::String(text) => json!(text),
            Value::Null => json!("{}"),
            other if self.reply.has(&Fault::ObjectArguments) => other.clone(),
            other => json!(other.to_string()),
        }
    }

    fn finish(&self) -> Value {
        if self.reply.has(&Fault::NoFinish) {
            return Value::Null;
        }
        let plain = if self.calls().is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        json!(self.reply.finish.as_deref().unwrap_or(plain))
    }

    fn usage(&self) -> Value {
        if let Some(usage) = &self.reply.usage {
            return usage.clone();
        }
        let read = self.request["messages"].to_string().len() / 4;
        let written = self.content().map_or(0, |c| c.len())
            + self
                .calls()
                .iter()
                .map(|c| c.name.len() + c.arguments.to_string().len())
                .sum::<usize>();
        let written = written.div_ceil(4);
        json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written})
    }

    /// The object of a reply that isn't streamed.
    pub(crate) fn whole(&self) -> Value {
        let calls: Vec<Value> = self.calls().iter().enumerate().map(|(i, c)| {
            json!({"id": self.id(i, c), "type": "function", "function": {"name": c.name, "arguments": self.arguments(c)}})
        }).collect();
        let mut message = json!({"role": "assistant", "content": self.content()});
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        if let Some(reasoning) = &self.reply.reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        let mut whole = json!({
            "id": format!("chatcmpl-{:04}", self.number), "object": "chat.completion", "created": 0,
            "model": self.model(),
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish(), "logprobs": null}],
        });
        if !self.reply.has(&Fault::NoUsage) {
            whole["usage"] = self.usage();
        }
        whole
    }

    fn chunk(&self, delta: Value, finish: Value) -> Value {
        let mut chunk = json!({
            "id": format!("chatcmpl-{:04}", self.number), "object": "chat.completion.chunk", "created": 0,
            "model": self.model(),
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        });
        if self.reply.has(&Fault::UnknownFields) {
            chunk["obfuscation"] = json!("xyzzy");
            chunk["system_fingerprint"] = Value::Null;
            chunk["usage"] = Value::Null;
            chunk["choices"][0]["logprobs"] = Value::Null;
            chunk["choices"][0]["delta"]["refusal"] = Value::Null;
            chunk["choices"][0]["delta"]["annotations"] =
                json!([{"kind": {"deep": [1, 2.5, null]}}]);
        }
        chunk
    }

    /// The events of a stream, without their framing.
    fn events(&self) -> Vec<String> {
        let mut out = vec![self.chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
        for piece in pieces(self.reply.reasoning.as_deref().unwrap_or_default()) {
            out.push(self.chunk(json!({"reasoning_content": piece}), Value::Null));
        }
        for piece in pieces(&self.content().unwrap_or_default()) {
            out.push(self.chunk(json!({"content": piece}), Value::Null));
        }
        for (i, call) in self.calls().iter().enumerate() {
            self.call_events(i, call, &mut out);
        }
        if self.reply.has(&Fault::ErrorInStream) {
            out.push(self.error());
            return out.iter().map(Value::to_string).collect();
        }
        out.push(self.chunk(json!({}), self.finish()));
        let asked = self.request["stream_options"]["include_usage"] == json!(true);
        if asked && !self.reply.has(&Fault::NoUsage) {
            let mut last = self.chunk(json!({}), Value::Null);
            last["choices"] = json!([]);
            last["usage"] = self.usage();
            out.push(last);
        }
        let mut out: Vec<String> = out.iter().map(Value::to_string).collect();
        if self.reply.has(&Fault::GarbageEvents) {
            out.insert(2.min(out.len()), "{\"choices\": [oops".into());
        }
        if !self.reply.has(&Fault::NoDone) {
            out.push("[DONE]".into());
        }
        out
    }

    fn call_events(&self, i: usize, call: &Call, out: &mut Vec<Value>) {
        let (id, arguments) = (self.id(i, call), self.arguments(call));
        let odd = self.reply.has(&Fault::NoIndex) || self.reply.has(&Fault::IndexZero);
        let whole = odd || !arguments.is_string();
        let mut first = json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": if whole { arguments.clone() } else { json!("") }}});
        if id.is_null()
            && let Some(map) = first.as_object_mut()
        {
            map.remove("id");
        }
        let index = if self.reply.has(&Fault::IndexZero) {
            0
        } else {
            i
        };
        if !self.reply.has(&Fault::NoIndex) {
            first["index"] = json!(index);
        }
        out.push(self.chunk(json!({"tool_calls": [first]}), Value::Null));
        if whole {
            return;
        }
        for (n, piece) in pieces(arguments.as_str().unwrap_or_default())
            .iter()
            .enumerate()
        {
            let mut more = json!({"index": i, "function": {"arguments": piece}});
            if self.reply.has(&Fault::ChangingIds) {
                more["id"] = json!(format!("call_other_{i}_{n}"));
            }
            out.push(self.chunk(json!({"tool_calls": [more]}), Value::Null));
        }
    }

    /// The error object of a refusal.
    pub(crate) fn error(&self) -> Value {
        json!({"error": {
            "message": self.reply.error.as_deref().unwrap_or("something went wrong"),
            "type": self.reply.error_type.as_deref().unwrap_or("server_error"),
            "code": self.reply.error_code, "param": null,
        }})
    }

    fn frame(&self, event: &str) -> Vec<u8> {
        if !self.reply.has(&Fault::OddEvents) {
            return format!("data: {event}\n\n").into_bytes();
        }
        // Lines of data are joined by a line feed, which JSON allows after its first brace.
        let data = match event.split_at_checked(1) {
            Some(("{", rest)) => format!("data:{{\r\ndata: {rest}\r\n"),
            _ => format!("data:{event}\r\n"),
        };
        format!(": still here\r\nevent: message\r\nid: 7\r\n{data}\r\n").into_bytes()
    }

    /// What goes over the wire.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let (mut out, mut drip) = (Vec::new(), 0);
        for fault in &self.reply.faults {
            match fault {
                Fault::Drip(ms) => drip = *ms,
                Fault::Empty => return out,
                Fault::LongLine(bytes) => return long_line(*bytes),
                _ => {}
            }
        }
        for (n, event) in self.events().iter().enumerate() {
            for fault in &self.reply.faults {
                match fault {
                    Fault::Cut(after) if n == *after => {
                        out.push(Step::Break);
                        return out;
                    }
                    Fault::HangAfter(after) if n == *after => {
                        out.push(Step::Hang);
                        return out;
                    }
                    _ => {}
                }
            }
            if drip > 0 {
                out.push(Step::Sleep(drip));
            }
            let frame = self.frame(event);
            let inside = frame.iter().position(|b| *b >= 0x80);
            match inside {
                Some(at) if self.reply.has(&Fault::HalfCharacter) => {
                    out.push(Step::Send(frame[..=at].to_vec()));
                    out.push(Step::Break);
                    return out;
                }
                _ if self.reply.has(&Fault::Bytewise) => {
                    out.extend(frame.iter().map(|b| Step::Send(vec![*b])));
                }
                _ => out.push(Step::Send(frame)),
            }
        }
        out
    }
}

fn long_line(bytes: usize) -> Vec<Step> {
    let piece = vec![b'x'; 64 * 1024];
    let mut out = vec![Step::Send(b"data: ".to_vec())];
    out.extend((0..bytes.div_ceil(piece.len())).map(|_| Step::Send(piece.clone())));
    out.push(Step::Hang);
    out
}

fn pieces(text: &str) -> Vec<String> {
    // A huge text goes in larger pieces: the wire, not the framing, is what it tries.
    let size = if text.len() > 1_000_000 {
        16 * 1024
    } else {
        PIECE_CHARS
    };
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(size).map(|c| c.iter().collect()).collect()
}
