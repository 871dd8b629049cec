//! `config.toml`: typed, with unknown keys refused, and where each value comes from.

mod file;
mod keys;
mod write;

pub use file::{Config, dollars, load};
pub use keys::{KEYS, Takes, nearest};
pub use write::{set, take_out, trust, unset};
