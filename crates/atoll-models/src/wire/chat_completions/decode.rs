//! Answers with status 200: a stream of chunks, or the whole object.

use std::collections::VecDeque;

use atoll_domain::{Message, Part, Speaker};
use atoll_ports::models::{Delta, Reply};
use serde_json::Value;

use super::calls::Calls;
use super::refusal;
use crate::fault::Fault;
use crate::usage::{Report, settle};
use crate::wire::sse::{Event, Parser};
use crate::wire::{BodyKind, Decode, Sheet, call_bytes};

/// A reply may be this long whatever it was allowed; and it may never be longer than the second.
const REPLY_LIMIT_BYTES_MIN: u64 = 256 * 1024;
const REPLY_LIMIT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Between them: this much for each token that was allowed.
const BYTES_PER_TOKEN_MAX: u64 = 32;
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
const WORD_LIMIT_BYTES: usize = 256;

pub(in crate::wire) fn decoder(body: BodyKind, sheet: Sheet) -> Box<dyn Decode> {
    let draft = Draft::new(sheet);
    match body {
        BodyKind::Events => Box::new(Stream {
            parser: Parser::default(),
            events: Vec::new(),
            draft,
        }),
        BodyKind::Json => Box::new(Whole {
            body: Vec::new(),
            draft,
        }),
    }
}

/// A reply that is being put together.
struct Draft {
    sheet: Sheet,
    text: String,
    reasoning_bytes: u64,
    written_bytes: u64,
    calls: Calls,
    model: Option<String>,
    finish: Option<String>,
    report: Option<Report>,
    chunks: u64,
    done: bool,
}

impl Draft {
    fn new(sheet: Sheet) -> Draft {
        Draft {
            sheet,
            text: String::new(),
            reasoning_bytes: 0,
            written_bytes: 0,
            calls: Calls::default(),
            model: None,
            finish: None,
            report: None,
            chunks: 0,
            done: false,
        }
    }

    fn event(&mut self, event: &Event, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let value: Value = serde_json::from_str(data)
            .map_err(|err| Fault::garbage(format!("an event of the reply is no JSON ({err})")))?;
        if event.name == "error" && value["error"].is_null() {
            return Err(refusal::in_stream(&value));
        }
        self.chunk(&value, out)
    }

    /// Takes one chunk, or the whole object: they differ in `delta` and `message` alone.
    fn chunk(&mut self, value: &Value, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if !value.is_object() {
            return Err(Fault::garbage("an event of the reply is no object"));
        }
        if !value["error"].is_null() {
            return Err(refusal::in_stream(&value["error"]));
        }
        self.chunks += 1;
        if self.model.is_none() {
            self.model = word(&value["model"]);
        }
        if let Some(report) = Report::read(&value["usage"]) {
            self.report = Some(report);
        }
        // One choice is asked for. Some send chunks without any, for usage alone.
        let choices = value["choices"].as_array().map_or(&[][..], Vec::as_slice);
        let Some(choice) = choices
            .iter()
            .find(|c| c["index"].as_u64().unwrap_or(0) == 0)
        else {
            return Ok(());
        };
        if let Some(finish) = word(&choice["finish_reason"]) {
            self.finish = Some(finish);
        }
        let delta = if choice["delta"].is_object() {
            &choice["delta"]
        } else {
            &choice["message"]
        };
        self.delta(delta, out)
    }

    fn delta(&mut self, delta: &Value, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        // Two names of one thing: `reasoning_content` (DeepSeek, llama.cpp), `reasoning` (OpenRouter, Ollama).
        let thought = delta["reasoning_content"]
            .as_str()
            .or(delta["reasoning"].as_str());
        if let Some(thought) = thought.filter(|t| !t.is_empty()) {
            self.reasoning_bytes += thought.len() as u64;
            self.grow(thought.len())?;
            out.push_back(Delta::Reasoning(thought.into()));
        }
        self.content(&delta["content"], out)?;
        // A refusal is what the model says in place of an answer.
        self.content(&delta["refusal"], out)?;
        for piece in delta["tool_calls"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
        {
            let bytes = self.calls.add(piece, out)?;
            self.grow(bytes)?;
        }
        Ok(())
    }

    fn content(&mut self, content: &Value, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        match content {
            Value::String(text) => self.say(text, out),
            // A few send parts in place of a text.
            Value::Array(parts) => parts
                .iter()
                .filter_map(|p| p["text"].as_str())
                .try_for_each(|text| self.say(text, out)),
            _ => Ok(()),
        }
    }

    fn say(&mut self, text: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.grow(text.len())?;
        self.text.push_str(text);
        out.push_back(Delta::Text(text.into()));
        Ok(())
    }

    /// `Err`: the reply is longer than any honest one. Such a provider ignores the limit that it was given.
    fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        self.written_bytes += bytes as u64;
        let allowed = self.sheet.output_tokens_max;
        let limit_bytes = allowed
            .saturating_mul(BYTES_PER_TOKEN_MAX)
            .clamp(REPLY_LIMIT_BYTES_MIN, REPLY_LIMIT_BYTES_MAX);
        if self.written_bytes <= limit_bytes {
            return Ok(());
        }
        Err(Fault::garbage(format!(
            "the reply passes {limit_bytes} bytes, though {allowed} tokens were allowed"
        )))
    }

    fn reply(&mut self) -> Reply {
        let calls = self.calls.finish(&self.sheet.key);
        let plain = if calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        let text = std::mem::take(&mut self.text);
        let written_bytes = self.reasoning_bytes + text.len() as u64 + call_bytes(&calls) as u64;
        let usage = settle(
            self.report,
            self.sheet.sent,
            written_bytes,
            self.sheet.output_tokens_max,
        );
        let content = if text.is_empty() {
            Vec::new()
        } else {
            vec![Part::Text { text }]
        };
        Reply {
            message: Message {
                role: Speaker::Assistant,
                content,
                tool_calls: calls,
                tool_call_id: None,
            },
            model: self
                .model
                .take()
                .unwrap_or_else(|| self.sheet.model.clone()),
            finish: self.finish.take().unwrap_or_else(|| plain.into()),
            usage,
        }
    }
}

/// A short name from outside, or nothing.
fn word(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= WORD_LIMIT_BYTES).then(|| text.into())
}

struct Stream {
    parser: Parser,
    events: Vec<Event>,
    draft: Draft,
}

impl Stream {
    fn take(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        for event in std::mem::take(&mut self.events) {
            if !self.draft.done {
                self.draft.event(&event, out)?;
            }
        }
        Ok(())
    }
}

impl Decode for Stream {
    fn feed(&mut self, bytes: &[u8], out: &mut VecDeque<Delta>) -> Result<bool, Fault> {
        let fed = self.parser.feed(bytes, &mut self.events);
        // What came before the fault was said all the same.
        self.take(out)?;
        fed?;
        Ok(self.draft.done)
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<Reply, Fault> {
        let complete = |draft: &Draft| draft.done || draft.finish.is_some();
        if !complete(&self.draft) {
            let ended = self.parser.end(&mut self.events);
            // A last event that can't be read is the place of the cut.
            let taken = ended.and_then(|()| self.take(out));
            if let Err(fault) = taken
                && (self.draft.chunks == 0
                    || fault.failure != atoll_ports::models::Failure::Garbage)
            {
                return Err(fault);
            }
        }
        if complete(&self.draft) {
            return Ok(self.draft.reply());
        }
        if self.draft.chunks == 0 && self.parser.total_bytes() > 0 {
            return Err(Fault::garbage("what came is not a stream of events"));
        }
        Err(Fault::cut("the reply ends in the middle"))
    }
}

struct Whole {
    body: Vec<u8>,
    draft: Draft,
}

impl Decode for Whole {
    fn feed(&mut self, bytes: &[u8], _: &mut VecDeque<Delta>) -> Result<bool, Fault> {
        if self.body.len() + bytes.len() > BODY_LIMIT_BYTES {
            return Err(Fault::garbage(format!(
                "the reply passes {BODY_LIMIT_BYTES} bytes"
            )));
        }
        self.body.extend_from_slice(bytes);
        Ok(false)
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<Reply, Fault> {
        if self.body.is_empty() {
            return Err(Fault::cut("the reply is empty"));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|err| {
            if err.is_eof() {
                Fault::cut("the reply ends in the middle")
            } else {
                Fault::garbage(format!("the reply is no JSON ({err})"))
            }
        })?;
        self.draft.chunk(&value, out)?;
        if value["choices"].as_array().is_none_or(Vec::is_empty) {
            return Err(Fault::garbage("the reply is JSON, but no chat completion"));
        }
        Ok(self.draft.reply())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Sent;
    use atoll_domain::ActionKey;
    use atoll_ports::models::Failure;
    use proptest::prelude::*;

    fn sheet() -> Sheet {
        Sheet {
            model: "asked".into(),
            key: ActionKey::derive(&[b"k"]),
            sent: Sent {
                text_bytes: 400,
                messages: 1,
                images: 0,
            },
            output_tokens_max: 1_000,
        }
    }

    fn decode(kind: BodyKind, bytes: &[u8]) -> (Vec<Delta>, Result<Reply, Fault>) {
        let (mut decoder, mut out) = (decoder(kind, sheet()), VecDeque::new());
        let fed = decoder.feed(bytes, &mut out);
        let reply = fed.and_then(|_| decoder.finish(&mut out));
        (out.into(), reply)
    }

    fn stream(text: &str) -> Result<Reply, Fault> {
        decode(BodyKind::Events, text.as_bytes()).1
    }

    fn failure(text: &str) -> Failure {
        stream(text).unwrap_err().failure
    }

    #[test]
    fn odd_chunks_are_read_as_far_as_they_make_sense() {
        let text = concat!(
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":3}}\n\n",
            "data: {\"model\":\"served\",\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"thinking\"}]}}]}\n\n",
            "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"not mine\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":null,\"finish_reason\":null}]}\n\n",
            "data: {\"choices\":null,\"error\":null,\"usage\":null}\n\n",
            "data: {\"choices\":[{\"message\":{\"content\":\"b\"},\"finish_reason\":\"length\"}]}\n\n",
            "data: [DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"after\"}}]}\n\n",
        );
        let reply = stream(text).unwrap();
        assert_eq!(reply.message.joined_text(), "ab");
        assert_eq!(
            (reply.model.as_str(), reply.finish.as_str()),
            ("served", "length")
        );
        assert_eq!(
            (
                reply.usage.input_tokens,
                reply.usage.output_tokens,
                reply.usage.reported
            ),
            (50, 3, true)
        );
    }

    #[test]
    fn thoughts_are_passed_on_and_counted_but_not_said() {
        let text = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hmm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\n";
        let (deltas, reply) = decode(BodyKind::Events, text.as_bytes());
        assert_eq!(
            deltas,
            [Delta::Reasoning("hmm".into()), Delta::Text("yes".into())]
        );
        let reply = reply.unwrap();
        assert_eq!(reply.message.joined_text(), "yes");
        assert_eq!(reply.usage.output_tokens, 2);
        assert_eq!(reply.model, "asked");
    }

    #[test]
    fn ends_without_an_end() {
        let said = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        assert_eq!(failure(said), Failure::Cut);
        assert_eq!(failure(&format!("{said}data: {{\"choi")), Failure::Cut);
        assert_eq!(failure(""), Failure::Cut);
        assert_eq!(failure("hello\n\n"), Failure::Garbage);
        assert_eq!(failure("data: hello\n\n"), Failure::Garbage);
        assert_eq!(failure("data: [1]\n\n"), Failure::Garbage);
        assert!(stream(&format!("{said}data: [DONE]")).is_ok());
    }

    #[test]
    fn errors_in_a_stream_are_classified() {
        assert_eq!(
            failure("data: {\"error\":{\"message\":\"x\",\"code\":429}}\n\n"),
            Failure::RateLimited
        );
        assert_eq!(
            failure("data: {\"error\":\"out of memory\"}\n\n"),
            Failure::Server
        );
        assert_eq!(
            failure("event: error\ndata: {\"message\":\"x\"}\n\n"),
            Failure::Server
        );
        assert_eq!(
            failure(
                "data: {\"error\":{\"message\":\"maximum context length is 4096 tokens\"}}\n\n"
            ),
            Failure::Context
        );
    }

    #[test]
    fn whole_objects() {
        let of = |text: &str| decode(BodyKind::Json, text.as_bytes()).1;
        let reply =
            of("{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":null}]}").unwrap();
        assert_eq!(
            (reply.message.joined_text().as_str(), reply.finish.as_str()),
            ("a", "stop")
        );
        for (text, failure) in [
            ("", Failure::Cut),
            ("{\"choices\":[{\"mess", Failure::Cut),
            ("oops", Failure::Garbage),
            ("{}", Failure::Garbage),
            ("{\"choices\":[]}", Failure::Garbage),
            ("{\"error\":\"no\"}", Failure::Server),
        ] {
            assert_eq!(of(text).unwrap_err().failure, failure, "{text}");
        }
    }

    #[test]
    fn a_reply_that_ignores_its_limit_is_stopped() {
        let event = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "x".repeat(1000)
        );
        let (deltas, reply) = decode(BodyKind::Events, event.repeat(400).as_bytes());
        assert!(reply.unwrap_err().words.contains("passes 262144 bytes"));
        assert_eq!(deltas.len(), 262);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(BodyKind::Events, &bytes);
            let _ = decode(BodyKind::Json, &bytes);
        }
        #[test]
        fn no_chunk_makes_it_panic(chunk in "(\\{\"choices\":\\[\\{\"(delta|message|index)\":(null|3|\\{\"(content|tool_calls|role)\":(\"a\"|\\[\\{\"(index|id|function)\":(1|\"x\"|\\{\"name\":\"f\"\\})\\}\\])\\})\\}\\]\\})") {
            let _ = stream(&format!("data: {chunk}\n\ndata: [DONE]\n\n"));
        }
    }
}
