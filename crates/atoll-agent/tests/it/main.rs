//! Sessions played against a workspace in memory.

mod arbitrary;
mod chats;
mod ends;
mod events;
mod led;
mod mend;
mod thoughts;
mod world;
