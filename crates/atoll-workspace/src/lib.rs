//! Workspaces: a private copy of a checkout, what an agent does in it, and how
//! its work comes back.
//!
//! Everything here treats the checkout, the copy and every `.git` as data that
//! somebody hostile may have written. No git process is ever started; objects,
//! refs and the index are read and written by this crate's own bounded code.

mod adapter;
mod beneath;
mod copy;
mod detect;
pub mod edit;
mod error;
mod files;
mod names;
mod origin;
mod patch;
mod store;
#[cfg(test)]
mod testing;
mod walk;

pub use adapter::{Options, Workspaces, root_of};
pub use detect::look;
use error::{Error, Result};
pub use names::{Mask, RelPath, is_git_alias, mask};
pub use walk::Limits;
