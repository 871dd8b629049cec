//! Typed ids. Long ids are for machines (`ses_` and a UUIDv7); people type ordinals (`s4`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Hash, Ms};

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: expected `{prefix}` and a UUID")]
pub struct IdError {
    /// The kind that was wanted.
    pub kind: &'static str,
    /// Its prefix.
    pub prefix: &'static str,
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let h = hex::encode(bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &h[..8],
        &h[8..12],
        &h[12..16],
        &h[16..20],
        &h[20..]
    )
}

fn uuid_parse(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    if !text
        .bytes()
        .enumerate()
        .all(|(i, b)| (b == b'-') == matches!(i, 8 | 13 | 18 | 23))
    {
        return None;
    }
    let mut out = [0; 16];
    hex::decode_to_slice(text.replace('-', ""), &mut out).ok()?;
    Some(out)
}

fn uuid_v7(now: Ms, random: [u8; 10]) -> [u8; 16] {
    let mut b = [0; 16];
    b[..6].copy_from_slice(&now.0.to_be_bytes()[2..]);
    b[6..].copy_from_slice(&random);
    b[6] = (b[6] & 0x0f) | 0x70;
    b[8] = (b[8] & 0x3f) | 0x80;
    b
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The prefix of its text form.
            pub const PREFIX: &'static str = $prefix;
            /// A UUIDv7 from the time and ten random bytes.
            pub fn new(now: Ms, random: [u8; 10]) -> Self { Self(uuid_v7(now, random)) }
            /// Derived from other ids and numbers, the same each time (for replay).
            pub fn derive(parts: &[&[u8]]) -> Self {
                let hash = Hash::of_parts(parts);
                let mut b = [0; 16];
                b.copy_from_slice(&hash.0[..16]);
                b[6] = (b[6] & 0x0f) | 0x80; // version 8: custom
                b[8] = (b[8] & 0x3f) | 0x80;
                Self(b)
            }
            /// Its 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), uuid_text(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                s.strip_prefix($prefix).and_then(uuid_parse).map(Self)
                    .ok_or(IdError { kind: $kind, prefix: $prefix })
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// One event.
    EventId = "evt_", "event";
    /// One session.
    SessionId = "ses_", "session";
    /// One job.
    JobId = "job_", "job";
    /// One gate.
    GateId = "gat_", "gate";
    /// One proposed patch.
    PatchId = "pat_", "patch";
    /// One permit: new with each admission.
    PermitId = "prm_", "permit";
    /// One grant: derived from its block's signature in the token.
    GrantId = "gra_", "grant";
    /// A workspace: derived from its canonical path.
    WorkspaceId = "wsp_", "workspace";
    /// A model call's or an action's idempotency key: from (session, step), stable over a resume.
    ActionKey = "key_", "action key";
}

/// A step of a session: turns and tool calls count up through it, so that ids derive from it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Step(pub u64);

impl ActionKey {
    /// The key of the action that `session` proposed at `step`.
    pub fn of(session: &SessionId, step: Step) -> ActionKey {
        ActionKey::derive(&[b"key", session.as_bytes(), &step.0.to_be_bytes()])
    }
}

/// A git tree's id in Atoll's own object store: 40 lowercase hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TreeId(String);

impl TreeId {
    /// `None` unless `hex` is 40 lowercase hex digits.
    pub fn parse(hex: &str) -> Option<TreeId> {
        let ok = hex.len() == 40
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        ok.then(|| TreeId(hex.to_owned()))
    }
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TreeId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        TreeId::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("not a tree id: expected 40 lowercase hex digits")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_time() {
        let a = SessionId::new(Ms(1), [7; 10]);
        let b = SessionId::new(Ms(2), [0; 10]);
        assert!(a < b);
        assert_eq!(a.to_string().parse::<SessionId>(), Ok(a));
        assert!(a.to_string().parse::<GateId>().is_err());
    }

    #[test]
    fn keys_are_stable_and_differ_by_step() {
        let s = SessionId::new(Ms(1), [7; 10]);
        assert_eq!(ActionKey::of(&s, Step(3)), ActionKey::of(&s, Step(3)));
        assert_ne!(ActionKey::of(&s, Step(3)), ActionKey::of(&s, Step(4)));
    }
}
