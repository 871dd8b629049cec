//! Tokens: made and read. What they say counts only as far as the log knows the grant.

use atoll_domain::{GrantId, Ms, Terms, Wider};

/// The longest token, in bytes of text.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

/// What a token is worth nothing for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no token, or longer than any is.
    #[error("it is no token of Atoll's: {0}")]
    Malformed(String),
    /// Its signature is not this node's.
    #[error("another node made it, or it was changed since")]
    Foreign,
    /// A block asks for more than the one before it.
    #[error("it asks for more than the token that it was made of: {0}")]
    Wider(#[from] Wider),
    /// It ran out.
    #[error("it has run out")]
    Expired,
    /// The key can't be used.
    #[error("the key that signs tokens can't be used: {0}")]
    Key(String),
}

/// One block of a token: a grant, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The grant's id, by the block's signature: nobody can give it to another one.
    pub id: GrantId,
    /// What it allows. Never wider than the block before it.
    pub terms: Terms,
    /// What it is called.
    pub name: String,
}

/// Makes and reads tokens with the node's key.
pub trait Grants: Send + Sync {
    /// The public key, in hex; a key is made if there is none.
    fn key(&self) -> Result<String, Error>;
    /// A token, and its grant's id.
    fn mint(&self, terms: &Terms, name: &str) -> Result<(GrantId, String), Error>;
    /// Its blocks, the one that was minted first. `now` by the wall clock, as far as it ever came.
    fn read(&self, token: &str, now: Ms) -> Result<Vec<Block>, Error>;
}
