//! The agent: from words to a tested patch, as a state machine.
//!
//! Floor 3, pure: no I/O, no clock, no randomness, no environment. The node appends events, folds them
//! ([`Input::from_event`], [`fold`]), does what [`next()`] says, and appends what came of it. The same
//! inputs give the same effects byte for byte, which [`replay()`] checks against a recorded session.
//!
//! The transitions stand in one table at the top of `state.rs`.

mod clip;
mod config;
mod context;
mod counts;
mod done;
mod effect;
mod finish;
mod input;
mod ledger;
mod loops;
mod output;
mod prompt;
mod replay;
mod reply;
mod state;
pub mod tools;
mod transcript;
mod turn;
mod words;

pub use config::{CONTEXT_TOKENS_MIN, Error as ConfigError, Mode, OnAsk, REVISION, SessionConfig};
pub use counts::parse_counts;
pub use effect::{By, Effect, Proposal};
pub use input::{Input, Resolve, Unreadable};
pub use output::{Status, ToolOutput};
pub use replay::{Divergence, Replay, replay};
pub use state::{Progress, State, TestRun, fold, next};
pub use tools::{Edit, ToolRequest};
