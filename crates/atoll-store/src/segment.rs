//! Cutting the log into segments, at its checkpoints.

use std::sync::PoisonError;

use atoll_domain::{Hash, LogOpened};
use atoll_log::export::{self, Extra};
use atoll_log::segment::{Before, opening};
use atoll_log::{CHECKPOINT, Checkpoint, OPENED, line};
use atoll_ports::log::{Cut, Error, Segment, Sink};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use crate::export::{each, write_line};
use crate::reader::Reader;
use crate::row::{damaged, sql};

impl Reader {
    /// See [`atoll_ports::Log::cut`].
    pub fn cut(&self, cut: &Cut) -> Result<Option<Segment>, Error> {
        self.with(|db| {
            let first = match &cut.behind {
                None => 1,
                Some(note) => behind(db, note)? + 1,
            };
            let full = first.saturating_add(cut.events_max);
            let older = |seq, ms| Ok(ts(db, seq)?.is_some_and(|ts| ts < ms));
            // Most often nothing is old enough yet, and nothing is looked through for that.
            let whole = older(full, cut.before.0)?;
            if !older(first, cut.before.0)? || !(whole || older(first, cut.begun.0)?) {
                return Ok(None);
            }
            let within = last_checkpoint(db, first, full, cut.before.0)?;
            let seq = match within {
                Some(seq) => Some(seq),
                None => next_checkpoint(db, full, cut.before.0)?,
            };
            Ok(seq.map(|seq| Segment {
                first,
                last: seq - 1,
            }))
        })
    }

    /// See [`atoll_ports::Log::segment`].
    pub fn segment(&self, segment: Segment, out: Sink<'_>) -> Result<(), Error> {
        let db = self.apart()?;
        db.execute_batch("BEGIN").map_err(sql)?;
        let Segment { first, last } = segment;
        let note = note(&db, last + 1)?
            .ok_or_else(|| Error::Missing(format!("checkpoint behind event {last}")))?;
        let mut kept = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.size() >= first {
            *kept = Before::default();
        }
        let query = format!(
            "SELECT seq, CASE WHEN kind IN ('{OPENED}', '{CHECKPOINT}') THEN bytes ELSE x'' END, hash
             FROM events WHERE seq > {} AND seq < {first} ORDER BY seq",
            kept.size()
        );
        let passed = each(&db, &query, &mut |seq, bytes, hash| {
            pass(&mut kept, seq, bytes, hash)
        });
        if passed.is_err() {
            *kept = Before::default();
        }
        passed?;
        // What is handed out is proven as whoever gets it proves it: a damaged log is not put away as a good one.
        let mut proof = export::Reader::new();
        let mut take = |seq, line: &[u8]| {
            proof.line(line).map_err(|bad| damaged(seq, bad.flaw))?;
            write_line(line, out)
        };
        let header = Extra::Segment(kept.header(note));
        drop(kept);
        take(first, &header.line().map_err(|e| damaged(first, e))?)?;
        let query = format!(
            "SELECT seq, bytes, hash FROM events WHERE seq BETWEEN {first} AND {last} ORDER BY seq"
        );
        each(&db, &query, &mut |seq, bytes, hash| {
            let line = line::export(bytes, hash).map_err(|e| damaged(seq, e))?;
            take(seq, &line)
        })?;
        let proven = proof.finish();
        proven.map(drop).map_err(|bad| damaged(bad.seq, bad.flaw))
    }
}

/// Takes an event that stands before a segment.
fn pass(before: &mut Before, seq: u64, bytes: &[u8], hash: &Hash) -> Result<(), Error> {
    if seq != before.size() + 1 {
        return Err(damaged(seq, "events are missing before it"));
    }
    before.push(*hash);
    if bytes.is_empty() {
        return Ok(());
    }
    let event: Value = serde_json::from_slice(bytes).map_err(|e| damaged(seq, e))?;
    let body = &event["body"];
    if event["type"] == OPENED {
        let opened: LogOpened =
            serde_json::from_value(body.clone()).map_err(|e| damaged(seq, e))?;
        before.key(opening(&opened).map_err(|e| damaged(seq, e))?);
    } else if body["next"].is_string() {
        before.key(body["note"].as_str().unwrap_or_default().to_owned());
    }
    Ok(())
}

/// The last event of the segment that `sealed` seals, if this log holds that checkpoint.
fn behind(db: &Connection, sealed: &str) -> Result<u64, Error> {
    let size = Checkpoint::open_unsigned(sealed)
        .map_err(|e| damaged(0, e))?
        .size;
    match note(db, size.saturating_add(1))? {
        Some(note) if note == sealed => Ok(size),
        _ => Err(Error::Unusable(format!(
            "its segments end with event {size} of a log that this one does not go on from"
        ))),
    }
}

/// The note of the checkpoint event `seq`.
fn note(db: &Connection, seq: u64) -> Result<Option<String>, Error> {
    let bytes: Option<Vec<u8>> = db
        .prepare_cached("SELECT bytes FROM events WHERE seq = ?1 AND kind = 'Checkpoint'")
        .and_then(|mut query| query.query_row([seq], |r| r.get(0)).optional())
        .map_err(sql)?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let event: Value = serde_json::from_slice(&bytes).map_err(|e| damaged(seq, e))?;
    Ok(event["body"]["note"].as_str().map(str::to_owned))
}

fn ts(db: &Connection, seq: u64) -> Result<Option<u64>, Error> {
    db.prepare_cached("SELECT ts FROM events WHERE seq = ?1")
        .and_then(|mut query| query.query_row([seq], |r| r.get(0)).optional())
        .map_err(sql)
}

/// The last checkpoint up to `to` that covers event `first`, and whose last event came before `before_ms`.
fn last_checkpoint(
    db: &Connection,
    first: u64,
    to: u64,
    before_ms: u64,
) -> Result<Option<u64>, Error> {
    db.query_row(
        "SELECT seq FROM events AS c WHERE kind = 'Checkpoint' AND seq > ?1 AND seq <= ?2
         AND (SELECT ts FROM events WHERE seq = c.seq - 1) < ?3 ORDER BY seq DESC LIMIT 1",
        (first, to, before_ms),
        |r| r.get(0),
    )
    .optional()
    .map_err(sql)
}

/// The first checkpoint behind `from`, if its last event came before `before_ms`.
fn next_checkpoint(db: &Connection, from: u64, before_ms: u64) -> Result<Option<u64>, Error> {
    let seq: Option<u64> = db
        .query_row(
            "SELECT seq FROM events WHERE kind = 'Checkpoint' AND seq > ?1 ORDER BY seq LIMIT 1",
            [from],
            |r| r.get(0),
        )
        .optional()
        .map_err(sql)?;
    let Some(seq) = seq else { return Ok(None) };
    Ok(ts(db, seq - 1)?.filter(|ts| *ts < before_ms).map(|_| seq))
}
