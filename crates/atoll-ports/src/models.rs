//! Calling models.

use atoll_domain::action::ModelCall;
use atoll_domain::{Message, ModelRef, Price, SecretName, Tick, Usage};
use atoll_guard::{BoxFuture, Live, Permit, Stop};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A key. Never shown, never logged, zeroized when it goes.
#[derive(Clone)]
pub struct Key(Zeroizing<String>);

impl Key {
    /// Of its text.
    pub fn new(text: impl Into<String>) -> Key {
        Key(Zeroizing::new(text.into()))
    }
    /// For the request's header, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A model that can be called, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// Provider and model.
    pub model: ModelRef,
    /// The wire it speaks: `chat-completions`, `anthropic-messages`, `ollama`.
    pub wire: String,
    /// Host and port.
    pub endpoint: String,
    /// Whether that is another machine.
    pub remote: bool,
    /// The price, if one is known. A remote model without one is `None` too: see `priced`.
    pub price: Option<Price>,
    /// Whether it is known what it costs (a local model costs nothing).
    pub priced: bool,
    /// Whether it reads images, as far as is known.
    pub images: bool,
    /// Whether it calls tools, if its server says so.
    pub tools: Option<bool>,
    /// Whether it talks at all, if its server says so: one that only embeds doesn't.
    #[serde(default)]
    pub chats: Option<bool>,
    /// Whether it is so small (below a billion parameters) that it can't lead itself: an agent leads it then.
    #[serde(default)]
    pub small: bool,
    /// The window, in tokens.
    pub context_tokens: u64,
    /// The most it writes in one reply, in tokens.
    pub output_tokens_max: u64,
    /// The environment variable that holds its key, if it takes one.
    pub key_env: Option<String>,
    /// Whether a key was found in the 0600 key file.
    pub key_stored: bool,
    /// The vault's secret that is its key, if it was configured so: no other key is looked for then.
    #[serde(default)]
    pub key_secret: Option<SecretName>,
}

/// What comes of a call, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Text of the reply.
    Text(String),
    /// What the model thinks, where the provider shows it.
    Reasoning(String),
    /// A tool call's name is known; its arguments are still coming.
    ToolNamed(String),
    /// It is tried again after `wait_ms`, for `reason`.
    Retrying {
        /// How long it waits, in milliseconds.
        wait_ms: u64,
        /// Why.
        reason: Failure,
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// Whether the provider itself asked for the wait.
        asked: bool,
        /// Which attempt comes then, from 2.
        attempt: u32,
        /// How many there are for this failure, at most.
        attempts_max: u32,
    },
    /// The whole reply: always the last.
    Done(Box<Reply>),
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The message.
    pub message: Message,
    /// The model, as the provider named it.
    pub model: String,
    /// Why it ended: `stop`, `tool_calls`, `length`, ….
    pub finish: String,
    /// Tokens.
    pub usage: Usage,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No key, or a wrong one.
    Auth,
    /// Too many requests.
    RateLimited,
    /// The provider failed.
    Server,
    /// What came is not the protocol.
    Garbage,
    /// The stream ended in the middle.
    Cut,
    /// Nothing came in time.
    Timeout,
    /// The provider refuses this request.
    Refused,
    /// The conversation is longer than the model's window.
    Context,
    /// It can't be reached.
    Unreachable,
    /// Someone stopped it.
    Cancelled,
}

impl Failure {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Auth => "auth",
            Failure::RateLimited => "rate_limited",
            Failure::Server => "server",
            Failure::Garbage => "garbage",
            Failure::Cut => "cut",
            Failure::Timeout => "timeout",
            Failure::Refused => "refused",
            Failure::Context => "context",
            Failure::Unreachable => "unreachable",
            Failure::Cancelled => "cancelled",
        }
    }
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Error {
    /// Why.
    pub failure: Failure,
    /// What to tell a person. May hold the provider's words: show it through `Shown`.
    pub words: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
}

/// A call under way.
pub struct Calling {
    /// The permit, for the node to finish with the cost.
    pub live: Live<ModelCall>,
    /// What comes. Ends after `Done` or an error. Dropping it ends the call.
    pub deltas: BoxStream<'static, Result<Delta, Error>>,
}

/// The models of this node, over all providers.
pub trait Models: Send + Sync {
    /// Finds `provider/model`, or a model's name that one provider alone has, or a provider's name for its
    /// default. The error says what there is.
    fn resolve(&self, name: &str) -> Result<ModelChoice, Error>;
    /// The configured default, if there is one.
    fn default_model(&self) -> Option<ModelChoice>;
    /// Everything configured.
    fn configured(&self) -> Vec<ModelChoice>;
    /// Models that answer on this machine now though nobody configured them. Quick, and never an error.
    fn around(&self) -> BoxFuture<'_, Vec<ModelChoice>> {
        Box::pin(std::future::ready(Vec::new()))
    }
    /// What serves the provider's models, with its version, if it says so. Quick, and never an error.
    fn server(&self, _provider: &str) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }
    /// Asks the provider which models it has. It is a call like another, but sends nothing of the user's.
    fn offered(
        &self,
        provider: &str,
        key: Option<Key>,
    ) -> BoxFuture<'_, Result<Vec<String>, Error>>;
    /// Calls a model. Retries (with backoff, honouring Retry-After) happen inside.
    fn call(
        &self,
        permit: Permit<ModelCall>,
        key: Option<Key>,
        now: Tick,
    ) -> BoxFuture<'_, Result<Calling, Stop>>;
}
