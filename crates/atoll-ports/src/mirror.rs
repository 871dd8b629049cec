//! Where each of a log's events is written a second time, for whatever follows it there.

/// Keeps a running copy of the log's lines, as an export has them.
pub trait Mirror: Send + Sync {
    /// Which place, for people.
    fn place(&self) -> String;
    /// The number of the last event of this node's log that it took; 0: none yet. What was moved away since counts.
    fn last(&self, node: &str) -> std::io::Result<u64>;
    /// Takes lines, each ended by a new line, of the events `from` to `to` of this node. One that begins anew says so
    /// before them.
    fn take(&self, node: &str, from: u64, to: u64, lines: &[u8]) -> std::io::Result<()>;
}
