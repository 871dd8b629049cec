//! The vault's folder: files that are read only where they are its owner's own, and replaced whole.
#![allow(
    clippy::disallowed_methods,
    reason = "the vault's own files, in a folder of their own"
)]

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atoll_ports::vault::Error;
use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 96 << 20;
/// How often, and how long between, another writer is waited for.
const TRIES: u32 = 250;
const WAIT: Duration = Duration::from_millis(20);

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

/// That nobody else writes. Let go when it is dropped, or its process ends.
pub(crate) struct Lock(#[allow(dead_code, reason = "held")] File);

fn io(path: &Path, err: &std::io::Error) -> Error {
    Error::Io(format!("{}: {err}", path.display()))
}

impl Folder {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Whether there is anything of that name: what it is shows when it is read.
    pub(crate) fn has(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// A file's bytes; `None`: there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        read(&self.path(name))
    }

    /// Makes the folder, if it isn't there, and sees to it that nobody else writes.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0);
        made.map_err(|err| io(&self.0, &err))?;
        let meta = std::fs::symlink_metadata(&self.0).map_err(|err| io(&self.0, &err))?;
        let why = match meta.is_dir() {
            false => Some("is no folder"),
            true => not_own(&meta),
        };
        if let Some(why) = why {
            return Err(bad(&self.0, why, &meta));
        }
        let path = self.path("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|err| io(&path, &err))?;
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock(file)),
                Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(WAIT),
                Err(err) => return Err(io(&path, &err.into())),
            }
        }
        Err(Error::Io("another process is writing it".into()))
    }

    /// Replaces a file whole: what was there is there until the new one is on disk.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8], _held: &Lock) -> Result<(), Error> {
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let written = (|| {
            match std::fs::remove_file(&part) {
                Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err),
                _ => {} // what a killed writer left
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)?;
            File::open(&self.0)?.sync_all()
        })();
        written.map_err(|err| {
            let _ = std::fs::remove_file(&part); // it is of no use
            io(&path, &err)
        })
    }

    /// Takes a file away, if it is there.
    pub(crate) fn remove(&self, name: &str, _held: &Lock) {
        let _ = std::fs::remove_file(self.path(name)); // what can't go is found by the next who looks
    }
}

/// A file's bytes, if it is its user's own and nobody else can read it; `None`: there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    read_if(path, not_own)
}

/// The same of a credential, which the service manager may own, and let its user read by an access list: that shows
/// as the group's right.
pub(crate) fn read_credential(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    read_if(path, |meta| match (meta.uid(), meta.mode() & 0o077) {
        (0, 0 | 0o040) => None,
        _ => not_own(meta),
    })
}

fn read_if(
    path: &Path,
    not_own: impl Fn(&std::fs::Metadata) -> Option<&'static str>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) if err.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(Error::Bad {
                path: path.into(),
                why: "is a link, and is not followed".into(),
                fix: Some(format!("look where it leads: ls -l {}", path.display())),
            });
        }
        Err(err) => {
            return Err(Error::Bad {
                path: path.into(),
                why: format!("can't be read: {err}"),
                fix: None,
            });
        }
    };
    // Asked of the open file: what is checked is what is read.
    let meta = file.metadata().map_err(|err| io(path, &err))?;
    let why = match (meta.is_file(), not_own(&meta)) {
        (false, _) => Some("is no file"),
        (true, Some(why)) => Some(why),
        (true, None) if meta.len() > FILE_BYTES_MAX => Some("is larger than a vault can be"),
        (true, None) => None,
    };
    if let Some(why) = why {
        return Err(bad(path, why, &meta));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len() as usize + 1));
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|err| io(path, &err))?;
    Ok(Some(bytes))
}

const OPEN: &str = "can be read by others";

fn not_own(meta: &std::fs::Metadata) -> Option<&'static str> {
    if meta.uid() != rustix::process::geteuid().as_raw() {
        Some("belongs to another user")
    } else if meta.mode() & 0o077 != 0 {
        Some(OPEN)
    } else {
        None
    }
}

fn bad(path: &Path, why: &str, meta: &std::fs::Metadata) -> Error {
    let fix = (why == OPEN).then(|| {
        let mode = if meta.is_dir() { "700" } else { "600" };
        format!(
            "chmod {mode} {}, and rotate what was in it if others may have read it",
            path.display()
        )
    });
    Error::Bad {
        path: path.into(),
        why: why.into(),
        fix,
    }
}
