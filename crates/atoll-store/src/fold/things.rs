//! Gates, patches, jobs and spending grants.

use atoll_domain::{
    ExecStarted, GateAnswered, GateId, GateOpened, PatchId, PatchProposed, PermitId, SpendGranted,
};
use rusqlite::{Connection, params};

use super::{Fact, known, ordinal};
use crate::row::{pack, word};

pub fn spend_granted(db: &Connection, b: &SpendGranted) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO grants (workspace, provider, micros_max) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![b.workspace.as_bytes(), b.provider, b.micros_max])?;
    Ok(())
}

pub fn gate_opened(db: &Connection, fact: &Fact<'_>, b: &GateOpened) -> rusqlite::Result<()> {
    if known(db, "gates", b.gate.as_bytes())? {
        return Ok(());
    }
    let ordinal = ordinal(db, "gate")?;
    db.prepare_cached(
        "INSERT INTO gates (id, ordinal, session, kind, question, hash, rules, opened, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        b.gate.as_bytes(),
        ordinal,
        fact.session.as_ref().map(|s| s.as_bytes()),
        word(&b.kind),
        pack(&b.question),
        pack(&b.hash),
        word(&b.rules),
        fact.ts.0,
        b.expires.0,
    ])?;
    Ok(())
}

/// The first answer counts.
pub fn gate_answered(db: &Connection, fact: &Fact<'_>, b: &GateAnswered) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE gates SET answer = ?2, answerer = ?3 WHERE id = ?1 AND answer IS NULL",
    )?
    .execute(params![
        b.gate.as_bytes(),
        word(&b.answer),
        word(fact.actor)
    ])?;
    Ok(())
}

/// A permit was granted by a gate's answer. The first one uses it up.
pub fn gate_used(db: &Connection, gate: &GateId, permit: &PermitId) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE gates SET used = ?2 WHERE id = ?1 AND used IS NULL")?
        .execute(params![gate.as_bytes(), permit.as_bytes()])?;
    Ok(())
}

/// A patch comes from a session; one without has no row.
pub fn patch_proposed(db: &Connection, fact: &Fact<'_>, b: &PatchProposed) -> rusqlite::Result<()> {
    let Some(session) = fact.session else {
        return Ok(());
    };
    if known(db, "patches", b.id.as_bytes())? {
        return Ok(());
    }
    let ordinal = ordinal(db, "patch")?;
    db.prepare_cached(
        "INSERT INTO patches (id, ordinal, session, state, files, class, tests_ok, record, diff, proposed)
         VALUES (?1, ?2, ?3, 'proposed', ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        b.id.as_bytes(),
        ordinal,
        session.as_bytes(),
        b.files,
        word(&b.class),
        b.tests_ok,
        pack(&b.record),
        pack(&b.diff),
        fact.ts.0,
    ])?;
    Ok(())
}

pub fn patch_state(db: &Connection, id: &PatchId, state: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE patches SET state = ?2 WHERE id = ?1")?
        .execute(params![id.as_bytes(), state])?;
    Ok(())
}

pub fn exec_started(db: &Connection, fact: &Fact<'_>, b: &ExecStarted) -> rusqlite::Result<()> {
    if known(db, "jobs", b.job.as_bytes())? {
        return Ok(());
    }
    let ordinal = ordinal(db, "job")?;
    db.prepare_cached(
        "INSERT INTO jobs (id, ordinal, session, purpose, permit, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        b.job.as_bytes(),
        ordinal,
        fact.session.as_ref().map(|s| s.as_bytes()),
        word(&b.purpose),
        b.permit.as_bytes(),
        fact.ts.0,
    ])?;
    Ok(())
}
