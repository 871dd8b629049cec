//! Atoll's own bare repository of a workspace: what every snapshot and patch is
//! made of. Any git reads it; only this code writes it.
//!
//! A batch of objects becomes one pack, synced before its first id is given out,
//! so that a tree which was named is a tree that survives a power cut.

mod cache;
mod id;
pub(crate) mod loose;
pub(crate) mod object;
mod odb;
mod pack;
mod sweep;
pub(crate) mod tree;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

pub(crate) use cache::{StatCache, now_ns as cache_now_ns};
pub use id::ObjectId;
pub use object::Mode;
pub(crate) use odb::Odb;
pub(crate) use tree::Flat;
pub use tree::Leaf;

use crate::beneath::{Dir, Sync, TEMP_PREFIX};
use crate::error::{Error, Result};
use object::{Kind, name_of};

/// Packs smaller than this are merged once there are many.
const SMALL_PACK_BYTES: u64 = 8 << 20;
const SMALL_PACKS_MAX: usize = 48;

/// Nothing in it is ever executed by git for Atoll, yet a person may look with git.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\thooksPath = /dev/null\n[gc]\n\tauto = 0\n";

/// The blob that a content is.
pub(crate) fn blob_of(content: &[u8]) -> ObjectId {
    name_of(Kind::Blob, content)
}

/// The object store of one workspace. Shared by reference; all methods may be
/// called from several threads.
pub(crate) struct Store {
    odb: Odb,
    known: Mutex<HashSet<ObjectId>>,
    /// Trees that were given out, and when: a sweep keeps them for a while.
    named: Mutex<HashMap<ObjectId, Instant>>,
    /// Held for reading by batches, which count on what is there, and for writing by a sweep.
    sweeping: RwLock<()>,
}

impl Store {
    /// Opens the repository in `path`, making it where there is none. Objects
    /// over `file_limit_bytes` are refused on reading.
    pub(crate) fn open(path: &Path, file_limit_bytes: u64) -> Result<Self> {
        let root = Dir::create(path)?;
        for folder in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
            Dir::create(&path.join(folder))?;
        }
        for (name, content) in [("HEAD", "ref: refs/heads/main\n"), ("config", CONFIG)] {
            if root.stat(name.as_bytes()).is_err() {
                root.replace(name, content.as_bytes(), 0o600, None, Sync::No)
                    .map_err(|e| Error::io("write", name, e))?;
            }
        }
        let objects = Dir::open(&path.join("objects"))?;
        let odb = Odb::open(objects, file_limit_bytes)?;
        let store = Self {
            odb,
            known: Mutex::default(),
            named: Mutex::default(),
            sweeping: RwLock::default(),
        };
        store.sweep()?;
        if store
            .odb
            .packs()
            .iter()
            .filter(|p| p.pack_bytes < SMALL_PACK_BYTES)
            .count()
            > SMALL_PACKS_MAX
        {
            store.merge_small()?;
        }
        store.know_again()?;
        Ok(store)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<ObjectId>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&self) -> MutexGuard<'_, HashMap<ObjectId, Instant>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn know_again(&self) -> Result<()> {
        let mut known = HashSet::new();
        for pack in self.odb.packs() {
            known.extend(pack.ids().map_err(|e| Error::io("read", &pack.name, e))?);
        }
        *self.known() = known;
        Ok(())
    }

    // Temporary packs of a process that died, and packs whose index is gone or never came.
    fn sweep(&self) -> Result<()> {
        let dir = self.odb.pack_dir()?;
        for entry in dir.entries(100_000)? {
            let bare = entry.name.strip_suffix(b".pack");
            let orphan = bare.is_some_and(|name| dir.stat(&[name, b".idx"].concat()).is_err());
            if orphan || entry.name.starts_with(TEMP_PREFIX.as_bytes()) {
                let _ = dir.unlink(&entry.name);
            }
        }
        Ok(())
    }

    fn merge_small(&self) -> Result<()> {
        let dir = self.odb.pack_dir()?;
        let small: Vec<_> = self
            .odb
            .packs()
            .into_iter()
            .filter(|p| p.pack_bytes < SMALL_PACK_BYTES)
            .collect();
        let mut writer = pack::Writer::begin(&dir)?;
        let mut seen = HashSet::new();
        for pack in &small {
            let read = |e| Error::io("read", &pack.name, e);
            let ids = pack.ids().map_err(read)?;
            let mut at: Vec<(u64, ObjectId)> = Vec::with_capacity(ids.len());
            for (n, id) in (0..).zip(ids) {
                at.push((pack.offset_at(n).map_err(read)?, id));
            }
            at.sort_unstable();
            let ends = at
                .iter()
                .skip(1)
                .map(|(o, _)| *o)
                .chain([pack.pack_bytes.saturating_sub(20)]);
            for ((from, id), to) in at.iter().zip(ends.collect::<Vec<_>>()) {
                if seen.insert(*id) {
                    writer.add_raw(*id, &pack.raw(*from, to).map_err(read)?)?;
                }
            }
        }
        let name = writer.finish(&dir, Sync::Yes)?;
        for pack in small.iter().filter(|p| p.name != name) {
            // The index first: without it git and Atoll ignore the pack.
            let _ = dir.unlink(format!("{}.idx", pack.name).as_bytes());
            let _ = dir.unlink(format!("{}.pack", pack.name).as_bytes());
        }
        self.odb.reload()
    }

    pub(crate) fn contains(&self, id: ObjectId) -> bool {
        self.known().contains(&id)
    }

    /// Reads a blob, checked against its name.
    pub(crate) fn blob(&self, id: ObjectId) -> Result<Vec<u8>> {
        self.odb.read_kind(id, Kind::Blob)
    }

    pub(crate) fn odb(&self) -> &Odb {
        &self.odb
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        let sweeping = self.sweeping.read();
        Batch {
            _kept: sweeping.unwrap_or_else(PoisonError::into_inner),
            store: self,
            writer: None,
            fresh: HashSet::new(),
        }
    }
}

/// Objects on their way into a store. Nothing is visible until
/// [`Batch::finish`]; dropping it leaves nothing.
pub(crate) struct Batch<'a> {
    /// What it found to be there stays until it ends.
    _kept: RwLockReadGuard<'a, ()>,
    store: &'a Store,
    writer: Option<pack::Writer>,
    fresh: HashSet<ObjectId>,
}

impl Batch<'_> {
    pub(crate) fn has(&self, id: ObjectId) -> bool {
        self.fresh.contains(&id) || self.store.contains(id)
    }

    pub(crate) fn put(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId> {
        let id = name_of(kind, content);
        if self.has(id) {
            return Ok(id);
        }
        let writer = match &mut self.writer {
            Some(w) => w,
            None => self
                .writer
                .insert(pack::Writer::begin(&self.store.odb.pack_dir()?)?),
        };
        writer.add(id, kind, content)?;
        self.fresh.insert(id);
        Ok(id)
    }

    pub(crate) fn blob(&mut self, content: &[u8]) -> Result<ObjectId> {
        self.put(Kind::Blob, content)
    }

    /// Makes every object put so far durable. Returns how many were new.
    pub(crate) fn finish(mut self) -> Result<usize> {
        let Some(writer) = self.writer.take() else {
            return Ok(0);
        };
        let count = writer.count();
        let name = writer.finish(&self.store.odb.pack_dir()?, Sync::Yes)?;
        self.store.odb.add_pack(&name)?;
        self.store.known().extend(self.fresh.drain());
        Ok(count)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let (Some(writer), Ok(dir)) = (self.writer.take(), self.store.odb.pack_dir()) {
            writer.abandon(&dir);
        }
    }
}

/// A pack outside the store, for a private `.git`. Not synced: it can be made again.
pub(crate) struct Loosened<'a> {
    pack_dir: &'a Dir,
    writer: pack::Writer,
    seen: HashSet<ObjectId>,
    bytes: u64,
}

impl<'a> Loosened<'a> {
    pub(crate) fn begin(pack_dir: &'a Dir) -> Result<Self> {
        Ok(Self {
            pack_dir,
            writer: pack::Writer::begin(pack_dir)?,
            seen: HashSet::new(),
            bytes: 0,
        })
    }

    pub(crate) fn put(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId> {
        let id = name_of(kind, content);
        if self.seen.insert(id) {
            self.bytes += content.len() as u64;
            self.writer.add(id, kind, content)?;
        }
        Ok(id)
    }

    /// Copies an object of Atoll's own store as it is packed; `false` when the
    /// store hasn't got it.
    pub(crate) fn copy(&mut self, store: &Store, id: ObjectId) -> Result<bool> {
        if self.seen.contains(&id) {
            return Ok(true);
        }
        for pack in store.odb.packs() {
            let raw = pack
                .raw_entry(&id)
                .map_err(|e| Error::io("read", &pack.name, e))?;
            if let Some(raw) = raw {
                self.seen.insert(id);
                self.bytes += raw.len() as u64;
                self.writer.add_raw(id, &raw)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How much was put in, for bounds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.writer.finish(self.pack_dir, Sync::No).map(drop)
    }
}

#[cfg(test)]
mod tests;
