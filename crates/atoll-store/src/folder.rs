//! The data directory: who may see it, who has it, and where it may lie.
#![allow(
    clippy::disallowed_methods,
    reason = "makes the node's own data directory and its lock"
)]

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use atoll_ports::log::Error;
use rustix::fs::{FlockOperation, flock};

use crate::row::io;

/// File systems on which locks and mapped memory can't be trusted, by their
/// magic number in statfs(2). FUSE is among them because it can't be told from a
/// network file system here.
const NETWORK: [(u32, &str); 14] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x6573_5546, "FUSE"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "VirtualBox shared folder"),
];

/// The name of the network file system with this magic number.
pub fn network_name(magic: u32) -> Option<&'static str> {
    NETWORK
        .iter()
        .find(|(m, _)| *m == magic)
        .map(|(_, name)| *name)
}

/// The data directory, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    // The lock lasts as long as this is open.
    _lock: File,
}

impl Folder {
    /// Makes the directory if it isn't there, checks it and takes its lock.
    pub fn take(path: &Path) -> Result<Folder, Error> {
        make_private(path)?;
        local(path)?;
        let lock = lock(path)?;
        for sub in ["blobs", "keys"] {
            make_private(&path.join(sub))?;
        }
        Ok(Folder {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Refuses network file systems.
pub fn local(path: &Path) -> Result<(), Error> {
    let stat = rustix::fs::statfs(path).map_err(|e| io("the data directory", e))?;
    // Magic numbers are 32 bits; the field is wider on some machines.
    match network_name(stat.f_type as u32) {
        None => Ok(()),
        Some(name) => Err(Error::Unusable(format!(
            "the data directory {} lies on {name}: locks can't be trusted there; set ATOLL_HOME to a local disk",
            path.display()
        ))),
    }
}

/// Makes a directory that only its owner can enter; narrows one that is wider.
fn make_private(path: &Path) -> Result<(), Error> {
    let what = || format!("the data directory {}", path.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| io(&what(), e))?;
    let meta = std::fs::symlink_metadata(path).map_err(|e| io(&what(), e))?;
    if !meta.is_dir() {
        return Err(Error::Unusable(format!(
            "{} is no directory",
            path.display()
        )));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::Unusable(format!(
            "{} belongs to another user",
            path.display()
        )));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|e| io(&what(), e))?;
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("node.lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(&path)
        .map_err(|e| io("node.lock", e))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut text = String::new();
        // The holder may be about to write its pid: 0 then stands for "not known".
        let _ = std::io::Read::by_ref(&mut file)
            .take(32)
            .read_to_string(&mut text);
        return Err(Error::Locked {
            pid: text.trim().parse().unwrap_or(0),
            path: dir.display().to_string(),
        });
    }
    let pid = format!("{}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(pid.as_bytes()))
        .map_err(|e| io("node.lock", e))?;
    Ok(file)
}

/// Writes a small file so that it is there whole or not at all, and on disk.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temp = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temp, path)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
