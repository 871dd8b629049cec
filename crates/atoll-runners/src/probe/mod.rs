//! The probe: tries, from inside a box, everything that the box is to keep out, and prints what it
//! reached, a line each. The list is compared with a golden file per mode, so that a wall that falls is
//! seen as a changed line.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the probe tries what is forbidden, in a box"
)]

mod calls;
mod files;
mod network;
mod rights;

use std::io;

/// What was tried, and how it ended.
type Line = (String, String);
/// A group of attempts.
type Group = (&'static str, fn() -> Vec<Line>);

/// Tries everything and prints it. To be run as a job: outside of a box it would try the host.
pub fn probe_main() -> i32 {
    if std::process::id() == 1 || std::env::var_os("HOME").is_some_and(|home| home != "/home/user")
    {
        eprintln!("the probe is run in a box, with HOME=/home/user");
        return 2;
    }
    let groups: [Group; 4] = [
        ("files", files::lines),
        ("rights", rights::lines),
        ("calls", calls::lines),
        ("network", network::lines),
    ];
    for (name, lines) in groups {
        println!("# {name}");
        for (what, how) in lines() {
            println!("{what}: {how}");
        }
    }
    0
}

/// `yes`, or the error's name.
fn told<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "yes".into(),
        Err(err) => name(err.raw_os_error().unwrap_or(0)).into(),
    }
}

/// The last call's result.
fn call(ret: libc::c_long) -> String {
    if ret < 0 {
        told::<()>(Err(io::Error::last_os_error()))
    } else {
        "yes".into()
    }
}

fn name(errno: i32) -> &'static str {
    match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EBADF => "EBADF",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EEXIST => "EEXIST",
        libc::ENODEV => "ENODEV",
        libc::EINVAL => "EINVAL",
        libc::ENOTTY => "ENOTTY",
        libc::ENXIO => "ENXIO",
        libc::EROFS => "EROFS",
        libc::EXDEV => "EXDEV",
        libc::ENOSYS => "ENOSYS",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EPROTONOSUPPORT => "EPROTONOSUPPORT",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ENOTCONN => "ENOTCONN",
        _ => "another error",
    }
}
