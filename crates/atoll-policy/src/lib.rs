//! The policy engine: Cedar rules behind the guard's `PolicyEngine`.
//!
//! Pure: rules come in as text and nothing is opened. [`Engine::new`] takes the owner's rules and adds
//! them to each [`Profile`]; [`Engine::with_workspace`] adds a workspace's, which only narrow. A question
//! is judged by the profile that its facts name, slice by slice: only the rules of its own action are
//! evaluated. Deny is stronger than ask, ask than allow; nothing that matches is a deny, and so is any
//! error in any rule. `docs/policy.md` says how people write rules, `docs/profiles.md` what the profiles do.

mod annotation;
mod current;
mod engine;
mod lint;
mod profile;
mod request;
mod rules;
mod schema;
mod seen;
mod shell;
mod source;
mod speech;
mod suggest;
mod table;
mod view;

pub use current::Current;
pub use engine::Engine;
pub use profile::{Profile, UnknownProfile};
pub use rules::{Effect, RuleInfo, Scope};
pub use schema::SCHEMA;
pub use seen::{Fact, by_name, seen};
pub use source::{Problem, RULES_MAX, Source, TEXT_BYTES_MAX};
pub use suggest::{NoRule, Suggestion, lets, suggest};
pub use table::{Case, Expected, Outcome};
pub use view::command as command_line;
