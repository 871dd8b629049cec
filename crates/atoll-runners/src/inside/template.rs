//! The part of every box's root that is the same: system files, a synthesised `/etc`, a minimal `/dev`.
//! Built once, in a mount namespace of its own that boxes are copied from.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::inside::sys::{self, Attr, Failed, Tried};
use crate::wire::Setup;

/// What the host's root has that is the same in every box.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// Symlinks of the root, such as `bin` to `usr/bin`.
    pub links: Vec<(String, String)>,
    /// Folders of the root that are mounted: `usr`, `etc`, `dev`, and `bin` where it is no link.
    pub trees: Vec<String>,
}

impl Pieces {
    /// Looks at the host's root.
    pub fn find() -> Pieces {
        let mut pieces = Pieces {
            links: Vec::new(),
            trees: vec!["usr".into(), "etc".into(), "dev".into()],
        };
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let path = Path::new("/").join(name);
            match (fs::read_link(&path), path.is_dir()) {
                (Ok(to), _) => pieces
                    .links
                    .push((name.into(), to.to_string_lossy().into())),
                (Err(_), true) => pieces.trees.push(name.into()),
                (Err(_), false) => {}
            }
        }
        pieces
    }
}

/// Builds the template; gives its mount namespace. Called by the spawner, which stays where it is.
pub fn make(setup: &Setup, pieces: &Pieces, root: bool) -> Result<OwnedFd, Failed> {
    let (ours, theirs) = crate::wire::pair().tried("socketpair")?;
    let pid = sys::clone(libc::CLONE_NEWNS).tried("a mount namespace")?;
    if pid == 0 {
        drop(ours);
        let built = build(setup, pieces, root).map_err(|err| err.0);
        let _ = crate::wire::send(theirs.as_fd(), &built, &[], rustix::net::SendFlags::empty());
        // Stay until the spawner has opened the namespace.
        let _ = crate::wire::recv_bytes(theirs.as_fd());
        sys::exit_now(0);
    }
    drop(theirs);
    let built = crate::wire::recv::<Result<(), String>>(ours.as_fd()).tried("the template")?;
    match built {
        Some((Ok(()), _)) => {}
        Some((Err(why), _)) => return Err(Failed(why)),
        None => return Err(Failed("the template's process ended early".into())),
    }
    let ns = fs::File::open(format!("/proc/{pid}/ns/mnt")).tried("open the template")?;
    drop(ours);
    Ok(ns.into())
}

const SEALED: Attr<'_> = Attr {
    set: sys::ATTR_RDONLY | sys::ATTR_NOSUID | sys::ATTR_NODEV,
    idmap: None,
    recursive: true,
    private: false,
};

fn build(setup: &Setup, pieces: &Pieces, root: bool) -> Result<(), Failed> {
    let private = Attr {
        recursive: true,
        private: true,
        ..Attr::default()
    };
    sys::setattr_path("/", private).tried("make mounts private")?;
    let stage = stage()?;
    sys::mount(
        "tmpfs",
        stage,
        "tmpfs",
        libc::MS_NOSUID,
        "mode=755,size=16m",
    )
    .tried("mount a tmpfs")?;
    std::env::set_current_dir(stage).tried("enter the tmpfs")?;
    for dir in ["new", "proc", "t"] {
        fs::create_dir(dir).tried(dir)?;
    }
    for name in &pieces.trees {
        fs::create_dir(format!("t/{name}")).tried(name)?;
        if name != "etc" && name != "dev" {
            bind(&format!("/{name}"), &format!("t/{name}"))?;
            sys::setattr_path(&format!("t/{name}"), SEALED).tried(name)?;
        }
    }
    etc(setup).tried("/etc")?;
    dev(root).tried("/dev")?;
    if !root {
        // A fresh /proc is allowed only where a whole one is in sight.
        bind("/proc", "proc")?;
    }
    sys::pivot_here().tried("pivot_root")
}

/// A folder of the host to build on; what lies in it is not needed below.
fn stage() -> Result<&'static str, Failed> {
    ["/tmp", "/mnt", "/media", "/opt"]
        .into_iter()
        .find(|dir| Path::new(dir).is_dir())
        .ok_or_else(|| Failed("no /tmp, /mnt, /media or /opt to build the root on".into()))
}

fn bind(src: &str, dst: &str) -> Result<(), Failed> {
    sys::mount(src, dst, "", libc::MS_BIND | libc::MS_REC, "").tried(&format!("bind {src}"))
}

/// Files and folders of `/etc` that programs need and that hold no secret.
const ETC: [&str; 26] = [
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "ca-certificates.conf",
    "pki/tls/certs",
    "pki/tls/cert.pem",
    "pki/ca-trust/extracted",
    "crypto-policies/back-ends",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "timezone",
    "mime.types",
    "services",
    "protocols",
    "fonts",
    "os-release",
    "debian_version",
    "lsb-release",
    "shells",
    "inputrc",
    "terminfo",
    "magic",
    "perl",
];

/// Of one entry of [`ETC`].
const FILE_LIMIT_BYTES: u64 = 2 << 20;
const ENTRIES_MAX: u64 = 2000;

fn etc(setup: &Setup) -> Result<(), Failed> {
    sys::mount(
        "tmpfs",
        "t/etc",
        "tmpfs",
        libc::MS_NOSUID | libc::MS_NODEV,
        "mode=755,size=32m",
    )
    .tried("mount")?;
    for name in ETC {
        copy(name).tried(name)?;
    }
    let Setup {
        user,
        home,
        job_uid: uid,
        job_gid: gid,
        ..
    } = setup;
    let files = [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/root:/usr/sbin/nologin\n{user}:x:{uid}:{gid}::{home}:/bin/sh\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        (
            "group",
            format!("root:x:0:\ntty:x:5:\n{user}:x:{gid}:\nnogroup:x:65534:\n"),
        ),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n".into(),
        ),
        (
            "hosts",
            "127.0.0.1 localhost box\n::1 localhost ip6-localhost\n".into(),
        ),
        ("hostname", "box\n".into()),
        ("resolv.conf", String::new()),
        ("machine-id", "00000000000000000000000000a70110\n".into()),
    ];
    for (name, text) in files {
        fs::write(format!("t/etc/{name}"), text).tried(name)?;
    }
    sys::setattr_path("t/etc", SEALED).tried("read-only")
}

/// Takes one entry of `/etc` over, by copy: every mount would be paid for by every box.
fn copy(name: &str) -> Result<(), Failed> {
    let (from, to) = (format!("/etc/{name}"), format!("t/etc/{name}"));
    let mut left = Left {
        entries: ENTRIES_MAX,
        bytes: FILE_LIMIT_BYTES,
    };
    if let Some(parent) = Path::new(&to).parent()
        && fs::symlink_metadata(&from).is_ok()
    {
        fs::create_dir_all(parent).tried("folder")?;
    }
    if take(Path::new(&from), Path::new(&to), &mut left)? {
        return Ok(());
    }
    // Too much to copy.
    let _ = fs::remove_dir_all(&to);
    fs::create_dir(&to).tried("folder")?;
    bind(&from, &to)
}

/// What may still be copied of one entry.
struct Left {
    entries: u64,
    bytes: u64,
}

/// Links as they are, files, folders; `false`: it is too much.
fn take(from: &Path, to: &Path, left: &mut Left) -> Result<bool, Failed> {
    let Ok(meta) = fs::symlink_metadata(from) else {
        return Ok(true);
    };
    if left.entries == 0 {
        return Ok(false);
    }
    left.entries -= 1;
    if meta.is_symlink() {
        let target = fs::read_link(from).tried("link")?;
        std::os::unix::fs::symlink(target, to).tried("link")?;
    } else if meta.is_file() {
        if meta.len() > left.bytes {
            return Ok(false);
        }
        left.bytes -= meta.len();
        // What this user can't read, no job needs; what not everybody can, no job gets.
        if meta.permissions().mode() & 0o004 != 0
            && let Ok(bytes) = fs::read(from)
        {
            fs::write(to, bytes).tried("write")?;
        }
    } else if meta.is_dir() {
        fs::create_dir(to).tried("folder")?;
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            if !take(&entry.path(), &to.join(entry.file_name()), left)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn dev(root: bool) -> Result<(), Failed> {
    sys::mount(
        "tmpfs",
        "t/dev",
        "tmpfs",
        libc::MS_NOSUID | libc::MS_NOEXEC,
        "mode=755,size=64k",
    )
    .tried("mount")?;
    let nodes = [
        ("null", 3),
        ("zero", 5),
        ("full", 7),
        ("random", 8),
        ("urandom", 9),
    ];
    for (name, minor) in nodes {
        device(name, 1, minor, root)?;
    }
    device("tty", 5, 0, root)?;
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, to) in links {
        std::os::unix::fs::symlink(to, format!("t/dev/{name}")).tried(name)?;
    }
    for dir in ["pts", "shm"] {
        fs::create_dir(format!("t/dev/{dir}")).tried(dir)?;
    }
    let set = sys::ATTR_RDONLY | sys::ATTR_NOSUID;
    sys::setattr_path(
        "t/dev",
        Attr {
            set,
            ..Attr::default()
        },
    )
    .tried("read-only")
}

fn device(name: &str, major: u32, minor: u32, root: bool) -> Result<(), Failed> {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let to = format!("t/dev/{name}");
    if root {
        let dev = makedev(major, minor);
        mknodat(
            CWD,
            &to,
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o666),
            dev,
        )
        .tried(name)?;
        return fs::set_permissions(&to, fs::Permissions::from_mode(0o666)).tried(name);
    }
    fs::write(&to, "").tried(name)?;
    bind(&format!("/dev/{name}"), &to)?;
    // A device is written through a read-only mount all the same; its owner and mode are not.
    let set = sys::ATTR_RDONLY | sys::ATTR_NOSUID;
    sys::setattr_path(
        &to,
        Attr {
            set,
            ..Attr::default()
        },
    )
    .tried(name)
}
