use std::path::{Path, PathBuf};

use atoll_domain::WorkspaceId;
use atoll_ports::workspace::{Error, Identified};

use super::Options;
use crate::beneath::Dir;
use crate::names::RelPath;
use crate::origin::{AutoCrlf, Found, Repo, User, find};
use crate::walk::{Excludes, Ignores};

/// Folders whose content is the system's: a sandbox has its own there.
const SYSTEM: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run",
    "/sbin", "/sys", "/usr", "/var/run",
];

/// How many folders above the one that was named are looked at.
const ABOVE_MAX: usize = 64;
const TRACKED_MAX: usize = 1_000_000;

/// The workspace that `place` lies in: the repository around it, else `place` itself.
pub(super) fn identify(place: &Path, options: &Options) -> Result<Identified, Error> {
    let (workspace, path) = exactly(place, &options.data)?;
    // A repository that can't be a workspace leaves the folder that was named.
    let around = enclosing(Path::new(&path), options);
    let around = around.and_then(|root| exactly(&root, &options.data).ok());
    let (workspace, root) = around.unwrap_or((workspace, path.clone()));
    let below = path.strip_prefix(root.as_str()).unwrap_or_default();
    Ok(Identified {
        workspace,
        below: below.trim_start_matches('/').to_owned(),
        root,
    })
}

/// The id and canonical path of `root` as a workspace.
fn exactly(root: &Path, data: &Path) -> Result<(WorkspaceId, String), Error> {
    let shown = root.display().to_string();
    let refuse = |why: &str| {
        Err(Error::Forbidden {
            path: shown.clone(),
            why: why.to_owned(),
        })
    };
    let Ok(canonical) = root.canonicalize() else {
        return Err(Error::Missing(shown));
    };
    if !canonical.is_dir() {
        return refuse("a workspace is a folder");
    }
    let Some(path) = canonical.to_str() else {
        return refuse("its path is not UTF-8");
    };
    if path == "/" {
        return refuse("the whole file system is no workspace");
    }
    if SYSTEM.iter().any(|s| canonical.starts_with(s)) {
        return refuse("the system's own folders are no workspace");
    }
    let gits = |part: std::path::Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
    if canonical.components().any(gits) {
        return refuse("it lies in git's own folder: what is written there runs by itself");
    }
    if is_bare(&canonical) {
        return refuse("a bare repository holds no files to work on: name a checkout of it");
    }
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    if data.starts_with(&canonical) || canonical.starts_with(&data) {
        return refuse("it holds Atoll's own data, or lies in it");
    }
    Ok((
        WorkspaceId::derive(&[b"workspace", path.as_bytes()]),
        path.to_owned(),
    ))
}

/// Whether a folder is a repository's own, without files beside it.
fn is_bare(folder: &Path) -> bool {
    let is_dir = |name: &str| folder.join(name).is_dir();
    is_dir("objects") && is_dir("refs") && folder.join("HEAD").is_file() && !is_dir(".git")
}

/// Opens a root that was identified before, refusing if it is another one now.
pub(super) fn open(
    root: &str,
    workspace: WorkspaceId,
    data: &Path,
) -> Result<(Dir, PathBuf), Error> {
    let (id, canonical) = exactly(Path::new(root), data)?;
    if id != workspace || canonical != root {
        return Err(Error::Conflict(vec![root.to_owned()]));
    }
    let path = PathBuf::from(canonical);
    let dir = Dir::open_plain(&path)?;
    Ok((dir, path))
}

/// The folder above `place` (canonical) whose repository it is part of, or which has an `.atoll/` of
/// its own. The nearest marked folder decides, and none is followed that belongs to another user (who
/// could otherwise put a `.git` above everyone's folders), lies on another file system, or is the home
/// or above it.
fn enclosing(place: &Path, options: &Options) -> Option<PathBuf> {
    let here = Dir::open_plain(place).ok()?;
    if marked(&here) {
        return None;
    }
    let named = here.stat_self().ok()?;
    let home = options.home.as_ref().and_then(|h| h.canonicalize().ok());
    let ours = |uid: u32| uid == named.st_uid || uid == rustix::process::geteuid().as_raw();
    for at in place.ancestors().skip(1).take(ABOVE_MAX) {
        if at.parent().is_none() || home.as_ref().is_some_and(|h| h.starts_with(at)) {
            return None;
        }
        let dir = Dir::open_plain(at).ok()?;
        let stat = dir.stat_self().ok()?;
        if stat.st_dev != named.st_dev {
            return None;
        }
        if !marked(&dir) {
            continue;
        }
        let marks = MARKS.iter().filter_map(|name| dir.stat(name).ok());
        let mut owners = marks.map(|mark| mark.st_uid).chain([stat.st_uid]);
        if !owners.all(ours) {
            return None;
        }
        let whole = dir.stat(MARKS[1]).is_ok() || part_of(&dir, at, place, ours, options);
        return whole.then(|| at.to_owned());
    }
    None
}

const MARKS: [&[u8]; 2] = [b".git", b".atoll"];

fn marked(dir: &Dir) -> bool {
    MARKS.iter().any(|name| dir.stat(name).is_ok())
}

/// Is `place` a part of the repository in `dir`, which lies at `at`?
fn part_of(
    dir: &Dir,
    at: &Path,
    place: &Path,
    ours: impl Fn(u32) -> bool,
    options: &Options,
) -> bool {
    let Found::Repo(repo) = find(dir, at) else {
        return false;
    };
    let below = place.strip_prefix(at).ok().and_then(Path::to_str);
    let Some(below) = below.and_then(|b| RelPath::parse(b).ok()) else {
        return false;
    };
    let owned = repo.owners().is_some_and(|all| all.into_iter().all(ours));
    owned && !left_out(dir, &repo, &below, &excludes(&repo, options))
}

/// What the user's own git is told for every repository.
fn user(options: &Options) -> User {
    let home = options.home.as_deref();
    home.map_or_else(User::default, |home| {
        User::of(home, options.config_home.as_deref())
    })
}

/// What the user ignores everywhere, and what the repository ignores by itself.
pub(super) fn excludes(repo: &Repo, options: &Options) -> Excludes {
    Excludes::of(user(options).excludes.into_iter().chain(repo.exclude()))
}

/// How git translates lines in the repository.
pub(super) fn autocrlf(repo: &Repo, options: &Options) -> AutoCrlf {
    let own = repo.autocrlf();
    own.or_else(|| user(options).autocrlf)
        .unwrap_or(AutoCrlf::False)
}

/// Does the repository ignore the folder `below` whole? Then it is something of its own.
fn left_out(root: &Dir, repo: &Repo, below: &RelPath, excludes: &Excludes) -> bool {
    let mut ignores = Ignores::new(excludes);
    let Ok(mut dir) = root.sub(None) else {
        return true;
    };
    let mut at: Option<RelPath> = None;
    for name in below.components() {
        ignores.enter(&dir, at.as_ref());
        let path = RelPath::join_checked(at.as_ref(), name);
        if ignores.ignored(&path, true) {
            return !repo.tracked(TRACKED_MAX).below(below.as_str());
        }
        let Ok(next) = dir.sub_name(name.as_bytes()) else {
            return true;
        };
        dir = next;
        at = Some(path);
    }
    false
}
