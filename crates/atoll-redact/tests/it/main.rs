//! The redaction against a labelled corpus, and against texts that nobody would write.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test"
)]

mod corpus;
mod gate;
mod properties;
