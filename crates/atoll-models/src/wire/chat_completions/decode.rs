//! Answers with status 200: a stream of chunks, or the whole object.

use std::collections::VecDeque;

use atoll_ports::models::Delta;
use serde_json::Value;

use crate::fault::Fault;
use crate::usage::Report;
use crate::wire::body::{self, Read};
use crate::wire::draft::{Draft, word};
use crate::wire::refusal;
use crate::wire::sse::Event;
use crate::wire::{BodyKind, Decode, Sheet};

pub(in crate::wire) fn decoder(body: BodyKind, sheet: Sheet) -> Box<dyn Decode> {
    body::events(body, sheet, Chunks)
}

struct Chunks;

impl Read for Chunks {
    fn event(
        &mut self,
        event: &Event,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        if event.data.trim() == "[DONE]" {
            draft.done = true;
            return Ok(());
        }
        let value = body::object(&event.data)?;
        if event.name == "error" && value["error"].is_null() {
            return Err(refusal::in_stream(&value));
        }
        chunk(&value, draft, out)
    }

    fn whole(
        &mut self,
        value: &Value,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        chunk(value, draft, out)?;
        if value["choices"].as_array().is_none_or(Vec::is_empty) {
            return Err(Fault::garbage("the reply is JSON, but no chat completion"));
        }
        Ok(())
    }
}

/// Takes one chunk, or the whole object: they differ in `delta` and `message` alone.
fn chunk(value: &Value, draft: &mut Draft, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
    if !value["error"].is_null() {
        return Err(refusal::in_stream(&value["error"]));
    }
    draft.chunks += 1;
    if draft.model.is_none() {
        draft.model = word(&value["model"]);
    }
    if let Some(report) = Report::of_chat(&value["usage"]) {
        draft.report = Some(report);
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
        draft.finish = Some(finish);
    }
    let said = if choice["delta"].is_object() {
        &choice["delta"]
    } else {
        &choice["message"]
    };
    // Two names of one thing: `reasoning_content` (DeepSeek, llama.cpp), `reasoning` (OpenRouter, Ollama).
    let thought = said["reasoning_content"]
        .as_str()
        .or(said["reasoning"].as_str());
    draft.think(thought.unwrap_or_default(), out)?;
    content(&said["content"], draft, out)?;
    // A refusal is what the model says in place of an answer.
    content(&said["refusal"], draft, out)?;
    let calls = said["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
    for piece in calls {
        let bytes = draft.calls.add(piece, out)?;
        draft.grow(bytes)?;
    }
    Ok(())
}

fn content(content: &Value, draft: &mut Draft, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
    match content {
        Value::String(text) => draft.say(text, out),
        // A few send parts in place of a text.
        Value::Array(parts) => parts
            .iter()
            .filter_map(|p| p["text"].as_str())
            .try_for_each(|text| draft.say(text, out)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing;
    use atoll_ports::models::{Failure, Reply};
    use proptest::prelude::*;

    fn decode(kind: BodyKind, bytes: &[u8]) -> (Vec<Delta>, Result<Reply, Fault>) {
        testing::decode(decoder(kind, testing::sheet()), bytes)
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
            ("[]", Failure::Garbage),
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
