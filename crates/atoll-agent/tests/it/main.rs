//! Sessions played against a workspace in memory.

mod arbitrary;
mod ends;
mod events;
mod mend;
mod thoughts;
mod world;
