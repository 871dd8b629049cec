//! From what the node says to what people read: pure functions, all outside text through `Shown`.

mod ask;
mod diff;
mod error;
pub mod grant;
mod log;
mod markdown;
mod model;
mod page;
mod patch;
mod secret;
mod session;
mod shelf;
mod status;
mod style;
mod turn;
mod verdicts;
pub mod words;

pub use ask::{gate, gate_long, gates, keys};
pub use diff::diff;
pub use error::error;
pub use grant::{grants, minted, terms};
pub use log::{events, replayed, verification};
pub use markdown::Markdown;
pub use model::{models, tested};
pub use page::Page;
pub use patch::{accepted, next_rows, patch, patches, ready, ready_in_chat, ready_then};
pub use secret::{secrets, vault, words as vault_words};
pub use session::{
    chat_line, cleared, ended, labels, no_answer, no_answer_in_chat, no_patch, session, sessions,
    state,
};
pub use shelf::{pick_models, progress, shelf};
pub use status::status;
pub use style::{COLUMNS, Style, table, wrap};
pub use turn::Turn;
pub use verdicts::{explained, rules_tested, simulated};
