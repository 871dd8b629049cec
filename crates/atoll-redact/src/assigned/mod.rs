//! Assignments whose name says secret and whose value looks made by chance: `DB_PASSWORD=…`, `"apiKey": "…"`.
//! Names alone prove nothing: code is full of `token = next_token()`, which must stay readable.

mod after;
mod name;
mod value;

pub(crate) use after::{value_after, value_end};
pub(crate) use name::{Strength, name_around, strength};
pub(crate) use value::{is_secret, may_be_secret};
