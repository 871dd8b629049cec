//! Models.

use serde::{Deserialize, Serialize};

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelView {
    /// `provider/model`.
    pub name: String,
    /// Where it runs: host and port.
    pub endpoint: String,
    /// Whether that is another machine.
    pub remote: bool,
    /// Per million tokens, in and out: `$3.00 / $15.00`; `$0` for a local one; `unknown`.
    pub price: String,
    /// The window, in tokens.
    pub context_tokens: u64,
    /// `none`, `from VARIABLE`, `stored`, `secret:NAME`.
    pub key: String,
    /// Whether it is the default.
    pub default: bool,
    /// Whether nobody configured it: it answers on this machine now.
    #[serde(default)]
    pub found: bool,
    /// Whether it calls tools, if its server says so; `atoll code` needs that.
    #[serde(default)]
    pub tools: Option<bool>,
}

/// A try of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelTest {
    /// `provider/model`.
    pub name: String,
    /// What serves it, with its version, if it says so.
    #[serde(default)]
    pub server: Option<String>,
    /// Whether it answered.
    pub answered: bool,
    /// Whether it called the tool that it was asked to call.
    pub tool_call: bool,
    /// What it said.
    pub words: String,
    /// Until the first piece came, in milliseconds.
    pub first_ms: u64,
    /// Until the end, in milliseconds.
    pub total_ms: u64,
    /// Tokens in and out.
    pub tokens: (u64, u64),
    /// Money, in millionths of a US dollar.
    pub micros: u64,
}
