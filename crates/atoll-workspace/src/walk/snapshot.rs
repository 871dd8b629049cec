use rustix::fs::Stat;

use super::{Omitted, Options, Skip, Visit, walk};
use crate::beneath::{Dir, Stamp, read_bounded};
use crate::error::{Error, Result};
use crate::names::RelPath;
use crate::store::cache_now_ns;
use crate::store::{Batch, Flat, Leaf, Mode, ObjectId, StatCache, Store, tree};

/// A tree that was taken from a folder.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Its id; every object of it is durable.
    pub(crate) tree: ObjectId,
    /// Its files.
    pub(crate) flat: Flat,
    /// Each regular file's state when it was read, for making copies.
    pub(crate) stamps: std::collections::BTreeMap<RelPath, Stamp>,
    /// What it leaves out.
    pub(crate) omitted: Omitted,
    /// How many files had to be read (the others were known by their stat).
    #[cfg(test)]
    pub(crate) files_read: u64,
}

/// Takes a snapshot of what lies below `root`.
pub(crate) fn snapshot(
    root: &Dir,
    options: Options<'_>,
    store: &Store,
    cache: &mut StatCache,
) -> Result<Snapshot> {
    let mut taker = Taker {
        batch: store.batch(),
        cache,
        limits: options.limits,
        flat: Flat::new(),
        stamps: std::collections::BTreeMap::new(),
        total_bytes: 0,
        files_read: 0,
    };
    let omitted = walk(root, None, options, &mut taker)?;
    let Taker {
        mut batch,
        flat,
        stamps,
        files_read,
        ..
    } = taker;
    let tree = tree::write(&flat, &mut batch)?;
    store.name(tree); // while the batch still holds sweeps off
    batch.finish()?;
    tracing::debug!(files = flat.len(), files_read, "snapshot taken");
    Ok(Snapshot {
        tree,
        flat,
        stamps,
        omitted,
        #[cfg(test)]
        files_read,
    })
}

struct Taker<'a> {
    batch: Batch<'a>,
    cache: &'a mut StatCache,
    limits: super::Limits,
    flat: Flat,
    stamps: std::collections::BTreeMap<RelPath, Stamp>,
    total_bytes: u64,
    files_read: u64,
}

/// A file that is written to while it is read is read again this often.
const TRIES_MAX: usize = 3;

enum Read {
    Got(Vec<u8>, Stat),
    Gone,
    Not(Skip),
}

impl Taker<'_> {
    fn read(&self, at: &Dir, name: &[u8]) -> Read {
        for _ in 0..TRIES_MAX {
            let mut file = match at.file(name) {
                Ok(file) => file,
                Err(rustix::io::Errno::NOENT) => return Read::Gone,
                Err(rustix::io::Errno::XDEV) => return Read::Not(Skip::MountPoint),
                Err(_) => return Read::Not(Skip::Unreadable),
            };
            let Ok(before) = rustix::fs::fstat(&file) else {
                return Read::Not(Skip::Unreadable);
            };
            if !rustix::fs::FileType::from_raw_mode(before.st_mode).is_file() {
                return Read::Not(Skip::Special);
            }
            let content = match read_bounded(&mut file, self.limits.file_limit_bytes) {
                Ok(Some(content)) => content,
                Ok(None) => {
                    let bytes = rustix::fs::fstat(&file)
                        .map_or(0, |s| u64::try_from(s.st_size).unwrap_or(0));
                    return Read::Not(Skip::TooLarge { bytes });
                }
                Err(_) => return Read::Not(Skip::Unreadable),
            };
            let Ok(after) = rustix::fs::fstat(&file) else {
                return Read::Not(Skip::Unreadable);
            };
            if Stamp::of(&before) == Stamp::of(&after)
                && Stamp::of(&after).size == content.len() as u64
            {
                return Read::Got(content, after);
            }
        }
        Read::Not(Skip::Changing)
    }
}

impl Visit for Taker<'_> {
    fn file(&mut self, at: &Dir, name: &[u8], path: &RelPath, stat: &Stat) -> Result<Option<Skip>> {
        let mut stamp = Stamp::of(stat);
        let mut bits = stat.st_mode;
        let known = self.cache.get(&stamp).filter(|id| self.batch.has(*id));
        let id = if let Some(id) = known {
            id
        } else {
            let now_ns = cache_now_ns();
            match self.read(at, name) {
                Read::Gone => return Ok(None),
                Read::Not(why) => return Ok(Some(why)),
                Read::Got(content, read) => {
                    stamp = Stamp::of(&read);
                    bits = read.st_mode;
                    self.files_read += 1;
                    let id = self.batch.blob(&content)?;
                    self.cache.put(stamp, id, now_ns);
                    id
                }
            }
        };
        self.total_bytes += stamp.size;
        if self.total_bytes > self.limits.total_limit_bytes {
            return Err(Error::Limit {
                what: "the size of all files together".into(),
                limit: self.limits.total_limit_bytes,
                hint: "ignore large generated folders in .gitignore",
            });
        }
        let mode = if bits & 0o100 != 0 {
            Mode::Exec
        } else {
            Mode::File
        };
        self.flat.insert(path.clone(), Leaf { mode, id });
        self.stamps.insert(path.clone(), stamp);
        Ok(None)
    }

    fn link(&mut self, path: &RelPath, target: &[u8]) -> Result<()> {
        let id = self.batch.blob(target)?;
        self.flat.insert(
            path.clone(),
            Leaf {
                mode: Mode::Link,
                id,
            },
        );
        Ok(())
    }
}
