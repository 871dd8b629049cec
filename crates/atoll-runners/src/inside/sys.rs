//! The system calls that the box is made of, with their errors told.

use std::ffi::{CString, c_long, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A failure: what was tried, and what the system said.
#[derive(Debug)]
pub struct Failed(pub String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was tried when it fails.
pub trait Tried<T> {
    /// `what`: "mount /proc".
    fn tried(self, what: &str) -> Result<T, Failed>;
}

impl<T, E: std::fmt::Display> Tried<T> for Result<T, E> {
    fn tried(self, what: &str) -> Result<T, Failed> {
        self.map_err(|err| Failed(format!("{what}: {err}")))
    }
}

/// A return value below zero is the last error.
pub fn cvt(ret: c_long) -> io::Result<c_long> {
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

fn cstr(s: &str) -> io::Result<CString> {
    CString::new(s).map_err(|_| io::Error::other("a zero byte in a path"))
}

/// A child in new namespaces; 0 in the child. Only for a single-threaded process.
pub fn clone(namespaces: i32) -> io::Result<libc::pid_t> {
    let flags = c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: no shared memory and no stack is passed, so this is fork with namespaces; the caller is
    // single-threaded, so the child may go on as the parent did.
    let pid = cvt(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok(pid as libc::pid_t)
}

/// Leaves namespaces for new ones.
pub fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: single-threaded; takes no pointers.
    cvt(c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// Enters a namespace.
pub fn setns(ns: BorrowedFd<'_>, kind: i32) -> io::Result<()> {
    // SAFETY: takes a descriptor alone.
    cvt(c_long::from(unsafe { libc::setns(ns.as_raw_fd(), kind) })).map(drop)
}

/// Makes the working directory the root and lets go of the old one.
pub fn pivot_here() -> io::Result<()> {
    // SAFETY: both arguments are static, zero-terminated strings.
    cvt(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // SAFETY: as above. The old root lies over the new one and goes with all below it.
    cvt(c_long::from(unsafe {
        libc::umount2(c".".as_ptr(), libc::MNT_DETACH)
    }))?;
    std::env::set_current_dir("/")
}

/// mount(2).
pub fn mount(src: &str, dst: &str, kind: &str, flags: c_ulong, data: &str) -> io::Result<()> {
    let (src, dst, kind, data) = (cstr(src)?, cstr(dst)?, cstr(kind)?, cstr(data)?);
    // SAFETY: four live, zero-terminated strings.
    let ret = unsafe {
        libc::mount(
            src.as_ptr(),
            dst.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    cvt(c_long::from(ret)).map(drop)
}

/// Detaches a mount and what is below it.
pub fn detach(path: &str) -> io::Result<()> {
    let path = cstr(path)?;
    // SAFETY: a live, zero-terminated string.
    cvt(c_long::from(unsafe {
        libc::umount2(path.as_ptr(), libc::MNT_DETACH)
    }))
    .map(drop)
}

/// `struct mount_attr`.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

pub const ATTR_RDONLY: u64 = 0x1;
pub const ATTR_NOSUID: u64 = 0x2;
pub const ATTR_NODEV: u64 = 0x4;
const ATTR_IDMAP: u64 = 0x0010_0000;

/// What to change of a mount.
#[derive(Clone, Copy, Default)]
pub struct Attr<'a> {
    /// Flags to set.
    pub set: u64,
    /// Map owners by this user namespace.
    pub idmap: Option<BorrowedFd<'a>>,
    /// Also all mounts below.
    pub recursive: bool,
    /// Cut it from its peers.
    pub private: bool,
}

fn setattr(fd: RawFd, path: &CString, flags: i32, attr: Attr<'_>) -> io::Result<()> {
    let raw = MountAttr {
        set: attr.set | if attr.idmap.is_some() { ATTR_IDMAP } else { 0 },
        clear: 0,
        propagation: if attr.private { libc::MS_PRIVATE } else { 0 },
        userns: attr.idmap.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let flags = flags
        | if attr.recursive {
            libc::AT_RECURSIVE
        } else {
            0
        };
    // SAFETY: the path and the struct live over the call; the size is the struct's.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            path.as_ptr(),
            flags,
            &raw const raw,
            size_of::<MountAttr>(),
        )
    };
    cvt(ret).map(drop)
}

/// mount_setattr of the mount at a descriptor.
pub fn setattr_fd(fd: BorrowedFd<'_>, attr: Attr<'_>) -> io::Result<()> {
    setattr(
        fd.as_raw_fd(),
        &CString::default(),
        libc::AT_EMPTY_PATH,
        attr,
    )
}

/// mount_setattr of the mount at a path that we made.
pub fn setattr_path(path: &str, attr: Attr<'_>) -> io::Result<()> {
    setattr(libc::AT_FDCWD, &cstr(path)?, 0, attr)
}

pub const NO_SYMLINKS: u64 = libc::RESOLVE_NO_SYMLINKS;
pub const BENEATH: u64 = libc::RESOLVE_BENEATH;
pub const NO_XDEV: u64 = libc::RESOLVE_NO_XDEV;

/// openat2(2). `dir`: `None` is the working directory.
pub fn openat2(
    dir: Option<BorrowedFd<'_>>,
    path: &str,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> io::Result<OwnedFd> {
    let path = cstr(path)?;
    // SAFETY: an all-zero open_how is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = u64::from(mode);
    how.resolve = resolve;
    let dir = dir.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    loop {
        // SAFETY: path and struct live over the call; the size is the struct's.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir,
                path.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        };
        match cvt(ret) {
            // SAFETY: a new descriptor that nobody else has.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
            // The tree changed under the walk; the kernel asks for another try.
            Err(err) if err.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(err) if err.raw_os_error() == Some(libc::EINTR) => {}
            Err(err) => return Err(err),
        }
    }
}

/// A detached copy of the mount tree at a descriptor.
pub fn clone_tree(at: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    const CLONE: u32 = 1;
    let flags = CLONE
        | libc::O_CLOEXEC as u32
        | libc::AT_EMPTY_PATH as u32
        | if recursive {
            libc::AT_RECURSIVE as u32
        } else {
            0
        };
    // SAFETY: a static empty path and a live descriptor.
    let fd =
        cvt(unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) })?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Attaches a detached mount on what `onto` stands for.
pub fn attach(tree: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> io::Result<()> {
    const F_EMPTY: u32 = 0x4;
    const T_EMPTY: u32 = 0x40;
    // SAFETY: static empty paths and live descriptors.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            onto.as_raw_fd(),
            c"".as_ptr(),
            F_EMPTY | T_EMPTY,
        )
    };
    cvt(ret).map(drop)
}

/// prctl(2) with plain numbers.
pub fn prctl(op: i32, a: c_ulong, b: c_ulong) -> io::Result<c_long> {
    // SAFETY: used with operations that take numbers alone.
    cvt(c_long::from(unsafe { libc::prctl(op, a, b, 0, 0) }))
}

/// Closes every descriptor from 3 but these.
pub fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter(|fd| **fd >= 3)
        .map(|fd| *fd as u32)
        .collect();
    keep.sort_unstable();
    keep.dedup();
    let mut from = 3u32;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > from {
            let last = if fd == u32::MAX { fd } else { fd - 1 };
            // SAFETY: the caller owns none of what is closed any more: it is a fresh child.
            cvt(unsafe { libc::syscall(libc::SYS_close_range, from, last, 0) })?;
        }
        from = fd.saturating_add(1);
    }
    Ok(())
}

/// Sets a resource limit, never above what is already the hard limit unless `raise`.
pub fn rlimit(which: u32, soft: u64, hard: u64, raise: bool) -> io::Result<()> {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct lives over both calls.
    cvt(c_long::from(unsafe {
        libc::getrlimit(which, &raw mut now)
    }))?;
    let hard = if raise { hard } else { hard.min(now.rlim_max) };
    let new = libc::rlimit {
        rlim_cur: soft.min(hard),
        rlim_max: hard,
    };
    // SAFETY: as above.
    cvt(c_long::from(unsafe {
        libc::setrlimit(which, &raw const new)
    }))
    .map(drop)
}

/// Ends this process without running anything more of it: children of a fork have no business with the
/// parent's exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// All signals held back; the init and the spawner read theirs from a descriptor.
pub fn block_signals() -> io::Result<()> {
    // SAFETY: the sets are initialised by sigfillset.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        cvt(c_long::from(libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const set,
            std::ptr::null_mut(),
        )))
        .map(drop)
    }
}

/// Every signal with its default action: what was ignored would be, by every job.
pub fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL needs no handler; a signal that can't be changed stays.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// No signal held back: what a job starts with.
pub fn unblock_signals() -> io::Result<()> {
    // SAFETY: the set is initialised by sigemptyset.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        cvt(c_long::from(libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const set,
            std::ptr::null_mut(),
        )))
        .map(drop)
    }
}

/// A descriptor that becomes readable when a child changes state.
pub fn child_events() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised; the new descriptor is ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        cvt(c_long::from(fd))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Empties a signal descriptor.
pub fn drain_events(fd: BorrowedFd<'_>) {
    let mut buf = [0u8; 128 * 8];
    while rustix::io::read(fd, &mut buf[..]).is_ok_and(|n| n > 0) {}
}

/// Waits for descriptors; `timeout_ms` below zero is for ever. The result has an entry per descriptor.
pub fn poll(fds: &[BorrowedFd<'_>], timeout_ms: i32) -> Vec<bool> {
    let mut raw: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // SAFETY: the array lives over the call and its length is passed.
    let n = unsafe { libc::poll(raw.as_mut_ptr(), raw.len() as libc::nfds_t, timeout_ms) };
    raw.iter().map(|p| n > 0 && p.revents != 0).collect()
}

/// A reaped child.
pub struct Reaped {
    /// Its pid.
    pub pid: libc::pid_t,
    /// Its wait status.
    pub status: i32,
}

/// Reaps one child; `None`: none is ready (`wait` false) or none is left.
pub fn reap(wait: bool) -> Option<Reaped> {
    let mut status = 0;
    let flags = libc::__WALL | if wait { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: the status lives over the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
        if pid > 0 {
            return Some(Reaped { pid, status });
        }
        if pid == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return None;
        }
    }
}

/// Signals every process of this PID namespace but the caller, its init.
pub fn kill_all(signal: i32) {
    // SAFETY: takes numbers alone; called by a PID 1 only.
    unsafe { libc::kill(-1, signal) };
}

/// Ends one process of ours.
pub fn kill(pid: libc::pid_t) {
    // SAFETY: takes numbers alone.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// The boot's monotonic clock in microseconds.
pub fn now_us() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct lives over the call, and this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    t.tv_sec as u64 * 1_000_000 + t.tv_nsec as u64 / 1000
}
