//! The look at a log before it is gone on with: its newest events are what they were.
//!
//! It is bounded, so that a node starts as fast on a long log as on a short one;
//! `log verify` reads all of it.

use atoll_domain::Hash;
use atoll_log::{Head, scan};
use atoll_ports::log::Error;
use rusqlite::{Connection, params};

use crate::row::{damaged, sql};

/// Events that are looked at, from the last one back.
const TAIL_MAX: u64 = 5_000;

/// The newest events hash to what the log says, follow each other and end at `head`.
/// Errors: the first that does not.
pub fn check(db: &Connection, head: &Head, node: &str) -> Result<(), Error> {
    let from = head.seq.saturating_sub(TAIL_MAX);
    // The event before them is believed: its hash is what they are linked to.
    let mut last = (from, Hash::ZERO);
    let mut query = db
        .prepare("SELECT seq, hash, bytes FROM events WHERE seq >= ?1 ORDER BY seq")
        .map_err(sql)?;
    let first = i64::try_from(from).unwrap_or(i64::MAX);
    let mut rows = query.query(params![first]).map_err(sql)?;
    loop {
        let expected = last.0 + 1;
        let at = |why: String| damaged(expected, why);
        let Some(row) = rows.next().map_err(|e| at(e.to_string()))? else {
            break;
        };
        let seq: u64 = row.get(0).map_err(|e| at(e.to_string()))?;
        let stated = Hash(row.get(1).map_err(|e| at(e.to_string()))?);
        if from > 0 && seq == from {
            last.1 = stated;
            continue;
        }
        let bytes = row.get_ref(2).map_err(|e| at(e.to_string()))?;
        let bytes = bytes.as_blob().map_err(|e| at(e.to_string()))?;
        if Hash::of(bytes) != stated {
            return Err(at("it was edited".into()));
        }
        let fields = scan::fields(bytes).map_err(|e| at(e.to_string()))?;
        if seq != expected || fields.seq != expected || fields.node != node {
            return Err(at("it is missing or out of order".into()));
        }
        if fields.prev != last.1 {
            return Err(at("it does not follow from the event before it".into()));
        }
        last = (seq, stated);
    }
    if last == (head.seq, head.hash) {
        Ok(())
    } else {
        Err(damaged(last.0 + 1, "it is missing"))
    }
}
