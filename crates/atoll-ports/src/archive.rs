//! Where segments of a log are put away: a file each, which verifies alone.

use std::io;

use crate::log::Sink;

/// What was put away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its name there.
    pub name: String,
    /// What it takes there, in bytes.
    pub bytes: u64,
}

/// Hands a segment's lines to a sink, each without its new line.
pub type Lines<'a> = &'a mut dyn FnMut(Sink<'_>) -> io::Result<()>;

/// Keeps segments, each whole or not at all.
pub trait Archive: Send + Sync {
    /// Which place, for people.
    fn place(&self) -> String;
    /// The note that seals the last segment of this node's log there; `None`: it holds none yet. Errors: it is away,
    /// or holds another node's.
    fn last(&self, node: &str) -> io::Result<Option<String>>;
    /// Puts the segment of the events `first` to `last` there, and returns when it is there to stay. Nothing that is
    /// there is written over, and where it fails nothing of the segment is left.
    fn put(&self, first: u64, last: u64, lines: Lines<'_>) -> io::Result<Put>;
}
