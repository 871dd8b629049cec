//! The log, for people.

use std::collections::BTreeMap;

use atoll_domain::{Event, Hash};
use serde::{Deserialize, Serialize};

/// An event with what is known of its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// Contents of its body's fields, as text and cut to a bound; a field that was erased is absent.
    pub words: BTreeMap<String, String>,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// After this number.
    #[serde(default)]
    pub after: u64,
    /// The last so many, in place of `after`.
    #[serde(default)]
    pub last: Option<u64>,
    /// Of this session: `s4`, `@` or its id.
    #[serde(default)]
    pub session: Option<String>,
    /// At most.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Events read.
    pub events: u64,
    /// The last one's hash.
    pub head: Hash,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// The newest checkpoint's note, to keep elsewhere.
    pub note: Option<String>,
    /// The first bad line and why.
    pub bad: Option<(u64, String)>,
    /// Contents that hold.
    pub contents: u64,
    /// Contents that are gone.
    pub erased: u64,
    /// Events that came after the clock was set back: order is by number, not by time.
    #[serde(default)]
    pub clock_back: u64,
    /// Whose log it is: its root key.
    #[serde(default)]
    pub root: Option<String>,
    /// Checkpoints kept elsewhere that it was held against.
    #[serde(default)]
    pub kept: u64,
    /// What this does and doesn't show.
    pub promise: String,
}

/// Where checkpoints are kept beside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessView {
    /// The place.
    pub place: String,
    /// Why the last could not be kept there.
    pub trouble: Option<String>,
}

/// Where old events are put away as segments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveView {
    /// The place.
    pub place: String,
    /// The last event that it holds; `None`: nobody looked yet.
    pub last: Option<u64>,
    /// Why the last segment could not be put there.
    pub trouble: Option<String>,
}

/// Which events to put away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRequest {
    /// Those that are so old, in seconds; 0: all that a checkpoint covers. As configured if left out.
    #[serde(default)]
    pub older_s: Option<u64>,
}

/// A segment that was put away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedSegment {
    /// Its name there.
    pub name: String,
    /// Its first event.
    pub first: u64,
    /// Its last one.
    pub last: u64,
    /// What it takes there, in bytes.
    pub bytes: u64,
}

/// What was put away at once: one segment at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The place.
    pub place: String,
    /// The segment; `None`: nothing else is old enough.
    pub segment: Option<ArchivedSegment>,
    /// The last event that the place holds now.
    pub last: u64,
}

/// A checkpoint to keep elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCheckpoint {
    /// Events that it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// What a replay found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// `s4`.
    pub session: String,
    /// Effects that were compared.
    pub effects: u64,
    /// The first step that differs, and how.
    pub divergence: Option<(u64, String)>,
}

/// Contents to erase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseRequest {
    /// An event's number, or a session: `s4`, `@` or its id.
    pub what: String,
    /// This field's content alone, of one event.
    #[serde(default)]
    pub field: Option<String>,
    /// A person's reason; it is logged.
    pub why: String,
    /// Only count.
    #[serde(default)]
    pub dry: bool,
}

/// What was erased, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Of so many events.
    pub events: u64,
    /// So many contents.
    pub contents: u64,
    /// Bytes that they held.
    pub bytes: u64,
    /// So many were gone before.
    pub gone_before: u64,
}

/// An export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRequest {
    /// Of this session alone.
    #[serde(default)]
    pub session: Option<String>,
    /// With contents.
    #[serde(default)]
    pub contents: bool,
    /// Of a session: with the proof that the log extends the one of so many events, over which somebody kept a
    /// checkpoint.
    #[serde(default)]
    pub since: Option<u64>,
}
