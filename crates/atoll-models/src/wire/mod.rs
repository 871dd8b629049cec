//! The wires: how a conversation becomes a request, and bytes become deltas. Nothing here opens a connection,
//! so that a wire can be tried on bytes alone.

mod anthropic;
mod body;
mod calls;
mod chat_completions;
mod draft;
mod fit;
mod lines;
mod listing;
mod ollama;
mod refusal;
mod sse;
#[cfg(test)]
mod testing;

use std::collections::VecDeque;

use atoll_domain::action::ModelCall;
use atoll_domain::{ActionKey, Form, ToolCall};
use atoll_ports::models::{Delta, Failure, Key, Reply};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::config::{OutputLimit, Thinking, WireKind};
use crate::fault::Fault;
use crate::usage::Sent;

pub(crate) use ollama::Shown;

/// How a provider wants its requests, and what its model can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) output_limit: OutputLimit,
    pub(crate) usage_in_stream: bool,
    /// Whether thoughts go back to it, where the wire leaves that open.
    pub(crate) reasoning_back: bool,
    /// Whether the model reads no images.
    pub(crate) text_only: bool,
    /// Whether and how it is asked to think; as it does by itself otherwise.
    pub(crate) thinking: Option<Thinking>,
    /// The window, for a server that wants to be told; 0: it isn't.
    pub(crate) context_tokens: u64,
}

/// A request, ready to be sent, more than once if need be.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// The route, below the base address.
    pub(crate) path: &'static str,
    pub(crate) body: bytes::Bytes,
    pub(crate) sent: Sent,
}

/// What a decoder must know of the request.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) model: String,
    /// Ids that the provider leaves out derive from it.
    pub(crate) key: ActionKey,
    pub(crate) sent: Sent,
    pub(crate) output_tokens_max: u64,
    /// The form that the reply's text is to have.
    pub(crate) form: Option<Form>,
}

/// What kind of body an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Events,
    Json,
}

/// Bytes become deltas. A decoder is used for one reply.
pub(crate) trait Decode: Send + Sync {
    /// Takes bytes. `true`: the reply is whole, and more bytes mean nothing.
    fn feed(&mut self, bytes: &[u8], out: &mut VecDeque<Delta>) -> Result<bool, Fault>;
    /// The whole reply, after the end of the bytes or after `feed` said so.
    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<Reply, Fault>;
}

/// The request of a call.
pub(crate) fn request(wire: WireKind, call: &ModelCall, manners: Manners) -> Outgoing {
    match wire {
        WireKind::ChatCompletions => chat_completions::request(call, manners),
        WireKind::AnthropicMessages => anthropic::request(call, manners),
        WireKind::Ollama => ollama::request(call, manners),
    }
}

/// The decoder of an answer with status 200.
pub(crate) fn decoder(wire: WireKind, body: BodyKind, sheet: Sheet) -> Box<dyn Decode> {
    match wire {
        WireKind::ChatCompletions => chat_completions::decoder(body, sheet),
        WireKind::AnthropicMessages => anthropic::decoder(body, sheet),
        WireKind::Ollama => ollama::decoder(sheet),
    }
}

/// What an answer with another status means, on all wires.
pub(crate) fn refusal(status: u16, body: &[u8]) -> Fault {
    refusal::refusal(status, body)
}

/// The headers that a wire wants: its version, and the key.
pub(crate) fn headers(wire: WireKind, key: Option<&Key>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    if wire == WireKind::AnthropicMessages {
        headers.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(anthropic::VERSION),
        );
    }
    if let Some(key) = key {
        let (name, text) = match wire {
            WireKind::AnthropicMessages => (
                HeaderName::from_static("x-api-key"),
                key.expose().to_owned(),
            ),
            _ => (AUTHORIZATION, format!("Bearer {}", key.expose())),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            let words = "the key can't be sent: it holds odd characters";
            Fault::lasting(Failure::Auth, words).unspent()
        })?;
        // No log shows it.
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Reads the names in a list of models.
type ReadNames = fn(&[u8]) -> Result<Vec<String>, Fault>;

/// The temperature where another reply is wanted each time.
pub(crate) const VARIED: f64 = 0.8;

/// Where the models are listed, and what reads the list.
pub(crate) fn listing(wire: WireKind) -> (&'static str, ReadNames) {
    match wire {
        WireKind::ChatCompletions => ("/models", listing::of_data),
        WireKind::AnthropicMessages => ("/models?limit=1000", listing::of_data),
        WireKind::Ollama => ("/api/tags", listing::of_tags),
    }
}

/// Reads what a server calls itself.
type ReadVersion = fn(&[u8]) -> Option<String>;

/// Where Ollama says which version it is, and what reads it.
pub(crate) const VERSION: (&str, ReadVersion) = ("/api/version", ollama::version);

/// Reads what is told of a model.
type ReadShown = fn(&[u8]) -> Result<Shown, Fault>;

/// Where Ollama tells more of one model, and what reads it.
pub(crate) const SHOW: (&str, ReadShown) = ("/api/show", ollama::show);

/// A call's visible length: what it is estimated by.
pub(crate) fn call_bytes(calls: &[ToolCall]) -> usize {
    calls.iter().map(|c| c.name.len() + c.arguments.len()).sum()
}
