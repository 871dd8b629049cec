//! Patches: what differs between two trees, what of it may leave the box, and
//! how it comes into the user's checkout and out again.

mod accept;
mod branch;
mod class;
mod diff;
mod journal;
mod runs;
mod unbranch;

pub(crate) use accept::{Into, accept, put_change, undo};
pub(crate) use branch::{Branch, branch};
pub(crate) use diff::patch;
pub(crate) use journal::{Journal, recover};
pub(crate) use unbranch::{branched, unbranch};

/// More changed files than this make no patch.
pub(crate) const CHANGES_MAX: usize = 20_000;

#[cfg(test)]
mod branch_tests;
#[cfg(test)]
mod tests;
