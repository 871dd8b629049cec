//! That the scripted provider is true to the wire.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

mod clients;
mod example;
mod raw;
