//! Language models behind the `Models` port: providers by configuration, three wires (chat completions, Anthropic's
//! messages, Ollama's own), retries, keys, and prices. What is sent is redacted by `atoll-redact`.
//!
//! Deliberately absent: proxies from the environment (the permit names the host that is spoken to), redirects
//! (a key must not follow one), and any prompt, tool or policy.

mod around;
mod backoff;
mod client;
mod config;
mod endpoint;
mod fault;
mod keys;
mod preset;
mod prices;
mod provider;
mod registry;
mod size;
mod talk;
mod usage;
mod wire;

pub use config::{
    BadConfig, Config, ModelConfig, OutputLimit, PriceConfig, ProviderConfig, Retries, Thinking,
    Timeouts, WireKind,
};
pub use keys::{BadKeys, KEYS_FILE};
pub use preset::{preset_keys, preset_names};
pub use registry::Registry;
