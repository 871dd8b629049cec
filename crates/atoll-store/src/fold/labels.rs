//! Where labels come from, what cleared them, and contents that carry one.

use atoll_domain::{Declassified, FilesLabelled, Label, Labelled, SessionForked, SessionId};
use rusqlite::{Connection, params};

use super::Fact;
use crate::row::{pack, word};

/// A context gained a label.
pub fn labelled(
    db: &Connection,
    fact: &Fact<'_>,
    id: &SessionId,
    b: &Labelled,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO labels (session, seq, label, source, what) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        id.as_bytes(),
        fact.seq,
        word(&b.label),
        b.source,
        b.what.as_ref().map(pack),
    ])?;
    bits(db, id)
}

/// The owner cleared labels: the events that set them are named, so that nothing that came meanwhile is cleared.
pub fn declassified(db: &Connection, fact: &Fact<'_>, b: &Declassified) -> rusqlite::Result<()> {
    if let (Some(workspace), Some(files)) = (&b.workspace, &b.files) {
        db.prepare_cached(
            "INSERT OR IGNORE INTO marks (seq, workspace, label, session, files, cleared)
             VALUES (?1, ?2, ?3, NULL, ?4, 1)",
        )?
        .execute(params![
            fact.seq,
            workspace.as_bytes(),
            word(&b.label),
            pack(files)
        ])?;
        return Ok(());
    }
    let Some(id) = fact.session else {
        return Ok(());
    };
    let mut clear = db.prepare_cached(
        "UPDATE labels SET cleared = ?4
         WHERE session = ?1 AND seq = ?2 AND label = ?3 AND cleared = 0",
    )?;
    for seq in &b.cleared {
        clear.execute(params![id.as_bytes(), seq, word(&b.label), fact.seq])?;
    }
    bits(db, &id)
}

/// Contents that carry a label from now on.
pub fn files(db: &Connection, fact: &Fact<'_>, b: &FilesLabelled) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO marks (seq, workspace, label, session, files, cleared)
         VALUES (?1, ?2, ?3, ?4, ?5, 0)",
    )?
    .execute(params![
        fact.seq,
        b.workspace.as_bytes(),
        word(&b.label),
        fact.session.as_ref().map(|s| s.as_bytes()),
        pack(&b.files),
    ])?;
    Ok(())
}

/// A fork has what its parent had at that event, and nothing that came later.
pub fn forked(db: &Connection, b: &SessionForked) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO labels (session, seq, label, source, what, cleared)
         SELECT ?1, seq, label, source, what, CASE WHEN cleared <= ?3 THEN cleared ELSE 0 END
         FROM labels WHERE session = ?2 AND seq <= ?3",
    )?
    .execute(params![b.id.as_bytes(), b.parent.as_bytes(), b.seq])?;
    bits(db, &b.id)
}

/// A session's three bits are those of its sources that were not cleared.
fn bits(db: &Connection, id: &SessionId) -> rusqlite::Result<()> {
    for label in Label::ALL {
        let column = label.name();
        db.prepare_cached(&format!(
            "UPDATE sessions SET {column} = EXISTS
                 (SELECT 1 FROM labels WHERE session = ?1 AND label = ?2 AND cleared = 0)
             WHERE id = ?1"
        ))?
        .execute(params![id.as_bytes(), word(&label)])?;
    }
    Ok(())
}
