//! Letting work out of the box, and taking it back.

use serde::{Deserialize, Serialize};

use crate::{Act, Again, Canonical, Cost, Kind, PatchClass, PatchId, TreeId, WorkspaceId};

/// Where an accepted patch goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceptTo {
    /// Into the files, unstaged.
    Files,
    /// Onto a new branch, as objects and a ref; files stay as they are.
    Branch(String),
}

/// Write a patch into the user's checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// Which patch.
    pub patch: PatchId,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The checkout's absolute path.
    pub root: String,
    /// What it starts from.
    pub base: TreeId,
    /// What it makes.
    pub tree: TreeId,
    /// The paths that it changes.
    pub paths: Vec<String>,
    /// The worst class among them.
    pub class: PatchClass,
    /// Where it goes.
    pub to: AcceptTo,
    /// The commit's message, for a branch; empty for files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Act for Accept {
    const KIND: Kind = Kind::Accept;
    fn again(&self) -> Again {
        Again::Keyed
    }
    fn sync(&self) -> bool {
        true
    }
    fn canonical(&self) -> Canonical {
        Canonical::of(Self::KIND, self)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}

/// Take an accepted patch back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Which patch.
    pub patch: PatchId,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The checkout's absolute path.
    pub root: String,
    /// What it started from.
    pub base: TreeId,
    /// What it made.
    pub tree: TreeId,
    /// The paths that it changed.
    pub paths: Vec<String>,
    /// Where it went.
    pub to: AcceptTo,
}

impl Act for Undo {
    const KIND: Kind = Kind::Undo;
    fn again(&self) -> Again {
        Again::Keyed
    }
    fn sync(&self) -> bool {
        true
    }
    fn canonical(&self) -> Canonical {
        Canonical::of(Self::KIND, self)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}
