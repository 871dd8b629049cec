//! Grants and tokens.

use std::fmt;

use atoll_domain::{Budget, Cost, GrantId, Ms, Role};
use serde::{Deserialize, Serialize};

/// A token on its way. It is never shown, not even for debugging, and its memory is overwritten.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(zeroize::Zeroizing<String>);

impl Token {
    /// Of its text.
    pub fn new(text: impl Into<String>) -> Token {
        Token(zeroize::Zeroizing::new(text.into()))
    }
    /// Its text, for the one who sends, reads or prints it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A grant to be minted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintRequest {
    /// Its name: `ci`. Left out: the role's name and its number.
    #[serde(default)]
    pub name: Option<String>,
    /// What its holder is on the node.
    pub role: Role,
    /// How long it is good, in seconds.
    pub ttl_s: u64,
    /// Names of kinds of actions; left out: all.
    #[serde(default)]
    pub kinds: Option<Vec<String>>,
    /// Absolute paths of folders; left out: all.
    #[serde(default)]
    pub workspaces: Option<Vec<String>>,
    /// `host` or `host:port`; left out: all.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// What may be spent under it.
    #[serde(default)]
    pub budget: Budget,
    /// Requests within a minute; left out: 600.
    #[serde(default)]
    pub requests_per_min: Option<u64>,
    /// The longest body of a request, in bytes; left out: 1 MiB.
    #[serde(default)]
    pub body_limit_bytes: Option<u64>,
}

/// A grant that was minted, with its token: told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// The token.
    pub token: Token,
    /// The grant.
    pub grant: GrantView,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// `c3`.
    pub ordinal: String,
    /// Its id.
    pub grant: GrantId,
    /// `c1`, if it is an attenuation of that one.
    pub parent: Option<String>,
    /// How many it comes from, one of the other.
    pub depth: u64,
    /// Its name; empty if it was erased.
    pub name: String,
    /// What its holder is here.
    pub role: Role,
    /// `good`, `revoked` or `expired`, of itself or of one that it comes from; `erased`: it allows nothing any more.
    pub state: String,
    /// When it was minted, or first seen.
    pub minted: Ms,
    /// Until when it is good.
    pub expires: Ms,
    /// The kinds of actions; `None`: all.
    pub kinds: Option<Vec<String>>,
    /// Folders; `None`: all.
    pub workspaces: Option<Vec<String>>,
    /// Hosts; `None`: all.
    pub hosts: Option<Vec<String>>,
    /// What may be spent under it.
    pub budget: Budget,
    /// What was spent under it and its attenuations.
    pub spent: Cost,
    /// What actions under way may still cost.
    pub reserved: Cost,
    /// What is left of its budget, with nothing that is reserved; no more than is left of those that it comes from.
    pub left: Budget,
    /// Requests within a minute.
    pub requests_per_min: u64,
    /// The longest body of a request, in bytes.
    pub body_limit_bytes: u64,
    /// When it was last used, as far as this run of the node and the log know.
    pub used: Option<Ms>,
    /// When it was revoked.
    pub revoked: Option<Ms>,
}
