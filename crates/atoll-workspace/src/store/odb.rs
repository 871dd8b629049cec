//! Reading an objects directory: Atoll's own, or a user's `.git/objects`, which
//! is untrusted data. Alternates are not followed: they name other folders.

use std::io::Read as _;
use std::sync::Mutex;

use flate2::read::ZlibDecoder;

use super::ObjectId;
use super::object::{Kind, name_of};
use super::pack::{Pack, Packed, apply_delta};
use crate::beneath::Dir;
use crate::error::{Error, Result};
use crate::names::RelPath;

/// An objects directory, open for reading.
pub(crate) struct Odb {
    objects: Dir,
    packs: Mutex<Vec<std::sync::Arc<Pack>>>,
    object_limit_bytes: u64,
}

const PACKS_MAX: usize = 4096;
/// git's own limit on a delta chain is 4,095.
const CHAIN_MAX: usize = 4096;
const ACROSS_PACKS_MAX: usize = 8;

impl Odb {
    pub(crate) fn open(objects: Dir, object_limit_bytes: u64) -> Result<Self> {
        let odb = Self {
            objects,
            packs: Mutex::new(Vec::new()),
            object_limit_bytes,
        };
        odb.reload()?;
        Ok(odb)
    }

    /// Looks again for packs; those that don't open (unknown version, damaged)
    /// are left out, and their objects count as missing.
    pub(super) fn reload(&self) -> Result<()> {
        let mut packs = Vec::new();
        if let Ok(dir) = self.pack_dir() {
            for entry in dir.entries(PACKS_MAX * 6)? {
                let name = std::str::from_utf8(&entry.name)
                    .ok()
                    .and_then(|n| n.strip_suffix(".idx"));
                let Some(name) = name.filter(|n| n.starts_with("pack-")) else {
                    continue;
                };
                if packs.len() >= PACKS_MAX {
                    break;
                }
                match Pack::open(&dir, name) {
                    Ok(pack) => packs.push(std::sync::Arc::new(pack)),
                    Err(e) => tracing::debug!(pack = name, error = %e, "a pack is left out"),
                }
            }
        }
        *self.lock() = packs;
        Ok(())
    }

    pub(super) fn add_pack(&self, name: &str) -> Result<()> {
        let dir = self.pack_dir()?;
        let pack = Pack::open(&dir, name).map_err(|e| Error::io("open", name, e))?;
        let mut packs = self.lock();
        if packs.iter().all(|p| p.name != name) {
            packs.push(std::sync::Arc::new(pack));
        }
        Ok(())
    }

    /// Looks into the pack no more; whoever reads it still can.
    pub(super) fn forget(&self, name: &str) {
        self.lock().retain(|p| p.name != name);
    }

    pub(super) fn pack_dir(&self) -> Result<Dir> {
        let path = RelPath::parse("pack")?;
        self.objects
            .sub(Some(&path))
            .map_err(|e| Error::io("open", "objects/pack", e))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<std::sync::Arc<Pack>>> {
        self.packs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn packs(&self) -> Vec<std::sync::Arc<Pack>> {
        self.lock().clone()
    }

    /// Is there an object of this name? Its content isn't looked at.
    pub(crate) fn holds(&self, id: ObjectId) -> bool {
        let hex = id.to_string();
        let path = format!("{}/{}", &hex[..2], &hex[2..]);
        self.packs()
            .iter()
            .any(|p| matches!(p.find(&id), Ok(Some(_))))
            || self.objects.file(path.as_bytes()).is_ok()
    }

    /// The object `id`; its content was checked against its name.
    pub(crate) fn read(&self, id: ObjectId) -> Result<(Kind, Vec<u8>)> {
        let (kind, content) = self.read_unchecked(id, 0)?;
        if name_of(kind, &content) != id {
            return Err(Error::corrupt(
                format!("object {id}"),
                "its content does not hash to its name",
            ));
        }
        Ok((kind, content))
    }

    /// As [`Odb::read`], and it must be of this kind.
    pub(crate) fn read_kind(&self, id: ObjectId, kind: Kind) -> Result<Vec<u8>> {
        match self.read(id)? {
            (found, content) if found == kind => Ok(content),
            (found, _) => Err(Error::corrupt(
                format!("object {id}"),
                format!("it is a {}, not a {}", found.name(), kind.name()),
            )),
        }
    }

    fn read_unchecked(&self, id: ObjectId, depth: usize) -> Result<(Kind, Vec<u8>)> {
        if depth > ACROSS_PACKS_MAX {
            return Err(Error::corrupt(
                format!("object {id}"),
                "its deltas cross too many packs",
            ));
        }
        for pack in self.packs() {
            match pack.find(&id) {
                Ok(Some(offset)) => return self.read_packed(&pack, offset, depth),
                Ok(None) => {}
                Err(e) => {
                    tracing::debug!(pack = pack.name, error = %e, "a pack's index does not read")
                }
            }
        }
        self.read_loose(id)
    }

    fn read_packed(&self, pack: &Pack, offset: u64, depth: usize) -> Result<(Kind, Vec<u8>)> {
        let bad = |why: &str| Error::corrupt(format!("{}.pack", pack.name), why);
        let mut deltas = Vec::new();
        let mut held_bytes = 0_u64;
        let mut at = offset;
        let (kind, mut content) = loop {
            match pack.read(at, self.object_limit_bytes)? {
                Packed::Whole(kind, content) => break (kind, content),
                Packed::OnId(delta, base) => {
                    deltas.push(delta);
                    break self.read_unchecked(base, depth + 1)?;
                }
                Packed::OnOffset(delta, base) => {
                    held_bytes += delta.len() as u64;
                    deltas.push(delta);
                    at = base;
                }
            }
            if deltas.len() > CHAIN_MAX || held_bytes > self.object_limit_bytes.saturating_mul(2) {
                return Err(bad("a delta chain is too long"));
            }
        };
        for delta in deltas.iter().rev() {
            content = apply_delta(&content, delta, self.object_limit_bytes)
                .ok_or_else(|| bad("a delta does not apply"))?;
        }
        Ok((kind, content))
    }

    fn read_loose(&self, id: ObjectId) -> Result<(Kind, Vec<u8>)> {
        let bad = |why: &str| Error::corrupt(format!("object {id}"), why);
        let hex = id.to_string();
        let path = format!("{}/{}", &hex[..2], &hex[2..]);
        let file = self
            .objects
            .file(path.as_bytes())
            .map_err(|_| Error::NoObject(id))?;
        if !file.metadata().is_ok_and(|m| m.is_file()) {
            return Err(Error::NoObject(id));
        }
        let mut content = Vec::new();
        ZlibDecoder::new(file)
            .take(self.object_limit_bytes + 64)
            .read_to_end(&mut content)
            .map_err(|_| bad("it does not inflate"))?;
        let nul = content
            .iter()
            .take(64)
            .position(|b| *b == 0)
            .ok_or_else(|| bad("it has no header"))?;
        let (kind, size) = std::str::from_utf8(&content[..nul])
            .ok()
            .and_then(|h| h.split_once(' '))
            .and_then(|(k, s)| Some((Kind::from_name(k.as_bytes())?, s.parse::<usize>().ok()?)))
            .ok_or_else(|| bad("its header is not one"))?;
        content.drain(..=nul);
        if content.len() == size {
            Ok((kind, content))
        } else {
            Err(bad("it has another size than it says"))
        }
    }
}
