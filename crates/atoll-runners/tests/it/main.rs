//! The process runner, for real: jobs in boxes, as root and as an ordinary user.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

mod bombs;
mod files;
mod hello;
mod kit;
mod life;
mod network;
mod probe;
mod secrets;
mod streams;
mod walls;
