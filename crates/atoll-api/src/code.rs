//! `atoll code`.

use std::collections::BTreeMap;

use atoll_domain::SessionId;
use serde::{Deserialize, Serialize};

/// What an ask becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnAsk {
    /// A gate is opened and the session waits.
    #[default]
    Wait,
    /// No; the agent is told and goes on.
    Deny,
    /// The session ends, exit 4.
    Fail,
}

/// Whether the owner vouches for `.atoll/` of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkspaceTrust {
    /// It has none.
    Absent,
    /// It is inert.
    Inert,
    /// The owner trusts exactly this content.
    Trusted,
}

/// A task in a repository.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct CodeRequest {
    /// The checkout's absolute path.
    pub root: String,
    /// The words.
    pub prompt: String,
    /// The test command, as a shell would split it; found if absent.
    #[serde(default)]
    pub test: Option<String>,
    /// `provider/model`.
    #[serde(default)]
    pub model: Option<String>,
    /// Steps per turn at most.
    #[serde(default)]
    pub steps_max: Option<u64>,
    /// Money at most, in millionths of a US dollar. Also the grant to spend in this workspace with this provider.
    #[serde(default)]
    pub micros_max: Option<u64>,
    /// Wall time at most, in seconds.
    #[serde(default)]
    pub time_s: Option<u64>,
    /// Tokens at most.
    #[serde(default)]
    pub tokens_max: Option<u64>,
    /// Only plan: nothing is written or run.
    #[serde(default)]
    pub plan: bool,
    /// What an ask becomes.
    #[serde(default)]
    pub on_ask: OnAsk,
    /// The profile, if not the configured one. It can only be stricter unless a person types it.
    #[serde(default)]
    pub profile: Option<String>,
    /// Provider keys of the caller's environment, by variable. Never logged.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// The caller's home.
    #[serde(default)]
    pub home: String,
    /// The caller's PATH.
    #[serde(default)]
    pub path: String,
}

impl std::fmt::Debug for CodeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeRequest")
            .field("root", &self.root)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// A session under way: watch it from `cursor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// `s4`.
    pub ordinal: String,
    /// Its id.
    pub session: SessionId,
    /// Updates after this event number belong to it.
    pub cursor: u64,
    /// Things to say at the start: what an ask becomes, which sandbox, what is inert.
    pub notes: Vec<String>,
}
