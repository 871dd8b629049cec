//! The node's commands over its Unix socket, typed: [`Client`] is a [`Commands`](atoll_api::Commands).
//!
//! Floor 5. Speaks only to a socket that belongs to the caller, in a folder that belongs to the caller, with a
//! process of the caller behind it.

mod client;
mod commands;
mod connect;
mod lines;
mod request;

pub use client::Client;
pub use lines::LINE_BYTES_MAX;
