//! What can be wrong with bytes that ask to become, or claim to be, an event.

/// Why a value, line, note or proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it is not JSON: {0}")]
    Json(String),
    #[error("a float: events hold integers alone")]
    Float,
    #[error("an integer beyond 2^53 - 1")]
    Integer,
    #[error("a key that occurs twice")]
    DuplicateKey,
    #[error("a lone surrogate")]
    Surrogate,
    #[error("nested too deeply")]
    Depth,
    #[error("longer than {limit_bytes} bytes")]
    Size { limit_bytes: usize },
    #[error("the bytes are not in canonical form (RFC 8785)")]
    NotCanonical,
    #[error("not an event: {0}")]
    Envelope(&'static str),
    #[error("not a key: {0}")]
    Key(&'static str),
    #[error("not a signed note: {0}")]
    Note(&'static str),
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    #[error("no signature by a known key")]
    UnknownSigner,
    #[error("the signature does not match")]
    Signature,
    #[error("the proof does not lead to the root")]
    Proof,
    #[error("index or size outside the tree")]
    Range,
    #[error("the content does not match its commitment")]
    Commitment,
}
