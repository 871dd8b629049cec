//! Which blob a file held when it had a certain stat, so that a snapshot of
//! unchanged files costs one stat each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use super::ObjectId;
use crate::beneath::{Dir, Stamp, Sync, read_bounded};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"atollst1";
const RECORD_BYTES: usize = 8 * 5 + 20 + 4;
const ENTRIES_MAX: usize = 2_000_000;
const KEEP_SAVES: u32 = 16;
/// A file whose time is this close to the look may still change within the same
/// tick of the file system's clock (4 ms, or 10 ms), and then look the same.
const RACY_NS: i64 = 40_000_000;

/// The cache, kept in one file of the data directory.
pub(crate) struct StatCache {
    path: PathBuf,
    known: HashMap<Stamp, (ObjectId, u32)>,
    generation: u32,
    changed: bool,
}

impl StatCache {
    /// Loads `path`; a missing or damaged file is an empty cache.
    pub(crate) fn load(path: &Path) -> Self {
        let mut cache = Self {
            path: path.to_owned(),
            known: HashMap::new(),
            generation: 1,
            changed: false,
        };
        let limit = (ENTRIES_MAX * RECORD_BYTES + 64) as u64;
        let content = std::fs::File::open(path)
            .ok()
            .and_then(|mut f| read_bounded(&mut f, limit).ok().flatten());
        if let Some(content) = content {
            cache.decode(&content);
        }
        cache
    }

    fn decode(&mut self, content: &[u8]) {
        let Some(sum_at) = content.len().checked_sub(20) else {
            return;
        };
        let (body, sum) = content.split_at(sum_at);
        let Some((magic, rest)) = body.split_at_checked(8) else {
            return;
        };
        let Some((generation, records)) = rest.split_at_checked(4) else {
            return;
        };
        let expected: [u8; 20] = Sha1::digest(body).into();
        if magic != MAGIC || sum != expected || !records.len().is_multiple_of(RECORD_BYTES) {
            return;
        }
        self.generation =
            u32::from_le_bytes(generation.try_into().unwrap_or_default()).saturating_add(1);
        for record in records.chunks_exact(RECORD_BYTES) {
            let word = |n: usize| {
                u64::from_le_bytes(record[n * 8..n * 8 + 8].try_into().unwrap_or_default())
            };
            let stamp = Stamp {
                dev: word(0),
                ino: word(1),
                size: word(2),
                mtime_ns: word(3) as i64,
                ctime_ns: word(4) as i64,
            };
            let seen = u32::from_le_bytes(record[60..64].try_into().unwrap_or_default());
            if let Some(id) = ObjectId::from_slice(&record[40..60]) {
                self.known.insert(stamp, (id, seen));
            }
        }
    }

    pub(crate) fn get(&mut self, stamp: &Stamp) -> Option<ObjectId> {
        let generation = self.generation;
        self.known.get_mut(stamp).map(|(id, seen)| {
            *seen = generation;
            *id
        })
    }

    /// Remembers `id`, unless the file was touched so recently (`now_ns`: the
    /// wall clock at the look) that a later change could go unseen.
    pub(crate) fn put(&mut self, stamp: Stamp, id: ObjectId, now_ns: i64) {
        let latest = stamp.ctime_ns.max(stamp.mtime_ns);
        let settled = stamp.ctime_ns.saturating_add(RACY_NS) < now_ns && latest < now_ns;
        if settled
            && self.known.len() < ENTRIES_MAX
            && self.known.insert(stamp, (id, self.generation)).is_none()
        {
            self.changed = true;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Writes the cache where it changed. Not synced: it can be rebuilt.
    pub(crate) fn save(&mut self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let oldest = self.generation.saturating_sub(KEEP_SAVES);
        self.known.retain(|_, (_, seen)| *seen >= oldest);
        let mut out = Vec::with_capacity(self.known.len() * RECORD_BYTES + 64);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.generation.to_le_bytes());
        for (s, (id, seen)) in &self.known {
            for word in [s.dev, s.ino, s.size, s.mtime_ns as u64, s.ctime_ns as u64] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(&seen.to_le_bytes());
        }
        let sum: [u8; 20] = Sha1::digest(&out).into();
        out.extend_from_slice(&sum);
        let fail = |e| Error::io("write", self.path.display(), e);
        let (Some(parent), Some(name)) = (
            self.path.parent(),
            self.path.file_name().and_then(|n| n.to_str()),
        ) else {
            return Err(Error::corrupt("the stat cache", "its path has no name"));
        };
        Dir::open(parent)?
            .replace(name, &out, 0o600, None, Sync::No)
            .map_err(fail)?;
        self.changed = false;
        self.generation = self.generation.saturating_add(1);
        Ok(())
    }
}

/// The wall clock in nanoseconds since the epoch, to compare with file times.
pub(crate) fn now_ns() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}
