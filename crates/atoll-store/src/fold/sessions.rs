//! Where each session stands.

use atoll_domain::{Body, Commitment, SessionForked, SessionId, SessionOpened, Step};
use rusqlite::{Connection, params};

use super::{Fact, known, labels, ordinal};
use crate::row::{pack, word};

pub fn opened(db: &Connection, fact: &Fact<'_>, b: &SessionOpened) -> rusqlite::Result<()> {
    if known(db, "sessions", b.id.as_bytes())? {
        return Ok(());
    }
    let ordinal = ordinal(db, "session")?;
    db.prepare_cached(
        "INSERT INTO sessions (id, ordinal, mode, workspace, root, config, provider, model, state,
             opened, updated, budget, seq_first, seq_last, capability)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'idle', ?9, ?9, ?10, ?11, ?11, ?12)",
    )?
    .execute(params![
        b.id.as_bytes(),
        ordinal,
        b.mode,
        b.workspace.as_bytes(),
        pack(&b.root),
        pack(&b.config),
        b.provider,
        pack(&b.model),
        fact.ts.0,
        word(&b.budget),
        fact.seq,
        b.grant.as_ref().map(|g| g.as_bytes()),
    ])?;
    Ok(())
}

/// A fork is (session, seq, tree): it starts as its parent was opened and shares
/// its budget and its grant, with nothing spent by itself yet.
pub fn forked(db: &Connection, fact: &Fact<'_>, b: &SessionForked) -> rusqlite::Result<()> {
    if known(db, "sessions", b.id.as_bytes())? || !known(db, "sessions", b.parent.as_bytes())? {
        return Ok(());
    }
    let ordinal = ordinal(db, "session")?;
    db.prepare_cached(
        "INSERT INTO sessions (id, ordinal, mode, workspace, root, config, prompt, provider, model, state,
             opened, updated, turns, steps, budget, tree, base, seq_first, seq_last, capability)
         SELECT ?1, ?2, mode, workspace, root, config, prompt, provider, model, 'idle',
             ?3, ?3, turns, steps, budget, ?4, base, ?5, ?5, capability
         FROM sessions WHERE id = ?6",
    )?
    .execute(params![
        b.id.as_bytes(),
        ordinal,
        fact.ts.0,
        pack(&b.tree),
        fact.seq,
        b.parent.as_bytes()
    ])?;
    labels::forked(db, b)
}

/// What every event of a session changes, and what its kind changes.
pub fn apply(db: &Connection, fact: &Fact<'_>, id: &SessionId) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE sessions SET seq_last = ?2, updated = ?3 WHERE id = ?1")?
        .execute(params![id.as_bytes(), fact.seq, fact.ts.0])?;
    match fact.body {
        Body::PromptSent(b) => {
            let prompt = pack(&b.text);
            db.prepare_cached(
                "UPDATE sessions SET state = 'running', turns = max(turns, ?2), prompt = coalesce(prompt, ?3)
                 WHERE id = ?1",
            )?
            .execute(params![id.as_bytes(), b.turn, prompt])?;
        }
        Body::TurnEnded(b) => end(db, id, "idle", &word(&b.end))?,
        Body::SessionClosed(b) => end(db, id, "closed", &word(&b.end))?,
        Body::SessionParked(_) => state(db, id, "parked")?,
        Body::SessionResumed(b) => {
            state(db, id, "running")?;
            tree(db, id, &b.tree)?;
        }
        Body::ModelSwitched(b) => {
            db.prepare_cached("UPDATE sessions SET provider = ?2, model = ?3 WHERE id = ?1")?
                .execute(params![id.as_bytes(), b.provider, pack(&b.model)])?;
        }
        Body::SessionDeleted(b) => {
            db.execute(
                "UPDATE sessions SET deleted = 1, state = 'closed' WHERE id = ?1",
                [b.id.as_bytes()],
            )?;
        }
        Body::GateOpened(_) => state(db, id, "needs_you")?,
        Body::GateAnswered(_) => {
            db.prepare_cached(
                "UPDATE sessions SET state = 'running' WHERE id = ?1 AND state = 'needs_you'",
            )?
            .execute([id.as_bytes()])?;
        }
        Body::ModelAsked(b) => step(db, id, b.step)?,
        Body::ToolCall(b) => step(db, id, b.step)?,
        Body::ToolResult(b) => {
            if let Some(after) = &b.tree {
                tree(db, id, after)?;
            }
        }
        Body::TurnUndone(b) => tree(db, id, &b.tree)?,
        Body::WorkspaceSnapped(b) => {
            db.prepare_cached(
                "UPDATE sessions SET base = coalesce(base, ?2), tree = ?2 WHERE id = ?1",
            )?
            .execute(params![id.as_bytes(), pack(&b.tree)])?;
        }
        Body::Labelled(b) => labels::labelled(db, fact, id, b)?,
        Body::ExecStarted(_) => {
            // A session of `exec` has no prompt: it runs once its job does.
            db.prepare_cached(
                "UPDATE sessions SET state = 'running' WHERE id = ?1 AND mode = 'exec'",
            )?
            .execute([id.as_bytes()])?;
        }
        _ => {}
    }
    Ok(())
}

fn state(db: &Connection, id: &SessionId, word: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE sessions SET state = ?2 WHERE id = ?1")?
        .execute(params![id.as_bytes(), word])?;
    Ok(())
}

fn end(db: &Connection, id: &SessionId, word: &str, how: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE sessions SET state = ?2, ended = ?3 WHERE id = ?1")?
        .execute(params![id.as_bytes(), word, how])?;
    Ok(())
}

fn step(db: &Connection, id: &SessionId, step: Step) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE sessions SET steps = max(steps, ?2) WHERE id = ?1")?
        .execute(params![id.as_bytes(), step.0])?;
    Ok(())
}

fn tree(db: &Connection, id: &SessionId, tree: &Commitment) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE sessions SET tree = ?2 WHERE id = ?1")?
        .execute(params![id.as_bytes(), pack(tree)])?;
    Ok(())
}
