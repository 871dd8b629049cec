//! The actions, one struct per kind.

mod call;
mod files;
mod job;
mod patch;
mod secret;

pub use call::ModelCall;
pub use files::{FileRead, FileWrite, ReadOp, Snap, WriteOp};
pub use job::{Job, Stdin};
pub use patch::{Accept, AcceptTo, Undo};
pub use secret::UseSecret;
