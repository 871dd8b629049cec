//! The node's socket: in a folder that only its owner can enter.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "makes the socket's folder, takes a stale socket away and listens: the node's own door"
)]

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixListener;

/// The socket's name in its folder.
pub const SOCKET: &str = "node.sock";

/// Why the socket can't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder belongs to somebody else, or others may enter it.
    #[error("{folder} is not yours alone: {why}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody answers on it already.
    #[error("something listens on {0} already")]
    Taken(PathBuf),
    /// What stands there is no socket.
    #[error("{0} is there and is no socket")]
    NoSocket(PathBuf),
    /// The system refused.
    #[error("{path}: {why}")]
    Io {
        /// What was tried.
        path: PathBuf,
        /// Why it failed.
        why: String,
    },
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |err| Error::Io {
        path: path.to_owned(),
        why: err.to_string(),
    }
}

/// Listens on `folder/node.sock`, which `owner_uid` must own alone. The folder is made with mode 0700 if
/// it isn't there. A socket that nobody answers on is taken away: call it only while holding the lock on
/// the data directory, so that a node that is just starting is not robbed of its own.
pub fn bind(folder: &Path, owner_uid: u32) -> Result<UnixListener, Error> {
    make(folder)?;
    let dir = open(folder, owner_uid)?;
    let path = folder.join(SOCKET);
    // By the descriptor: neither the length of the path nor who swaps the folder meanwhile matters.
    let through = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()));
    if let Ok(meta) = std::fs::symlink_metadata(&through) {
        use std::os::unix::fs::FileTypeExt;
        if !meta.file_type().is_socket() {
            return Err(Error::NoSocket(path));
        }
        if std::os::unix::net::UnixStream::connect(&through).is_ok() {
            return Err(Error::Taken(path));
        }
        std::fs::remove_file(&through).map_err(io(&path))?;
    }
    let listener = UnixListener::bind(&through).map_err(io(&path))?;
    std::fs::set_permissions(&through, PermissionsExt::from_mode(0o600)).map_err(io(&path))?;
    Ok(listener)
}

fn make(folder: &Path) -> Result<(), Error> {
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(io(parent))?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(err) if err.kind() != std::io::ErrorKind::AlreadyExists => Err(io(folder)(err)),
        _ => Ok(()),
    }
}

fn open(folder: &Path, owner_uid: u32) -> Result<OwnedFd, Error> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let dir =
        rustix::fs::open(folder, flags, Mode::empty()).map_err(|errno| io(folder)(errno.into()))?;
    let stat = rustix::fs::fstat(&dir).map_err(|errno| io(folder)(errno.into()))?;
    let wrong = |why: String| Error::Folder {
        folder: folder.to_owned(),
        why,
    };
    if stat.st_uid != owner_uid {
        return Err(wrong(format!("it belongs to uid {}", stat.st_uid)));
    }
    if stat.st_mode & 0o077 != 0 {
        let mode = stat.st_mode & 0o777;
        return Err(wrong(format!(
            "its mode is {mode:o}, and it must be 700: chmod 700 {}",
            folder.display()
        )));
    }
    Ok(dir)
}
