use atoll_domain::Hash;
use rustix::io::Errno;

use super::content;
use crate::beneath::{Dir, Owner, Sync};
use crate::error::{Error, Result};
use crate::names::RelPath;

/// What stands in a text for a redacted secret.
const PLACEHOLDER: &str = "[redacted:";

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Put {
    /// The hash of what it replaces; `None`: nothing may be there.
    pub(crate) before: Option<Hash>,
    /// Whom new files and folders belong to.
    pub(crate) owner: Option<Owner>,
    pub(crate) file_limit_bytes: u64,
}

/// Writes a whole file by a rename, keeping its execute bit. The folders on the
/// way are made; none may be a symlink.
pub(crate) fn put(root: &Dir, path: &RelPath, new: &[u8], how: Put) -> Result<Hash> {
    if new.len() as u64 > how.file_limit_bytes {
        return Err(Error::Limit {
            what: format!("the new size of {path}"),
            limit: how.file_limit_bytes,
            hint: "write less",
        });
    }
    let old = expected(root, path, how)?;
    if adds_placeholder(old.as_deref().unwrap_or_default(), new) {
        return Err(Error::Placeholder {
            path: path.to_string(),
        });
    }
    let fail = |e: Errno| match e {
        Errno::LOOP | Errno::XDEV => Error::Path {
            path: path.to_string(),
            why: "a folder in it is a symlink or another file system",
        },
        Errno::NOTDIR => Error::Path {
            path: path.to_string(),
            why: "a folder in it is a file",
        },
        e => Error::io("write", path, e),
    };
    let parent = root.parent_made(path, how.owner).map_err(fail)?;
    let mode = match parent.stat(path.name().as_bytes()) {
        Ok(stat) if stat.st_mode & 0o100 != 0 => 0o755,
        _ => 0o644,
    };
    parent
        .replace(path.name(), new, mode, how.owner, Sync::No)
        .map_err(fail)?;
    Ok(Hash::of(new))
}

/// Removes a file, and the folders that it leaves empty.
pub(crate) fn delete(root: &Dir, path: &RelPath, how: Put) -> Result<()> {
    if how.before.is_none() {
        return Err(Error::Stale {
            path: path.to_string(),
        });
    }
    expected(root, path, how)?;
    let parent = root
        .parent(path)
        .map_err(|e| Error::io("remove", path, e))?;
    parent
        .unlink(path.name().as_bytes())
        .map_err(|e| Error::io("remove", path, e))?;
    prune(root, path);
    Ok(())
}

/// Removes the parents of `path` that are empty, innermost first.
pub(crate) fn prune(root: &Dir, path: &RelPath) {
    let mut at = path.parent();
    while let Some(folder) = at {
        let removed = root
            .parent(&folder)
            .and_then(|d| d.rmdir(folder.name().as_bytes()));
        if removed.is_err() {
            break;
        }
        at = folder.parent();
    }
}

fn expected(root: &Dir, path: &RelPath, how: Put) -> Result<Option<Vec<u8>>> {
    let old = content(root, path, how.file_limit_bytes)?;
    if old.as_deref().map(Hash::of) == how.before {
        Ok(old)
    } else {
        Err(Error::Stale {
            path: path.to_string(),
        })
    }
}

/// Is there one placeholder more than before? A file may speak of them; a new
/// one would overwrite a secret.
pub(crate) fn adds_placeholder(old: &[u8], new: &[u8]) -> bool {
    count(new) > count(old)
}

fn count(content: &[u8]) -> usize {
    let needle = PLACEHOLDER.as_bytes();
    content
        .windows(needle.len())
        .filter(|w| w.eq_ignore_ascii_case(needle))
        .count()
}
