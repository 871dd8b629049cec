//! The root of one box, in its own mount namespace: the template's parts and what must be fresh.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::inside::sys::{self, Attr, Failed, Tried};
use crate::inside::template::Pieces;

const PLAIN: u64 = libc::MS_NOSUID | libc::MS_NODEV;

/// Enters a copy of the template and makes a root of it, without what depends on the job.
pub fn make(template: BorrowedFd<'_>, pieces: &Pieces) -> Result<(), Failed> {
    sys::setns(template, libc::CLONE_NEWNS).tried("enter the template")?;
    sys::unshare(libc::CLONE_NEWNS).tried("a mount namespace")?;
    // Bounded: parents of mount points live here, nothing else can be written to it.
    sys::mount(
        "tmpfs",
        "/new",
        "tmpfs",
        PLAIN,
        "mode=755,size=4m,nr_inodes=16384",
    )
    .tried("mount the root")?;
    std::env::set_current_dir("/new").tried("enter the root")?;
    for name in &pieces.trees {
        fs::create_dir(name).tried(name)?;
        sys::mount(
            &format!("/t/{name}"),
            name,
            "",
            libc::MS_BIND | libc::MS_REC,
            "",
        )
        .tried(name)?;
    }
    for (name, to) in &pieces.links {
        std::os::unix::fs::symlink(to, name).tried(name)?;
    }
    for name in ["proc", "tmp", "run", "var", "home"] {
        fs::create_dir(name).tried(name)?;
    }
    for (name, to) in [("var/tmp", "../tmp"), ("var/run", "../run")] {
        std::os::unix::fs::symlink(to, name).tried(name)?;
    }
    proc()?;
    sys::mount(
        "devpts",
        "dev/pts",
        "devpts",
        libc::MS_NOSUID | libc::MS_NOEXEC,
        PTS,
    )
    .tried("mount /dev/pts")?;
    sys::pivot_here().tried("pivot_root")
}

const PTS: &str = "newinstance,ptmxmode=0666,mode=620";

fn proc() -> Result<(), Failed> {
    sys::mount("proc", "proc", "proc", PLAIN | libc::MS_NOEXEC, "").tried("mount /proc")?;
    let set = sys::ATTR_RDONLY | sys::ATTR_NOSUID | sys::ATTR_NODEV;
    for name in ["proc/sys", "proc/irq", "proc/bus", "proc/sysrq-trigger"] {
        if fs::exists(name).unwrap_or(false) {
            sys::mount(name, name, "", libc::MS_BIND, "").tried(name)?;
            sys::setattr_path(
                name,
                Attr {
                    set,
                    ..Attr::default()
                },
            )
            .tried(name)?;
        }
    }
    // They name other jobs' and the host's keys and timers.
    for name in ["proc/keys", "proc/key-users", "proc/timer_list"] {
        if fs::exists(name).unwrap_or(false) {
            sys::mount("dev/null", name, "", libc::MS_BIND, "").tried(name)?;
        }
    }
    Ok(())
}

/// Brings the loopback of this network namespace up.
pub fn loopback() -> Result<(), Failed> {
    let socket = internet_socket(libc::SOCK_DGRAM).tried("a socket for the loopback")?;
    // SAFETY: an all-zero ifreq is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the struct lives over the call and is what this request takes.
    let ret = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    sys::cvt(ret.into()).tried("bring the loopback up")?;
    Ok(())
}

/// Whether nothing is left of a job in this network namespace: no socket, and no connection that waits.
/// Its settings can't have been changed: that takes a capability that no job has.
pub fn network_is_clean() -> bool {
    let Ok(text) = fs::read_to_string("/proc/net/sockstat") else {
        return false;
    };
    let field = |line: &str, name: &str| {
        let words: Vec<&str> = text
            .lines()
            .find(|l| l.starts_with(line))?
            .split(' ')
            .collect();
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    field("sockets:", "used") == Some(0)
        && field("TCP:", "tw") == Some(0)
        && field("TCP:", "orphan") == Some(0)
}

fn internet_socket(kind: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: takes numbers alone; the new descriptor is ours.
    unsafe {
        let fd = libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0);
        sys::cvt(fd.into())?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// A listener on this namespace's 127.0.0.1, for the proxy, and its port.
pub fn listener() -> Result<(OwnedFd, u16), Failed> {
    use rustix::net::{SocketAddrAny, SocketAddrV4};
    let socket = internet_socket(libc::SOCK_STREAM).tried("a socket for the proxy")?;
    let any = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    rustix::net::bind(&socket, &any).tried("bind the proxy's listener")?;
    rustix::net::listen(&socket, 64).tried("listen for the proxy")?;
    let at: SocketAddrAny = rustix::net::getsockname(&socket).tried("the proxy's port")?;
    let at = SocketAddrV4::try_from(at).tried("the proxy's port")?;
    Ok((socket, at.port()))
}

/// Names the box.
pub fn hostname() -> Result<(), Failed> {
    let name = b"box";
    // SAFETY: the bytes live over the call and their length is passed.
    let ret = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    sys::cvt(ret.into()).tried("set the host name")?;
    Ok(())
}
