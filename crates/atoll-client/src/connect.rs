//! A connection to the socket, if it is ours on both sides.
#![allow(clippy::disallowed_types, reason = "speaks to the node's own socket")]

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atoll_api::{Error, codes};
use rustix::fs::{FileType, Mode, OFlags};
use tokio::net::UnixStream;

const CONNECT_TIME: Duration = Duration::from_secs(5);

pub(crate) fn unreachable(socket: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(codes::NODE_UNREACHABLE, "the node can't be reached")
        .found(format!("{}: {why}", socket.display()))
        .next("atoll up")
        .next("atoll doctor")
}

fn stranger(socket: &Path, what: &str, uid: u32) -> Error {
    Error::new(
        codes::NODE_STRANGER,
        format!("{what} belongs to another user, and nothing was sent to it"),
    )
    .found(format!("{}: uid {uid}", socket.display()))
    .next("see who made it, remove it, then: atoll up")
}

/// Connects to `socket` and proves that folder, socket and the process behind it are `uid`'s. The folder is
/// opened first and everything else reached through it, so that it can't be swapped in between.
pub(crate) async fn connect(socket: &Path, uid: u32) -> Result<UnixStream, Error> {
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(unreachable(socket, "not the path of a socket"));
    };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
    let dir = rustix::fs::open(folder, flags, Mode::empty()).map_err(|e| unreachable(socket, e))?;
    let stat = rustix::fs::fstat(&dir).map_err(|e| unreachable(socket, e))?;
    if stat.st_uid != uid {
        return Err(stranger(socket, "the socket's folder", stat.st_uid));
    }
    let nofollow = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statat(&dir, name, nofollow).map_err(|e| unreachable(socket, e))?;
    if stat.st_uid != uid {
        return Err(stranger(socket, "the socket", stat.st_uid));
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(unreachable(socket, "not a socket"));
    }
    let through = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
    let stream = match tokio::time::timeout(CONNECT_TIME, UnixStream::connect(through)).await {
        Ok(connected) => connected.map_err(|e| unreachable(socket, e))?,
        Err(_) => return Err(unreachable(socket, "no answer in time")),
    };
    let peer = stream.peer_cred().map_err(|e| unreachable(socket, e))?;
    if peer.uid() != uid {
        return Err(stranger(socket, "what listens on the socket", peer.uid()));
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types, reason = "a test")]
    use super::*;

    #[tokio::test]
    async fn a_stranger_is_told_from_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let uid = rustix::process::getuid().as_raw();
        let err = connect(&path, uid).await.unwrap_err();
        assert!(err.is(codes::NODE_UNREACHABLE), "{err}");
        let _listener = tokio::net::UnixListener::bind(&path).unwrap();
        assert!(connect(&path, uid).await.is_ok());
        let err = connect(&path, uid + 1).await.unwrap_err();
        assert!(err.is(codes::NODE_STRANGER), "{err}");
    }

    #[tokio::test]
    async fn a_link_in_the_sockets_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let real = dir.path().join("real.sock");
        let _listener = tokio::net::UnixListener::bind(&real).unwrap();
        let link = dir.path().join("node.sock");
        link_to(&real, &link);
        let err = connect(&link, uid).await.unwrap_err();
        assert!(err.found.unwrap().contains("not a socket"));
    }

    #[allow(clippy::disallowed_methods, reason = "a test")]
    fn link_to(real: &Path, link: &Path) {
        std::os::unix::fs::symlink(real, link).unwrap();
    }
}
