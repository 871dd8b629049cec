//! Open directory handles below which nothing can be escaped: every open goes
//! through `openat2` with RESOLVE_BENEATH, NO_SYMLINKS, NO_MAGICLINKS and (below
//! the root) NO_XDEV, so that a planted symlink, `..` or mount leads nowhere.

#![allow(
    clippy::disallowed_methods,
    reason = "every change of a copy or a checkout goes through these handles, by a permit that the adapter opened"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::names::RelPath;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// One name in a directory.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: FileType,
}

/// What identifies one state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
    pub(crate) ctime_ns: i64,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        let ns = |s: i64, n: i64| s.saturating_mul(1_000_000_000).saturating_add(n);
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
        // the field types differ by architecture
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            size: stat.st_size.max(0) as u64,
            mtime_ns: ns(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime_ns: ns(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// Whether and how a write syncs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Yes,
    No,
}

impl Dir {
    /// Opens the directory at `path`, following symlinks on the way: for paths
    /// that a person named, never for what lies inside a workspace.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map(Self)
        .map_err(|e| Error::io("open", path.display(), e))
    }

    /// Opens a path that was made canonical before: a symlink in it was put there
    /// since, and is refused.
    pub(crate) fn open_plain(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(
            rustix::fs::CWD,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        )
        .map(Self)
        .map_err(|e| Error::io("open", path.display(), e))
    }

    /// Opens, and first makes, an Atoll-owned directory with mode 0700.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| Error::io("create", path.display(), e))?;
        Self::open(path)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn openat2(&self, path: &[u8], flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        let mut tries = 0;
        loop {
            // EAGAIN: a rename raced with the resolution. Bounded, as a hostile
            // process could keep racing.
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, RESOLVE) {
                Err(Errno::AGAIN) if tries < 16 => tries += 1,
                other => return other,
            }
        }
    }

    /// The directory at `path` below this one; `None` stands for this one.
    pub(crate) fn sub(&self, path: Option<&RelPath>) -> rustix::io::Result<Dir> {
        let path = path.map_or(".", RelPath::as_str);
        self.openat2(
            path.as_bytes(),
            OFlags::RDONLY | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .map(Dir)
    }

    pub(crate) fn sub_name(&self, name: &[u8]) -> rustix::io::Result<Dir> {
        self.openat2(
            name,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
            Mode::empty(),
        )
        .map(Dir)
    }

    /// Opens a file for reading, never blocking on a FIFO.
    pub(crate) fn file(&self, path: &[u8]) -> rustix::io::Result<File> {
        self.openat2(
            path,
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW,
            Mode::empty(),
        )
        .map(File::from)
    }

    /// Makes a new file; it must not exist.
    pub(crate) fn new_file(&self, name: &[u8], mode: u32) -> rustix::io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        self.openat2(name, flags, Mode::from_raw_mode(mode))
            .map(File::from)
    }

    /// All names, sorted; more than `entries_max` are an error.
    pub(crate) fn entries(&self, entries_max: usize) -> Result<Vec<Entry>> {
        let mut found = self.some_entries(entries_max.saturating_add(1))?;
        if found.len() > entries_max {
            return Err(Error::Limit {
                what: "the number of entries in one directory".into(),
                limit: entries_max as u64,
                hint: "ignore the directory in .gitignore",
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The first names, `entries_max` at most, in the file system's own order.
    pub(crate) fn some_entries(&self, entries_max: usize) -> Result<Vec<Entry>> {
        let dir = rustix::fs::Dir::read_from(&self.0).map_err(|e| Error::io("list", ".", e))?;
        let mut found = Vec::new();
        for entry in dir {
            let entry = entry.map_err(|e| Error::io("list", ".", e))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if found.len() >= entries_max {
                break;
            }
            found.push(Entry {
                name: name.to_vec(),
                kind: entry.file_type(),
            });
        }
        Ok(found)
    }

    pub(crate) fn stat(&self, name: &[u8]) -> rustix::io::Result<Stat> {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    pub(crate) fn stat_self(&self) -> rustix::io::Result<Stat> {
        rustix::fs::fstat(&self.0)
    }

    pub(crate) fn link_target(&self, name: &[u8]) -> rustix::io::Result<Vec<u8>> {
        rustix::fs::readlinkat(&self.0, name, Vec::new()).map(std::ffi::CString::into_bytes)
    }

    pub(crate) fn unlink(&self, name: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(&self.0, name, AtFlags::empty())
    }

    pub(crate) fn rmdir(&self, name: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)
    }

    pub(crate) fn rename(&self, from: &[u8], to: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::renameat(&self.0, from, &self.0, to)
    }

    pub(crate) fn move_to(&self, from: &[u8], dir: &Dir, to: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::renameat(&self.0, from, &dir.0, to)
    }

    /// Renames, refusing where `to` exists.
    pub(crate) fn rename_new(&self, from: &[u8], to: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE)
    }

    pub(crate) fn symlink(&self, target: &[u8], name: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::symlinkat(target, &self.0, name)
    }

    /// Gives its owner all rights to the folder `name`, which is known to be one.
    pub(crate) fn unlock(&self, name: &[u8]) -> rustix::io::Result<()> {
        rustix::fs::chmodat(&self.0, name, Mode::from_raw_mode(0o700), AtFlags::empty())
    }

    pub(crate) fn sync(&self) -> rustix::io::Result<()> {
        rustix::fs::fsync(&self.0)
    }

    /// The parent directory of `path`, making missing folders, each owned by
    /// `owner` where given.
    pub(crate) fn parent_made(
        &self,
        path: &RelPath,
        owner: Option<Owner>,
    ) -> rustix::io::Result<Dir> {
        let mut here = self.sub(None)?;
        let Some(parent) = path.parent() else {
            return Ok(here);
        };
        for name in parent.components() {
            here = match here.sub_name(name.as_bytes()) {
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&here.0, name, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(e) => return Err(e),
                    }
                    let made = here.sub_name(name.as_bytes())?;
                    if let Some(owner) = owner {
                        owner.give(&made.0)?;
                    }
                    made
                }
                other => other?,
            };
        }
        Ok(here)
    }

    /// The parent directory of `path` as it is.
    pub(crate) fn parent(&self, path: &RelPath) -> rustix::io::Result<Dir> {
        self.sub(path.parent().as_ref())
    }

    /// Writes `name` anew by a temporary file and a rename, so that a reader
    /// sees the old content or the new.
    pub(crate) fn replace(
        &self,
        name: &str,
        content: &[u8],
        mode: u32,
        owner: Option<Owner>,
        sync: Sync,
    ) -> rustix::io::Result<()> {
        let temp = temp_name();
        let mut file = self.new_file(temp.as_bytes(), 0o600)?;
        let written = (|| {
            file.write_all(content).map_err(errno)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            if let Some(owner) = owner {
                owner.give(&file)?;
            }
            if sync == Sync::Yes {
                rustix::fs::fsync(&file)?;
            }
            self.rename(temp.as_bytes(), name.as_bytes())?;
            if sync == Sync::Yes {
                self.sync()
            } else {
                Ok(())
            }
        })();
        if written.is_err() {
            let _ = self.unlink(temp.as_bytes());
        }
        written
    }
}

/// Whom new files belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Owner {
    pub(crate) fn give(self, fd: impl AsFd) -> rustix::io::Result<()> {
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(self.uid),
            rustix::fs::Gid::from_raw(self.gid),
        );
        rustix::fs::fchown(fd, Some(uid), Some(gid))
    }

    pub(crate) fn give_link(self, dir: &Dir, name: &[u8]) -> rustix::io::Result<()> {
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(self.uid),
            rustix::fs::Gid::from_raw(self.gid),
        );
        rustix::fs::chownat(
            &dir.0,
            name,
            Some(uid),
            Some(gid),
            AtFlags::SYMLINK_NOFOLLOW,
        )
    }
}

/// The prefix of every temporary file that Atoll makes beside a user's file.
pub(crate) const TEMP_PREFIX: &str = ".atoll-tmp-";

/// A fresh name in the same directory; the walker skips names like it.
pub(crate) fn temp_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    format!("{TEMP_PREFIX}{}-{n}-{nanos}", std::process::id())
}

/// Reads at most `limit_bytes`; `None` when the file holds more.
pub(crate) fn read_bounded(file: &mut File, limit_bytes: u64) -> std::io::Result<Option<Vec<u8>>> {
    let expected = file.metadata()?.len();
    if expected > limit_bytes {
        return Ok(None);
    }
    let mut content = Vec::with_capacity(usize::try_from(expected).unwrap_or(0).saturating_add(1));
    file.take(limit_bytes.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok((content.len() as u64 <= limit_bytes).then_some(content))
}

/// A small regular file below `dir`, as untrusted data: `None` when it is
/// missing, no regular file, or larger than `limit_bytes`.
pub(crate) fn small_file(dir: &Dir, path: &str, limit_bytes: u64) -> Option<Vec<u8>> {
    let mut file = dir.file(path.as_bytes()).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    read_bounded(&mut file, limit_bytes).ok().flatten()
}

/// What kind of thing `stat` describes, as a person would say it.
pub(crate) fn kind_of(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symlink",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something unknown",
    }
}

pub(crate) fn errno(e: std::io::Error) -> Errno {
    Errno::from_io_error(&e).unwrap_or(Errno::IO)
}

/// A name as a path for messages.
pub(crate) fn lossy(name: &[u8]) -> String {
    OsStr::from_bytes(name).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symlinks_and_dots_lead_nowhere() {
        let t = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), t.path().join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), t.path().join("leaf")).unwrap();
        std::fs::create_dir(t.path().join("in")).unwrap();
        std::os::unix::fs::symlink("in", t.path().join("alias")).unwrap();
        let dir = Dir::open(t.path()).unwrap();
        for path in ["out/secret", "leaf", "../x", "/etc/passwd", "in/../../x"] {
            assert!(dir.file(path.as_bytes()).is_err(), "{path}");
        }
        assert!(dir.sub_name(b"alias").is_err());
        let through = RelPath::parse("out/new/file").unwrap();
        assert!(dir.parent_made(&through, None).is_err());
        assert!(!outside.path().join("new").exists());
    }

    #[test]
    fn replace_is_whole_and_leaves_no_temporary() {
        let t = tempfile::tempdir().unwrap();
        let dir = Dir::open(t.path()).unwrap();
        dir.replace("a", b"one", 0o644, None, Sync::No).unwrap();
        dir.replace("a", b"two", 0o755, None, Sync::Yes).unwrap();
        assert_eq!(std::fs::read(t.path().join("a")).unwrap(), b"two");
        assert_eq!(dir.entries(10).unwrap().len(), 1);
        std::fs::create_dir(t.path().join("d")).unwrap();
        assert!(dir.replace("d", b"x", 0o644, None, Sync::No).is_err());
        assert_eq!(dir.entries(10).unwrap().len(), 2);
        assert!(dir.entries(1).is_err());
    }
}
