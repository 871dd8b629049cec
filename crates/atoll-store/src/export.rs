//! Exports that verify on their own: the whole log, or one session with proofs.

use atoll_domain::{Hash, SessionId};
use atoll_log::export::{Extra, Signed};
use atoll_log::merkle::Levels;
use atoll_log::{Checkpoint, line};
use atoll_ports::log::{Error, Export, Sink};
use rusqlite::{Connection, OptionalExtension as _};

use crate::check::commitments;
use crate::reader::Reader;
use crate::row::{damaged, sql};
use crate::side;

impl Reader {
    /// See [`atoll_ports::Log::export`].
    pub fn export(&self, what: &Export, out: Sink<'_>) -> Result<u64, Error> {
        match &what.session {
            None => self.export_all(what.contents, out),
            Some(session) => self.export_session(session, what, out),
        }
    }

    fn export_all(&self, contents: bool, out: Sink<'_>) -> Result<u64, Error> {
        let db = self.apart()?;
        db.execute_batch("BEGIN").map_err(sql)?;
        let mut events = 0;
        each(
            &db,
            "SELECT seq, bytes, hash FROM events ORDER BY seq",
            &mut |_, bytes, hash| {
                events += 1;
                self.write(&db, bytes, hash, contents, out)
            },
        )?;
        Ok(events)
    }

    /// One session's events with their proofs of inclusion in the newest checkpoint's tree, and the events that
    /// name the log's keys. Errors: no checkpoint yet, an older tree that is larger.
    fn export_session(
        &self,
        session: &SessionId,
        what: &Export,
        out: Sink<'_>,
    ) -> Result<u64, Error> {
        let db = self.apart()?;
        db.execute_batch("BEGIN").map_err(sql)?;
        let note = last_note(&db)?.ok_or_else(|| Error::Missing("checkpoint yet".into()))?;
        let size = Checkpoint::open_unsigned(&note)
            .map_err(|e| damaged(0, e))?
            .size;
        let tree = tree(&db, size)?;
        let older = match what.since {
            Some(old) if old > size => {
                let why = format!("event {old} yet: the log's newest checkpoint covers {size}");
                return Err(Error::Missing(why));
            }
            Some(old) if old > 0 => Some(Extra::consistency(&tree, old)),
            _ => None,
        };
        write_extra(&Extra::Checkpoint(Signed { note }), out)?;
        if let Some(older) = older {
            write_extra(&older.map_err(|e| damaged(0, e))?, out)?;
        }
        let id = hex::encode(session.as_bytes());
        let query = format!(
            "SELECT seq, bytes, hash FROM events WHERE seq <= {size}
             AND (session = x'{id}' OR seq = 1 OR (kind = 'Checkpoint' AND instr(bytes, '\"next\":\"did:') > 0))
             ORDER BY seq"
        );
        let mut events = 0;
        each(&db, &query, &mut |seq, bytes, hash| {
            events += 1;
            // The proof stands right behind its event, content behind the proof.
            write_line(
                &line::export(bytes, hash).map_err(|e| damaged(seq, e))?,
                out,
            )?;
            write_extra(&Extra::proof(&tree, seq).map_err(|e| damaged(seq, e))?, out)?;
            if what.contents {
                self.write_contents(&db, bytes, out)
            } else {
                Ok(())
            }
        })?;
        Ok(events)
    }

    fn write(
        &self,
        db: &Connection,
        bytes: &[u8],
        hash: &Hash,
        contents: bool,
        out: Sink<'_>,
    ) -> Result<(), Error> {
        write_line(&line::export(bytes, hash).map_err(|e| damaged(0, e))?, out)?;
        if contents {
            self.write_contents(db, bytes, out)
        } else {
            Ok(())
        }
    }

    fn write_contents(&self, db: &Connection, bytes: &[u8], out: Sink<'_>) -> Result<(), Error> {
        for commitment in commitments(bytes) {
            if let Some(found) = side::find(db, self.blobs(), &commitment)? {
                write_extra(&Extra::content(&commitment, &found.salt, &found.bytes), out)?;
            }
        }
        Ok(())
    }
}

pub fn write_extra(extra: &Extra, out: Sink<'_>) -> Result<(), Error> {
    write_line(&extra.line().map_err(|e| damaged(0, e))?, out)
}

pub fn write_line(line: &[u8], out: Sink<'_>) -> Result<(), Error> {
    out(line).map_err(|e| Error::Io(format!("the export: {e}")))
}

pub type Each<'a> = &'a mut dyn FnMut(u64, &[u8], &Hash) -> Result<(), Error>;

pub fn each(db: &Connection, query: &str, each: Each<'_>) -> Result<(), Error> {
    let mut query = db.prepare(query).map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    while let Some(row) = rows.next().map_err(sql)? {
        let (seq, hash) = (row.get(0).map_err(sql)?, Hash(row.get(2).map_err(sql)?));
        let bytes = row.get_ref(1).map_err(sql)?;
        each(seq, bytes.as_blob().map_err(|e| damaged(seq, e))?, &hash)?;
    }
    Ok(())
}

/// The note of the last checkpoint in the log.
pub fn last_note(db: &Connection) -> Result<Option<String>, Error> {
    let last: Option<(u64, Vec<u8>)> = db
        .query_row(
            "SELECT events.seq, bytes FROM log JOIN events ON events.seq = log.checkpoint WHERE one = 1",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .optional()
        .map_err(sql)?;
    let Some((seq, bytes)) = last else {
        return Ok(None);
    };
    let event: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| damaged(seq, e))?;
    Ok(event["body"]["note"].as_str().map(str::to_owned))
}

/// The tree over the first `size` events: 64 bytes of memory for each, for as long as the export takes.
fn tree(db: &Connection, size: u64) -> Result<Levels, Error> {
    let mut query = db
        .prepare("SELECT hash FROM events WHERE seq <= ?1 ORDER BY seq")
        .map_err(sql)?;
    let rows = query.query_map([size], |r| r.get(0)).map_err(sql)?;
    let hashes: Vec<[u8; 32]> = rows.collect::<Result<_, _>>().map_err(sql)?;
    Ok(Levels::of(hashes))
}
