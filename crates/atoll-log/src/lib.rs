//! The event log's mathematics: canonical bytes, the hash chain, the Merkle tree,
//! signed checkpoints, exports and segments, and verifying them.
//!
//! Pure: no file, no clock, no randomness. Seeds, times and bytes are handed in.

pub mod canonical;
mod checkpoint;
pub mod envelope;
mod epoch;
mod error;
pub mod export;
mod key;
pub mod line;
pub mod merkle;
pub mod note;
pub mod scan;
pub mod segment;
pub mod strict;
mod verify;

pub use checkpoint::Checkpoint;
pub use envelope::{Head, Sealed, seal, seal_body};
pub use epoch::{CHECKPOINT, Epochs, OPENED, opened, signed};
pub use error::Error;
pub use key::{Key, PublicKey};
pub use verify::{Bad, Flaw, Intact, Start, Verifier};
