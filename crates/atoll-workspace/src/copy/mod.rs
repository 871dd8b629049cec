//! Private copies: a tree written into a folder with the checkout's times, taken
//! again after a job, brought back to an earlier tree, and given a `.git` of its own.

mod git;
mod index;
mod remove;

pub(crate) use git::{Private, is_pointer, private_git};
pub(crate) use remove::{remove_tree, size_bytes};

use std::fs::File;
use std::io::Write as _;

use rustix::fs::{Mode as Bits, Timespec, Timestamps};

use crate::beneath::{Dir, Owner, Stamp, kind_of};
use crate::error::{Error, Result};
use crate::names::RelPath;
use crate::patch::{CHANGES_MAX, put_change};
use crate::store::tree::differences;
use crate::store::{Flat, Leaf, Mode, ObjectId, StatCache, Store, cache_now_ns};

/// What a copy is made from.
pub(crate) struct Making<'a> {
    pub(crate) store: &'a Store,
    /// The checkout: its times are copied where a file is the same there.
    pub(crate) source: Option<&'a Dir>,
    pub(crate) owner: Option<Owner>,
}

/// Larger files are cloned or copied inside the kernel where the checkout still
/// has them.
const CLONE_FROM_BYTES: u64 = 256 << 10;

/// Writes every file of `flat` into the empty folder `into`.
pub(crate) fn materialise(
    how: &Making<'_>,
    flat: &Flat,
    into: &Dir,
    cache: &mut StatCache,
) -> Result<()> {
    if let Some(owner) = how.owner {
        owner
            .give(into.fd())
            .map_err(|e| Error::io("give away", ".", e))?;
    }
    let mut folder: Option<(Option<RelPath>, Dir, Option<Dir>)> = None;
    let mut written = Vec::new();
    for (path, leaf) in flat.iter().filter(|(_, l)| l.mode != Mode::Gitlink) {
        let fail = |e: rustix::io::Errno| Error::io("write", path, e);
        let parent = path.parent();
        if folder.as_ref().is_none_or(|(at, _, _)| *at != parent) {
            let to = into.parent_made(path, how.owner).map_err(fail)?;
            let from = how.source.and_then(|s| s.sub(parent.as_ref()).ok());
            folder = Some((parent, to, from));
        }
        let Some((_, to, from)) = &folder else {
            continue;
        };
        let name = path.name().as_bytes();
        if leaf.mode == Mode::Link {
            to.symlink(&how.store.blob(leaf.id)?, name).map_err(fail)?;
            if let Some(owner) = how.owner {
                owner.give_link(to, name).map_err(fail)?;
            }
            continue;
        }
        let same = from.as_ref().and_then(|d| same_in(d, name, *leaf, cache));
        let file =
            one(how, to, name, *leaf, same.as_ref().zip(from.as_ref())).map_err(|e| match e {
                Ok(e) => e,
                Err(e) => Error::io("write", path, e),
            })?;
        let stat = rustix::fs::fstat(&file).map_err(fail)?;
        written.push((Stamp::of(&stat), leaf.id));
    }
    let now_ns = cache_now_ns();
    for (stamp, id) in written {
        cache.put(stamp, id, now_ns);
    }
    Ok(())
}

/// The checkout's file at `name`, if it is known to hold `leaf`.
fn same_in(dir: &Dir, name: &[u8], leaf: Leaf, cache: &mut StatCache) -> Option<Stamp> {
    let stat = dir.stat(name).ok().filter(|s| kind_of(s) == "a file")?;
    let stamp = Stamp::of(&stat);
    (cache.get(&stamp) == Some(leaf.id)).then_some(stamp)
}

type WriteError = Result<Error, std::io::Error>;

fn one(
    how: &Making<'_>,
    to: &Dir,
    name: &[u8],
    leaf: Leaf,
    same: Option<(&Stamp, &Dir)>,
) -> Result<File, WriteError> {
    let os = |e: rustix::io::Errno| Err(std::io::Error::from(e));
    let mut file = to.new_file(name, 0o600).map_err(os)?;
    let cloned = match same {
        Some((stamp, from)) if stamp.size >= CLONE_FROM_BYTES => cloned(from, name, stamp, &file),
        _ => false,
    };
    if !cloned {
        file.write_all(&how.store.blob(leaf.id).map_err(Ok)?)
            .map_err(Err)?;
    }
    rustix::fs::fchmod(&file, Bits::from_raw_mode(leaf.mode.permissions())).map_err(os)?;
    if let Some(owner) = how.owner {
        owner.give(&file).map_err(os)?;
    }
    if let Some((stamp, _)) = same {
        let time = Timespec {
            tv_sec: stamp.mtime_ns.div_euclid(1_000_000_000),
            tv_nsec: stamp.mtime_ns.rem_euclid(1_000_000_000),
        };
        rustix::fs::futimens(
            &file,
            &Timestamps {
                last_access: time,
                last_modification: time,
            },
        )
        .map_err(os)?;
    }
    Ok(file)
}

/// Clones or copies in the kernel, if the source stays what it was throughout.
fn cloned(from: &Dir, name: &[u8], stamp: &Stamp, to: &File) -> bool {
    let Ok(source) = from.file(name) else {
        return false;
    };
    let unchanged = || rustix::fs::fstat(&source).is_ok_and(|s| Stamp::of(&s) == *stamp);
    if !unchanged() {
        return false;
    }
    if rustix::fs::ioctl_ficlone(to, &source).is_err() {
        let mut left = stamp.size;
        while left > 0 {
            let want = usize::try_from(left.min(1 << 30)).unwrap_or(1 << 30);
            match rustix::fs::copy_file_range(&source, None, to, None, want) {
                Ok(n) if n > 0 => left = left.saturating_sub(n as u64),
                // Only here: ext4 writes a file out at once that was truncated
                // before it is closed, which would cost a copy of many files dear.
                _ => {
                    let _ = rustix::fs::ftruncate(to, 0);
                    let _ = rustix::fs::seek(to, rustix::fs::SeekFrom::Start(0));
                    return false;
                }
            }
        }
    }
    let same = unchanged();
    if !same {
        let _ = rustix::fs::ftruncate(to, 0);
        let _ = rustix::fs::seek(to, rustix::fs::SeekFrom::Start(0));
    }
    same
}

/// Brings a copy from the tree that it holds now to another one, touching only
/// the files that differ; how many.
pub(crate) fn restore(
    how: &Making<'_>,
    into: &Dir,
    now: ObjectId,
    wanted: ObjectId,
) -> Result<usize> {
    let changes = differences(how.store.odb(), now, wanted, CHANGES_MAX * 10)?;
    for change in changes.iter().filter(|c| c.after.is_none()) {
        put_change(into, how.store, change, how.owner)?;
    }
    for change in changes
        .iter()
        .filter(|c| c.after.is_some_and(|l| l.mode != Mode::Gitlink))
    {
        put_change(into, how.store, change, how.owner)?;
    }
    Ok(changes.len())
}

#[cfg(test)]
mod tests;
