#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]
//! The routes over a real socket.

mod door;
mod fake;
mod routes;
