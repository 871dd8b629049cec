//! Where a log's checkpoints are kept beside the log: what a rewriting or a cut shows against.

/// Keeps checkpoints in a place that the log's thief hasn't, as far as its owner chose one.
pub trait Witness: Send + Sync {
    /// Which place, for people.
    fn place(&self) -> String;
    /// How many events the newest that it holds covers; 0: it holds none.
    fn covers(&self) -> std::io::Result<u64>;
    /// Keeps one more, a signed note, and returns when it is there to stay.
    fn keep(&self, note: &str) -> std::io::Result<()>;
}
