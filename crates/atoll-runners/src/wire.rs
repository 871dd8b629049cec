//! What node, spawner and init say to each other: JSON frames over seqpacket sockets, with descriptors.
//!
//! The node speaks to the spawner on one socket and to each job's init on another, which it makes itself
//! and hands over with the job; when either of its ends closes, the job ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A frame that is longer travels in a memory file.
const INLINE_LIMIT_BYTES: usize = 48 << 10;
/// The longest frame at all.
pub const FRAME_LIMIT_BYTES: usize = 4 << 20;
/// Descriptors in one frame; the kernel's own limit is 253.
pub const FDS_MAX: usize = 200;

/// How the spawner is to work. Its first frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// As root: the uid and gid that jobs run as. Else they run as the spawner's own.
    pub job_uid: u32,
    /// See `job_uid`.
    pub job_gid: u32,
    /// The name of the user in the synthesised passwd.
    pub user: String,
    /// That user's home.
    pub home: String,
    /// Boxes that are made ahead.
    pub pool: usize,
}

/// From the node to the spawner.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Prepare; answered by [`Prepared`].
    Setup(Setup),
    /// Run a job. Descriptors: its socket, its secrets if it has any, then stdin, stdout and stderr unless it has a
    /// terminal.
    Start(Box<Plan>),
}

/// What the spawner found, once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Prepared {
    /// Why no job can be run here.
    pub failed: Option<String>,
    /// Whether it is root and jobs run as another user.
    pub root: bool,
    /// The Landlock ABI; 0: none.
    pub landlock_abi: i32,
    /// How memory is kept: `cgroup1`, `cgroup2` or empty.
    pub memory: String,
    /// How pids are kept: as `memory`.
    pub pids: String,
    /// Where CPU time is counted: as `memory`.
    pub cpu: String,
    /// Whether mounts can be idmapped (root).
    pub idmap: bool,
    /// What is weaker than it could be.
    pub notes: Vec<String>,
}

/// How a mount is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// The host's own.
    Bind,
    /// Below a discarded tmpfs.
    Overlay,
    /// An empty tmpfs.
    Tmpfs,
}

/// One mount of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanMount {
    /// How.
    pub how: How,
    /// On the host; empty for a tmpfs.
    pub src: String,
    /// Inside.
    pub dst: String,
    /// Read-only.
    pub ro: bool,
}

/// A job as the init executes it. Everything in it was checked by the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The command.
    pub argv: Vec<String>,
    /// What `argv[0]` must resolve to inside, if it was bound to a digest.
    pub exe: Option<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub workdir: String,
    /// Mounts, parents first.
    pub mounts: Vec<PlanMount>,
    /// A terminal's columns and rows.
    pub tty: Option<(u16, u16)>,
    /// Whether a listener for the proxy is wanted.
    pub proxy: bool,
    /// Whether a memory file with secrets comes with it, right after the job's socket: only the process that becomes
    /// the command reads it.
    pub secrets: bool,
    /// Whether an artifact will be read from `workdir` afterwards.
    pub keep_workdir: bool,
    /// Wall time in milliseconds.
    pub ttl_ms: u64,
    /// Between SIGTERM and SIGKILL, in milliseconds.
    pub grace_ms: u64,
    /// CPU time in milliseconds.
    pub cpu_ms: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids_max: u32,
    /// Written bytes.
    pub disk_bytes: u64,
}

/// From the node to a job's init.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Order {
    /// End it.
    Stop(Why),
}

/// Why a job did not end by itself, as the init knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Its wall time was up.
    Time,
    /// Its CPU time was up.
    Cpu,
    /// Its memory was used up.
    Memory,
    /// The node wants it.
    Cancelled,
    /// Too much was written to disk.
    Disk,
    /// Too much output.
    Output,
}

/// From a job's init (or, before there is one, the spawner) to the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// It runs. Descriptors: the terminal's master if it has one, then the proxy's listener if wanted.
    Started {
        /// The listener's port.
        port: Option<u16>,
    },
    /// It was not run, and nothing was changed.
    Refused {
        /// Why.
        why: String,
        /// What was permitted is not what is there.
        changed: bool,
    },
    /// It ended and its whole tree is dead. Descriptor: the working directory, if it was to be kept.
    Ended(End),
}

/// How a job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit code.
    pub exit: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// Why the init ended it.
    pub why: Option<Why>,
    /// The command could not be executed: the message.
    pub exec_failed: Option<String>,
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// Peak memory in bytes.
    pub peak_bytes: u64,
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// Times the kernel killed for memory.
    pub oom_kills: u64,
    /// Times a process was refused for the limit.
    pub pids_hits: u64,
}

/// A connected pair that keeps frames apart. Close-on-exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let pair = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(pair)
}

/// Sends one frame. `WouldBlock` only with `DONTWAIT` in `flags` or on a nonblocking socket.
pub fn send<T: Serialize>(
    to: BorrowedFd<'_>,
    frame: &T,
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(frame).map_err(io::Error::other)?;
    send_bytes(to, &bytes, fds, flags)
}

/// [`send`] of a frame that is JSON already.
pub fn send_bytes(
    to: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    if bytes.len() > FRAME_LIMIT_BYTES || fds.len() > FDS_MAX {
        return Err(io::Error::other(
            "too large a job: more than 4 MiB of words or 200 mounts",
        ));
    }
    if bytes.len() <= INLINE_LIMIT_BYTES {
        return send_raw(to, b'j', bytes, fds, flags);
    }
    let memory = memory_of(bytes)?;
    let mut all = vec![memory.as_fd()];
    all.extend_from_slice(fds);
    send_raw(to, b'm', &[], &all, flags)
}

/// A memory file with these bytes. Close-on-exec.
pub fn memory_of(bytes: &[u8]) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("frame", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut at = 0;
    while at < bytes.len() {
        at += rustix::io::pwrite(&memory, &bytes[at..], at as u64)?;
    }
    Ok(memory)
}

fn send_raw(
    to: BorrowedFd<'_>,
    mark: u8,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let mut space =
        vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX + 1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let mark = [mark];
    let iov = [io::IoSlice::new(&mark), io::IoSlice::new(bytes)];
    let flags = flags | SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| rustix::net::sendmsg(to, &iov, &mut control, flags))?;
    Ok(())
}

/// Receives one frame's bytes and descriptors (close-on-exec); `None`: the other end closed.
pub fn recv_bytes(from: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut buf = vec![0u8; INLINE_LIMIT_BYTES + 1];
    let mut space =
        vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX + 1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::io::retry_on_intr(|| {
        let mut iov = [io::IoSliceMut::new(&mut buf)];
        rustix::net::recvmsg(from, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    buf.truncate(got.bytes);
    if buf[0] == b'm' {
        if fds.is_empty() {
            return Err(io::Error::other("a frame without its memory"));
        }
        let memory = fds.remove(0);
        return Ok(Some((read_memory(&memory)?, fds)));
    }
    buf.remove(0);
    Ok(Some((buf, fds)))
}

/// What a memory file holds.
pub fn read_memory(memory: &OwnedFd) -> io::Result<Vec<u8>> {
    let len = rustix::fs::fstat(memory)?.st_size as usize;
    if len > FRAME_LIMIT_BYTES {
        return Err(io::Error::other("too long a frame"));
    }
    let mut bytes = vec![0; len];
    let mut at = 0;
    while at < len {
        match rustix::io::pread(memory, &mut bytes[at..], at as u64)? {
            0 => return Err(io::Error::other("a frame was cut")),
            n => at += n,
        }
    }
    Ok(bytes)
}

/// Receives one frame; `None`: the other end closed.
pub fn recv<T: DeserializeOwned>(from: BorrowedFd<'_>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    match recv_bytes(from)? {
        None => Ok(None),
        Some((bytes, fds)) => {
            let frame = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
            Ok(Some((frame, fds)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_any_length_arrive_whole_with_their_descriptors() {
        for len in [0, 1, INLINE_LIMIT_BYTES - 2, INLINE_LIMIT_BYTES, 1 << 20] {
            let (a, b) = pair().unwrap();
            let (x, y) = pair().unwrap();
            let text = "a".repeat(len);
            send(
                a.as_fd(),
                &text,
                &[x.as_fd(), y.as_fd()],
                SendFlags::empty(),
            )
            .unwrap();
            let (back, fds): (String, _) = recv(b.as_fd()).unwrap().unwrap();
            assert_eq!((back, fds.len()), (text, 2));
        }
    }

    #[test]
    fn a_closed_end_is_seen_and_a_long_frame_refused() {
        let (a, b) = pair().unwrap();
        let long = "a".repeat(FRAME_LIMIT_BYTES);
        assert!(send(a.as_fd(), &long, &[], SendFlags::empty()).is_err());
        drop(a);
        assert!(recv::<String>(b.as_fd()).unwrap().is_none());
    }
}
