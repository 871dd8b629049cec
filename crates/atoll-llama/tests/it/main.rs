//! The embedded engine: files that lie, engines that die, and a tiny model of random weights that is really
//! computed (where the engine is built in).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

#[cfg(feature = "engine")]
mod computed;
mod download;
mod files;
#[cfg(feature = "engine")]
mod held;
mod stand;
mod watched;
