//! The node's state.

use atoll_domain::{Cost, Hash, Ms};
use serde::{Deserialize, Serialize};

use crate::{ArchiveView, GateView, PatchView, SessionView, WitnessView};

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
    /// Which build the running binary is: a newer one replaces an idle node.
    pub build: String,
}

impl Health {
    /// Whether a command of API `command` may speak to this node: of its own version, or one older.
    pub fn understands(&self, command: u32) -> bool {
        (self.api..=self.api.saturating_add(1)).contains(&command)
    }
}

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsYou {
    /// Open gates.
    pub gates: Vec<GateView>,
    /// Proposed patches.
    pub patches: Vec<PatchView>,
}

/// What of the disk is Atoll's, as the last sweep found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskView {
    /// When that was.
    pub swept: Ms,
    /// The log and the contents beside it, in bytes.
    pub log_bytes: u64,
    /// Snapshots and private copies, in bytes.
    pub files_bytes: u64,
    /// Fetched dependencies, in bytes.
    pub deps_bytes: u64,
    /// What it took away, in bytes.
    pub freed_bytes: u64,
    /// What it took away: copies, packs of objects, caches, files.
    pub removed: u64,
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
    /// What is left today with each provider that has a budget of its own, in millionths of a US dollar.
    #[serde(default)]
    pub providers_left: std::collections::BTreeMap<String, u64>,
    /// The grant of the token that asks.
    #[serde(default)]
    pub grant: Option<crate::GrantView>,
    /// How many grants are good.
    #[serde(default)]
    pub grants: u64,
    /// Events in the log.
    pub events: u64,
    /// How long ago the last checkpoint was made, in seconds.
    pub checkpoint: Option<u64>,
    /// The vault, if there is one.
    #[serde(default)]
    pub vault: Option<crate::VaultView>,
    /// Where checkpoints are kept beside the log, if anywhere.
    #[serde(default)]
    pub witness: Option<WitnessView>,
    /// Where every event is written a second time, if anywhere.
    #[serde(default)]
    pub mirror: Option<WitnessView>,
    /// Where old events are put away as segments, if anywhere.
    #[serde(default)]
    pub archive: Option<ArchiveView>,
    /// Whether the log refuses new actions.
    pub full: bool,
    /// What Atoll holds of the disk; `None` before the first sweep.
    #[serde(default)]
    pub disk: Option<DiskView>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_speaks_to_a_node_one_version_older_and_to_no_newer_one() {
        let health = Health {
            version: String::new(),
            api: 3,
            pid: 1,
            node: String::new(),
            build: String::new(),
        };
        let spoken: Vec<u32> = (0..8).filter(|c| health.understands(*c)).collect();
        assert_eq!(spoken, [3, 4]);
    }
}
