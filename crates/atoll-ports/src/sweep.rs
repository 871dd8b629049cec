//! Taking away what nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};

use atoll_domain::{SessionId, TreeId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// What a sweep took away, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// How many things went: copies, packs, caches, files.
    pub removed: u64,
    /// How much of the disk they held, in bytes.
    pub freed_bytes: u64,
    /// What is left, in bytes.
    pub left_bytes: u64,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, other: Swept) {
        self.removed += other.removed;
        self.freed_bytes += other.freed_bytes;
        self.left_bytes += other.left_bytes;
    }
}

/// What of the workspaces is still needed. What was made, taken or used within `young_s` is kept in any
/// case: the log may not have it yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Sessions whose private copies stay.
    pub copies: BTreeSet<SessionId>,
    /// Trees that must be there whole, by workspace; those of workspaces that aren't named go.
    pub trees: BTreeMap<WorkspaceId, BTreeSet<TreeId>>,
    /// How young is too young to go, in seconds.
    pub young_s: u64,
}
