//! Taking a branch back: git's own way to delete a ref, by this code alone.

use std::io::Write as _;

use rustix::io::Errno;

use crate::beneath::Dir;
use crate::error::{Error, Result};
use crate::names::RelPath;
use crate::origin::{Direct, Repo, valid_branch, without_packed};
use crate::store::ObjectId;

const LOCK: &str = ".lock";
const PACKED_LOCK: &str = "packed-refs.lock";

/// Removes the branch, if it still names `commit` and no worktree works on it. One that is gone already
/// is no error. Its objects stay for git's gc.
///
/// # Errors
/// [`Error::Branch`]; nothing was changed.
pub(crate) fn unbranch(repo: &Repo, name: &str, commit: ObjectId) -> Result<()> {
    let fail = |why: String, todo: String| Error::Branch {
        name: name.to_owned(),
        why,
        todo,
    };
    if !valid_branch(name) {
        return Err(fail("that is no valid branch name".into(), String::new()));
    }
    if let Some(place) = repo.in_use(name) {
        return Err(fail(
            format!("it is checked out in {place}"),
            "switch to another branch there, then undo again".into(),
        ));
    }
    let reference = format!("refs/heads/{name}");
    let path = RelPath::parse(&reference)?;
    let failed = |e: std::io::Error| {
        fail(
            format!("its ref cannot be removed: {e}"),
            "try again when no other git command runs in the repository".into(),
        )
    };
    let Ok(dir) = repo
        .common()
        .parent_made(&path, super::branch::owner_of(repo.common()))
    else {
        return Err(fail("its ref cannot be opened".into(), String::new()));
    };
    let lock = format!("{}{LOCK}", path.name());
    dir.new_file(lock.as_bytes(), 0o644)
        .map_err(|e| failed(e.into()))?;
    // Looked at under the lock: git changes it only with that.
    let removed = match repo.direct(&reference) {
        Direct::Nothing => Ok(()),
        Direct::Is(id) if id == commit => remove(repo.common(), &dir, &path).map_err(failed),
        Direct::Is(_) | Direct::Symbolic => Err(fail(
            "it was moved on since, and holds more than the patch".into(),
            format!("git log {name} shows what; git branch -D {name} removes it with all of that"),
        )),
    };
    let _ = dir.unlink(lock.as_bytes()); // a lock that stays is said by git at the next change
    if removed.is_ok() {
        remove_empty(repo.common(), &path);
    }
    removed
}

// Packed first, as git does: a loose ref that is left still names the commit.
fn remove(common: &Dir, dir: &Dir, path: &RelPath) -> std::io::Result<()> {
    if let Some(rest) = without_packed(common, path.as_str()) {
        let mut file = common.new_file(PACKED_LOCK.as_bytes(), 0o644)?;
        let written = (|| {
            // Again under the lock.
            let rest = without_packed(common, path.as_str()).unwrap_or(rest);
            file.write_all(&rest)?;
            if let Some(owner) = super::branch::owner_of(common) {
                owner.give(&file)?;
            }
            file.sync_all()?;
            common.rename(PACKED_LOCK.as_bytes(), b"packed-refs")?;
            Ok(common.sync()?)
        })();
        if written.is_err() {
            let _ = common.unlink(PACKED_LOCK.as_bytes());
            return written;
        }
    }
    match dir.unlink(path.name().as_bytes()) {
        Ok(()) | Err(Errno::NOENT) => Ok(dir.sync()?),
        Err(e) => Err(e.into()),
    }
}

/// Folders that held nothing else, up to `refs/heads`.
fn remove_empty(common: &Dir, path: &RelPath) {
    let mut at = path.parent();
    while let Some(folder) = at.filter(|f| f.as_str().starts_with("refs/heads/")) {
        let gone = common
            .parent(&folder)
            .and_then(|d| d.rmdir(folder.name().as_bytes()));
        if gone.is_err() {
            return;
        }
        at = folder.parent();
    }
}

/// The commit that `name` holds, if it is one that was noted for the patch.
pub(crate) fn branched(repo: &Repo, name: &str, noted: Option<ObjectId>) -> Option<ObjectId> {
    let now = repo.direct(&format!("refs/heads/{name}"));
    noted.filter(|id| valid_branch(name) && now == Direct::Is(*id))
}
