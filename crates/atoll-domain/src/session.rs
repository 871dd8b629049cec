//! Where a session stands.

use serde::{Deserialize, Serialize};

/// A session's state, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A turn is under way.
    Running,
    /// Waits for a person at a gate.
    NeedsYou,
    /// Parked: a gate expired, a person said later, or the node ended in the middle.
    Parked,
    /// Its turn ended; it can be resumed with more words.
    Idle,
    /// Ended.
    Closed,
}

/// How a session or a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// With a patch.
    Patch,
    /// With an answer, and nothing changed.
    Answer,
    /// Without reaching the goal.
    Failed,
    /// At a limit.
    Limit,
    /// The guard said no.
    Denied,
    /// It waits for a person.
    NeedsYou,
    /// Someone stopped it.
    Cancelled,
    /// The provider could not be reached or refused.
    Unreachable,
    /// Something inside went wrong.
    Error,
}

impl SessionEnd {
    /// The exit code of the command that waited for it.
    pub fn exit_code(self) -> u8 {
        match self {
            SessionEnd::Patch | SessionEnd::Answer => 0,
            SessionEnd::Failed => 1,
            SessionEnd::Denied => 3,
            SessionEnd::NeedsYou => 4,
            SessionEnd::Limit => 5,
            SessionEnd::Unreachable => 6,
            SessionEnd::Error => 70,
            SessionEnd::Cancelled => 130,
        }
    }
}
