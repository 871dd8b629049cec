//! Answers with status 200: lines of JSON, of which one that isn't streamed is the only one.

use std::collections::VecDeque;

use atoll_ports::models::Delta;
use serde_json::Value;

use crate::fault::Fault;
use crate::usage::Report;
use crate::wire::body::{self, Read};
use crate::wire::calls::text_of;
use crate::wire::draft::{Draft, word};
use crate::wire::refusal;
use crate::wire::sse::Event;
use crate::wire::{Decode, Sheet};

pub(in crate::wire) fn decoder(sheet: Sheet) -> Box<dyn Decode> {
    body::lines(sheet, Lines)
}

struct Lines;

impl Read for Lines {
    fn event(
        &mut self,
        event: &Event,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        self.whole(&body::object(&event.data)?, draft, out)
    }

    fn whole(
        &mut self,
        value: &Value,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        if !value["error"].is_null() {
            return Err(refusal::in_stream(&value["error"]));
        }
        draft.chunks += 1;
        if draft.model.is_none() {
            draft.model = word(&value["model"]);
        }
        let message = &value["message"];
        draft.think(message["thinking"].as_str().unwrap_or_default(), out)?;
        draft.say(message["content"].as_str().unwrap_or_default(), out)?;
        let calls = message["tool_calls"].as_array();
        for call in calls.map_or(&[][..], Vec::as_slice) {
            // Each is whole, and most have no id: the draft makes one.
            let function = &call["function"];
            let arguments = match text_of(&function["arguments"]) {
                none if none.is_empty() => "{}".to_owned(),
                some => some,
            };
            let name = function["name"].as_str().unwrap_or_default();
            draft.grow(name.len() + arguments.len())?;
            let id = call["id"].as_str().unwrap_or_default();
            let at = draft.calls.start(id, name, out)?;
            draft.calls.extend(at, &arguments);
        }
        if value["done"] == true {
            draft.finish = word(&value["done_reason"]);
            draft.report = Some(Report {
                input: value["prompt_eval_count"].as_u64(),
                output: value["eval_count"].as_u64(),
                ..Report::default()
            });
            draft.done = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{decode, sheet};
    use atoll_ports::models::{Failure, Reply};
    use proptest::prelude::*;
    use serde_json::json;

    fn stream(lines: &[Value]) -> Result<Reply, Fault> {
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        decode(decoder(sheet()), text.as_bytes()).1
    }

    #[test]
    fn calls_come_whole_and_get_ids_that_differ() {
        let call = |name: &str, arguments: Value| json!({"message": {"tool_calls": [{"function": {"name": name, "arguments": arguments}}]}});
        let reply = stream(&[
            call("f", json!({"x": 1})),
            call("f", json!(null)),
            json!({"done": true, "done_reason": "stop", "prompt_eval_count": 50, "eval_count": 9}),
        ])
        .unwrap();
        let calls = &reply.message.tool_calls;
        assert_eq!(
            (calls[0].arguments.as_str(), calls[1].arguments.as_str()),
            ("{\"x\":1}", "{}")
        );
        assert_ne!(calls[0].id, calls[1].id);
        assert_eq!(reply.finish, "tool_calls");
        assert_eq!(
            (reply.usage.input_tokens, reply.usage.output_tokens),
            (50, 9)
        );
    }

    #[test]
    fn ends_and_errors() {
        let failure = |lines: &[Value]| stream(lines).unwrap_err().failure;
        let said = json!({"message": {"content": "a"}, "done": false});
        assert_eq!(failure(std::slice::from_ref(&said)), Failure::Cut);
        assert_eq!(
            failure(&[said.clone(), json!({"error": "out of memory"})]),
            Failure::Server
        );
        assert_eq!(
            failure(&[json!({"error": "input exceeds the context length"})]),
            Failure::Context
        );
        assert_eq!(failure(&[json!([1])]), Failure::Garbage);
        let nameless = json!({"message": {"tool_calls": [{"function": {}}]}});
        assert_eq!(failure(&[nameless]), Failure::Garbage);
        // What comes after the end is not read.
        let reply = stream(&[
            said.clone(),
            json!({"done": true}),
            json!({"error": "late"}),
        ])
        .unwrap();
        assert_eq!(
            (reply.message.joined_text().as_str(), reply.finish.as_str()),
            ("a", "stop")
        );
        assert_eq!(
            decode(decoder(sheet()), b"").1.unwrap_err().failure,
            Failure::Cut
        );
        assert_eq!(
            decode(decoder(sheet()), b"<html>").1.unwrap_err().failure,
            Failure::Garbage
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(decoder(sheet()), &bytes);
        }
        #[test]
        fn no_line_makes_it_panic(line in "(\\{\"(message|done|error)\":(null|3|true|\\{\"(content|tool_calls|thinking)\":(\"a\"|\\[(3|\\{\"function\":\\{\"name\":\"f\",\"arguments\":(1|\"x\"|\\{\\})\\}\\})\\])\\})\\})") {
            let _ = decode(decoder(sheet()), line.as_bytes());
        }
    }
}
