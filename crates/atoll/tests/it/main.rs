#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]
//! The binary as people use it, and client and server against each other.

mod archives;
mod bombs;
mod budgets;
mod chats;
mod code;
mod edited;
#[cfg(feature = "embedded")]
mod engines;
mod environment;
mod erase;
mod evasions;
mod exports;
#[path = "../../../atoll-http/tests/it/fake.rs"]
mod fake;
mod faults;
mod fetch;
mod forks;
mod gates;
mod granted;
mod grants;
mod hostile;
mod injected;
mod inputs;
mod judged;
mod kept;
mod keys;
mod kills;
mod kit;
mod labelled;
mod ledger;
mod moments;
mod named;
mod node;
mod outward;
mod pages;
mod places;
mod proofs;
mod providers;
mod pulls;
mod recordings;
mod roundtrip;
mod rules;
mod scene;
mod secrets;
mod service;
mod shelf;
mod shown;
mod steered;
mod strangers;
mod swaps;
mod sweep;
mod talks;
mod transcripts;
mod trees;
mod tries;
mod vouched;
mod zips;
