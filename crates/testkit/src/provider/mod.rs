//! A scripted model provider that speaks chat completions, Anthropic's messages and Ollama's own API on
//! loopback, with every way in which a real one can fail. It runs on a thread of its own, so that it serves
//! blocking tests, paused clocks and other processes alike. What the real ones refuse it refuses too.

mod chat;
mod messages;
mod obey;
mod ollama;
mod routes;
mod script;
mod server;
mod writer;

pub use obey::{Obeyed, SECRET, disguises, obeying};
pub use script::{BadScript, Call, Fault, Reply, Script};
pub use server::{Options, Seen, Server};
