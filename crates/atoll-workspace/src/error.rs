//! What can go wrong with a workspace, each with what it means for the caller.

use std::io;

use crate::store::ObjectId;

/// A failed operation. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused a file operation.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// A verb, such as `open`.
        doing: &'static str,
        /// The path, relative to the workspace where that is possible.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A path that no operation accepts (`..`, absolute, an alias of `.git`).
    #[error("the path {path:?} is refused: {why}")]
    Path {
        /// As it was given.
        path: String,
        /// Why, as a clause.
        why: &'static str,
    },
    /// A credential file, which agents neither read nor write.
    #[error("{path:?} is a credential file and is masked from agents")]
    Masked {
        /// The path.
        path: String,
    },
    /// Nothing is there.
    #[error("{path:?} does not exist in the workspace")]
    Missing {
        /// The path.
        path: String,
    },
    /// Something else than a regular file is there.
    #[error("{path:?} is {kind}, not a regular file")]
    NotAFile {
        /// The path.
        path: String,
        /// `a directory`, `a symlink`, …
        kind: &'static str,
    },
    /// A bound was reached.
    #[error("{what} is over the limit of {limit}: {hint}")]
    Limit {
        /// What was counted.
        what: String,
        /// The bound.
        limit: u64,
        /// What to do.
        hint: &'static str,
    },
    /// The file is no longer what the caller saw.
    #[error("{path:?} has changed since it was read; read it again")]
    Stale {
        /// The path.
        path: String,
    },
    /// The text holds a redaction placeholder, which would overwrite the real value.
    #[error("the text for {path:?} holds a redaction placeholder; leave redacted lines untouched")]
    Placeholder {
        /// The path.
        path: String,
    },
    /// Files of the checkout differ from what the patch was made from.
    #[error("these files changed since the patch was made: {}", .paths.join(", "))]
    Overlap {
        /// Each such path.
        paths: Vec<String>,
    },
    /// The patch holds something that may never leave the box.
    #[error("the patch is refused: {}", .reasons.join("; "))]
    Refused {
        /// One sentence per path.
        reasons: Vec<String>,
    },
    /// Another accept or undo of this workspace was cut off and awaits recovery.
    #[error("an earlier accept was cut off; recover the workspace first")]
    Pending,
    /// The branch can be neither made nor removed.
    #[error("the branch {name:?}: {why}")]
    Branch {
        /// As it was given.
        name: String,
        /// Why.
        why: String,
        /// What to do; may be empty.
        todo: String,
    },
    /// A stored object is missing.
    #[error("object {0} is not in the store")]
    NoObject(ObjectId),
    /// Stored data does not hold what it should.
    #[error("damaged data in {what}: {why}")]
    Corrupt {
        /// Which file or object.
        what: String,
        /// What was found.
        why: String,
    },
    /// A search pattern or glob that does not parse.
    #[error("bad pattern: {0}")]
    Pattern(String),
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Io`] for `path`.
    pub(crate) fn io(
        doing: &'static str,
        path: impl std::fmt::Display,
        e: impl Into<io::Error>,
    ) -> Self {
        Self::Io {
            doing,
            path: path.to_string(),
            source: e.into(),
        }
    }

    /// An [`Error::Corrupt`].
    pub(crate) fn corrupt(what: impl std::fmt::Display, why: impl Into<String>) -> Self {
        Self::Corrupt {
            what: what.to_string(),
            why: why.into(),
        }
    }
}
