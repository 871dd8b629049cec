//! The process runner, for real: jobs in boxes, as root and as an ordinary user.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test"
)]

mod hello;
mod kit;
