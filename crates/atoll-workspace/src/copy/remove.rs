use rustix::fs::FileType;

use crate::beneath::Dir;
use crate::error::{Error, Result};

const DEPTH_MAX: usize = 4096;

/// Removes `name` below `parent` with all that is in it, following no link. A
/// job may have taken its own folders' permissions away; they are put back first.
pub(crate) fn remove_tree(parent: &Dir, name: &str) -> Result<()> {
    remove(parent, name.as_bytes(), 0)
}

fn remove(parent: &Dir, name: &[u8], depth: usize) -> Result<()> {
    let fail = |e: rustix::io::Errno| Error::io("remove", crate::beneath::lossy(name), e);
    let stat = match parent.stat(name) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        other => other.map_err(fail)?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return parent.unlink(name).map_err(fail);
    }
    if depth > DEPTH_MAX {
        return Err(Error::Limit {
            what: "the depth of a folder to remove".into(),
            limit: DEPTH_MAX as u64,
            hint: "remove it by hand",
        });
    }
    if stat.st_mode & 0o700 != 0o700 {
        parent.unlock(name).map_err(fail)?;
    }
    let dir = parent.sub_name(name).map_err(fail)?;
    for entry in dir.entries(usize::MAX)? {
        remove(&dir, &entry.name, depth + 1)?;
    }
    drop(dir);
    parent.rmdir(name).map_err(fail)
}
