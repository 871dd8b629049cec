//! Answers with status 200: a stream of events, or the whole message.

use std::collections::VecDeque;

use atoll_domain::Form;
use atoll_ports::models::Delta;
use serde_json::Value;

use super::form;
use crate::fault::Fault;
use crate::usage::Report;
use crate::wire::body::{self, Read};
use crate::wire::calls::text_of;
use crate::wire::draft::{Draft, word};
use crate::wire::refusal;
use crate::wire::sse::Event;
use crate::wire::{BodyKind, Decode, Sheet};

/// Of a reply. What comes beyond is no honest reply.
const BLOCKS_MAX: usize = 1_024;

pub(in crate::wire) fn decoder(body: BodyKind, sheet: Sheet) -> Box<dyn Decode> {
    let form = sheet.form.clone();
    body::events(
        body,
        sheet,
        Blocks {
            form,
            ..Blocks::default()
        },
    )
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    /// A call, its place, and the arguments that its beginning already held.
    Call(usize, String, bool),
    /// The call that gives the reply its form: its arguments so far, and those of its beginning.
    Form(String, String),
    /// Something that this version doesn't know.
    Other,
}

#[derive(Default)]
struct Blocks {
    form: Option<Form>,
    /// Index and kind, in the order in which they began.
    begun: Vec<(Option<u64>, Kind)>,
    usage: Usage,
}

/// The figures as they come: at the beginning what was read, at the end what was written.
#[derive(Default)]
struct Usage {
    fresh: Option<u64>,
    cached: Option<u64>,
    written: Option<u64>,
    output: Option<u64>,
}

impl Usage {
    fn take(&mut self, usage: &Value) {
        let Some(usage) = usage.as_object() else {
            return;
        };
        for (name, field) in [
            ("input_tokens", &mut self.fresh),
            ("cache_read_input_tokens", &mut self.cached),
            ("cache_creation_input_tokens", &mut self.written),
            ("output_tokens", &mut self.output),
        ] {
            // The last word counts, also where it makes no sense: then the figure is estimated.
            if let Some(told) = usage.get(name).filter(|v| !v.is_null()) {
                *field = told.as_u64();
            }
        }
    }

    /// This wire counts apart what was read fresh, from the cache, and into it.
    fn report(&self) -> Report {
        let cached = self.cached.unwrap_or(0);
        let written = self.written.unwrap_or(0);
        let all = |fresh: u64| fresh.saturating_add(cached).saturating_add(written);
        Report {
            input: self.fresh.map(all),
            cached: self.cached,
            cache_written: self.written,
            output: self.output,
        }
    }
}

impl Read for Blocks {
    fn event(
        &mut self,
        event: &Event,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        let value = body::object(&event.data)?;
        let kind = value["type"].as_str().unwrap_or(&event.name);
        match kind {
            "error" => return Err(failed(&value)),
            "message_start" => self.begins(&value["message"], draft),
            "content_block_start" => {
                self.begin_block(value["index"].as_u64(), &value["content_block"], draft, out)?;
            }
            "content_block_delta" => {
                self.delta(value["index"].as_u64(), &value["delta"], draft, out)?;
            }
            "message_delta" => {
                self.usage.take(&value["usage"]);
                draft.finish = finish(&value["delta"]["stop_reason"]).or(draft.finish.take());
            }
            "message_stop" => draft.done = true,
            // `ping`, `content_block_stop`, and what later versions send.
            _ => return Ok(()),
        }
        draft.chunks += 1;
        draft.report = Some(self.usage.report());
        Ok(())
    }

    fn whole(
        &mut self,
        value: &Value,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        if value["type"] == "error" || !value["error"].is_null() {
            return Err(failed(value));
        }
        let Some(blocks) = value["content"].as_array() else {
            return Err(Fault::garbage("the reply is JSON, but no message"));
        };
        self.begins(value, draft);
        for (n, block) in blocks.iter().enumerate() {
            self.begin_block(Some(n as u64), block, draft, out)?;
        }
        draft.finish = finish(&value["stop_reason"]);
        draft.report = Some(self.usage.report());
        Ok(())
    }

    fn end(&mut self, draft: &mut Draft, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        for (_, kind) in std::mem::take(&mut self.begun) {
            match kind {
                // No piece came: the beginning held it all.
                Kind::Call(at, whole, false) => draft.calls.extend(at, &whole),
                Kind::Form(pieces, whole) => {
                    let arguments = if pieces.is_empty() { whole } else { pieces };
                    if let Some(form) = &self.form {
                        draft.say(&form::text(form, arguments), out)?;
                    }
                    if draft.finish.as_deref() == Some("tool_calls") {
                        draft.finish = None; // `stop`, unless there are other calls
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Blocks {
    fn begins(&mut self, message: &Value, draft: &mut Draft) {
        draft.model = word(&message["model"]);
        self.usage.take(&message["usage"]);
    }

    /// A block begins, or is all there at once.
    fn begin_block(
        &mut self,
        index: Option<u64>,
        block: &Value,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        if self.begun.len() == BLOCKS_MAX {
            return Err(Fault::garbage(format!(
                "the reply has more than {BLOCKS_MAX} blocks"
            )));
        }
        let text = |field: &str| block[field].as_str().unwrap_or_default();
        let kind = match text("type") {
            "text" => {
                draft.say(text("text"), out)?;
                Kind::Text
            }
            "thinking" => {
                draft.begin_thought();
                draft.think(text("thinking"), out)?;
                if !text("signature").is_empty() {
                    draft.sign(text("signature"))?;
                }
                Kind::Thought
            }
            "redacted_thinking" => {
                draft.seal(text("data"))?;
                Kind::Other
            }
            "tool_use" => {
                let whole = text_of(&block["input"]);
                draft.grow(whole.len() + text("name").len())?;
                if self.form.as_ref().is_some_and(|f| f.name == text("name")) {
                    Kind::Form(String::new(), whole)
                } else {
                    let at = draft.calls.start(text("id"), text("name"), out)?;
                    Kind::Call(at, whole, false)
                }
            }
            _ => Kind::Other,
        };
        self.begun.push((index, kind));
        Ok(())
    }

    fn delta(
        &mut self,
        index: Option<u64>,
        delta: &Value,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        // The newest of that index; without an index, the newest of all.
        let of_index = |(i, _): &&mut (Option<u64>, Kind)| index.is_none() || *i == index;
        let Some((_, kind)) = self.begun.iter_mut().rev().find(of_index) else {
            return Err(Fault::garbage("a piece of the reply belongs to no block"));
        };
        let text = |field: &str| delta[field].as_str().unwrap_or_default();
        match (text("type"), kind) {
            ("text_delta", _) => draft.say(text("text"), out),
            ("thinking_delta", _) => draft.think(text("thinking"), out),
            ("signature_delta", Kind::Thought) => draft.sign(text("signature")),
            ("input_json_delta", Kind::Call(at, _, pieces)) => {
                let piece = text("partial_json");
                draft.grow(piece.len())?;
                *pieces |= !piece.is_empty();
                draft.calls.extend(*at, piece);
                Ok(())
            }
            ("input_json_delta", Kind::Form(arguments, _)) => {
                draft.grow(text("partial_json").len())?;
                arguments.push_str(text("partial_json"));
                Ok(())
            }
            // Citations, and what later versions send.
            _ => Ok(()),
        }
    }
}

fn failed(value: &Value) -> Fault {
    match value["error"].is_object() || value["error"].is_string() {
        true => refusal::in_stream(&value["error"]),
        false => refusal::in_stream(value),
    }
}

/// Why it ended, in the words of chat completions.
fn finish(reason: &Value) -> Option<String> {
    word(reason).map(|reason| match reason.as_str() {
        "end_turn" | "stop_sequence" => "stop".into(),
        "tool_use" => "tool_calls".into(),
        "max_tokens" | "model_context_window_exceeded" => "length".into(),
        _ => reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{decode, sheet};
    use atoll_domain::Part;
    use atoll_ports::models::{Failure, Reply};
    use proptest::prelude::*;
    use serde_json::json;

    fn of(kind: BodyKind, bytes: &[u8]) -> Result<Reply, Fault> {
        decode(decoder(kind, sheet()), bytes).1
    }

    fn stream(events: &[Value]) -> Result<Reply, Fault> {
        let text: String = events.iter().map(|e| format!("data: {e}\n\n")).collect();
        of(BodyKind::Events, text.as_bytes())
    }

    fn start(usage: &Value) -> Value {
        json!({"type": "message_start", "message": {"model": "served", "usage": usage}})
    }

    fn stop(usage: &Value) -> Value {
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    }

    #[test]
    fn what_the_cache_read_and_kept_is_counted_apart_and_in() {
        let start = start(
            &json!({"input_tokens": 20, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 30, "output_tokens": 1}),
        );
        let usage = stream(&[start.clone(), stop(&json!({"output_tokens": 7}))])
            .unwrap()
            .usage;
        assert_eq!(
            (
                usage.input_tokens,
                usage.cached_tokens,
                usage.cache_written_tokens
            ),
            (100, 50, 30)
        );
        assert_eq!((usage.output_tokens, usage.reported), (7, true));
        // The end may say it all again, and a null says nothing.
        let again =
            json!({"output_tokens": 9, "cache_read_input_tokens": 60, "input_tokens": null});
        let usage = stream(&[start.clone(), stop(&again)]).unwrap().usage;
        assert_eq!(
            (usage.input_tokens, usage.cached_tokens, usage.output_tokens),
            (110, 60, 9)
        );
        for lie in [
            json!({"output_tokens": -7}),
            json!({"output_tokens": 1e300}),
            json!({"cache_read_input_tokens": u64::MAX}),
        ] {
            let usage = stream(&[start.clone(), stop(&lie)]).unwrap().usage;
            assert!(!usage.reported || usage.output_tokens == 1, "{lie}");
            assert!(
                usage.input_tokens < 10_000 && usage.output_tokens <= 1_000,
                "{lie}: {usage:?}"
            );
            assert!(
                usage.cached_tokens + usage.cache_written_tokens <= usage.input_tokens,
                "{lie}"
            );
        }
    }

    #[test]
    fn thoughts_keep_their_order_their_signatures_and_their_seals() {
        let block = |n: u64, block: Value| json!({"type": "content_block_start", "index": n, "content_block": block});
        let delta = |n: u64, delta: Value| json!({"type": "content_block_delta", "index": n, "delta": delta});
        let reply = stream(&[
            start(&json!(null)),
            block(
                0,
                json!({"type": "thinking", "thinking": "", "signature": ""}),
            ),
            delta(0, json!({"type": "thinking_delta", "thinking": "a"})),
            delta(0, json!({"type": "signature_delta", "signature": "s1"})),
            block(1, json!({"type": "redacted_thinking", "data": "xyz"})),
            block(2, json!({"type": "text", "text": ""})),
            delta(2, json!({"type": "text_delta", "text": "b"})),
            delta(2, json!({"type": "citations_delta", "citation": {}})),
            block(
                3,
                json!({"type": "thinking", "thinking": "", "signature": ""}),
            ),
            delta(3, json!({"type": "signature_delta", "signature": "s2"})),
            block(
                4,
                json!({"type": "server_tool_use", "id": "x", "name": "web", "input": {}}),
            ),
            delta(4, json!({"type": "input_json_delta", "partial_json": "{}"})),
            stop(&json!(null)),
        ]);
        let thought = |text: &str, signature: Option<&str>, sealed: Option<&str>| Part::Reasoning {
            text: text.into(),
            signature: signature.map(str::to_owned),
            sealed: sealed.map(str::to_owned),
        };
        let wanted = [
            thought("a", Some("s1"), None),
            thought("", None, Some("xyz")),
            Part::text("b"),
            thought("", Some("s2"), None),
        ];
        let reply = reply.unwrap();
        assert_eq!(reply.message.content, wanted);
        assert!(reply.message.tool_calls.is_empty());
        assert_eq!(reply.model, "served");
    }

    #[test]
    fn ends_and_odd_events() {
        let failure = |events: &[Value]| stream(events).unwrap_err().failure;
        assert_eq!(failure(&[start(&json!({}))]), Failure::Cut);
        assert_eq!(failure(&[json!([1])]), Failure::Garbage);
        let homeless = json!({"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}});
        assert_eq!(failure(&[start(&json!({})), homeless]), Failure::Garbage);
        let nameless = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a"}});
        assert_eq!(failure(&[nameless]), Failure::Garbage);
        let many: Vec<Value> = (0..1_100)
            .map(|n| json!({"type": "content_block_start", "index": n, "content_block": {"type": "text", "text": ""}}))
            .collect();
        assert_eq!(failure(&many), Failure::Garbage);
        for (reason, finish) in [
            ("max_tokens", "length"),
            ("refusal", "refusal"),
            ("stop_sequence", "stop"),
            ("model_context_window_exceeded", "length"),
        ] {
            let end = json!({"type": "message_delta", "delta": {"stop_reason": reason}});
            assert_eq!(stream(&[end]).unwrap().finish, finish);
        }
        for (body, failure) in [
            ("", Failure::Cut),
            ("{\"content\":[", Failure::Cut),
            ("{}", Failure::Garbage),
            (
                "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
                Failure::Server,
            ),
        ] {
            assert_eq!(
                of(BodyKind::Json, body.as_bytes()).unwrap_err().failure,
                failure,
                "{body}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = of(BodyKind::Events, &bytes);
            let _ = of(BodyKind::Json, &bytes);
        }
        #[test]
        fn no_event_makes_it_panic(
            kinds in prop::collection::vec("message_start|content_block_start|content_block_delta|message_delta|message_stop|error", 0..6),
            block in "text|thinking|tool_use|redacted_thinking|x",
            delta in "text_delta|signature_delta|input_json_delta|thinking_delta|x",
            index in prop::option::of(any::<i8>()),
        ) {
            let events: Vec<Value> = kinds.iter().map(|kind| json!({
                "type": kind, "index": index, "message": {"usage": {"input_tokens": index}},
                "content_block": {"type": block, "name": "f", "input": index, "text": "t", "data": 3},
                "delta": {"type": delta, "text": "x", "partial_json": "{", "signature": "s", "stop_reason": "end_turn"},
            })).collect();
            let _ = stream(&events);
        }
    }
}
