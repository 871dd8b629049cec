//! Files: the host's, the system's, the box's own.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use super::{Line, told};

/// Whether one byte can be read (or a folder listed): no error's name, since that differs by kernel.
fn reads(path: &str) -> String {
    let read = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => fs::read_dir(path).is_ok_and(|mut dir| dir.next().is_some()),
        _ => fs::File::open(path).is_ok_and(|mut file| matches!(file.read(&mut [0]), Ok(1))),
    };
    if read { "yes" } else { "no" }.into()
}

fn writes(path: &str) -> String {
    let open = fs::File::options().write(true).open(path);
    if open.is_ok() { "yes" } else { "no" }.into()
}

fn makes(dir: &str) -> String {
    let path = format!("{dir}/probe");
    let made = fs::write(&path, "x").and_then(|()| fs::remove_file(&path));
    if made.is_ok() { "yes" } else { "no" }.into()
}

/// Tried for reading: what a job is not to see, and at the end what it needs.
const READ: [&str; 41] = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/root",
    "/home/user",
    "/boot",
    "/srv",
    "/mnt",
    "/media",
    "/sys",
    "/run",
    "/var/lib",
    "/var/log",
    "/proc/1/environ",
    "/proc/1/root",
    "/proc/1/cwd",
    "/proc/1/fd",
    "/proc/1/maps",
    "/proc/1/mem",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/key-users",
    "/proc/timer_list",
    "/proc/slabinfo",
    "/dev/kmsg",
    "/dev/mem",
    "/dev/port",
    "/dev/kvm",
    "/dev/fuse",
    "/dev/net/tun",
    "/dev/loop-control",
    "/dev/input",
    "/dev/dri",
    "/etc/resolv.conf",
    "/etc/passwd",
    "/usr/bin/env",
    "/proc/cpuinfo",
    "/dev/urandom",
];

/// Tried for writing.
const WRITE: [&str; 11] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/proc/1/oom_score_adj",
    "/proc/self/mem",
    "/usr/bin/env",
    "/etc/passwd",
    "/dev/null",
];

/// Folders in which a file is made.
const MAKE: [&str; 11] = [
    "/",
    "/usr",
    "/etc",
    "/dev",
    "/proc",
    "/run",
    "/home",
    "/var",
    "/tmp",
    "/dev/shm",
    "/home/user",
];

pub fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(READ.map(|path| (format!("read {path}"), reads(path))));
    lines.extend(WRITE.map(|path| (format!("write {path}"), writes(path))));
    lines.extend(MAKE.map(|dir| (format!("make a file in {dir}"), makes(dir))));
    lines.push(("devices in /dev".into(), devices()));
    lines.push(("top folders".into(), top()));
    lines.push(("mounts of the host's paths".into(), mounts()));
    lines.push(("run from /tmp".into(), runs("/tmp")));
    lines.push(("run from /dev/shm".into(), runs("/dev/shm")));
    lines.push(("rename between folders".into(), renames()));
    lines.push(("make a device".into(), device()));
    lines.push(("make a pipe".into(), pipe()));
    lines
}

fn devices() -> String {
    let mut names: Vec<String> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            // A mounted device is a plain file to the folder that holds it.
            let kind = fs::metadata(entry.path()).map(|meta| meta.file_type());
            kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device())
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.join(" ")
}

/// Folders of the root, without those that are links on one distribution and folders on another.
fn top() -> String {
    let mut names: Vec<String> = fs::read_dir("/")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("lib") && !name.ends_with("bin"))
        .collect();
    names.sort();
    names.join(" ")
}

/// Mounts that are writable and neither the box's own nor its pseudo file systems.
fn mounts() -> String {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let writable = text.lines().filter(|line| {
        let Some((left, right)) = line.split_once(" - ") else {
            return true;
        };
        let read_only = left
            .split(' ')
            .nth(5)
            .is_some_and(|o| o.split(',').any(|o| o == "ro"));
        let kind = right.split(' ').next().unwrap_or("");
        !read_only && !["tmpfs", "proc", "devpts"].contains(&kind)
    });
    format!("{} writable", writable.count())
}

fn runs(dir: &str) -> String {
    let path = format!("{dir}/true");
    let ran = fs::copy("/bin/true", &path).and_then(|_| {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        std::process::Command::new(&path).status()
    });
    let _ = fs::remove_file(&path);
    told(ran)
}

fn renames() -> String {
    let made = fs::create_dir_all("/tmp/a")
        .and_then(|()| fs::create_dir_all("/tmp/b"))
        .and_then(|()| fs::File::create("/tmp/a/f")?.write_all(b"x"))
        .and_then(|()| fs::rename("/tmp/a/f", "/tmp/b/f"));
    told(made)
}

fn device() -> String {
    // SAFETY: a static path.
    let ret = unsafe { libc::mknod(c"/tmp/device".as_ptr(), libc::S_IFCHR | 0o666, 0x103) };
    if ret < 0 { "no" } else { "yes" }.into()
}

fn pipe() -> String {
    // SAFETY: a static path.
    super::call(unsafe { libc::mkfifo(c"/tmp/pipe".as_ptr(), 0o600) }.into())
}
