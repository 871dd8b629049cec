//! Walks a checkout or a job's tree: by directory handles, never through a
//! symlink, never into `.git`, past what .gitignore ignores unless git tracks it.

mod ignores;
mod snapshot;

use std::collections::BTreeSet;
use std::ops::Bound;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

pub(crate) use ignores::{Excludes, Ignores};
pub(crate) use snapshot::{Snapshot, snapshot};

use crate::beneath::{Dir, Entry, TEMP_PREFIX, kind_of, lossy};
use crate::error::{Error, Result};
use crate::names::{Mask, RelPath, holds_token, is_git_alias, mask};

/// Bounds of one walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Larger files are skipped, with the reason, and never loaded.
    pub file_limit_bytes: u64,
    /// More files and folders than this refuse the walk.
    pub entries_max: usize,
    /// More bytes than this, over all files, refuse the walk.
    pub total_limit_bytes: u64,
    /// Deeper folders are skipped.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_limit_bytes: 64 << 20,
            entries_max: 300_000,
            total_limit_bytes: 8 << 30,
            depth_max: 100,
        }
    }
}

/// Why something in the tree is not part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Over `file_limit_bytes`.
    TooLarge {
        /// Its length.
        bytes: u64,
    },
    /// A socket, FIFO or device.
    Special,
    /// A link that leads outside, into `.git`, or could.
    LinkOutside,
    /// Another file system or a bind mount.
    MountPoint,
    /// A `.git` of a nested repository, or an alias of the name.
    Git,
    /// A name that is not UTF-8 or too long.
    Name,
    /// Below `depth_max`.
    TooDeep,
    /// The system refused to open it.
    Unreadable,
    /// It changed on each try to read it.
    Changing,
}

/// What a walk left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Omitted {
    /// Paths (lossy where not UTF-8) and why; at most 1,000.
    pub skipped: Vec<(String, Skip)>,
    /// How many more were skipped.
    pub skipped_more: u64,
    /// Credential files that agents don't see; at most 1,000.
    pub masked: Vec<RelPath>,
}

const OMITTED_MAX: usize = 1000;

impl Omitted {
    fn skip(&mut self, path: String, why: Skip) {
        if self.skipped.len() < OMITTED_MAX {
            self.skipped.push((path, why));
        } else {
            self.skipped_more += 1;
        }
    }
}

/// What a walk is told.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    pub(crate) limits: Limits,
    /// Leave out what .gitignore ignores.
    pub(crate) ignores: bool,
    /// Paths that are taken though ignored: git's index, or a base tree.
    pub(crate) tracked: &'a Tracked,
}

/// What is known of a tree's paths beside its .gitignore files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracked {
    /// Part of the tree whatever is ignored.
    paths: BTreeSet<String>,
    excludes: Excludes,
}

impl Tracked {
    pub(crate) fn new(paths: impl IntoIterator<Item = String>) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            excludes: Excludes::default(),
        }
    }

    /// The same, where `excludes` is ignored besides.
    pub(crate) fn excluding(self, excludes: Excludes) -> Self {
        Self { excludes, ..self }
    }

    fn file(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    pub(crate) fn below(&self, dir: &str) -> bool {
        let prefix = format!("{dir}/");
        self.paths
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .next()
            .is_some_and(|p| p.starts_with(&prefix))
    }
}

/// What a walk calls for each thing it finds, in an order of its own.
pub(crate) trait Visit {
    /// A regular file, masked ones excepted. `Some`: it is skipped for that reason.
    fn file(&mut self, at: &Dir, name: &[u8], path: &RelPath, stat: &Stat) -> Result<Option<Skip>>;
    /// A link whose target stays inside.
    fn link(&mut self, path: &RelPath, target: &[u8]) -> Result<()>;
    /// A folder that is about to be entered; `false` passes it by.
    fn folder(&mut self, _path: &RelPath, _depth: usize) -> Result<bool> {
        Ok(true)
    }
    /// Asked before each entry: stop here?
    fn full(&self) -> bool {
        false
    }
}

/// Walks below `root`, starting in the folder `from`.
pub(crate) fn walk(
    root: &Dir,
    from: Option<&RelPath>,
    options: Options<'_>,
    visit: &mut dyn Visit,
) -> Result<Omitted> {
    let dev = root
        .stat_self()
        .map_err(|e| Error::io("stat", ".", e))?
        .st_dev;
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)] // differs by architecture
    let dev = dev as u64;
    let mut walker = Walker {
        options,
        visit,
        omitted: Omitted::default(),
        seen: 0,
        dev,
        ignores: Ignores::new(&options.tracked.excludes),
    };
    let start = walker.descend_to(root, from)?;
    let depth = from.map_or(0, |p| p.components().count());
    walker.level(&start, from, depth, false)?;
    Ok(walker.omitted)
}

struct Walker<'a> {
    options: Options<'a>,
    visit: &'a mut dyn Visit,
    omitted: Omitted,
    seen: usize,
    dev: u64,
    ignores: Ignores<'a>,
}

impl Walker<'_> {
    // The ignore rules of the folders on the way count, too.
    fn descend_to(&mut self, root: &Dir, from: Option<&RelPath>) -> Result<Dir> {
        let fail = |e| Error::io("open", from.map_or(".", RelPath::as_str), e);
        let mut here = root.sub(None).map_err(fail)?;
        let mut at: Option<RelPath> = None;
        for name in from.iter().flat_map(|p| p.components()) {
            self.ignores.enter(&here, at.as_ref());
            here = here.sub_name(name.as_bytes()).map_err(fail)?;
            at = Some(RelPath::join_checked(at.as_ref(), name));
        }
        Ok(here)
    }

    /// `ignored`: a parent is ignored, and only tracked paths below it count.
    fn level(
        &mut self,
        dir: &Dir,
        at: Option<&RelPath>,
        depth: usize,
        ignored: bool,
    ) -> Result<()> {
        let entries = match dir.entries(self.options.limits.entries_max) {
            Err(Error::Io { .. }) if at.is_some() => {
                self.omitted.skip(
                    at.map(ToString::to_string).unwrap_or_default(),
                    Skip::Unreadable,
                );
                return Ok(());
            }
            other => other?,
        };
        let entered = self.options.ignores && self.ignores.enter(dir, at);
        for entry in entries {
            if self.visit.full() {
                break;
            }
            self.seen += 1;
            if self.seen > self.options.limits.entries_max {
                return Err(Error::Limit {
                    what: "the number of files and folders".into(),
                    limit: self.options.limits.entries_max as u64,
                    hint: "ignore generated folders in .gitignore",
                });
            }
            self.entry(dir, at, &entry, depth, ignored)?;
        }
        if entered {
            self.ignores.leave();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        dir: &Dir,
        at: Option<&RelPath>,
        entry: &Entry,
        depth: usize,
        ignored: bool,
    ) -> Result<()> {
        let shown = || {
            at.map_or_else(
                || lossy(&entry.name),
                |p| format!("{p}/{}", lossy(&entry.name)),
            )
        };
        if entry.name.starts_with(TEMP_PREFIX.as_bytes()) {
            return Ok(());
        }
        let Some(name) = std::str::from_utf8(&entry.name).ok() else {
            self.omitted.skip(shown(), Skip::Name);
            return Ok(());
        };
        if is_git_alias(name) {
            // The checkout's own `.git` is no surprise; any other is said.
            if at.is_some() || name != ".git" {
                self.omitted.skip(shown(), Skip::Git);
            }
            return Ok(());
        }
        let Ok(path) = RelPath::parse(RelPath::join_checked(at, name).as_str()) else {
            self.omitted.skip(shown(), Skip::Name);
            return Ok(());
        };
        let is_dir_hint = entry.kind == FileType::Directory;
        let ignored = ignored || (self.options.ignores && self.ignores.ignored(&path, is_dir_hint));
        if ignored && !self.wanted(&path, is_dir_hint) {
            return Ok(());
        }
        let stat = match dir.stat(&entry.name) {
            Err(Errno::NOENT) => return Ok(()),
            Err(_) => {
                self.omitted.skip(shown(), Skip::Unreadable);
                return Ok(());
            }
            Ok(stat) => stat,
        };
        self.by_kind(dir, path, &entry.name, &stat, depth, ignored)
    }

    fn wanted(&self, path: &RelPath, is_dir: bool) -> bool {
        if is_dir {
            self.options.tracked.below(path.as_str())
        } else {
            self.options.tracked.file(path.as_str())
        }
    }

    fn by_kind(
        &mut self,
        dir: &Dir,
        path: RelPath,
        name: &[u8],
        stat: &Stat,
        depth: usize,
        ignored: bool,
    ) -> Result<()> {
        let skip = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.folder(dir, &path, name, stat, depth, ignored)?,
            FileType::RegularFile => self.file(dir, &path, name, stat)?,
            FileType::Symlink => self.link(dir, &path, name)?,
            _ => {
                tracing::debug!(kind = kind_of(stat), "special file skipped");
                Some(Skip::Special)
            }
        };
        if let Some(why) = skip {
            self.omitted.skip(path.into(), why);
        }
        Ok(())
    }

    fn folder(
        &mut self,
        dir: &Dir,
        path: &RelPath,
        name: &[u8],
        stat: &Stat,
        depth: usize,
        ignored: bool,
    ) -> Result<Option<Skip>> {
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)] // differs by architecture
        if stat.st_dev as u64 != self.dev {
            return Ok(Some(Skip::MountPoint));
        }
        if depth + 1 > self.options.limits.depth_max {
            return Ok(Some(Skip::TooDeep));
        }
        if !self.visit.folder(path, depth)? {
            return Ok(None);
        }
        match dir.sub_name(name) {
            Ok(sub) => self
                .level(&sub, Some(path), depth + 1, ignored)
                .map(|()| None),
            Err(Errno::XDEV) => Ok(Some(Skip::MountPoint)),
            Err(Errno::NOENT) => Ok(None),
            Err(_) => Ok(Some(Skip::Unreadable)),
        }
    }

    fn file(
        &mut self,
        dir: &Dir,
        path: &RelPath,
        name: &[u8],
        stat: &Stat,
    ) -> Result<Option<Skip>> {
        let masked = match mask(path) {
            Mask::No => false,
            Mask::Yes => true,
            Mask::IfToken => small_content(dir, name).is_none_or(|c| holds_token(&c)),
        };
        if masked {
            if self.omitted.masked.len() < OMITTED_MAX {
                self.omitted.masked.push(path.clone());
            }
            return Ok(None);
        }
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        if bytes > self.options.limits.file_limit_bytes {
            return Ok(Some(Skip::TooLarge { bytes }));
        }
        self.visit.file(dir, name, path, stat)
    }

    fn link(&mut self, dir: &Dir, path: &RelPath, name: &[u8]) -> Result<Option<Skip>> {
        let Ok(target) = dir.link_target(name) else {
            return Ok(Some(Skip::Unreadable));
        };
        if !stays_inside(path, &target) {
            return Ok(Some(Skip::LinkOutside));
        }
        // A link under a credential's name shows what it leads to.
        if mask(path) == Mask::Yes {
            self.omitted.masked.push(path.clone());
            return Ok(None);
        }
        self.visit.link(path, &target).map(|()| None)
    }
}

fn small_content(dir: &Dir, name: &[u8]) -> Option<Vec<u8>> {
    crate::beneath::small_file(dir, std::str::from_utf8(name).ok()?, 1 << 20)
}

/// Does a link at `path` lead to something inside, whatever other such links
/// exist? `..` may only come first: after a name it would be taken from where
/// that name leads.
pub(crate) fn stays_inside(path: &RelPath, target: &[u8]) -> bool {
    let Ok(target) = std::str::from_utf8(target) else {
        return false;
    };
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    let mut climbs_left = path.components().count() - 1;
    let mut named = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if named || climbs_left == 0 => return false,
            ".." => climbs_left -= 1,
            name if is_git_alias(name) => return false,
            _ => named = true,
        }
    }
    true
}

#[cfg(test)]
mod tests;
