//! The nouns of Atoll: ids, events, actions, jobs and outcomes, costs, labels and shown text.
//!
//! Floor 1. Pure: no I/O, no clock, no randomness. Time comes in as [`Ms`] and [`Tick`], randomness
//! through [`Entropy`]. Every other crate may use this one; it uses none of them.

mod act;
pub mod action;
mod actor;
#[macro_use]
mod bodies;
mod body;
mod canonical;
mod content;
mod cost;
mod edit;
mod ends;
mod event;
mod facts;
mod grant;
mod hash;
mod id;
mod job;
mod label;
mod message;
mod model;
mod outcome;
mod patch;
mod secret;
mod session;
mod shown;
mod time;

pub use act::{Act, Again, Canonical, Covers, Kind};
pub use actor::{Actor, ActorKind, Role};
pub use body::ToolCall as ToolCalled;
pub use body::*;
pub use canonical::{INTEGER_MAX, NotCanonical, canonical_json};
pub use content::{Commitment, Entropy, Sealer, Side};
pub use cost::{Budget, Cost, Exceeded, Unit};
pub use edit::Edit;
pub use ends::{ClosedHow, GateAnswerKind, StepKind};
pub use event::{Draft, Event, Meta, Topic, VERSION};
pub use facts::{Facts, PriceUsed};
pub use grant::{GRANT_DEPTH_MAX, GRANT_NAMES_MAX, Standing, Terms, Wider, path_is_within};
pub use hash::{Hash, HashError};
pub use id::*;
pub use job::{
    CopyRef, Exe, HostPort, JobSpec, Language, Limits, Mount, MountKind, Network, Purpose,
    RunnerKind, Snapshot, Tty, shell_words,
};
pub use label::{Label, Labels, MarkedFile};
pub use message::{Conversation, Form, Message, Part, Speaker, ToolCall, ToolSpec};
pub use model::{ModelRef, Price, Usage};
pub use outcome::{Artifact, Detail, Enforced, Enforcement, Outcome, Reason, Resources};
pub use patch::{Change, FileChange, PatchClass, PatchSummary, TestEvidence, test_words};
pub use secret::{BadSecretName, JobSecret, SecretFor, SecretName};
pub use session::{SessionEnd, SessionState};
pub use shown::{Shown, ShownExcerpt};
pub use time::{Ms, Tick};
