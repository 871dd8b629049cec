//! What faces and node say to each other: wire types, error codes, and the [`Commands`] trait.
//!
//! Floor 3. Faces know this crate and never the node's inside. Wire types are hand-made twins of the
//! domain's where the two may grow apart.

mod code;
pub mod codes;
mod commands;
mod error;
mod exec;
mod gate;
mod grant;
mod log;
mod model;
mod need;
mod patch;
mod secret;
mod session;
mod status;
mod update;

pub use code::{CodeRequest, OnAsk, Started, WorkspaceTrust};
pub use commands::{Caller, Commands, Lines, Reply, Updates};
pub use error::{Code, Error};
pub use exec::{ExecRequest, ExecStarted, ExecView};
pub use gate::{AnswerRequest, GATES_AT_ONCE_MAX, GateView, Question};
pub use grant::{GrantView, MintRequest, Minted, Token};
pub use log::{
    ArchiveRequest, ArchiveView, Archived, ArchivedSegment, EraseRequest, Erasure, EventView,
    ExportRequest, KeptCheckpoint, Replayed, Tail, Verification, WitnessView,
};
pub use model::{ModelTest, ModelView};
pub use need::{NEEDS, Need, may};
pub use patch::{AcceptRequest, EditBegun, EditRequest, PatchDetail, PatchRecord, PatchView};
pub use secret::{Hidden, SecretPut, SecretView, SecretsView, VaultMake, VaultUnlock, VaultView};
pub use session::{
    Cleared, DeclassifyRequest, ForkRequest, LabelSource, ResumeRequest, SessionDetail,
    SessionView, StepView,
};
pub use status::{DiskView, Health, NeedsYou, PolicyView, RuleView, Status};
pub use update::{Progress, Update};

/// The version of the API under `/v1`.
pub const VERSION: u32 = 1;
