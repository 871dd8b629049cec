//! Landlock: what may be read, run and written, by path, beneath all mounts.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::inside::sys;

const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
const SCOPE_SIGNAL: u64 = 1 << 1;

/// The kernel's Landlock version; 0: it has none, or it is off.
pub fn abi() -> i32 {
    const VERSION: u32 = 1;
    // SAFETY: this form takes no pointer.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            VERSION,
        )
    };
    i32::try_from(ret).unwrap_or(0).max(0)
}

/// All rights that this version knows.
fn known(abi: i32) -> u64 {
    let base = (1 << 13) - 1;
    base | if abi >= 2 { REFER } else { 0 }
        | if abi >= 3 { TRUNCATE } else { 0 }
        | if abi >= 5 { IOCTL_DEV } else { 0 }
}

#[repr(C)]
struct Ruleset {
    fs: u64,
    net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct Beneath {
    access: u64,
    parent: RawFd,
}

/// Fences the calling process in for good: all is readable and executable, only `writable` trees can be
/// written, plus existing files of `/dev` and `/proc`. Needs `no_new_privs`.
pub fn restrict(abi: i32, writable: &[String]) -> io::Result<()> {
    if abi == 0 {
        return Ok(());
    }
    let known = known(abi);
    let ruleset = Ruleset {
        fs: known,
        net: 0,
        scoped: if abi >= 6 {
            SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL
        } else {
            0
        },
    };
    let size = match abi {
        ..=3 => 8,
        4..=5 => 16,
        _ => 24,
    };
    // SAFETY: the struct lives over the call and is at least as long as said.
    let fd = sys::cvt(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const ruleset,
            size,
            0,
        )
    })?;
    // SAFETY: a new descriptor that nobody else has.
    let rules = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    allow(&rules, "/", known & (EXECUTE | READ_FILE | READ_DIR))?;
    allow(
        &rules,
        "/dev",
        known & (READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV),
    )?;
    allow(&rules, "/proc", known & (READ_FILE | READ_DIR | WRITE_FILE))?;
    let all = known & !(MAKE_CHAR | MAKE_BLOCK);
    for path in writable {
        allow(&rules, path, all)?;
    }
    // SAFETY: takes numbers alone.
    sys::cvt(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) })?;
    Ok(())
}

fn allow(rules: &OwnedFd, path: &str, access: u64) -> io::Result<()> {
    const PATH_BENEATH: u32 = 1;
    let at = sys::openat2(None, path, libc::O_PATH, 0, 0)?;
    let dir = rustix::fs::fstat(&at)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let beneath = Beneath {
        access: if dir { access } else { access & OF_FILES },
        parent: at.as_raw_fd(),
    };
    // SAFETY: the struct lives over the call; it is packed as the kernel's is.
    sys::cvt(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            PATH_BENEATH,
            &raw const beneath,
            0,
        )
    })?;
    Ok(())
}
