//! Taking away objects that no wanted tree reaches.
//!
//! A pack goes whole, or is written anew without what isn't wanted where that is worth it. The new pack is
//! on disk before the old one goes, and an index goes before its pack: a kill at any point leaves every
//! wanted object readable, and what is left over is found by the next opening or sweep.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atoll_ports::sweep::Swept;

use super::object::{Kind, Mode, decode_tree};
use super::pack::{Pack, Writer};
use super::{ObjectId, Store};
use crate::beneath::Sync;
use crate::error::{Error, Result};

/// A pack is written anew once this part of it, in 1/4, is unwanted.
const WORTH_QUARTERS: u64 = 1;

impl Store {
    /// Remembers that `tree` was given out: it is wanted for a while, though nobody has said so yet.
    pub(crate) fn name(&self, tree: ObjectId) {
        self.named().insert(tree, Instant::now());
    }

    /// Removes what neither `wanted` nor a tree that was named within `young` reaches. Waits for batches
    /// under way; batches wait for it.
    pub(crate) fn sweep_unwanted(&self, wanted: &[ObjectId], young: Duration) -> Result<Swept> {
        let _alone = self
            .sweeping
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let named: Vec<ObjectId> = {
            let mut named = self.named();
            named.retain(|_, at| at.elapsed() < young);
            named.keys().copied().collect()
        };
        let live = self.reached(wanted.iter().chain(&named).copied())?;
        let packs = self.odb.packs();
        let mut swept = Swept::default();
        let (mut old, mut rewritten) = (Vec::new(), Vec::new());
        for pack in packs {
            let ids = pack.ids().map_err(|e| Error::io("read", &pack.name, e))?;
            let dead = ids.iter().filter(|id| !live.contains(id)).count() as u64;
            if dead == ids.len() as u64 {
                old.push(pack);
            } else if dead * 4 >= ids.len() as u64 * WORTH_QUARTERS && dead > 0 {
                rewritten.push(pack);
            }
        }
        let fresh = match rewritten.is_empty() {
            true => None,
            false => Some(self.copied(&rewritten, &live)?),
        };
        old.extend(rewritten);
        for pack in old {
            if fresh.as_ref() == Some(&pack.name) {
                continue;
            }
            swept.removed += 1;
            swept.freed_bytes += pack.pack_bytes;
            self.drop_pack(&pack)?;
        }
        self.know_again()?;
        let left = self.odb.packs();
        if let Some(fresh) = fresh {
            let bytes = left.iter().filter(|p| p.name == fresh);
            let bytes: u64 = bytes.map(|p| p.pack_bytes).sum();
            swept.freed_bytes = swept.freed_bytes.saturating_sub(bytes);
        }
        swept.left_bytes = left.iter().map(|p| p.pack_bytes).sum();
        Ok(swept)
    }

    /// All that `roots` reach. What isn't there is passed over; what is there and can't be read is an
    /// error, since what it reaches is not known.
    fn reached(&self, roots: impl Iterator<Item = ObjectId>) -> Result<HashSet<ObjectId>> {
        let mut live = HashSet::new();
        let mut todo: Vec<ObjectId> = roots.collect();
        while let Some(id) = todo.pop() {
            if !live.insert(id) {
                continue;
            }
            let content = match self.odb.read_kind(id, Kind::Tree) {
                Ok(content) => content,
                Err(Error::NoObject(_)) => continue,
                Err(e) => return Err(e),
            };
            for entry in decode_tree(id, &content)? {
                match entry.mode {
                    Mode::Dir => todo.push(entry.id),
                    Mode::Gitlink => {}
                    Mode::File | Mode::Exec | Mode::Link => drop(live.insert(entry.id)),
                }
            }
        }
        Ok(live)
    }

    /// One pack of all that is live in `packs`; its name. Durable and visible.
    fn copied(&self, packs: &[Arc<Pack>], live: &HashSet<ObjectId>) -> Result<String> {
        let dir = self.odb.pack_dir()?;
        let mut writer = Writer::begin(&dir)?;
        let mut seen = HashSet::new();
        for pack in packs {
            let read = |e| Error::io("read", &pack.name, e);
            for id in pack.ids().map_err(read)? {
                if live.contains(&id)
                    && seen.insert(id)
                    && let Some(raw) = pack.raw_entry(&id).map_err(read)?
                {
                    writer.add_raw(id, &raw)?;
                }
            }
        }
        let name = writer.finish(&dir, Sync::Yes)?;
        self.odb.add_pack(&name)?;
        Ok(name)
    }

    fn drop_pack(&self, pack: &Pack) -> Result<()> {
        let dir = self.odb.pack_dir()?;
        self.odb.forget(&pack.name);
        let gone = |ending: &str| dir.unlink(format!("{}.{ending}", pack.name).as_bytes());
        // The index first: without it git and Atoll ignore the pack.
        gone("idx").map_err(|e| Error::io("remove", &pack.name, e))?;
        gone("pack").map_err(|e| Error::io("remove", &pack.name, e))
    }
}
