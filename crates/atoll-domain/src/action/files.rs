//! Taking a snapshot, reading and writing.

use serde::{Deserialize, Serialize};

use crate::{Act, Again, Canonical, Cost, Hash, Kind, SessionId, WorkspaceId};

/// Take a snapshot of a checkout as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snap {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The checkout's absolute path.
    pub root: String,
}

impl Act for Snap {
    const KIND: Kind = Kind::Snapshot;
    fn again(&self) -> Again {
        Again::Free
    }
    fn sync(&self) -> bool {
        false
    }
    fn canonical(&self) -> Canonical {
        Canonical::of(Self::KIND, self)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum ReadOp {
    /// Lines of a file.
    Read {
        /// Its path, relative to the workspace.
        path: String,
        /// The first line, from 1.
        start_line: Option<u64>,
        /// How many lines.
        lines_max: Option<u64>,
    },
    /// The names below a folder.
    List {
        /// Its path, relative to the workspace; empty for the root.
        path: String,
        /// How deep, from 1.
        depth: Option<u64>,
    },
    /// Lines that match.
    Search {
        /// A regular expression, or a literal text.
        pattern: String,
        /// Whether `pattern` is literal.
        literal: bool,
        /// Below which folder.
        path: Option<String>,
        /// Only files that match this glob.
        glob: Option<String>,
        /// Lines of context on each side.
        context: Option<u64>,
    },
}

/// Read, list or search in a session's private copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// Whose copy.
    pub session: SessionId,
    /// What is read.
    #[serde(flatten)]
    pub op: ReadOp,
}

impl Act for FileRead {
    const KIND: Kind = Kind::Read;
    fn again(&self) -> Again {
        Again::Free
    }
    fn sync(&self) -> bool {
        false
    }
    fn canonical(&self) -> Canonical {
        Canonical::of(Self::KIND, self)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}

/// What is written.
#[derive(Clone, PartialEq, Eq)]
pub enum WriteOp {
    /// The whole new content.
    Put(Vec<u8>),
    /// The file goes.
    Delete,
}

/// Write a file of a session's private copy. Carries the hash of what it replaces.
#[derive(Clone, PartialEq, Eq)]
pub struct FileWrite {
    /// Whose copy.
    pub session: SessionId,
    /// The path, relative to the workspace.
    pub path: String,
    /// SHA-256 of the content it replaces; `None` if there must be no such file.
    pub before: Option<Hash>,
    /// What is written.
    pub op: WriteOp,
}

impl Act for FileWrite {
    const KIND: Kind = Kind::Write;
    fn again(&self) -> Again {
        Again::Keyed
    }
    fn sync(&self) -> bool {
        true
    }
    fn canonical(&self) -> Canonical {
        let (after, bytes) = match &self.op {
            WriteOp::Put(content) => (Some(Hash::of(content)), content.len()),
            WriteOp::Delete => (None, 0),
        };
        let value = serde_json::json!({
            "session": self.session, "path": self.path, "before": self.before, "after": after, "bytes": bytes,
        });
        Canonical::of(Self::KIND, &value)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}
