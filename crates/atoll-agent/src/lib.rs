//! The agent: from words to a tested patch, as a state machine.
//!
//! Floor 3, pure: no I/O, no clock, no randomness, no environment. The node appends events, folds them
//! ([`Input::from_event`], [`fold`]), does what [`next()`] says, and appends what came of it. The same
//! inputs give the same effects byte for byte, which [`replay()`] checks against a recorded session.
//!
//! The transitions stand in one table at the top of `state.rs`.
//!
//! # How a node drives it
//!
//! One task per session appends *all* of its events and folds each in the order of the log; nothing is
//! folded that was not appended. Then the state in memory and the state folded from the log are the same.
//!
//! ```text
//! loop {
//!     append what came in: PromptSent{steer}, TurnStopped{reason}          -> fold
//!     match next(&state) {
//!         []                -> wait for a prompt
//!         [CallModel]       -> append ModelAsked{step, effect: digest}      -> fold
//!                              wait wait_ms, call; append ReplyReceived or ReplyFailed -> fold
//!         [UseTool]         -> append ToolCall{step, tool_name, digest}     -> fold
//!                              admit and do; append ToolResult{ToolOutput, tree} -> fold
//!         [RejectCall]      -> append ToolCall and ToolResult{rejection()}  -> fold both
//!         [Compact]         -> append Compacted                             -> fold
//!         [FinishTurn]      -> make the patch; append PatchProposed, TurnEnded -> fold
//!     }
//! }
//! ```
//!
//! After a restart: fold the log again; [`State::in_flight`] is the effect whose outcome nobody saw. If it
//! may not be repeated append its outcome as unknown ([`ToolOutput::unknown`], or `ReplyFailed` with
//! `lost`); then append `SessionResumed`, and whatever may be repeated is proposed again, with its step.

mod attach;
mod clip;
mod config;
mod context;
mod counts;
mod done;
mod effect;
mod finish;
mod input;
mod led;
mod ledger;
mod loops;
mod output;
mod prompt;
mod replay;
mod reply;
mod report;
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
pub use tools::{ToolRequest, ValueForm};
pub use turn::TASK_BYTES_MAX;
