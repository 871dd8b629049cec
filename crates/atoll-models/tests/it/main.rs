//! The `Models` port against a scripted provider on the real wire.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

mod around;
mod charges;
mod conformance;
mod hang_up;
mod keys;
mod names;
mod retries;
mod stand;
mod ways;
