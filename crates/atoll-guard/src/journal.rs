//! What the guard wants of the log.

use std::future::Future;
use std::pin::Pin;

use atoll_domain::{Draft, EventId, Ms};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event for the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event.
    pub draft: Draft,
    /// Whether a `Closed` will follow, for which room must be kept.
    pub keeps_room: bool,
}

impl Entry {
    /// An event after which nothing is owed.
    pub fn plain(draft: Draft) -> Entry {
        Entry {
            draft,
            keeps_room: false,
        }
    }
}

/// Where an event came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// Its time.
    pub ts: Ms,
}

/// The log takes nothing new.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The disk is full, or nearly.
    #[error("the disk that holds the log is full: {free_bytes} bytes free, {floor_bytes} needed")]
    Disk {
        /// What is free.
        free_bytes: u64,
        /// What must be.
        floor_bytes: u64,
    },
    /// The log can't be written for another reason.
    #[error("the log can't be written: {0}")]
    Failed(String),
    /// The event itself was malformed.
    #[error("the event is malformed: {0}")]
    Malformed(String),
}

/// The log, as the guard needs it.
pub trait Journal: Send + Sync {
    /// `Ok`: the event has its place in the order, and is on disk if `sync`.
    fn append(&self, entry: Entry, sync: bool) -> BoxFuture<'_, Result<Appended, Full>>;
    /// Takes a closing event. Never waits, never refuses: `append` kept its room.
    fn close(&self, entry: Entry);
}
