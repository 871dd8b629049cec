//! Content beside the log. An event names text by a salted commitment; salt and bytes lie beside the
//! log and can be erased without breaking the chain.

use serde::{Deserialize, Serialize};

use crate::Hash;

/// Randomness, handed in so that the pure crates stay pure.
pub trait Entropy: Send + Sync {
    /// Fills `out` with unpredictable bytes.
    fn fill(&self, out: &mut [u8]);

    /// 32 bytes of salt.
    fn salt(&self) -> [u8; 32] {
        let mut out = [0; 32];
        self.fill(&mut out);
        out
    }
    /// Ten bytes, for an id.
    fn ten(&self) -> [u8; 10] {
        let mut out = [0; 10];
        self.fill(&mut out);
        out
    }
}

/// `{"h": SHA-256(salt || bytes), "bytes": n}`: what an event's body holds in place of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commitment {
    /// The digest over salt and bytes.
    pub h: Hash,
    /// The content's length, in bytes.
    pub bytes: u64,
}

impl Commitment {
    /// The commitment to `bytes` under `salt`.
    pub fn of(salt: &[u8; 32], bytes: &[u8]) -> Commitment {
        Commitment {
            h: Hash::of_parts(&[salt, bytes]),
            bytes: bytes.len() as u64,
        }
    }
    /// Whether `salt` and `bytes` are what it stands for.
    pub fn opens_to(&self, salt: &[u8; 32], bytes: &[u8]) -> bool {
        *self == Commitment::of(salt, bytes)
    }
}

/// Content on its way to lie beside the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Side {
    /// The commitment that names it.
    pub commitment: Commitment,
    /// Its salt.
    pub salt: [u8; 32],
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Side({} bytes)", self.bytes.len())
    }
}

/// Commits content and collects what must lie beside the event.
pub struct Sealer<'a> {
    entropy: &'a dyn Entropy,
    sides: Vec<Side>,
}

impl<'a> Sealer<'a> {
    /// With no content yet.
    pub fn new(entropy: &'a dyn Entropy) -> Sealer<'a> {
        Sealer {
            entropy,
            sides: Vec::new(),
        }
    }
    /// Commits `bytes` under a fresh salt.
    pub fn bytes(&mut self, bytes: impl Into<Vec<u8>>) -> Commitment {
        let (bytes, salt) = (bytes.into(), self.entropy.salt());
        let commitment = Commitment::of(&salt, &bytes);
        self.sides.push(Side {
            commitment,
            salt,
            bytes,
        });
        commitment
    }
    /// Commits a text.
    pub fn text(&mut self, text: &str) -> Commitment {
        self.bytes(text.as_bytes())
    }
    /// Commits a value as JSON. Values that hold non-JSON parts can't occur in domain types.
    pub fn json<T: Serialize>(&mut self, value: &T) -> Commitment {
        self.bytes(serde_json::to_vec(value).unwrap_or_default())
    }
    /// What was committed, in order.
    pub fn into_sides(self) -> Vec<Side> {
        self.sides
    }
}
