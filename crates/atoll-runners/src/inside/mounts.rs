//! A job's mounts: opened by the spawner, which sees the host, and attached by the init, which doesn't.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, fstat, mkdirat};
use rustix::mount as m;

use crate::inside::idmap::Idmaps;
use crate::inside::sys::{self, Attr, Failed, Tried};
use crate::wire::{How, Plan, PlanMount};

/// Opens the plan's sources as detached mounts, in order, with the jobs' user as their owner.
pub fn open(
    plan: &Plan,
    idmaps: &mut Idmaps,
    job: Option<(u32, u32)>,
) -> Result<Vec<OwnedFd>, Failed> {
    let sources = plan.mounts.iter().filter(|mount| mount.how != How::Tmpfs);
    sources
        .map(|mount| open_one(mount, idmaps, job).tried(&format!("mount {}", mount.src)))
        .collect()
}

fn open_one(
    mount: &PlanMount,
    idmaps: &mut Idmaps,
    job: Option<(u32, u32)>,
) -> Result<OwnedFd, Failed> {
    let at =
        sys::openat2(None, &mount.src, libc::O_PATH, 0, sys::NO_SYMLINKS).map_err(
            |err| match err.raw_os_error() {
                Some(libc::ELOOP) => {
                    Failed("its path leads over a symlink: name the real path".into())
                }
                _ => Failed(err.to_string()),
            },
        )?;
    let stat = fstat(&at).tried("stat")?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::RegularFile if mount.how == How::Bind => {}
        other => return Err(Failed(format!("it is a {other:?}"))),
    }
    let mut set = sys::ATTR_NOSUID | sys::ATTR_NODEV;
    if mount.ro || mount.how == How::Overlay {
        set |= sys::ATTR_RDONLY;
    }
    let owner = (stat.st_uid, stat.st_gid);
    let map = match job {
        Some(job) if owner != job => idmaps.swap(owner, job).ok().map(AsFd::as_fd),
        _ => None,
    };
    // A file system below that can't be mapped is left out; one that can't be mapped itself is mounted as
    // it is, and then the job may not be able to read all of it.
    let tries = [(map, true), (map, false), (None, true)];
    let mut last = Failed(String::new());
    for (idmap, recursive) in tries {
        let tree = sys::clone_tree(at.as_fd(), recursive).tried("clone");
        let attr = Attr {
            set,
            idmap,
            recursive,
            private: true,
        };
        match tree.and_then(|tree| {
            sys::setattr_fd(tree.as_fd(), attr)
                .tried("attributes")
                .map(|()| tree)
        }) {
            Ok(tree) => return Ok(tree),
            Err(err) => last = err,
        }
    }
    Err(last)
}

/// Who owns what is made on the way.
#[derive(Clone, Copy)]
pub struct Owner {
    /// The jobs' uid.
    pub uid: u32,
    /// The jobs' gid.
    pub gid: u32,
    /// Whether the box is made by another user than that: root.
    pub root: bool,
}

/// Attaches the plan's mounts below this root; `sources` are what [`open`] gave; `room_bytes` is the size
/// of each tmpfs. Gives the writable trees.
pub fn place(
    plan: &Plan,
    sources: Vec<OwnedFd>,
    owner: Owner,
    room_bytes: u64,
) -> Result<Vec<String>, Failed> {
    fresh(plan, room_bytes)?;
    let mut sources = sources.into_iter();
    let mut stage = Stage {
        room_bytes,
        owner,
        count: 0,
    };
    for mount in &plan.mounts {
        let what = format!("mount at {}", mount.dst);
        match mount.how {
            How::Tmpfs => {
                let fs = tmpfs(room_bytes, 0o700, Some(owner)).tried(&what)?;
                let point = mount_point(&mount.dst, true, owner).tried(&what)?;
                sys::attach(fs.as_fd(), point.as_fd()).tried(&what)?;
            }
            How::Bind => {
                let tree = sources
                    .next()
                    .ok_or_else(|| Failed("a mount is missing".into()))?;
                let kind = fstat(&tree).tried(&what)?.st_mode;
                let dir = FileType::from_raw_mode(kind) == FileType::Directory;
                let point = mount_point(&mount.dst, dir, owner).tried(&what)?;
                sys::attach(tree.as_fd(), point.as_fd()).tried(&what)?;
            }
            How::Overlay => {
                let tree = sources
                    .next()
                    .ok_or_else(|| Failed("a mount is missing".into()))?;
                let fs = stage.overlay(tree).tried(&what)?;
                let point = mount_point(&mount.dst, true, owner).tried(&what)?;
                sys::attach(fs.as_fd(), point.as_fd()).tried(&what)?;
            }
        }
    }
    stage.clear()?;
    let sealed = Attr {
        set: sys::ATTR_RDONLY,
        ..Attr::default()
    };
    sys::setattr_path("/", sealed).tried("make the root read-only")?;
    let own = plan.mounts.iter().filter(|m| !m.ro).map(|m| m.dst.clone());
    Ok(own.chain(["/tmp".into(), "/dev/shm".into()]).collect())
}

fn fresh(plan: &Plan, room_bytes: u64) -> Result<(), Failed> {
    for (path, bytes) in [("/tmp", room_bytes), ("/dev/shm", plan.memory_bytes / 4)] {
        let fs = tmpfs(bytes, 0o1777, None).tried(path)?;
        let onto = sys::openat2(None, path, libc::O_PATH, 0, sys::NO_SYMLINKS).tried(path)?;
        sys::attach(fs.as_fd(), onto.as_fd()).tried(path)?;
    }
    Ok(())
}

/// A file per 4 KiB at most, within what a person would call many.
fn inodes(bytes: u64) -> u64 {
    (bytes / 4096).clamp(1024, 1 << 20)
}

fn tmpfs(bytes: u64, mode: u32, owner: Option<Owner>) -> Result<OwnedFd, Failed> {
    let fs = m::fsopen("tmpfs", m::FsOpenFlags::FSOPEN_CLOEXEC).tried("tmpfs")?;
    let set = |key: &str, value: String| {
        m::fsconfig_set_string(&fs, key, value.as_str()).tried(&format!("tmpfs {key}"))
    };
    set("size", bytes.max(1 << 16).to_string())?;
    set("nr_inodes", inodes(bytes).to_string())?;
    set("mode", format!("{mode:o}"))?;
    if let Some(owner) = owner {
        set("uid", owner.uid.to_string())?;
        set("gid", owner.gid.to_string())?;
    }
    m::fsconfig_create(&fs).tried("tmpfs")?;
    let attr = m::MountAttrFlags::MOUNT_ATTR_NOSUID | m::MountAttrFlags::MOUNT_ATTR_NODEV;
    m::fsmount(&fs, m::FsMountFlags::FSMOUNT_CLOEXEC, attr).tried("tmpfs")
}

/// Opens the place for a mount, making what is missing, following no symlink: one that the workspace
/// planted there would lead what is made outside.
fn mount_point(dst: &str, dir: bool, owner: Owner) -> Result<OwnedFd, Failed> {
    let mut at = sys::openat2(None, "/", libc::O_PATH | libc::O_DIRECTORY, 0, 0).tried("/")?;
    let root = fstat(&at).tried("/")?.st_dev;
    let parts: Vec<&str> = dst.split('/').filter(|part| !part.is_empty()).collect();
    for (i, part) in parts.iter().enumerate() {
        let file = !dir && i + 1 == parts.len();
        let outside_root = fstat(&at).tried(part)?.st_dev != root;
        at = match step(at.as_fd(), part) {
            Ok(next) => next,
            Err(err) if err.raw_os_error() == Some(libc::ENOENT) => {
                make(at.as_fd(), part, file, outside_root.then_some(owner)).tried(part)?;
                step(at.as_fd(), part).tried(part)?
            }
            Err(err) if err.raw_os_error() == Some(libc::ELOOP) => {
                return Err(Failed(format!("a symlink stands at {part}")));
            }
            Err(err) => return Err(Failed(format!("{part}: {err}"))),
        };
    }
    let is_dir = FileType::from_raw_mode(fstat(&at).tried(dst)?.st_mode) == FileType::Directory;
    if is_dir != dir {
        return Err(Failed(
            "a file and a folder can't be mounted on each other".into(),
        ));
    }
    Ok(at)
}

fn step(at: BorrowedFd<'_>, part: &str) -> std::io::Result<OwnedFd> {
    sys::openat2(Some(at), part, libc::O_PATH, 0, sys::NO_SYMLINKS)
}

/// Makes a folder or an empty file. `owner`: the jobs' user, outside the root's own tmpfs.
fn make(at: BorrowedFd<'_>, part: &str, file: bool, owner: Option<Owner>) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, Gid, Uid, chownat};
    if file {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
        sys::openat2(Some(at), part, flags, 0o644, sys::NO_SYMLINKS)?;
    } else {
        mkdirat(at, part, Mode::from_raw_mode(0o755))?;
    }
    if let Some(owner) = owner
        && owner.root
    {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        chownat(at, part, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Where overlays are put together: gone before the job starts.
struct Stage {
    room_bytes: u64,
    owner: Owner,
    count: usize,
}

const STAGE: &str = "/.stage";

impl Stage {
    /// A folder below, a discarded one above.
    fn overlay(&mut self, lower: OwnedFd) -> Result<OwnedFd, Failed> {
        use std::fs;
        if self.count == 0 {
            fs::create_dir(STAGE).tried("a folder")?;
            let fs = tmpfs(self.room_bytes, 0o755, None)?;
            let onto =
                sys::openat2(None, STAGE, libc::O_PATH, 0, sys::NO_SYMLINKS).tried("open")?;
            sys::attach(fs.as_fd(), onto.as_fd()).tried("attach")?;
        }
        let dir = format!("{STAGE}/{}", self.count);
        self.count += 1;
        for name in ["", "/l", "/u", "/w"] {
            fs::create_dir(format!("{dir}{name}")).tried("a folder")?;
        }
        let point = sys::openat2(None, &format!("{dir}/l"), libc::O_PATH, 0, 0).tried("open")?;
        sys::attach(lower.as_fd(), point.as_fd()).tried("attach the lower folder")?;
        // The upper folder's owner and mode are what the job sees.
        let stat = fstat(&lower).tried("stat")?;
        let upper = format!("{dir}/u");
        if self.owner.root {
            std::os::unix::fs::chown(&upper, Some(self.owner.uid), Some(self.owner.gid))
                .tried("chown")?;
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(stat.st_mode & 0o777 | 0o700);
        fs::set_permissions(&upper, mode).tried("chmod")?;
        let fs = m::fsopen("overlay", m::FsOpenFlags::FSOPEN_CLOEXEC).tried("overlay")?;
        let set = |key: &str, value: &str| {
            m::fsconfig_set_string(&fs, key, value).tried(&format!("overlay {key}"))
        };
        set("lowerdir", &format!("{dir}/l"))?;
        set("upperdir", &upper)?;
        set("workdir", &format!("{dir}/w"))?;
        if !self.owner.root {
            m::fsconfig_set_flag(&fs, "userxattr").tried("overlay userxattr")?;
        }
        m::fsconfig_create(&fs).tried("overlay")?;
        let attr = m::MountAttrFlags::MOUNT_ATTR_NOSUID | m::MountAttrFlags::MOUNT_ATTR_NODEV;
        m::fsmount(&fs, m::FsMountFlags::FSMOUNT_CLOEXEC, attr).tried("overlay")
    }

    fn clear(self) -> Result<(), Failed> {
        if self.count > 0 {
            sys::detach(STAGE).tried("detach the staging mounts")?;
            std::fs::remove_dir(STAGE).tried("remove the staging folder")?;
        }
        Ok(())
    }
}
