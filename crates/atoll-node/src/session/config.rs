//! What is recorded of a session's opening, beside the log: the agent's configuration and the node's.

use atoll_agent::SessionConfig;
use serde::{Deserialize, Serialize};

use crate::launch::Launch;

/// The content of `SessionOpened.config`. The agent reads its own part and ignores the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// The agent's.
    #[serde(flatten)]
    pub(crate) agent: SessionConfig,
    /// What jobs are made of.
    pub(crate) launch: Launch,
    /// The session's wall time per turn, in seconds.
    pub(crate) time_s: Option<u64>,
    /// Whether the owner vouched for the workspace.
    pub(crate) trusted: bool,
}
