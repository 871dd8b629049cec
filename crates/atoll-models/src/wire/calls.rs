//! Tool calls, gathered from pieces. Anthropic and Ollama say where a call begins. Servers of chat completions
//! differ in what a piece carries, so the rules for those are these:
//!
//! - a piece with an index belongs to the call of that index, one without to the last call;
//! - a name begins a call, unless it only repeats the name that is there (some send it with each piece);
//! - an id alone never begins one (some send a new id with each piece); the first one stays;
//! - a missing, repeated or unprintable id is replaced by one that derives from the request's key.

use std::collections::{HashSet, VecDeque};

use atoll_domain::{ActionKey, Hash, ToolCall};
use atoll_ports::models::Delta;
use serde_json::{Map, Value};

use crate::fault::Fault;

const CALLS_MAX: usize = 128;
const NAME_LIMIT_BYTES: usize = 256;
const ID_LIMIT_BYTES: usize = 128;

#[derive(Debug)]
struct Open {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// The calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: Vec<Open>,
}

impl Calls {
    /// Begins a call; its place.
    pub(super) fn start(
        &mut self,
        id: &str,
        name: &str,
        out: &mut VecDeque<Delta>,
    ) -> Result<usize, Fault> {
        self.begin(None, id, name)?;
        out.push_back(Delta::ToolNamed(name.into()));
        Ok(self.open.len() - 1)
    }

    /// Goes on with the arguments of the call at a place.
    pub(super) fn extend(&mut self, at: usize, arguments: &str) {
        if let Some(call) = self.open.get_mut(at) {
            call.arguments.push_str(arguments);
        }
    }

    /// Takes one piece of chat completions; how many bytes it added.
    pub(super) fn add(&mut self, piece: &Value, out: &mut VecDeque<Delta>) -> Result<usize, Fault> {
        let index = piece["index"].as_u64();
        let id = piece["id"].as_str().unwrap_or_default();
        let name = piece["function"]["name"].as_str().unwrap_or_default();
        let arguments = text_of(&piece["function"]["arguments"]);
        let at = match self.find(index, id, name) {
            Some(at) => at,
            None => {
                self.begin(index, id, name)?;
                out.push_back(Delta::ToolNamed(name.into()));
                self.open.len() - 1
            }
        };
        let call = &mut self.open[at];
        if call.id.is_empty() && id.len() <= ID_LIMIT_BYTES {
            call.id = id.into();
        }
        call.arguments.push_str(&arguments);
        Ok(arguments.len() + name.len())
    }

    /// The call that a piece goes on with; `None`: it begins one.
    fn find(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let last = self.open.len().checked_sub(1)?;
        let at = match index {
            // The newest of that index: some give every call the index 0.
            Some(_) => self.open.iter().rposition(|c| c.index == index)?,
            None => last,
        };
        let call = &self.open[at];
        let repeats = name == call.name
            && if id.is_empty() {
                index.is_some() && !whole(&call.arguments)
            } else {
                id == call.id
            };
        (name.is_empty() || repeats).then_some(at)
    }

    fn begin(&mut self, index: Option<u64>, id: &str, name: &str) -> Result<(), Fault> {
        if name.is_empty() {
            return Err(Fault::garbage("a tool call has no name"));
        }
        if name.len() > NAME_LIMIT_BYTES {
            return Err(Fault::garbage(format!(
                "a tool's name passes {NAME_LIMIT_BYTES} bytes"
            )));
        }
        if self.open.len() == CALLS_MAX {
            return Err(Fault::garbage(format!(
                "one reply makes more than {CALLS_MAX} tool calls"
            )));
        }
        let id = if id.len() <= ID_LIMIT_BYTES { id } else { "" };
        self.open.push(Open {
            index,
            id: id.into(),
            name: name.into(),
            arguments: String::new(),
        });
        Ok(())
    }

    /// The calls, each with an id of its own.
    pub(super) fn finish(&mut self, key: &ActionKey) -> Vec<ToolCall> {
        let mut ids = HashSet::new();
        let open = std::mem::take(&mut self.open);
        open.into_iter()
            .enumerate()
            .map(|(n, call)| {
                let good = !call.id.is_empty() && call.id.bytes().all(|b| b.is_ascii_graphic());
                let id = if good && ids.insert(call.id.clone()) {
                    call.id
                } else {
                    made_up(key, n)
                };
                ToolCall {
                    id,
                    name: call.name,
                    arguments: call.arguments,
                }
            })
            .collect()
    }
}

/// Arguments as text: some servers send the object itself.
pub(super) fn text_of(arguments: &Value) -> String {
    match arguments {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Old arguments as an object, which is what servers want to read back. What is none is wrapped, so that the
/// model still sees what it wrote.
pub(super) fn object_of(arguments: &str) -> Map<String, Value> {
    serde_json::from_str(arguments).unwrap_or_else(|_| {
        let written = ("invalid_arguments".to_owned(), Value::from(arguments));
        Map::from_iter([written])
    })
}

/// Whether arguments are a value already: what comes then, with a name, is another call.
fn whole(arguments: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
}

/// Stable over a replay, and different in each reply of a session.
fn made_up(key: &ActionKey, n: usize) -> String {
    let hash = Hash::of_parts(&[b"call", key.as_bytes(), &(n as u64).to_be_bytes()]);
    format!("call_{}", &hash.hex()[..24])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gather(pieces: &[Value]) -> Result<(Vec<ToolCall>, usize), Fault> {
        let (mut calls, mut out) = (Calls::default(), VecDeque::new());
        for piece in pieces {
            calls.add(piece, &mut out)?;
        }
        Ok((calls.finish(&ActionKey::derive(&[b"k"])), out.len()))
    }

    fn rows(pieces: &[Value]) -> Vec<(String, String, String)> {
        let (calls, named) = gather(pieces).unwrap();
        assert_eq!(calls.len(), named);
        calls
            .into_iter()
            .map(|c| (c.id, c.name, c.arguments))
            .collect()
    }

    fn row(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.into(), name.into(), arguments.into())
    }

    #[test]
    fn pieces_by_the_book_even_interleaved() {
        let got = rows(&[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}),
            json!({"index": 0, "function": {"arguments": "{\"x\""}}),
            json!({"index": 1, "function": {"arguments": "}"}}),
            json!({"index": 0, "function": {"arguments": ":1}"}}),
        ]);
        assert_eq!(got, [row("a", "f", "{\"x\":1}"), row("b", "g", "{}")]);
    }

    #[test]
    fn whole_calls_without_index_or_all_with_index_0() {
        for index in [json!(null), json!(0)] {
            let got = rows(&[
                json!({"index": index, "id": "a", "function": {"name": "f", "arguments": "{}"}}),
                json!({"index": index, "id": "b", "function": {"name": "f", "arguments": "{}"}}),
            ]);
            assert_eq!(got, [row("a", "f", "{}"), row("b", "f", "{}")]);
        }
    }

    #[test]
    fn repeated_names_and_changing_ids_are_one_call() {
        let got = rows(&[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}),
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}),
            json!({"index": 0, "id": "x", "function": {"name": null, "arguments": " "}}),
            json!({"index": 0, "id": "y", "function": {"arguments": " "}}),
        ]);
        assert_eq!(got, [row("a", "f", "{}  ")]);
        let unnumbered = json!({"index": 0, "function": {"name": "f", "arguments": "{}"}});
        assert_eq!(rows(&[unnumbered.clone(), unnumbered]).len(), 2);
    }

    #[test]
    fn bad_ids_are_replaced_by_stable_ones_that_differ() {
        let pieces = [
            json!({"function": {"name": "f", "arguments": {"x": 1}}}),
            json!({"function": {"name": "f", "arguments": null}}),
            json!({"id": "same", "function": {"name": "g"}}),
            json!({"id": "same", "function": {"name": "h"}}),
            json!({"id": "a\u{1b}[2J", "function": {"name": "i"}}),
            json!({"id": "x".repeat(500), "function": {"name": "j"}}),
        ];
        let got = rows(&pieces);
        assert_eq!(got, rows(&pieces));
        assert_eq!(got[0].2, "{\"x\":1}");
        assert_eq!(got[2].0, "same");
        let ids: HashSet<_> = got.iter().map(|r| &r.0).collect();
        assert_eq!(ids.len(), pieces.len());
        assert!(
            ids.iter()
                .all(|id| id.len() < 64 && id.bytes().all(|b| b.is_ascii_graphic()))
        );
    }

    #[test]
    fn nameless_endless_and_countless_calls_are_garbage() {
        assert!(
            gather(&[json!({"index": 0, "id": "a", "function": {"arguments": "{}"}})]).is_err()
        );
        assert!(gather(&[json!(3)]).is_err());
        assert!(gather(&[json!({"function": {"name": "x".repeat(300)}})]).is_err());
        let many: Vec<Value> = (0..200)
            .map(|i| json!({"index": i, "function": {"name": "f"}}))
            .collect();
        assert!(gather(&many).is_err());
    }
}
