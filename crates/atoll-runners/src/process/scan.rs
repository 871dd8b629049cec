//! Refuses mount sources that hold a socket or a pipe: by them a job would speak to the host, through a
//! read-only mount and another network namespace alike.

use std::collections::HashMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atoll_guard::Stop;

use super::Options;
use crate::wire::Plan;

/// How long a source that was found clean is not looked at again, while its own folder has not changed.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Sources that were found clean.
#[derive(Default)]
pub struct Scanned(Mutex<HashMap<String, (Instant, i64, i64)>>);

impl Scanned {
    /// Whether all sources are known to be clean, without looking into any.
    pub fn known(&self, plan: &Plan, copy: Option<&str>) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources(plan, copy).all(|src| {
            known.get(src).is_some_and(|(at, s, ns)| {
                at.elapsed() < GOOD_FOR
                    && std::fs::symlink_metadata(src)
                        .is_ok_and(|meta| (meta.ctime(), meta.ctime_nsec()) == (*s, *ns))
            })
        })
    }

    /// Looks into the plan's sources. Blocking.
    pub fn check(&self, plan: &Plan, copy: Option<&str>, options: &Options) -> Result<(), Stop> {
        for src in sources(plan, copy) {
            let meta = std::fs::symlink_metadata(src)
                .map_err(|err| Stop::Sandbox(format!("mount {src}: {err}")))?;
            let mut left = options.scan_entries_max;
            if let Some(bad) = find(Path::new(src), options.scan_depth_max, &mut left) {
                let bad = bad.display();
                let why = format!("{bad} is a socket or a pipe: what holds one is not mounted");
                return Err(Stop::Sandbox(why));
            }
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() > 4096 {
                known.clear();
            }
            let entry = (Instant::now(), meta.ctime(), meta.ctime_nsec());
            known.insert(src.to_owned(), entry);
        }
        Ok(())
    }
}

/// All that is mounted from the host but the private copy at `copy`: what a job left in that one, nobody
/// outside listens on.
fn sources<'a>(plan: &'a Plan, copy: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    plan.mounts
        .iter()
        .filter(move |mount| !mount.src.is_empty() && Some(mount.dst.as_str()) != copy)
        .map(|mount| mount.src.as_str())
}

/// The first socket or pipe, level by level, so that a bound leaves out what is deepest.
fn find(top: &Path, depth_max: usize, left: &mut usize) -> Option<PathBuf> {
    let mut level = vec![top.to_owned()];
    for _ in 0..=depth_max {
        let mut next = Vec::new();
        for path in level {
            let Ok(meta) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            if meta.file_type().is_socket() || meta.file_type().is_fifo() {
                return Some(path);
            }
            if !meta.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
                if *left == 0 {
                    return None;
                }
                *left -= 1;
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if kind.is_socket() || kind.is_fifo() {
                    return Some(entry.path());
                }
                if kind.is_dir() {
                    next.push(entry.path());
                }
            }
        }
        level = next;
    }
    None
}
