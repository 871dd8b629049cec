//! The projections, applied event by event: in the transaction that appends, and
//! again by `rebuild`. A fold reads no clock and no configuration; what it needs
//! is in the event. What an event says of something unknown is passed over.

mod capabilities;
mod labels;
mod permits;
mod sessions;
mod things;

use atoll_domain::{Actor, Body, EventId, Ms, SessionId};
use rusqlite::{Connection, OptionalExtension as _, params};

/// One event, as the fold sees it.
pub struct Fact<'a> {
    pub seq: u64,
    pub id: EventId,
    pub ts: Ms,
    pub actor: &'a Actor,
    pub session: Option<SessionId>,
    pub body: &'a Body,
}

/// All derived tables, with what puts their rows in a stable order. A dump of
/// these is what `rebuild` must reproduce.
pub const TABLES: [(&str, &str); 12] = [
    ("ordinals", "noun"),
    ("sessions", "id"),
    ("permits", "id"),
    ("days", "day"),
    ("gates", "id"),
    ("patches", "id"),
    ("jobs", "id"),
    ("grants", "workspace, provider"),
    ("labels", "session, seq"),
    ("marks", "seq"),
    ("capabilities", "id"),
    ("revocations", "id"),
];

/// Empties every projection.
pub fn clear(db: &Connection) -> rusqlite::Result<()> {
    for (table, _) in TABLES {
        db.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// Applies one event.
pub fn apply(db: &Connection, fact: &Fact<'_>) -> rusqlite::Result<()> {
    match fact.body {
        Body::Granted(b) => permits::granted(db, fact, b)?,
        Body::Closed(b) => permits::closed(db, b)?,
        Body::GrantMinted(b) => capabilities::minted(db, fact, b)?,
        Body::GrantRevoked(b) => capabilities::revoked(db, fact, b)?,
        Body::SpendGranted(b) => things::spend_granted(db, b)?,
        Body::GateOpened(b) => things::gate_opened(db, fact, b)?,
        Body::GateAnswered(b) => things::gate_answered(db, fact, b)?,
        Body::PatchProposed(b) => things::patch_proposed(db, fact, b)?,
        Body::PatchAccepted(b) => things::patch_state(db, &b.id, "accepted")?,
        Body::PatchEdited(b) => things::patch_state(db, &b.id, "superseded")?,
        Body::PatchRejected(b) => things::patch_state(db, &b.id, "rejected")?,
        Body::PatchUndone(b) => things::patch_state(db, &b.id, "undone")?,
        Body::ExecStarted(b) => things::exec_started(db, fact, b)?,
        Body::Declassified(b) => labels::declassified(db, fact, b)?,
        Body::FilesLabelled(b) => labels::files(db, fact, b)?,
        Body::SessionOpened(b) => sessions::opened(db, fact, b)?,
        Body::SessionForked(b) => sessions::forked(db, fact, b)?,
        _ => {}
    }
    match fact.session {
        Some(id) => sessions::apply(db, fact, &id),
        None => Ok(()),
    }
}

/// The next number of a noun that people type: `s4`, `p7`, `g3`, `j9`.
fn ordinal(db: &Connection, noun: &str) -> rusqlite::Result<u64> {
    db.prepare_cached(
        "INSERT INTO ordinals (noun, last) VALUES (?1, 1)
         ON CONFLICT (noun) DO UPDATE SET last = last + 1 RETURNING last",
    )?
    .query_row([noun], |r| r.get(0))
}

/// Whether a row with this id is there: a repeated event takes no new ordinal.
fn known(db: &Connection, table: &str, id: &[u8; 16]) -> rusqlite::Result<bool> {
    let found: Option<i64> = db
        .prepare_cached(&format!("SELECT 1 FROM {table} WHERE id = ?1"))?
        .query_row(params![id], |r| r.get(0))
        .optional()?;
    Ok(found.is_some())
}
