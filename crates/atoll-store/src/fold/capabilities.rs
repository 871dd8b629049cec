//! Grants: minted, used, spent under, revoked.

use atoll_domain::{Cost, GRANT_DEPTH_MAX, GrantId, GrantMinted, GrantRevoked};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::permits::ADD;
use super::{Fact, known, ordinal};
use crate::row::{pack, word};

pub fn minted(db: &Connection, fact: &Fact<'_>, b: &GrantMinted) -> rusqlite::Result<()> {
    if known(db, "capabilities", b.id.as_bytes())? {
        return Ok(());
    }
    let root: Option<Vec<u8>> = match &b.parent {
        None => Some(b.id.as_bytes().to_vec()),
        Some(parent) => db
            .prepare_cached("SELECT root FROM capabilities WHERE id = ?1")?
            .query_row([parent.as_bytes()], |r| r.get(0))
            .optional()?,
    };
    // Of a parent that is not there: nothing could be said of what it may do.
    let Some(root) = root else {
        return Ok(());
    };
    let ordinal = ordinal(db, "capability")?;
    db.prepare_cached(
        "INSERT INTO capabilities (id, ordinal, parent, root, role, minted, expires, kinds, budget, rate, body, scope, name)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        b.id.as_bytes(),
        ordinal,
        b.parent.as_ref().map(|p| p.as_bytes()),
        root,
        word(&b.role),
        fact.ts.0,
        b.expires.0,
        b.kinds.as_ref().map(word),
        word(&b.budget),
        b.requests_per_min,
        b.body_limit_bytes,
        pack(&b.scope),
        pack(&b.name),
    ])?;
    Ok(())
}

/// The first revocation counts; none is taken back.
pub fn revoked(db: &Connection, fact: &Fact<'_>, b: &GrantRevoked) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO revocations (id, ts) VALUES (?1, ?2)")?
        .execute(params![b.id.as_bytes(), fact.ts.0])?;
    Ok(())
}

/// An action was admitted under it, and so under those that it comes from.
pub fn used(db: &Connection, fact: &Fact<'_>, grant: &GrantId) -> rusqlite::Result<()> {
    up(db, *grant.as_bytes(), |db, id| {
        db.prepare_cached("UPDATE capabilities SET used = ?2 WHERE id = ?1")?
            .execute(params![id, fact.ts.0])
    })
}

/// What was spent under it was spent under those that it comes from.
pub fn settle(db: &Connection, grant: [u8; 16], cost: Cost) -> rusqlite::Result<()> {
    let Cost {
        micros,
        tokens,
        ms,
        runs,
    } = cost;
    up(db, grant, |db, id| {
        db.prepare_cached(&format!("UPDATE capabilities SET {ADD} WHERE id = ?1"))?
            .execute(params![id, micros, tokens, ms, runs])
    })
}

fn up(
    db: &Connection,
    grant: [u8; 16],
    each: impl Fn(&Connection, [u8; 16]) -> rusqlite::Result<usize>,
) -> rusqlite::Result<()> {
    let mut next = Some(grant);
    for _ in 0..GRANT_DEPTH_MAX {
        let Some(id) = next else {
            break;
        };
        each(db, id)?;
        next = db
            .prepare_cached("SELECT parent FROM capabilities WHERE id = ?1")?
            .query_row([id], |r| r.get(0))
            .optional()?
            .flatten();
    }
    Ok(())
}
