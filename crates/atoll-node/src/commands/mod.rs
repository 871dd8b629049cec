//! The node's commands, one file per noun, and the trait that faces see.

mod branch;
mod declassify;
mod door;
pub(crate) mod edits;
mod erase;
pub(crate) mod exec;
mod exec_task;
mod gates;
mod grants;
mod log;
mod models;
mod patches;
mod secrets;
mod sessions;
mod status;

pub(crate) use log::receiver_stream;
