//! The guard: verdict, permit, ledger. The trusted core.
//!
//! Floor 2, above the domain alone. It opens nothing and asks no clock: policy, journal and randomness
//! are handed in, time is an argument. **No permit, no effect**: an adapter takes [`Permit<A>`], which
//! owns the action, and only [`Guard::admit`] and [`Live::sub`] make one, after the journal acknowledged
//! it. A permit can be neither built, cloned nor written elsewhere:
//!
//! ```compile_fail
//! fn twice(p: atoll_guard::Permit<atoll_domain::action::Snap>) { let q = p.clone(); drop((p, q)); }
//! ```
//! ```compile_fail
//! fn forge(act: atoll_domain::action::Snap) -> atoll_guard::Permit<atoll_domain::action::Snap> {
//!     atoll_guard::Permit { act, duty: panic!(), expires: atoll_domain::Tick(0) }
//! }
//! ```

mod guard;
mod journal;
mod ledger;
mod permit;
mod policy;
mod warrant;

pub use guard::{Admission, Asked, FLOW_RULE, GateAnswer, Guard, Refusal, decide};
pub use journal::{Appended, BoxFuture, Entry, Full, Journal};
pub use ledger::{Account, Balance, Ledger};
pub use permit::{End, Live, Permit, Stop};
pub use policy::{Decision, PolicyEngine, PolicyError, Question, Rule, Verdict};
