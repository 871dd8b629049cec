//! The disk's limit where no file system keeps it: the private copy is looked at now and then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wire::{How, Plan};

/// Looks first after this long, then after ten times what a look took.
const FIRST: Duration = Duration::from_millis(250);
/// Entries of the copy that are looked at.
const ENTRIES_MAX: usize = 400_000;

/// Resolves when the job's writable folders of the host have grown by more than it may write, or their
/// file system is nearly full; says which.
pub async fn exceeded(plan: &Plan, floor_bytes: u64) -> String {
    let roots: Vec<PathBuf> = plan
        .mounts
        .iter()
        .filter(|mount| mount.how == How::Bind && !mount.ro)
        .map(|mount| PathBuf::from(&mount.src))
        .collect();
    if roots.is_empty() {
        return std::future::pending().await;
    }
    let limit = plan.disk_bytes;
    let mut wait = FIRST;
    let mut before: Option<u64> = None;
    loop {
        // Most jobs are over before the first look, and none pays for one in its first moments.
        tokio::time::sleep(wait).await;
        let looked = roots.clone();
        let began = std::time::Instant::now();
        let look = tokio::task::spawn_blocking(move || {
            let used: u64 = looked.iter().map(|root| used(root)).sum();
            (
                used,
                looked
                    .iter()
                    .map(|root| free(root))
                    .min()
                    .unwrap_or(u64::MAX),
            )
        });
        let Ok((used, free)) = look.await else {
            return std::future::pending().await;
        };
        if free < floor_bytes {
            return format!("less than {} MiB are free on the disk", floor_bytes >> 20);
        }
        // What the first look sees was mostly there before; a job is charged from then on.
        let base = *before.get_or_insert(used);
        if used.saturating_sub(base) > limit {
            return format!("it wrote more than {limit} bytes");
        }
        wait = FIRST.max(began.elapsed() * 10).min(Duration::from_secs(10));
    }
}

fn free(root: &Path) -> u64 {
    rustix::fs::statvfs(root).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
}

/// Bytes on disk below `root`, over no symlink. Names are followed while a hostile job may rename them: the
/// worst is a wrong number, for nothing is opened but folders, and those without following links.
fn used(root: &Path) -> u64 {
    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(top) = rustix::fs::open(root, flags, Mode::empty()) else {
        return 0;
    };
    let mut total = 0u64;
    let mut left = ENTRIES_MAX;
    let mut open = vec![top];
    while let Some(dir) = open.pop() {
        let Ok(entries) = Dir::read_from(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            left -= 1;
            if left == 0 {
                return total;
            }
            if let Ok(stat) = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                total = total.saturating_add((stat.st_blocks as u64).saturating_mul(512));
            }
            // Bounded, since each is an open descriptor.
            if entry.file_type() == FileType::Directory
                && open.len() < 512
                && let Ok(next) = openat(&dir, name, flags, Mode::empty())
            {
                open.push(next);
            }
        }
    }
    total
}
