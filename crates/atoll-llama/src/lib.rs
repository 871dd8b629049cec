//! The embedded engine: language models that run here, in a fenced and supervised process of their own, and are
//! gone from memory when nobody speaks to them.
//!
//! The node's side is [`Embedded`]; the engine's side is [`engine_main`], the same binary started anew. Between
//! them go lines of JSON (`wire`). A crash of the engine, or a file that brings one about, ends one call.
//!
//! Deliberately absent: any prompt or policy, and the network, which the engine has no way to.

mod adapter;
mod call;
#[cfg(any(test, feature = "engine"))]
mod characters;
mod child;
#[cfg(target_os = "linux")]
mod confine;
pub mod cores;
mod engine;
pub mod gguf;
pub mod grammar;
#[cfg(feature = "engine")]
mod inside;
pub mod memory;
mod prefix;
mod prompt;
mod reply;
pub mod shelf;
mod supervise;
pub mod wire;

pub use adapter::{Embedded, Found, PROVIDER};
pub use child::engine_main;
#[doc(hidden)]
pub use child::fence_main;
pub use engine::Options;
pub use prefix::Slots;
