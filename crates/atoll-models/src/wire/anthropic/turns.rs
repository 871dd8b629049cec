//! Messages as this wire wants them: users and the assistant by turns, results beside what a person says, ids that
//! are unique over the whole conversation, nothing that is empty.

use std::collections::{HashMap, HashSet};

use atoll_domain::{Message, Part, Speaker};
use serde_json::{Value, json};

use crate::usage::Sent;
use crate::wire::calls::object_of;

/// What stands where nothing was said: an empty message is refused.
const NOTHING: &str = "(nothing)";
const ID_LIMIT_BYTES: usize = 64;

/// The messages; `thoughts` says whether thoughts go along, `told` which reply's calls are told as text.
pub(super) fn messages(
    messages: &[Message],
    thoughts: bool,
    told: Option<usize>,
    sent: &mut Sent,
) -> Vec<Value> {
    let mut turns = Turns {
        out: Vec::new(),
        ids: Ids::default(),
        thoughts,
        sent,
    };
    for (at, message) in messages.iter().enumerate() {
        turns.add(message, told == Some(at));
    }
    turns.finish()
}

/// Whether the model may think. What it goes on with must begin with a thought that can go back, if it called tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayThink {
    Yes,
    /// In a new turn, if the calls of this reply are told as text: another model ended the turn before.
    Telling(usize),
    /// Not in the middle of what another model began.
    No,
}

pub(super) fn may_think(messages: &[Message]) -> MayThink {
    let role = |wanted| messages.iter().rposition(|m| m.role == wanted);
    let Some(at) = role(Speaker::Assistant) else {
        return MayThink::Yes;
    };
    let last = &messages[at];
    let mut shown = last.content.iter().filter(|part| match part {
        Part::Text { text } => !text.trim().is_empty(),
        other => thought(other).is_some(),
    });
    let begins = shown.next().is_some_and(|part| thought(part).is_some());
    match role(Speaker::User) {
        _ if begins || last.tool_calls.is_empty() => MayThink::Yes,
        Some(user) if user > at => MayThink::Telling(at),
        _ => MayThink::No,
    }
}

/// A thought as a block; `None`: it is none, or no provider of this wire vouched for it.
fn thought(part: &Part) -> Option<Value> {
    match part {
        Part::Reasoning {
            sealed: Some(data), ..
        } => Some(json!({"type": "redacted_thinking", "data": data})),
        Part::Reasoning {
            text,
            signature: Some(signature),
            ..
        } => Some(json!({"type": "thinking", "thinking": text, "signature": signature})),
        _ => None,
    }
}

struct Turns<'a> {
    out: Vec<(&'static str, Vec<Value>)>,
    ids: Ids,
    thoughts: bool,
    sent: &'a mut Sent,
}

impl Turns<'_> {
    fn add(&mut self, message: &Message, told: bool) {
        match message.role {
            // Stands apart from the messages.
            Speaker::System => {}
            Speaker::User => {
                let blocks: Vec<Value> = self.parts(message);
                self.turn("user").extend(blocks);
            }
            Speaker::Assistant => self.assistant(message, told),
            Speaker::Tool => self.result(message),
        }
    }

    /// The turn of a role: the last one, if it is that role's.
    fn turn(&mut self, role: &'static str) -> &mut Vec<Value> {
        if self.out.last().is_none_or(|(last, _)| *last != role) {
            self.out.push((role, Vec::new()));
        }
        let last = self.out.len() - 1;
        &mut self.out[last].1
    }

    /// Texts, images, and thoughts where they go along.
    fn parts(&mut self, message: &Message) -> Vec<Value> {
        let mut out = Vec::new();
        for part in &message.content {
            match part {
                Part::Text { text } if text.trim().is_empty() => {}
                Part::Text { text } => {
                    self.sent.text_bytes += text.len() as u64;
                    out.push(json!({"type": "text", "text": text}));
                }
                Part::Image { media_type, data } => {
                    self.sent.images += 1;
                    out.push(json!({"type": "image", "source": {
                        "type": "base64", "media_type": media_type, "data": data,
                    }}));
                }
                part @ Part::Reasoning { .. } => {
                    if let Some(block) = thought(part).filter(|_| self.thoughts) {
                        self.sent.text_bytes += block.to_string().len() as u64;
                        out.push(block);
                    }
                }
            }
        }
        out
    }

    fn assistant(&mut self, message: &Message, told: bool) {
        let mut blocks = self.parts(message);
        self.ids.begin();
        for call in &message.tool_calls {
            let input = Value::Object(object_of(&call.arguments));
            self.sent.text_bytes += (call.name.len() + input.to_string().len()) as u64;
            if told {
                // Its result finds no call, and is told as well.
                let text = format!("[called {} with {input}]", call.name);
                blocks.push(json!({"type": "text", "text": text}));
                continue;
            }
            let id = self.ids.give(&call.id);
            blocks.push(json!({"type": "tool_use", "id": id, "name": call.name, "input": input}));
        }
        self.turn("assistant").extend(blocks);
    }

    fn result(&mut self, message: &Message) {
        let content = self.parts(message);
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let block = match self.ids.answered(id) {
            Some(id) if content.is_empty() => json!({"type": "tool_result", "tool_use_id": id}),
            Some(id) => json!({"type": "tool_result", "tool_use_id": id, "content": content}),
            // The call isn't there any more: what came of it is still worth reading.
            None => {
                json!({"type": "text", "text": format!("[the result of an earlier call]\n{}", message.joined_text())})
            }
        };
        let turn = self.turn("user");
        // Results stand first, whatever else a user says.
        let results = turn.iter().take_while(|b| b["type"] == "tool_result");
        let at = match block["type"] == "tool_result" {
            true => results.count(),
            false => turn.len(),
        };
        turn.insert(at, block);
    }

    fn finish(mut self) -> Vec<Value> {
        if self.out.first().is_none_or(|(role, _)| *role != "user") {
            let begin = vec![json!({"type": "text", "text": NOTHING})];
            self.out.insert(0, ("user", begin));
        }
        let turns = self.out.into_iter().map(|(role, mut blocks)| {
            let only_thoughts = blocks
                .iter()
                .all(|b| b["type"] == "thinking" || b["type"] == "redacted_thinking");
            if only_thoughts {
                blocks.push(json!({"type": "text", "text": NOTHING}));
            }
            json!({"role": role, "content": blocks})
        });
        turns.collect()
    }
}

/// Ids of calls as this wire takes them. Those of other wires may repeat from reply to reply.
#[derive(Default)]
struct Ids {
    used: HashSet<String>,
    /// Of the last reply: the id that the call had, and the one that it has here.
    open: HashMap<String, String>,
}

impl Ids {
    fn begin(&mut self) {
        self.open.clear();
    }

    fn give(&mut self, id: &str) -> String {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut plain: String = id
            .chars()
            .map(|c| if fine(c) { c } else { '_' })
            .take(ID_LIMIT_BYTES)
            .collect();
        if plain.is_empty() {
            plain.push_str("call");
        }
        let mut own = plain.clone();
        let mut n = 2_u32;
        while !self.used.insert(own.clone()) {
            own = format!("{plain}_{n}");
            n += 1;
        }
        self.open.insert(id.to_owned(), own.clone());
        own
    }

    /// The id of the call that a result answers; each is answered once.
    fn answered(&mut self, id: &str) -> Option<String> {
        self.open.remove(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::conversation;

    fn made(thoughts: bool) -> (Vec<Value>, Sent) {
        let mut sent = Sent::default();
        (
            messages(&conversation().messages, thoughts, None, &mut sent),
            sent,
        )
    }

    #[test]
    fn roles_take_turns_and_ids_are_unique_and_plain() {
        let (turns, sent) = made(false);
        let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}});
        let text = |text: &str| json!({"type": "text", "text": text});
        let wanted = json!([
            {"role": "user", "content": [text("look"), image]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "same", "name": "run", "input": {"cmd": "ls"}},
                {"type": "tool_use", "id": "f_1", "name": "look", "input": {"invalid_arguments": "rm -rf"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "same", "content": [text("a.txt")]},
                {"type": "tool_result", "tool_use_id": "f_1", "content": [text("a screenshot"), image]},
            ]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "same_2", "name": "run", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "same_2"},
                text("and now?"),
            ]},
        ]);
        assert_eq!(json!(turns), wanted);
        assert_eq!(sent.images, 2);
    }

    #[test]
    fn thoughts_go_back_as_they_came_and_without_a_signature_not_at_all() {
        let (turns, _) = made(true);
        assert_eq!(
            turns[1]["content"].as_array().unwrap()[..2],
            [
                json!({"type": "thinking", "thinking": "signed", "signature": "sig"}),
                json!({"type": "redacted_thinking", "data": "c2VhbGVk"}),
            ]
        );
        let all = conversation().messages;
        // The last reply called a tool without a thought, and then a person spoke.
        assert_eq!(may_think(&all), MayThink::Telling(5));
        assert_eq!(may_think(&all[..7]), MayThink::No);
        assert_eq!(may_think(&all[..5]), MayThink::Yes);
        assert_eq!(may_think(&all[..2]), MayThink::Yes);
        let told = messages(&all, true, Some(5), &mut Sent::default());
        let text = |text: &str| json!({"type": "text", "text": text});
        let wanted = json!([
            {"role": "assistant", "content": [text("[called run with {}]")]},
            {"role": "user", "content": [text("[the result of an earlier call]\n"), text("and now?")]},
        ]);
        assert_eq!(json!(told[3..]), wanted);
    }

    #[test]
    fn nothing_is_empty_and_nothing_is_orphaned() {
        let odd = [
            Message::text(Speaker::Assistant, " "),
            Message::tool("gone", "what came of it"),
            Message::text(Speaker::User, ""),
        ];
        let turns = messages(&odd, false, None, &mut Sent::default());
        let wanted = json!([
            {"role": "user", "content": [{"type": "text", "text": "(nothing)"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "(nothing)"}]},
            {"role": "user", "content": [{"type": "text", "text": "[the result of an earlier call]\nwhat came of it"}]},
        ]);
        assert_eq!(json!(turns), wanted);
    }
}
