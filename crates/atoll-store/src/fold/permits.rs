//! Open permits, and what was settled: the ledger's ground.

use atoll_domain::{Closed, Cost, Granted};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Fact, capabilities, things};
use crate::row::{day, pack, word};

pub fn granted(db: &Connection, fact: &Fact<'_>, b: &Granted) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO permits
         (id, granted, seq, session, kind, key, again, action, sub, day, micros, tokens, ms, runs, capability)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        b.permit.as_bytes(),
        fact.id.as_bytes(),
        fact.seq,
        fact.session.as_ref().map(|s| s.as_bytes()),
        word(&b.kind),
        b.key.as_ref().map(|k| k.as_bytes()),
        word(&b.again),
        pack(&b.action),
        b.parent.is_some(),
        day(fact.ts),
        b.reserve.micros,
        b.reserve.tokens,
        b.reserve.ms,
        b.reserve.runs,
        b.grant.as_ref().map(|g| g.as_bytes()),
    ])?;
    if let Some(grant) = &b.grant {
        capabilities::used(db, fact, grant)?;
    }
    match &b.gate {
        Some(gate) => things::gate_used(db, gate, &b.permit),
        None => Ok(()),
    }
}

pub fn closed(db: &Connection, b: &Closed) -> rusqlite::Result<()> {
    let open: Option<(Payers, bool)> = db
        .prepare_cached(
            "DELETE FROM permits WHERE id = ?1 RETURNING session, day, capability, sub",
        )?
        .query_row([b.permit.as_bytes()], |r| {
            let (session, day, grant) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let payers = Payers {
                session,
                day,
                grant,
            };
            Ok((payers, r.get(3)?))
        })
        .optional()?;
    db.prepare_cached("UPDATE jobs SET how = ?2, outcome = ?3 WHERE permit = ?1")?
        .execute(params![
            b.permit.as_bytes(),
            word(&b.how),
            b.outcome.as_ref().map(pack),
        ])?;
    // A permit that was closed before, or was never granted, is not paid for; a
    // sub-permit's cost is in the one that covers it.
    match open {
        Some((payers, false)) if b.cost != Cost::ZERO => settle(db, &payers, b.cost),
        _ => Ok(()),
    }
}

/// Who pays for a permit.
struct Payers {
    session: Option<[u8; 16]>,
    day: u64,
    grant: Option<[u8; 16]>,
}

// min() keeps a hostile sum inside what an event, and a column, may hold.
pub const ADD: &str =
    "micros = min(micros + ?2, 9007199254740991), tokens = min(tokens + ?3, 9007199254740991),
     ms = min(ms + ?4, 9007199254740991), runs = min(runs + ?5, 9007199254740991)";

fn settle(db: &Connection, payers: &Payers, cost: Cost) -> rusqlite::Result<()> {
    let Cost {
        micros,
        tokens,
        ms,
        runs,
    } = cost;
    db.prepare_cached(&format!(
        "INSERT INTO days (day, micros, tokens, ms, runs) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (day) DO UPDATE SET {ADD}"
    ))?
    .execute(params![payers.day, micros, tokens, ms, runs])?;
    if let Some(grant) = payers.grant {
        capabilities::settle(db, grant, cost)?;
    }
    if let Some(session) = payers.session {
        db.prepare_cached(&format!("UPDATE sessions SET {ADD} WHERE id = ?1"))?
            .execute(params![session, micros, tokens, ms, runs])?;
    }
    Ok(())
}
