//! Dropping the projections and making them again from the events alone.

use atoll_domain::Hash;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::fold::{self, Fact};

/// Rebuilds in one transaction, so that readers see the old or the new. Returns
/// the number of events that were folded.
pub fn run(db: &mut Connection) -> rusqlite::Result<u64> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let folded = within(&tx)?;
    tx.commit()?;
    Ok(folded)
}

/// The same as a part of a transaction.
pub fn within(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    fold::clear(tx)?;
    fold_all(tx)
}

fn fold_all(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    let mut query = tx.prepare("SELECT bytes, hash FROM events ORDER BY seq")?;
    let mut rows = query.query([])?;
    let mut folded = 0;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob()?;
        let hash = Hash(row.get(1)?);
        // An event that this version can't read changes no projection now, and
        // changed none when it was appended.
        let Ok(event) = atoll_log::envelope::read(bytes, &hash) else {
            continue;
        };
        let body = event.typed();
        let fact = Fact {
            seq: event.seq,
            id: event.id,
            ts: event.ts,
            actor: &event.actor,
            session: event.session,
            body: &body,
        };
        fold::apply(tx, &fact)?;
        folded += 1;
    }
    Ok(folded)
}

/// Every row of every projection as text, in a stable order: for comparing.
pub fn dump(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut out = Vec::new();
    for (table, order) in fold::TABLES {
        let mut query = db.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let mut line = table.to_owned();
            for i in 0..columns {
                line.push_str(&format!(" {:?}", row.get_ref(i)?));
            }
            out.push(line);
        }
    }
    Ok(out)
}
