//! The event log in SQLite: one writer with group commit, readers beside it,
//! content and blobs, projections, checkpoints, and room for closing.
//!
//! Ground state is the table of events with their exact bytes, and the content
//! beside it; the rest is derived (`schema/`).

mod archive;
mod batch;
mod check;
mod export;
mod fold;
mod folder;
mod gather;
mod keys;
mod migrate;
mod mirror;
mod port;
mod reader;
mod rebuild;
mod row;
mod rows;
mod segment;
mod side;
mod space;
mod state;
mod store;
mod sync;
mod tail;
mod witness;
mod writer;

pub use archive::ArchiveFolder;
pub use batch::Clock;
pub use folder::network_name;
pub use migrate::VERSION;
pub use mirror::MirrorFile;
pub use reader::{PAGE_MAX, Reader};
pub use side::{CONTENT_BYTES_MAX, Opened, ROW_BYTES_MAX};
pub use space::Room;
pub use store::{Options, Store, SystemEntropy, system_clock};
pub use witness::WitnessFile;
pub use writer::Pace;

/// The database's name in the data directory.
pub const DB_FILE: &str = "log.db";
