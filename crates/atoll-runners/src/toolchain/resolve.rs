//! Finding executables, following their links, and naming them by content.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use atoll_domain::{Exe, Hash};
use sha2::{Digest, Sha256};

const LINKS_MAX: usize = 40;
const DIGESTS_MAX: usize = 512;
const EXE_LIMIT_BYTES: u64 = 2 << 30;

/// The first of `dirs` that holds an executable file `name`; its path as named, links not followed.
pub(super) fn which<'a>(name: &str, dirs: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    dirs.into_iter()
        .map(|dir| dir.join(name))
        .find(|path| executable(path))
}

/// Whether `path` is, at the end of its links, a file that somebody may execute.
pub(super) fn executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Every link that the kernel follows on the way along `path`, in order, each by its physical path.
/// `None` where it ends nowhere or goes round in circles.
pub(super) fn links(path: &Path) -> Option<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut todo: Vec<PathBuf> = Vec::new();
    push(&mut todo, path);
    let mut at = PathBuf::from("/");
    while let Some(part) = todo.pop() {
        match part.components().next()? {
            Component::RootDir => at = PathBuf::from("/"),
            Component::ParentDir => drop(at.pop()),
            Component::Normal(name) => {
                let next = at.join(name);
                if fs::symlink_metadata(&next).ok()?.is_symlink() {
                    if found.len() == LINKS_MAX {
                        return None;
                    }
                    push(&mut todo, &fs::read_link(&next).ok()?);
                    found.push(next);
                } else {
                    at = next;
                }
            }
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(found)
}

/// Puts a path's parts on the stack, the first on top.
fn push(todo: &mut Vec<PathBuf>, path: &Path) {
    let parts: Vec<PathBuf> = path
        .components()
        .map(|c| PathBuf::from(c.as_os_str()))
        .collect();
    todo.extend(parts.into_iter().rev());
}

/// What a file is known by without reading it. The change time can't be set by a program, so a content
/// that changed under the same key does not happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Key {
    fn of(m: &fs::Metadata) -> Key {
        Key {
            device: m.dev(),
            inode: m.ino(),
            size: m.size(),
            modified: (m.mtime(), m.mtime_nsec()),
            changed: (m.ctime(), m.ctime_nsec()),
        }
    }
}

/// Digests of executables, so that looking again costs a stat.
#[derive(Default)]
pub(super) struct Digests(Mutex<HashMap<Key, Hash>>);

impl Digests {
    /// The executable at the end of `path`'s links. `None` if it can't be read, is larger than 2 GiB, or
    /// changes while it is read.
    pub(super) fn exe(&self, path: &Path) -> Option<Exe> {
        let path = fs::canonicalize(path).ok()?;
        let named = path.to_str()?.to_owned();
        let mut file = File::open(&path).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.len() > EXE_LIMIT_BYTES {
            return None;
        }
        let key = Key::of(&meta);
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .copied();
        if let Some(sha256) = known {
            return Some(Exe {
                path: named,
                sha256,
            });
        }
        let mut digest = Sha256::new();
        let mut chunk = vec![0; 256 * 1024];
        loop {
            match file.read(&mut chunk).ok()? {
                0 => break,
                read => digest.update(&chunk[..read]),
            }
        }
        if Key::of(&file.metadata().ok()?) != key {
            return None;
        }
        let sha256 = Hash(digest.finalize().into());
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= DIGESTS_MAX {
            cache.clear();
        }
        cache.insert(key, sha256);
        Some(Exe {
            path: named,
            sha256,
        })
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_first_executable_on_the_path_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|d| dir.path().join(d));
        for d in [&a, &b] {
            fs::create_dir(d).unwrap();
            fs::write(d.join("tool"), "x").unwrap();
        }
        let dirs = [a.as_path(), b.as_path()];
        assert_eq!(which("tool", dirs), None);
        fs::set_permissions(b.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(which("tool", dirs), Some(b.join("tool")));
        assert_eq!(which("../a/tool", dirs), None);
        assert_eq!(which("", dirs), None);
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let dir = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(top.join("real/bin")).unwrap();
        fs::write(top.join("real/bin/python3"), "x").unwrap();
        symlink("real", top.join("short")).unwrap();
        fs::create_dir(top.join("venv")).unwrap();
        symlink("../short/../short/bin/python3", top.join("venv/python")).unwrap();
        let want = ["venv/python", "short", "short"].map(|p| top.join(p));
        assert_eq!(links(&top.join("venv/python")), Some(want.to_vec()));
        symlink("loop", top.join("loop")).unwrap();
        assert_eq!(links(&top.join("loop")), None);
        symlink("nowhere", top.join("dead")).unwrap();
        assert_eq!(links(&top.join("dead")), None);
    }

    #[test]
    fn a_digest_is_remembered_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tool");
        fs::write(&path, "one").unwrap();
        symlink("tool", dir.path().join("link")).unwrap();
        let digests = Digests::default();
        let one = digests.exe(&dir.path().join("link")).unwrap();
        assert_eq!(one.sha256, Hash::of(b"one"));
        assert!(one.path.ends_with("/tool"));
        assert_eq!(digests.exe(&path), Some(one));
        assert_eq!(digests.count(), 1);
        fs::write(&path, "two!").unwrap();
        assert_eq!(digests.exe(&path).unwrap().sha256, Hash::of(b"two!"));
        assert_eq!(digests.exe(dir.path()), None);
    }
}
