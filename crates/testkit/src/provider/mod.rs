//! A scripted model provider that speaks the chat completions wire on loopback, with every way in which
//! a real one can fail. It runs on a thread of its own, so that it serves blocking tests, paused clocks
//! and other processes alike.

mod chunks;
mod routes;
mod script;
mod server;

pub use script::{BadScript, Call, Fault, Reply, Script};
pub use server::{Options, Seen, Server};
