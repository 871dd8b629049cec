use rustix::fs::FileType;

use crate::beneath::{Dir, lossy, temp_name};
use crate::error::{Error, Result};

/// Deeper folders are moved up before they are removed: a job can nest far
/// deeper than there are file descriptors, or room on a stack.
const DEPTH_MAX: usize = 48;
/// How many names of one folder are held at once.
const NAMES_MAX: usize = 10_000;

/// Removes `name` below `parent` with all that is in it, following no link. A
/// job may have taken its own folders' permissions away; they are put back first.
pub(crate) fn remove_tree(parent: &Dir, name: &str) -> Result<()> {
    let fail = |e: rustix::io::Errno| Error::io("remove", name, e);
    let Some(top) = opened(parent, name.as_bytes())? else {
        return Ok(());
    };
    empty(&top, &top, 0)?;
    parent.rmdir(name.as_bytes()).map_err(fail)
}

/// What a folder holds of the disk, in bytes: as far as it can be read, and as far as is looked.
pub(crate) fn size_bytes(parent: &Dir, name: &[u8]) -> u64 {
    const LOOKS_MAX: usize = 500_000;
    let mut looks = 0;
    let mut bytes = 0;
    let mut todo: Vec<(Dir, usize)> = parent.sub_name(name).map(|d| (d, 0)).into_iter().collect();
    while let Some((dir, depth)) = todo.pop() {
        for entry in dir.some_entries(NAMES_MAX).unwrap_or_default() {
            looks += 1;
            if looks > LOOKS_MAX {
                return bytes;
            }
            let Ok(stat) = dir.stat(&entry.name) else {
                continue;
            };
            bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            // As many folders are open at once as lie beside each other on the way down.
            if folder
                && depth < DEPTH_MAX
                && todo.len() < DEPTH_MAX * 4
                && let Ok(below) = dir.sub_name(&entry.name)
            {
                todo.push((below, depth + 1));
            }
        }
    }
    bytes
}

/// The folder `name`, open; anything else there is removed, and is `None`.
fn opened(parent: &Dir, name: &[u8]) -> Result<Option<Dir>> {
    let fail = |e: rustix::io::Errno| Error::io("remove", lossy(name), e);
    let stat = match parent.stat(name) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        other => other.map_err(fail)?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        parent.unlink(name).map_err(fail)?;
        return Ok(None);
    }
    if stat.st_mode & 0o700 != 0o700 {
        parent.unlock(name).map_err(fail)?;
    }
    parent.sub_name(name).map(Some).map_err(fail)
}

fn empty(dir: &Dir, top: &Dir, depth: usize) -> Result<()> {
    loop {
        let names = dir.some_entries(NAMES_MAX)?;
        if names.is_empty() {
            return Ok(());
        }
        for entry in names {
            let fail = |e: rustix::io::Errno| Error::io("remove", lossy(&entry.name), e);
            let Some(below) = opened(dir, &entry.name)? else {
                continue;
            };
            if depth < DEPTH_MAX {
                empty(&below, top, depth + 1)?;
                dir.rmdir(&entry.name).map_err(fail)?;
            } else {
                // Found again when the top is looked at once more.
                dir.move_to(&entry.name, top, temp_name().as_bytes())
                    .map_err(fail)?;
            }
        }
    }
}
