//! `log verify` over the store: the chain from its exact bytes, and the content
//! against its commitments.

use atoll_domain::{Commitment, Hash};
use atoll_log::{Bad, Checkpoint, Flaw, Verifier};
use atoll_ports::log::{Error, Verified};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use crate::reader::Reader;
use crate::row::{damaged, sql};
use crate::side;

impl Reader {
    /// Verifies the whole log, compared with checkpoints that were `kept`
    /// elsewhere. With `contents`, everything beside the log is opened as well.
    pub fn verify(&self, kept: &[Checkpoint], contents: bool) -> Result<Verified, Error> {
        let db = self.apart()?;
        // One snapshot for all that follows.
        db.execute_batch("BEGIN").map_err(sql)?;
        let mut verifier = Verifier::new();
        kept.iter().cloned().for_each(|c| verifier.keep(c));
        let mut walk = Walk {
            reader: self,
            db: &db,
            contents,
            found: (0, 0),
            note: None,
        };
        let end = match walk.run(&mut verifier)? {
            Some(bad) => Err(bad),
            None => {
                let events = verifier.seq_next() - 1;
                verifier
                    .clone()
                    .finish()
                    .and_then(|intact| promised(&db, events).map(|()| intact))
            }
        };
        let (found, note) = (walk.found, walk.note.take());
        let read = verifier.seq_next() - 1;
        Ok(match end {
            Ok(intact) => Verified {
                events: intact.events,
                head: intact.head,
                checkpoints: intact.checkpoints,
                note,
                bad: None,
                contents: found,
            },
            Err(bad) => Verified {
                events: read,
                head: verifier.pause().map_or(Hash::ZERO, |s| s.head),
                checkpoints: verifier.checkpoints(),
                note,
                bad: Some((bad.seq, bad.flaw.to_string())),
                contents: found,
            },
        })
    }
}

/// The state row says how long the log is; fewer events were cut off.
fn promised(db: &Connection, events: u64) -> Result<(), Bad> {
    let seq: Option<u64> = db
        .query_row("SELECT seq FROM log WHERE one = 1", [], |r| r.get(0))
        .optional()
        .unwrap_or_default();
    match seq {
        Some(size) if size > events => Err(Bad {
            line: events + 1,
            seq: events + 1,
            flaw: Flaw::Truncated {
                size,
                found: events,
            },
        }),
        _ => Ok(()),
    }
}

struct Walk<'a> {
    reader: &'a Reader,
    db: &'a Connection,
    contents: bool,
    /// Contents that opened, and that are gone.
    found: (u64, u64),
    note: Option<String>,
}

impl Walk<'_> {
    /// The first bad line, if there is one.
    fn run(&mut self, verifier: &mut Verifier) -> Result<Option<Bad>, Error> {
        let mut query = self
            .db
            .prepare("SELECT bytes, hash, kind FROM events ORDER BY seq")
            .map_err(sql)?;
        let mut rows = query.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let seq = verifier.seq_next();
            let bytes = row.get_ref(0).map_err(sql)?;
            let bytes = bytes.as_blob().map_err(|e| damaged(seq, e))?;
            let hash = Hash(row.get(1).map_err(sql)?);
            if let Err(bad) = verifier.stored(bytes, &hash) {
                return Ok(Some(bad));
            }
            let kind = row.get_ref(2).map_err(sql)?;
            if kind.as_str().is_ok_and(|k| k == atoll_log::CHECKPOINT) {
                self.note = note(bytes, &hash);
            }
            if self.contents
                && let Some(h) = self.open_all(bytes)?
            {
                let flaw = Flaw::Content;
                tracing::error!(content = %h, "content is not what was committed to");
                return Ok(Some(Bad {
                    line: seq,
                    seq,
                    flaw,
                }));
            }
        }
        Ok(None)
    }

    /// Opens all content that an event names. The first that does not open comes back.
    fn open_all(&mut self, bytes: &[u8]) -> Result<Option<Hash>, Error> {
        // Most events name none, and parsing costs more than looking.
        if !bytes.windows(5).any(|w| w == b"\"h\":\"") {
            return Ok(None);
        }
        for commitment in commitments(bytes) {
            match side::find(self.db, self.reader.blobs(), &commitment) {
                Ok(Some(_)) => self.found.0 += 1,
                Ok(None) => self.found.1 += 1,
                Err(Error::Damaged { .. }) => return Ok(Some(commitment.h)),
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

fn note(bytes: &[u8], hash: &Hash) -> Option<String> {
    let event = atoll_log::envelope::read(bytes, hash).ok()?;
    event.body.get("note")?.as_str().map(str::to_owned)
}

/// All commitments in an event's body, in its order.
pub fn commitments(bytes: &[u8]) -> Vec<Commitment> {
    let mut out = Vec::new();
    if let Ok(event) = serde_json::from_slice::<Value>(bytes) {
        collect(&event["body"], &mut out);
    }
    out
}

fn collect(value: &Value, out: &mut Vec<Commitment>) {
    match value {
        Value::Object(map)
            if map.len() == 2 && map.contains_key("h") && map.contains_key("bytes") =>
        {
            out.extend(serde_json::from_value::<Commitment>(value.clone()).ok());
        }
        Value::Object(map) => map.values().for_each(|v| collect(v, out)),
        Value::Array(items) => items.iter().for_each(|v| collect(v, out)),
        _ => {}
    }
}
