//! The wires: how a conversation becomes a request, and bytes become deltas. Nothing here opens a connection,
//! so that a wire can be tried on bytes alone.

mod chat_completions;
mod sse;

use std::collections::VecDeque;

use atoll_domain::action::ModelCall;
use atoll_domain::{ActionKey, ToolCall};
use atoll_ports::models::{Delta, Reply};

use crate::config::{OutputLimit, WireKind};
use crate::fault::Fault;
use crate::usage::Sent;

/// How a provider wants its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) output_limit: OutputLimit,
    pub(crate) usage_in_stream: bool,
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
    }
}

/// The decoder of an answer with status 200.
pub(crate) fn decoder(wire: WireKind, body: BodyKind, sheet: Sheet) -> Box<dyn Decode> {
    match wire {
        WireKind::ChatCompletions => chat_completions::decoder(body, sheet),
    }
}

/// What an answer with another status means.
pub(crate) fn refusal(wire: WireKind, status: u16, body: &[u8]) -> Fault {
    match wire {
        WireKind::ChatCompletions => chat_completions::refusal(status, body),
    }
}

/// Reads the names in a list of models.
type ReadNames = fn(&[u8]) -> Result<Vec<String>, Fault>;

/// Where the models are listed, and what reads the list.
pub(crate) fn listing(wire: WireKind) -> (&'static str, ReadNames) {
    match wire {
        WireKind::ChatCompletions => ("/models", chat_completions::listing),
    }
}

/// A call's visible length: what it is estimated by.
pub(crate) fn call_bytes(calls: &[ToolCall]) -> usize {
    calls.iter().map(|c| c.name.len() + c.arguments.len()).sum()
}
