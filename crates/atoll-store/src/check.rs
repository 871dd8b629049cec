//! `log verify` over the store: the chain from its exact bytes, and the content
//! against its commitments.

use atoll_domain::{Commitment, Hash, SessionId};
use atoll_log::scan::Fields;
use atoll_log::{Bad, Checkpoint, Flaw, PublicKey, Verifier};
use atoll_ports::log::{Error, Verified};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::Value;

use crate::reader::Reader;
use crate::row::{damaged, is_corrupt, sql};
use crate::side;

impl Reader {
    /// Verifies the whole log, compared with checkpoints that were `kept`
    /// elsewhere and, if given, with the root key that somebody was told. With
    /// `contents`, everything beside the log is opened as well.
    pub fn verify(
        &self,
        root: Option<&PublicKey>,
        kept: &[Checkpoint],
        contents: bool,
    ) -> Result<Verified, Error> {
        let db = self.apart()?;
        // One snapshot for all that follows.
        db.execute_batch("BEGIN").map_err(sql)?;
        let mut verifier = Verifier::new();
        root.into_iter().for_each(|root| verifier.expect(*root));
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
        if contents && end.is_ok() {
            pages(&db)?;
        }
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
                clock_back: intact.clock_back,
                root: intact.node,
                kept: intact.kept,
            },
            Err(bad) => Verified {
                events: read,
                head: verifier.pause().map_or(Hash::ZERO, |s| s.head),
                checkpoints: verifier.checkpoints(),
                note,
                bad: Some((bad.seq, bad.flaw.to_string())),
                contents: found,
                clock_back: verifier.clock_back(),
                root: verifier.pause().map(|s| s.node),
                kept: 0,
            },
        })
    }
}

/// The state row says how long the log is; fewer events were cut off.
fn promised(db: &Connection, events: u64) -> Result<(), Bad> {
    let seq: rusqlite::Result<Option<u64>> = db
        .query_row("SELECT seq FROM log WHERE one = 1", [], |r| r.get(0))
        .optional();
    let flaw = match seq {
        Ok(Some(size)) if size > events => Flaw::Cut {
            size,
            found: events,
        },
        Ok(None) if events > 0 => {
            Flaw::Unreadable("the row that says where the log ends is missing".into())
        }
        Ok(_) => return Ok(()),
        Err(e) => Flaw::Unreadable(format!("where the log ends: {e}")),
    };
    let line = events + 1;
    Err(Bad {
        line,
        seq: line,
        flaw,
    })
}

/// What lies beside the events: SQLite's own look at its pages.
fn pages(db: &Connection) -> Result<(), Error> {
    let found: String = db
        .query_row("PRAGMA quick_check(1)", [], |r| r.get(0))
        .map_err(sql)?;
    if found == "ok" {
        return Ok(());
    }
    let why = format!("every event holds, but the database beside them does not: {found}");
    Err(damaged(0, why))
}

/// Whether an event's columns, by which it is found, say what its bytes say.
fn columns(row: &Row<'_>, fields: &Fields<'_>) -> rusqlite::Result<Option<&'static str>> {
    let session: Option<[u8; 16]> = row.get(5)?;
    let of_bytes = fields.session.map(str::parse::<SessionId>);
    let same_session = match (session, of_bytes) {
        (None, None) => true,
        (Some(row), Some(Ok(id))) => row == *id.as_bytes(),
        _ => false,
    };
    let checks = [
        (row.get::<_, u64>(3)? == fields.seq, "number"),
        (row.get::<_, u64>(4)? == fields.ts, "time"),
        (row.get_ref(2)?.as_str()? == fields.kind, "kind"),
        (same_session, "session"),
    ];
    Ok(checks
        .into_iter()
        .find(|(same, _)| !same)
        .map(|(_, what)| what))
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
            .prepare("SELECT bytes, hash, kind, seq, ts, session FROM events ORDER BY seq")
            .map_err(sql)?;
        let mut rows = query.query([]).map_err(sql)?;
        loop {
            let seq = verifier.seq_next();
            let bad = |flaw| Bad {
                line: seq,
                seq,
                flaw,
            };
            // A page that can't be read hides the line that belongs here.
            let flaw = match rows.next() {
                Ok(None) => return Ok(None),
                Ok(Some(row)) => match self.line(row, verifier) {
                    Ok(flaw) => flaw,
                    Err(Stop::Bad(bad)) => return Ok(Some(*bad)),
                    Err(Stop::Row(e)) => unreadable(e).map(Some)?,
                    Err(Stop::Other(e)) => return Err(e),
                },
                Err(e) => unreadable(e).map(Some)?,
            };
            if let Some(flaw) = flaw {
                return Ok(Some(bad(flaw)));
            }
        }
    }

    fn line(&mut self, row: &Row<'_>, verifier: &mut Verifier) -> Result<Option<Flaw>, Stop> {
        let bytes = row.get_ref(0)?.as_blob()?;
        let hash = Hash(row.get(1)?);
        let fields = verifier.stored(bytes, &hash)?;
        if let Some(what) = columns(row, &fields)? {
            return Ok(Some(Flaw::Row(what)));
        }
        if fields.kind == atoll_log::CHECKPOINT {
            self.note = note(bytes, &hash);
        }
        if self.contents
            && let Some(h) = self.open_all(bytes)?
        {
            tracing::error!(content = %h, "content is not what was committed to");
            return Ok(Some(Flaw::Content));
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

/// Why a walk stops at a line.
enum Stop {
    Bad(Box<Bad>),
    Row(rusqlite::Error),
    Other(Error),
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Stop {
        Stop::Bad(Box::new(bad))
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(e: rusqlite::Error) -> Stop {
        Stop::Row(e)
    }
}

impl From<rusqlite::types::FromSqlError> for Stop {
    fn from(e: rusqlite::types::FromSqlError) -> Stop {
        Stop::Row(e.into())
    }
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Other(e)
    }
}

/// What SQLite can't read because it is damaged is a flaw of its line; a disk that fails is not.
fn unreadable(e: rusqlite::Error) -> Result<Flaw, Error> {
    if is_corrupt(&e) {
        Ok(Flaw::Unreadable(e.to_string()))
    } else {
        Err(sql(e))
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
