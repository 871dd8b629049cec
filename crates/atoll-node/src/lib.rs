//! The node: takes commands, asks the guard, drives adapters through ports, writes down what happened.
//!
//! Floor 4. Names no adapter and no vendor; the binary plugs them in as [`Adapters`].

mod archive;
mod clock;
mod commands;
mod egress;
mod facts;
mod fetch;
mod gate;
mod grants;
mod held;
mod hub;
mod job;
mod labels;
mod launch;
mod mirror;
mod names;
mod node;
mod options;
mod recover;
mod redaction;
mod refused;
mod rows;
mod secrets;
mod session;
mod shared;
mod spend;
mod sweep;
mod view;
mod witness;

pub use clock::{Clock, Machine, SystemEntropy};
pub use node::Node;
pub use options::{Load, Options, Reloaded};
pub use shared::Adapters;
