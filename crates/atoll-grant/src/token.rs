//! A token as text: made, read, narrowed.

use atoll_domain::{GRANT_DEPTH_MAX, GrantId, Ms, Terms};
use atoll_ports::grants::{Block, Error, TOKEN_BYTES_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use biscuit_auth::builder::{Term, fact};
use biscuit_auth::datalog::RunLimits;
use biscuit_auth::{AuthorizerBuilder, Biscuit, KeyPair, PublicKey, UnverifiedBiscuit, error};

use crate::block::{block, malformed, read};

/// How each token begins, so that people and scanners know one when they see it.
const PREFIX: &str = "atoll-token-";

/// What evaluating a token may take. Its blocks hold facts and one check each: the counts bound it. The time is there
/// for a machine that hangs; the library's own default of 1 ms refuses good tokens on a busy one.
fn limits() -> RunLimits {
    RunLimits {
        max_facts: 2_000,
        max_iterations: 10,
        max_time: std::time::Duration::from_secs(60),
    }
}

/// Whether a text holds what looks like a token: to refuse it where it must not stand.
pub fn looks_like_token(text: &str) -> bool {
    text.contains(PREFIX)
}

fn encode(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn decode(token: &str) -> Result<Vec<u8>, Error> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(malformed(format!(
            "a token has at most {TOKEN_BYTES_MAX} bytes"
        )));
    }
    let text = token.strip_prefix(PREFIX);
    let text = text.ok_or_else(|| malformed(format!("a token begins with {PREFIX}")))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| malformed("it is cut off, or was changed"))
}

/// An error of the library's: a wrong signature is told from a wrong form.
fn of_library(err: error::Token) -> Error {
    match err {
        error::Token::Format(error::Format::Signature(_)) => Error::Foreign,
        error::Token::Format(error::Format::UnknownPublicKey) => Error::Foreign,
        err => malformed(err.to_string()),
    }
}

fn id(revocation: &[u8]) -> GrantId {
    GrantId::derive(&[b"grant", revocation])
}

/// Blocks as they say; none wider than the one before it.
fn blocks(
    count: usize,
    external: bool,
    revocations: &[Vec<u8>],
    source: impl Fn(usize) -> Result<String, error::Token>,
) -> Result<Vec<Block>, Error> {
    if count > GRANT_DEPTH_MAX || count != revocations.len() {
        return Err(malformed(format!(
            "a token has at most {GRANT_DEPTH_MAX} blocks"
        )));
    }
    if external {
        return Err(malformed("it holds a block of somebody else's"));
    }
    let mut out: Vec<Block> = Vec::new();
    for (at, revocation) in revocations.iter().enumerate() {
        let (terms, name) = read(&source(at).map_err(of_library)?)?;
        if let Some(parent) = out.last() {
            terms.check_within(&parent.terms)?;
        }
        let id = id(revocation);
        out.push(Block { id, terms, name });
    }
    Ok(out)
}

pub(crate) fn mint(key: &KeyPair, terms: &Terms, name: &str) -> Result<(GrantId, String), Error> {
    let built = Biscuit::builder()
        .merge(block(terms, name)?)
        .build(key)
        .map_err(of_library)?;
    let bytes = built.to_vec().map_err(of_library)?;
    let revocations = built.revocation_identifiers();
    let first = revocations
        .first()
        .ok_or_else(|| malformed("without a block"))?;
    Ok((id(first), encode(&bytes)))
}

pub(crate) fn verified(key: PublicKey, token: &str, now: Ms) -> Result<Vec<Block>, Error> {
    let biscuit = Biscuit::from(decode(token)?, key).map_err(of_library)?;
    let external = biscuit.external_public_keys().iter().any(Option::is_some);
    let blocks = blocks(
        biscuit.block_count(),
        external,
        &biscuit.revocation_identifiers(),
        |at| biscuit.print_block_source(at),
    )?;
    let time = fact("time", &[Term::Date(now.0 / 1000)]);
    let allowed = AuthorizerBuilder::new()
        .fact(time)
        .and_then(|a| a.policy("allow if true"))
        .and_then(|a| a.set_limits(limits()).build(&biscuit))
        .and_then(|mut a| a.authorize());
    match allowed {
        Ok(_) => Ok(blocks),
        Err(error::Token::FailedLogic(_)) => Err(Error::Expired),
        Err(err) => Err(of_library(err)),
    }
}

fn unverified(token: &str) -> Result<(UnverifiedBiscuit, Vec<Block>), Error> {
    let biscuit = UnverifiedBiscuit::from(decode(token)?).map_err(of_library)?;
    let external = biscuit.external_public_keys().iter().any(Option::is_some);
    let blocks = blocks(
        biscuit.block_count(),
        external,
        &biscuit.revocation_identifiers(),
        |at| biscuit.print_block_source(at),
    )?;
    Ok((biscuit, blocks))
}

/// What a token says of itself. Nobody vouches for it: only its node can tell whether it made it.
pub fn peek(token: &str) -> Result<Vec<Block>, Error> {
    unverified(token).map(|(_, blocks)| blocks)
}

/// A narrower token, made without the node. `Err`: it would be wider, or is no token.
pub fn attenuate(token: &str, terms: &Terms, name: &str) -> Result<(GrantId, String), Error> {
    let (biscuit, blocks) = unverified(token)?;
    if let Some(parent) = blocks.last() {
        terms.check_within(&parent.terms)?;
    }
    if blocks.len() >= GRANT_DEPTH_MAX {
        return Err(malformed(format!(
            "a token has at most {GRANT_DEPTH_MAX} blocks"
        )));
    }
    let narrower = biscuit.append(block(terms, name)?).map_err(of_library)?;
    let revocations = narrower.revocation_identifiers();
    let last = revocations
        .last()
        .ok_or_else(|| malformed("without a block"))?;
    let token = encode(&narrower.to_vec().map_err(of_library)?);
    match token.len() > TOKEN_BYTES_MAX {
        true => Err(malformed(format!(
            "a token has at most {TOKEN_BYTES_MAX} bytes"
        ))),
        false => Ok((id(last), token)),
    }
}
