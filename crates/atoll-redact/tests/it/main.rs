//! The redaction against a labelled corpus.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

mod corpus;
mod gate;
