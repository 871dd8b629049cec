//! Tokens: biscuits whose every block is a grant, signed with a key of the node's own.
//!
//! Floor 4, an adapter of [`atoll_ports::Grants`]. A token can be narrowed by whoever holds it, without the node
//! ([`attenuate`]), and never widened: each block says its whole terms, and a reader refuses a block that asks for
//! more than the one before it. Blocks have one shape alone; rules, other checks, blocks of third parties and unknown
//! facts are refused, so that what a token says can be read without evaluating it.

mod block;
mod key;
mod token;

pub use key::Keyring;
pub use token::{attenuate, looks_like_token, peek};
