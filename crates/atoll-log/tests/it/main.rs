//! Whole logs: sealed, checkpointed, damaged, exported and verified.

// A test that can't go on may panic.
#![allow(clippy::unwrap_used)]

mod auditor;
mod damage;
mod export;
mod made;
mod robbed;
mod rows;
