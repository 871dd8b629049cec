//! A reply that is being put together, whatever the wire.

use std::collections::VecDeque;

use atoll_domain::{Message, Part, Speaker};
use atoll_ports::models::{Delta, Reply};
use serde_json::Value;

use super::calls::Calls;
use super::{Sheet, call_bytes};
use crate::fault::Fault;
use crate::usage::{Report, settle};

/// A reply may be this long whatever it was allowed; and it may never be longer than the second.
const REPLY_LIMIT_BYTES_MIN: u64 = 256 * 1024;
const REPLY_LIMIT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Between them: this much for each token that was allowed.
const BYTES_PER_TOKEN_MAX: u64 = 32;
const WORD_LIMIT_BYTES: usize = 256;

/// A reply so far.
pub(super) struct Draft {
    pub(super) sheet: Sheet,
    parts: Vec<Part>,
    pub(super) calls: Calls,
    taken_bytes: u64,
    pub(super) model: Option<String>,
    /// Why it ended, in the words of chat completions.
    pub(super) finish: Option<String>,
    pub(super) report: Option<Report>,
    /// How many events made sense.
    pub(super) chunks: u64,
    /// Whether nothing more is to come.
    pub(super) done: bool,
}

impl Draft {
    pub(super) fn new(sheet: Sheet) -> Draft {
        Draft {
            sheet,
            parts: Vec::new(),
            calls: Calls::default(),
            taken_bytes: 0,
            model: None,
            finish: None,
            report: None,
            chunks: 0,
            done: false,
        }
    }

    /// Whether all of the reply is here, even if the stream's end isn't.
    pub(super) fn complete(&self) -> bool {
        self.done || self.finish.is_some()
    }

    /// Text of the reply.
    pub(super) fn say(&mut self, text: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.grow(text.len())?;
        match self.parts.last_mut() {
            Some(Part::Text { text: before }) => before.push_str(text),
            _ => self.parts.push(Part::text(text)),
        }
        out.push_back(Delta::Text(text.into()));
        Ok(())
    }

    /// What the model thinks.
    pub(super) fn think(&mut self, thought: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if thought.is_empty() {
            return Ok(());
        }
        self.grow(thought.len())?;
        match self.parts.last_mut() {
            Some(Part::Reasoning {
                text, sealed: None, ..
            }) => text.push_str(thought),
            _ => self.parts.push(reasoning(thought)),
        }
        out.push_back(Delta::Reasoning(thought.into()));
        Ok(())
    }

    /// A thought of its own begins: it isn't a part of the one before.
    pub(super) fn begin_thought(&mut self) {
        self.parts.push(reasoning(""));
    }

    /// A piece of the signature over the last thought.
    pub(super) fn sign(&mut self, piece: &str) -> Result<(), Fault> {
        self.grow(piece.len())?;
        if let Some(Part::Reasoning { signature, .. }) = self.parts.last_mut() {
            signature.get_or_insert_default().push_str(piece);
        }
        Ok(())
    }

    /// A thought that stays encrypted.
    pub(super) fn seal(&mut self, data: &str) -> Result<(), Fault> {
        self.grow(data.len())?;
        self.parts.push(Part::Reasoning {
            text: String::new(),
            signature: None,
            sealed: Some(data.into()),
        });
        Ok(())
    }

    /// `Err`: the reply is longer than any honest one. Such a provider ignores the limit that it was given.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        self.taken_bytes += bytes as u64;
        let allowed = self.sheet.output_tokens_max;
        let limit_bytes = allowed
            .saturating_mul(BYTES_PER_TOKEN_MAX)
            .clamp(REPLY_LIMIT_BYTES_MIN, REPLY_LIMIT_BYTES_MAX);
        if self.taken_bytes <= limit_bytes {
            return Ok(());
        }
        Err(Fault::garbage(format!(
            "the reply passes {limit_bytes} bytes, though {allowed} tokens were allowed"
        )))
    }

    /// The whole reply.
    pub(super) fn reply(&mut self) -> Reply {
        let calls = self.calls.finish(&self.sheet.key);
        // Ollama ends with `stop` after calls too.
        let finish = match self.finish.take() {
            Some(finish) if finish != "stop" || calls.is_empty() => finish,
            _ if calls.is_empty() => "stop".into(),
            _ => "tool_calls".into(),
        };
        let mut content = std::mem::take(&mut self.parts);
        content.retain(|part| !is_void(part));
        // What could be seen: a seal or a signature is longer than the tokens behind it.
        let seen = content.iter().map(|part| match part {
            Part::Text { text } | Part::Reasoning { text, .. } => text.len() as u64,
            Part::Image { .. } => 0,
        });
        let usage = settle(
            self.report,
            self.sheet.sent,
            seen.sum::<u64>() + call_bytes(&calls) as u64,
            self.sheet.output_tokens_max,
        );
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
            finish,
            usage,
        }
    }
}

fn reasoning(text: &str) -> Part {
    Part::Reasoning {
        text: text.into(),
        signature: None,
        sealed: None,
    }
}

/// A thought that was begun, and of which nothing came.
fn is_void(part: &Part) -> bool {
    matches!(part, Part::Reasoning { text, signature: None, sealed: None } if text.is_empty())
}

/// A short name from outside, or nothing.
pub(super) fn word(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= WORD_LIMIT_BYTES).then(|| text.into())
}
