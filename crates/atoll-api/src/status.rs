//! The node's state.

use atoll_domain::{Cost, Hash};
use serde::{Deserialize, Serialize};

use crate::{GateView, PatchView, SessionView};

/// Whether the node is there, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The binary's version.
    pub version: String,
    /// The API's version.
    pub api: u32,
    /// The node's pid.
    pub pid: u32,
    /// The node's identity, `did:key:…`.
    pub node: String,
    /// A digest of the running binary: a newer one replaces an idle node.
    pub build: String,
}

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsYou {
    /// Open gates.
    pub gates: Vec<GateView>,
    /// Proposed patches.
    pub patches: Vec<PatchView>,
}

/// `atoll status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What waits.
    pub needs_you: NeedsYou,
    /// What runs.
    pub running: Vec<SessionView>,
    /// The default model: name, whether remote; `None`: not chosen.
    pub model: Option<crate::ModelView>,
    /// The profile, and what it asks for.
    pub policy: String,
    /// The sandbox: `full, except memory: polled (no cgroup)`.
    pub sandbox: String,
    /// Spent today.
    pub today: Cost,
    /// The day's limit in money, in millionths of a US dollar.
    pub day_micros_max: Option<u64>,
    /// Events in the log.
    pub events: u64,
    /// When the last checkpoint was: `2 min ago`, and where it is kept.
    pub checkpoint: Option<u64>,
    /// Whether the log refuses new actions.
    pub full: bool,
    /// How long it is up, in seconds.
    pub up_s: u64,
    /// Its resident memory, in bytes.
    pub rss_bytes: u64,
    /// Which node.
    pub health: Health,
    /// The socket's path.
    pub socket: String,
    /// The data directory.
    pub data: String,
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleView {
    /// `careful.network`.
    pub id: String,
    /// `allow`, `ask`, `deny`.
    pub verdict: String,
    /// What people read.
    pub why: String,
    /// The file.
    pub file: String,
    /// The line.
    pub line: u64,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// The profile.
    pub profile: String,
    /// Hash over all files.
    pub hash: Hash,
    /// The rules.
    pub rules: Vec<RuleView>,
}
