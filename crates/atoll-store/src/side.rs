//! Content beside the log: small in a row, large in a file named by its SHA-256.
#![allow(
    clippy::disallowed_methods,
    reason = "keeps blobs in the node's own data directory"
)]

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use atoll_domain::{Commitment, Draft, Hash};
use atoll_guard::Full;
use atoll_ports::log::Error;
use atoll_ports::sweep::Swept;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::row::{damaged, io, sql};

/// Content up to this length lies in SQLite, in bytes.
pub const ROW_BYTES_MAX: usize = 64 << 10;

/// Content longer than this is refused, in bytes.
pub const CONTENT_BYTES_MAX: usize = 64 << 20;

/// A draft whose content is ready to be placed.
#[derive(Debug)]
pub struct Ready {
    pub draft: Draft,
    /// Its body's canonical bytes.
    pub body: Vec<u8>,
    /// Per side: the name of its file, if it is too long for a row.
    files: Vec<Option<Hash>>,
}

impl Ready {
    /// Writes the body, checks the content and names its files. That happens here, on the
    /// caller's thread, so that the writer's stays free.
    pub fn new(draft: Draft) -> Result<Ready, Full> {
        let body = atoll_log::envelope::body(&draft).map_err(|e| Full::Malformed(e.to_string()))?;
        let mut files = Vec::with_capacity(draft.sides.len());
        for side in &draft.sides {
            if side.bytes.len() > CONTENT_BYTES_MAX {
                return Err(Full::Malformed(format!(
                    "content longer than {CONTENT_BYTES_MAX} bytes"
                )));
            }
            if side.commitment.bytes != side.bytes.len() as u64 {
                return Err(Full::Malformed(
                    "content of another length than its commitment says".into(),
                ));
            }
            files.push((side.bytes.len() > ROW_BYTES_MAX).then(|| Hash::of(&side.bytes)));
        }
        Ok(Ready { draft, body, files })
    }

    /// The same event with its content left out, as if it had been erased: what
    /// remains possible on a full disk.
    pub fn without_content(mut self) -> Ready {
        self.draft.sides.clear();
        self.files.clear();
        self
    }
}

/// The folder of large contents.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    /// The blobs of a data directory.
    pub fn of(data_dir: &Path) -> Blobs {
        Blobs {
            dir: data_dir.join("blobs"),
        }
    }

    fn path(&self, name: &Hash) -> PathBuf {
        let hex = name.hex();
        self.dir.join(&hex[..2]).join(&hex[2..])
    }

    /// Puts content under its name. A file that still has to be synced comes
    /// back; `None` where the content is there already.
    fn put(&self, name: &Hash, bytes: &[u8]) -> std::io::Result<Option<File>> {
        let path = self.path(name);
        if std::fs::metadata(&path).is_ok_and(|m| m.len() == bytes.len() as u64) {
            return Ok(None);
        }
        let dir = path.parent().unwrap_or(&self.dir);
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let temp = path.with_extension("new");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temp)
            .and_then(|mut file| file.write_all(bytes).map(|()| file))
            .and_then(|file| std::fs::rename(&temp, &path).map(|()| file));
        if written.is_err() {
            // On a full disk the half of a file is what must go first.
            let _ = std::fs::remove_file(&temp);
        }
        written.map(Some)
    }

    /// Content by its name; `None` where the file is gone or is not what it was.
    fn get(&self, name: &Hash, length: u64) -> std::io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(length.min(CONTENT_BYTES_MAX as u64) + 1)
            .read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Removes a file that no content names any more.
    pub fn remove(&self, name: &Hash) {
        // A file that stays is found and removed by the next erasure of the same content.
        let _ = std::fs::remove_file(self.path(name));
    }

    /// Makes the files' names durable.
    pub fn sync_names(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            crate::folder::sync_dir(&entry?.path())?;
        }
        crate::folder::sync_dir(&self.dir)
    }
}

/// A content that was found and is what was committed to.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    pub bytes: Vec<u8>,
    pub salt: [u8; 32],
}

/// Why content could not be placed.
#[derive(Debug)]
pub enum Misplaced {
    Sql(rusqlite::Error),
    File(std::io::Error),
}

impl From<rusqlite::Error> for Misplaced {
    fn from(e: rusqlite::Error) -> Self {
        Misplaced::Sql(e)
    }
}

/// Places an event's content; files that must be synced are added to `unsynced`.
pub fn place(
    tx: &Transaction<'_>,
    blobs: &Blobs,
    ready: &Ready,
    unsynced: &mut Vec<File>,
) -> Result<(), Misplaced> {
    for (side, file) in ready.draft.sides.iter().zip(&ready.files) {
        let mut insert = tx.prepare_cached(
            "INSERT OR IGNORE INTO content (h, length, salt, bytes, file) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let row = match file {
            None => Some(&side.bytes),
            Some(name) => {
                unsynced.extend(blobs.put(name, &side.bytes).map_err(Misplaced::File)?);
                None
            }
        };
        let name = file.as_ref().map(|f| f.0);
        insert.execute(params![
            side.commitment.h.0,
            side.commitment.bytes,
            side.salt,
            row,
            name
        ])?;
    }
    Ok(())
}

/// A content and its salt; `None` if it was erased.
pub fn find(db: &Connection, blobs: &Blobs, c: &Commitment) -> Result<Option<Opened>, Error> {
    type Row = (Option<Vec<u8>>, Option<[u8; 32]>, [u8; 32]);
    let row: Option<Row> = db
        .prepare_cached("SELECT bytes, file, salt FROM content WHERE h = ?1 AND length = ?2")
        .and_then(|mut q| {
            q.query_row(params![c.h.0, c.bytes], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .optional()
        })
        .map_err(sql)?;
    let Some((bytes, file, salt)) = row else {
        return Ok(None);
    };
    let bytes = match (bytes, file) {
        (Some(bytes), _) => Some(bytes),
        (None, Some(name)) => blobs
            .get(&Hash(name), c.bytes)
            .map_err(|e| io("a blob", e))?,
        (None, None) => None,
    };
    let Some(bytes) = bytes else { return Ok(None) };
    // Content is never believed: a file that was changed must not speak for an event.
    if !c.opens_to(&salt, &bytes) {
        return Err(damaged(
            0,
            format!("content {} is not what was committed to", c.h),
        ));
    }
    Ok(Some(Opened { bytes, salt }))
}

/// Takes away what lies in one folder of blobs and no content names: what a kill left between a file and
/// its row, or between a row's erasure and its file's. Only where contents are placed, so that none is on
/// its way.
pub fn sweep(db: &Connection, blobs: &Blobs, folder: u8) -> Result<Swept, Error> {
    let prefix = hex::encode([folder]);
    let mut swept = Swept::default();
    let entries = match std::fs::read_dir(blobs.dir.join(&prefix)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(swept),
        Err(e) => return Err(io("the blobs", e)),
    };
    let mut named = db
        .prepare_cached("SELECT count(*) FROM content WHERE file = ?1")
        .map_err(sql)?;
    for entry in entries {
        let entry = entry.map_err(|e| io("the blobs", e))?;
        let bytes = entry.metadata().map_or(0, |m| m.len());
        let name = entry.file_name().into_string().unwrap_or_default();
        // Of another making than this store's: left alone, but for the half of a file.
        let hash = format!("sha256:{prefix}{name}").parse::<Hash>();
        let count: i64 = match &hash {
            Ok(hash) => named.query_row([hash.0], |r| r.get(0)).map_err(sql)?,
            Err(_) => 0,
        };
        let half = name.ends_with(".new");
        if count > 0 || (hash.is_err() && !half) {
            swept.left_bytes += bytes;
        } else if std::fs::remove_file(entry.path()).is_ok() {
            swept.removed += 1;
            swept.freed_bytes += bytes;
        }
    }
    Ok(swept)
}

/// Deletes a content and its salt. The name of a file that nothing needs any
/// more comes back.
pub fn erase(tx: &Transaction<'_>, h: &Hash) -> rusqlite::Result<Option<Hash>> {
    let file: Option<Option<[u8; 32]>> = tx
        .query_row("SELECT file FROM content WHERE h = ?1", [h.0], |r| r.get(0))
        .optional()?;
    tx.execute("DELETE FROM content WHERE h = ?1", [h.0])?;
    let Some(Some(name)) = file else {
        return Ok(None);
    };
    let others: i64 = tx.query_row(
        "SELECT count(*) FROM content WHERE file = ?1",
        [name],
        |r| r.get(0),
    )?;
    Ok((others == 0).then_some(Hash(name)))
}
