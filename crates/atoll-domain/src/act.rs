//! What every kind of action is.

use crate::{Cost, Hash};

/// What a resume may do with an action whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Again {
    /// Repeat it: it leaves nothing behind that a repetition would double.
    Free,
    /// Repeat it with the same idempotency key.
    Keyed,
    /// Don't: say that its outcome is unknown.
    Never,
}

/// The kinds of actions. Their names are the actions of policies and of events.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Take a snapshot of a checkout.
    Snapshot,
    /// Read, list or search files of a private copy.
    Read,
    /// Write a file of a private copy.
    Write,
    /// Run a job.
    Run,
    /// Feed a running job's standard input.
    Stdin,
    /// Call a model.
    Call,
    /// Write a patch into the user's checkout.
    Accept,
    /// Take an accepted patch back.
    Undo,
    /// Use a secret of the vault, by its name.
    Secret,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] = [
        Kind::Snapshot,
        Kind::Read,
        Kind::Write,
        Kind::Run,
        Kind::Stdin,
        Kind::Call,
        Kind::Accept,
        Kind::Undo,
        Kind::Secret,
    ];

    /// Its name in policies and events.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Snapshot => "snapshot",
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Run => "run",
            Kind::Stdin => "stdin",
            Kind::Call => "call",
            Kind::Accept => "accept",
            Kind::Undo => "undo",
            Kind::Secret => "secret",
        }
    }
}

/// The canonical form of an action: what is logged, hashed, and all that policy sees of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// As a JSON value, for the policy engine.
    pub value: serde_json::Value,
    /// RFC 8785 bytes of `value`.
    pub bytes: Vec<u8>,
    /// SHA-256 of the kind's name, a zero byte and `bytes`: what an answer is bound to.
    pub hash: Hash,
}

impl Canonical {
    /// Of a value without floats and large integers; actions are made of strings and bounded integers,
    /// so a value that can't be written is a bug, and its canonical form is the error's text.
    pub fn of<T: serde::Serialize>(kind: Kind, value: &T) -> Canonical {
        let (value, bytes) = match (serde_json::to_value(value), crate::canonical_json(value)) {
            (Ok(value), Ok(bytes)) => (value, bytes),
            (Err(err), _) => fallback(&err.to_string()),
            (_, Err(err)) => fallback(&err.to_string()),
        };
        Canonical::with(kind, value, bytes)
    }

    /// As it was logged: `bytes` are what an earlier [`Canonical::bytes`] held. `Err`: they are no JSON.
    pub fn read(kind: Kind, bytes: Vec<u8>) -> Result<Canonical, serde_json::Error> {
        let value = serde_json::from_slice(&bytes)?;
        Ok(Canonical::with(kind, value, bytes))
    }

    fn with(kind: Kind, value: serde_json::Value, bytes: Vec<u8>) -> Canonical {
        let hash = Hash::of_parts(&[kind.name().as_bytes(), &[0], &bytes]);
        Canonical { value, bytes, hash }
    }
}

fn fallback(err: &str) -> (serde_json::Value, Vec<u8>) {
    let value = serde_json::json!({ "unwritable": err });
    let bytes = value.to_string().into_bytes();
    (value, bytes)
}

/// An action: something an actor wants that reaches outside the node's own data. One struct per kind,
/// implemented in [`crate::action`] only. Its adapter receives it sealed in a permit that owns it.
pub trait Act: Send + 'static {
    /// Its kind.
    const KIND: Kind;
    /// What a resume may do with it.
    fn again(&self) -> Again;
    /// Whether the grant must be on disk before the effect. Reads: no.
    fn sync(&self) -> bool;
    /// What is logged, hashed and judged.
    fn canonical(&self) -> Canonical;
    /// What it may cost at most: reserved before dispatch.
    fn ceiling(&self) -> Cost;
    /// The hosts that it reaches, as `host:port`. Grants may name those that are allowed.
    fn hosts(&self) -> Vec<String> {
        Vec::new()
    }
    /// What exactly it would widen, as one stable text: two actions with the same widening are covered by
    /// one session answer. `None`: every one is asked for by itself.
    fn widening(&self) -> Option<String> {
        None
    }
}

/// That a live action of one kind covers certain actions of another: a job covers its input.
pub trait Covers<B: Act>: Act {
    /// Whether it covers `b`.
    fn covers(&self, b: &B) -> bool;
}
