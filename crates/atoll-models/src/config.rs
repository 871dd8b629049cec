//! What the owner configures: providers, their models, and how patient to be. A plain struct; reading the
//! file is the caller's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The wires that are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireKind {
    /// `POST …/chat/completions`, as OpenAI, Ollama, llama.cpp's server, vLLM and most others speak it.
    #[default]
    ChatCompletions,
    /// `POST …/messages`, as Anthropic speaks it.
    AnthropicMessages,
    /// `POST …/api/chat`, Ollama's own.
    Ollama,
}

impl WireKind {
    /// Its name in configuration and in `ModelChoice`.
    pub fn name(self) -> &'static str {
        match self {
            WireKind::ChatCompletions => "chat-completions",
            WireKind::AnthropicMessages => "anthropic-messages",
            WireKind::Ollama => "ollama",
        }
    }
}

/// The request's field for the most tokens to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimit {
    /// The older field, which every server of others knows.
    #[default]
    MaxTokens,
    /// The newer one, which OpenAI's reasoning models demand.
    MaxCompletionTokens,
}

/// Whether a model is asked to think before it answers: `"off"`, `"on"`, `"adaptive"`, or up to how many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It isn't to.
    Off,
    /// It is to, as much as is usual.
    On,
    /// As much as it finds fit: Anthropic's newer models.
    Adaptive,
    /// Up to so many tokens.
    Tokens(u64),
}

impl Serialize for Thinking {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Thinking::Off => serializer.serialize_str("off"),
            Thinking::On => serializer.serialize_str("on"),
            Thinking::Adaptive => serializer.serialize_str("adaptive"),
            Thinking::Tokens(tokens) => serializer.serialize_u64(*tokens),
        }
    }
}

impl<'de> Deserialize<'de> for Thinking {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Thinking, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Tokens(u64),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Tokens(tokens) => Ok(Thinking::Tokens(tokens)),
            Written::Word(word) => match word.as_str() {
                "off" => Ok(Thinking::Off),
                "on" => Ok(Thinking::On),
                "adaptive" => Ok(Thinking::Adaptive),
                _ => Err(serde::de::Error::custom(
                    "thinking is \"off\", \"on\", \"adaptive\" or a number of tokens",
                )),
            },
        }
    }
}

/// A price that goes before the price file, in US dollars per million tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// Read.
    pub input_usd: f64,
    /// Read from the provider's cache; the price of reading otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_usd: Option<f64>,
    /// Read and written to the provider's cache; the price of reading otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd: Option<f64>,
    /// Written.
    pub output_usd: f64,
    /// When it was looked up, `YYYY-MM-DD`.
    #[serde(default)]
    pub dated: String,
}

/// A model of a provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Its name at the provider.
    pub name: String,
    /// Its window, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// The most it writes in one reply, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_max: Option<u64>,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceConfig>,
    /// Whether it reads images; so it is assumed otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<bool>,
    /// Whether it is asked to think; it does as it does by itself otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Whether it is too small to lead itself; its name tells it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<bool>,
}

/// A provider. What is left out comes from the preset of that name, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// Its name, as in `name/model`.
    pub name: String,
    /// The preset that fills in what is left out; the provider's name otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Its wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireKind>,
    /// Where it is, up to and with the version: `http://127.0.0.1:8080/v1`. Ollama's own API has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Its key, by its name in the vault: `secret:NAME`. A key itself doesn't stand here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The environment variable that holds its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Headers to send along. Not for keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its models. Others can be named too, with unknown price and a small window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelConfig>,
    /// The model that the provider's name alone stands for; the first of `models` otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// Whether plain HTTP to another machine is accepted: everyone on the way can read keys and code.
    pub insecure: bool,
    /// `true`: what answers on loopback is a gateway to another machine, and is to be treated as one.
    pub remote: bool,
    /// An HTTP proxy, `http://host:port`. None is taken from the environment: see `client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The field for the most tokens to write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_limit: Option<OutputLimit>,
    /// Whether usage is asked for in streams (`stream_options`); `false` for servers that refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_in_stream: Option<bool>,
    /// Whether a chat completions server wants the model's earlier thoughts back in `reasoning_content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_back: Option<bool>,
}

/// How long to wait, in milliseconds. The call's own time limit goes above all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection, with TLS.
    pub connect_ms: u64,
    /// For the first byte of a reply: a local model may read a long prompt for minutes.
    pub first_byte_ms: u64,
    /// Between two pieces of a stream.
    pub idle_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect_ms: 10_000,
            first_byte_ms: 300_000,
            idle_ms: 120_000,
        }
    }
}

/// How often to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Attempts in all; 1 never retries.
    pub attempts_max: u32,
    /// The first wait, in milliseconds; each further one is twice as long, with jitter.
    pub wait_ms_min: u64,
    /// The longest wait, in milliseconds. A provider that asks for a longer one is not asked again.
    pub wait_ms_max: u64,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            attempts_max: 5,
            wait_ms_min: 500,
            wait_ms_max: 60_000,
        }
    }
}

/// The whole section of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The default model: `provider/model`, or a provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderConfig>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try.
    pub retries: Retries,
    /// Whether a local server that nobody configured is looked for at its usual port when models are listed.
    pub notice: bool,
}

/// What is wrong with the configuration, and what to do. Nothing of it is in force then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// A provider's name can't be used.
    #[error(
        "`{0}` can't be a provider's name: use up to 64 letters, digits, `-`, `_` and `.`, each name once"
    )]
    Name(String),
    /// Its key can't be found that way.
    #[error("provider `{provider}`: {why}")]
    Key {
        /// Which.
        provider: String,
        /// Why.
        why: &'static str,
    },
    /// There are too many.
    #[error("{count} {what} are more than the {max} that fit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// So many.
        count: usize,
        /// At most.
        max: usize,
    },
    /// A provider lacks an address.
    #[error(
        "provider `{provider}` has no base_url, and there is no preset `{preset}`; presets: {known}"
    )]
    NoAddress {
        /// The provider.
        provider: String,
        /// The preset that was looked for.
        preset: String,
        /// Those that there are.
        known: String,
    },
    /// An address can't be used.
    #[error("provider `{provider}`: {url} can't be used: {why}")]
    Address {
        /// The provider.
        provider: String,
        /// What was configured, without a password.
        url: String,
        /// Why.
        why: String,
    },
    /// A header can't be sent.
    #[error("provider `{provider}`: header `{header}` can't be set: {why}")]
    Header {
        /// The provider.
        provider: String,
        /// The header.
        header: String,
        /// Why.
        why: &'static str,
    },
    /// A model's figures make no sense.
    #[error("model `{provider}/{model}`: {why}")]
    Model {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
        /// Why.
        why: &'static str,
    },
    /// A limit makes no sense.
    #[error("{name} must be from {min} to {max}")]
    Limit {
        /// The field.
        name: &'static str,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// The default isn't there.
    #[error("the default model: {0}")]
    Default(String),
}
