//! Keeping the cache within a limit: what was used last stays longest.
#![allow(
    clippy::disallowed_methods,
    reason = "Atoll's own cache: removes what was not used for long"
)]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use atoll_ports::sweep::Swept;

/// Its time is when the folder it lies in was used last.
const USED: &str = ".used";
/// How long a note of use stands before another is made.
const USED_EVERY: Duration = Duration::from_secs(300);
/// A folder that is about to go has this before its name.
const GONE: &str = ".gone-";
const ENTRIES_MAX: usize = 10_000;
/// Files that are looked at to tell one entry's size.
const LOOKS_MAX: usize = 500_000;

/// Notes that a folder of the cache is used. Where that can't be noted it counts as unused: it may go
/// sooner.
pub(super) fn used(folder: &Path) {
    let file = folder.join(USED);
    if !fresh(&file) {
        let _ = fs::write(file, ".");
    }
}

/// The same of an entry that is a file: its own time is the note.
pub(super) fn file_used(file: &Path) {
    if !fresh(file) {
        let opened = File::options().append(true).open(file);
        let _ = opened.and_then(|f| f.set_modified(SystemTime::now()));
    }
}

fn fresh(file: &Path) -> bool {
    let at = fs::metadata(file).and_then(|m| m.modified());
    at.is_ok_and(|at| age(at) < USED_EVERY)
}

fn age(at: SystemTime) -> Duration {
    SystemTime::now().duration_since(at).unwrap_or_default()
}

struct Entry {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// Removes what was used longest ago until the rest holds at most `limit_bytes`; what was used within
/// `young` stays in any case. What an earlier sweep began to remove is removed.
pub(super) fn sweep(cache: &Path, limit_bytes: u64, young: Duration) -> Swept {
    let mut swept = Swept::default();
    let mut entries = Vec::new();
    for tool in children(cache) {
        for path in children(&tool) {
            let bytes = size_bytes(&path);
            if gone(&path) {
                if remove(&path) {
                    swept.removed += 1;
                    swept.freed_bytes += bytes;
                }
                continue;
            }
            entries.push(Entry {
                used: last_used(&path),
                path,
                bytes,
            });
        }
    }
    swept.left_bytes = entries.iter().map(|e| e.bytes).sum();
    entries.sort_by_key(|e| e.used);
    for entry in entries {
        // Looked at again: it may have been used meanwhile.
        if swept.left_bytes <= limit_bytes || age(last_used(&entry.path)) < young {
            continue;
        }
        if evict(&entry.path) {
            swept.removed += 1;
            swept.freed_bytes += entry.bytes;
            swept.left_bytes -= entry.bytes;
        }
    }
    swept
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.take(ENTRIES_MAX).map(|e| e.path()).collect()
}

fn gone(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(GONE))
}

/// A folder's note of use, else the time of the folder or file itself.
fn last_used(path: &Path) -> SystemTime {
    let noted = fs::metadata(path.join(USED)).and_then(|m| m.modified());
    let own = || fs::symlink_metadata(path).and_then(|m| m.modified());
    noted.or_else(|_| own()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Takes the entry's name away first, so that a kill leaves nothing half under it.
fn evict(path: &Path) -> bool {
    let Some(parent) = path.parent() else {
        return false;
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let away = parent.join(format!("{GONE}{name}"));
    fs::rename(path, &away).is_ok() && remove(&away)
}

fn remove(path: &Path) -> bool {
    if fs::symlink_metadata(path).is_ok_and(|m| !m.is_dir()) {
        return fs::remove_file(path).is_ok();
    }
    if fs::remove_dir_all(path).is_ok() {
        return true;
    }
    // A package can hold folders that their owner may not write into.
    open_up(path, 0);
    fs::remove_dir_all(path).is_ok()
}

fn open_up(dir: &Path, depth: usize) {
    const DEPTH_MAX: usize = 128;
    let own = fs::symlink_metadata(dir).is_ok_and(|m| m.is_dir());
    if !own || depth > DEPTH_MAX || fs::set_permissions(dir, Permissions::from_mode(0o700)).is_err()
    {
        return;
    }
    for child in children(dir) {
        open_up(&child, depth + 1);
    }
}

fn size_bytes(path: &Path) -> u64 {
    let (mut bytes, mut looks) = (0, 0);
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        bytes += meta.blocks() * 512;
        looks += 1;
        if meta.is_dir() && looks < LOOKS_MAX {
            todo.extend(children(&path));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with one folder of 64 KiB per name, used so many seconds ago.
    fn cache(entries: &[(&str, u64)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, ago_s) in entries {
            let folder = dir.path().join(name);
            fs::create_dir_all(folder.join("0/deep")).unwrap();
            fs::write(folder.join("0/deep/file"), vec![1; 64 << 10]).unwrap();
            used(&folder);
            let at = SystemTime::now() - Duration::from_secs(*ago_s);
            let file = File::options().write(true).open(folder.join(USED));
            file.unwrap().set_modified(at).unwrap();
        }
        dir
    }

    fn left(dir: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<String> = children(dir.path())
            .iter()
            .flat_map(|tool| children(tool))
            .map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }

    const DAY_S: u64 = 86_400;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_only_as_much_as_must() {
        let dir = cache(&[
            ("npm/a", 3 * DAY_S),
            ("cargo/b", DAY_S),
            ("go/c", 2 * DAY_S),
        ]);
        let hour = Duration::from_secs(3600);
        let all = sweep(dir.path(), u64::MAX, hour);
        assert_eq!((all.removed, left(&dir).len()), (0, 3));
        let swept = sweep(dir.path(), all.left_bytes - 1, hour);
        assert_eq!(
            (swept.removed, left(&dir)),
            (1, vec!["cargo/b".into(), "go/c".into()])
        );
        assert_eq!(swept.left_bytes + swept.freed_bytes, all.left_bytes);
        // A use counts.
        used(&dir.path().join("go/c"));
        let swept = sweep(dir.path(), swept.left_bytes - 1, hour);
        assert_eq!((swept.removed, left(&dir)), (1, vec!["go/c".into()]));
        let swept = sweep(dir.path(), 0, hour);
        assert_eq!(
            (swept.removed, left(&dir)),
            (0, vec!["go/c".into()]),
            "young"
        );
        assert_eq!(sweep(dir.path(), 0, Duration::ZERO).removed, 1);
        assert_eq!(sweep(&dir.path().join("none"), 0, hour), Swept::default());
    }

    #[test]
    fn what_a_kill_left_and_what_is_locked_goes() {
        let dir = cache(&[("npm/.gone-a", 0), ("npm/b", 2 * DAY_S), ("npm/c", 0)]);
        let locked = dir.path().join("npm/b/0/deep");
        fs::set_permissions(&locked, Permissions::from_mode(0o500)).unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("npm/b/way")).unwrap();
        let swept = sweep(dir.path(), 100 << 10, Duration::from_secs(3600));
        assert_eq!((swept.removed, left(&dir)), (2, vec!["npm/c".into()]));
        assert!(outside.path().join("kept").exists());
    }
}
