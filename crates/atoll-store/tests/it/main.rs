//! The store as a node uses it: order, durability, a full disk, damage, crashes.
// A test that can't go on may panic; it works in a folder of its own.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test"
)]

mod conformance;
mod crash;
mod damage;
mod epochs;
mod full;
mod grants;
mod log;
mod made;
mod projections;
mod segments;
mod sweep;
