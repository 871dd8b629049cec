//! The reading side: a few read-only connections that never wait for a sync.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use atoll_domain::{Commitment, Event, EventId, Hash};
use atoll_log::segment::Before;
use atoll_ports::log::{Error, Filter};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, ToSql, params_from_iter};

use crate::migrate;
use crate::row::{damaged, seq_of, sql};
use crate::side::{self, Blobs, Opened};

/// Connections at most.
const POOL_MAX: usize = 4;

/// Events in one answer at most; those who want more ask again from the last.
pub const PAGE_MAX: usize = 10_000;

/// Reads a log. Also works beside a running node, and without one.
pub struct Reader {
    db_path: PathBuf,
    blobs: Blobs,
    pool: Mutex<Pool>,
    freed: Condvar,
    /// What stands before the segment that was handed out last.
    pub(crate) before: Mutex<Before>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    out: usize,
}

/// Opens `log.db` in a data directory for reading. The file is opened for
/// writing, because a write-ahead log can't be read otherwise when no writer is
/// there, and kept from writing by `query_only`.
pub fn connect(db_path: &Path) -> Result<Connection, Error> {
    if !db_path.exists() {
        return Err(Error::Missing(format!("log at {}", db_path.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(db_path, flags).map_err(sql)?;
    db.busy_timeout(Duration::from_secs(10)).map_err(sql)?;
    db.pragma_update(None, "query_only", true).map_err(sql)?;
    db.pragma_update(None, "cache_size", -1024).map_err(sql)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

impl Reader {
    /// Of the log in `data_dir`. Errors: no log there, a newer or a foreign one.
    pub fn open(data_dir: &Path) -> Result<Reader, Error> {
        let reader = Reader {
            db_path: data_dir.join(crate::DB_FILE),
            blobs: Blobs::of(data_dir),
            pool: Mutex::default(),
            freed: Condvar::new(),
            before: Mutex::default(),
        };
        reader.with(migrate::check)?;
        Ok(reader)
    }

    /// Runs `read` on a connection of the pool, waiting for one if all are out.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        while pool.idle.is_empty() && pool.out >= POOL_MAX {
            pool = self
                .freed
                .wait(pool)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let idle = pool.idle.pop();
        pool.out += 1;
        drop(pool);
        let lent = Lent {
            reader: self,
            db: idle,
        };
        lent.run(read)
    }

    /// A connection of its own, for a long read.
    pub(crate) fn apart(&self) -> Result<Connection, Error> {
        connect(&self.db_path)
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// The last event's number; 0 in an empty log.
    pub fn head(&self) -> Result<u64, Error> {
        self.with(|db| {
            let seq: Option<u64> = db
                .query_row("SELECT seq FROM log WHERE one = 1", [], |r| r.get(0))
                .optional()
                .map_err(sql)?;
            Ok(seq.unwrap_or(0))
        })
    }

    /// At most `limit` events (and at most [`PAGE_MAX`]) after `after`, in order.
    pub fn events(&self, after: u64, limit: usize, filter: &Filter) -> Result<Vec<Event>, Error> {
        self.scan(after, limit, filter, |seq, bytes, hash| {
            atoll_log::envelope::read(bytes, &hash).map_err(|e| damaged(seq, e))
        })
    }

    /// The same of all events, as an export's lines.
    pub fn lines(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        self.scan(after, limit, &Filter::default(), |seq, bytes, hash| {
            let line = atoll_log::line::export(bytes, &hash).map_err(|e| damaged(seq, e))?;
            Ok((seq, line))
        })
    }

    fn scan<T>(
        &self,
        after: u64,
        limit: usize,
        filter: &Filter,
        each: impl Fn(u64, &[u8], Hash) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut query = String::from("SELECT seq, bytes, hash FROM events WHERE seq > ?");
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let mut args: Vec<Box<dyn ToSql>> = vec![Box::new(after)];
        if let Some(session) = &filter.session {
            query.push_str(" AND session = ?");
            args.push(Box::new(*session.as_bytes()));
        }
        if let Some(topic) = &filter.topic {
            // As bytes: SQLite's text functions end at a NUL.
            query.push_str(" AND substr(CAST(topic AS BLOB), 1, ?) = ?");
            args.push(Box::new(topic.len() as i64));
            args.push(Box::new(topic.clone().into_bytes()));
        }
        if !filter.kinds.is_empty() {
            let marks = vec!["?"; filter.kinds.len()].join(", ");
            query.push_str(&format!(" AND kind IN ({marks})"));
            args.extend(
                filter
                    .kinds
                    .iter()
                    .map(|k| Box::new(k.clone()) as Box<dyn ToSql>),
            );
        }
        query.push_str(" ORDER BY seq LIMIT ?");
        args.push(Box::new(limit.min(PAGE_MAX) as i64));
        self.with(|db| {
            let mut statement = db.prepare_cached(&query).map_err(sql)?;
            let mut rows = statement.query(params_from_iter(args)).map_err(sql)?;
            let mut out = Vec::new();
            while let Some(row) = rows.next().map_err(sql)? {
                let (seq, hash) = (row.get(0).map_err(sql)?, Hash(row.get(2).map_err(sql)?));
                let bytes = row.get_ref(1).map_err(sql)?;
                let bytes = bytes.as_blob().map_err(|e| damaged(seq, e))?;
                out.push(each(seq, bytes, hash)?);
            }
            Ok(out)
        })
    }

    /// The event with this id.
    pub fn event(&self, id: &EventId) -> Result<Option<Event>, Error> {
        let seq = seq_of(id);
        let Some(before) = seq.checked_sub(1) else {
            return Ok(None);
        };
        let found = self.events(before, 1, &Filter::default())?;
        Ok(found
            .into_iter()
            .next()
            .filter(|e| e.seq == seq && e.id == *id))
    }

    /// A content, unless it was erased. Refused where it isn't what was committed to.
    pub fn content(&self, commitment: &Commitment) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.opened(commitment)?.map(|found| found.bytes))
    }

    /// The salt of a content.
    pub fn salt(&self, commitment: &Commitment) -> Result<Option<[u8; 32]>, Error> {
        Ok(self.opened(commitment)?.map(|found| found.salt))
    }

    /// Content and salt together.
    pub fn opened(&self, commitment: &Commitment) -> Result<Option<Opened>, Error> {
        self.with(|db| side::find(db, &self.blobs, commitment))
    }

    /// Every row of every projection as text, in a stable order: for comparing.
    pub fn dump(&self) -> Result<Vec<String>, Error> {
        self.with(|db| crate::rebuild::dump(db).map_err(sql))
    }
}

/// A connection that finds its way back.
struct Lent<'a> {
    reader: &'a Reader,
    db: Option<Connection>,
}

impl Lent<'_> {
    fn run<T>(mut self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let db = match self.db.take() {
            Some(db) => db,
            None => connect(&self.reader.db_path)?,
        };
        read(self.db.insert(db))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut pool = self
            .reader
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pool.out -= 1;
        pool.idle.extend(self.db.take());
        drop(pool);
        self.reader.freed.notify_one();
    }
}
