//! The command's executable, and the mounts that the owner added.

use std::path::{Component, Path, PathBuf};

use atoll_domain::{Exe, Mount, MountKind};

use super::resolve::{self, Digests};
use super::site::{Draft, Site, system};

/// The executable of `cmd[0]`, if the job gets it from outside the private copy. Where it lies in a
/// folder that isn't mounted, it is mounted by itself.
pub(super) fn of(
    site: &Site<'_>,
    draft: &mut Draft,
    digests: &Digests,
    cmd: &[String],
) -> Option<Exe> {
    let name = cmd.first()?;
    if name.contains('/') {
        let path = site.root.join(name);
        let outside = path.is_absolute() && !path.starts_with(&site.root);
        if outside && !draft.shows(&path) && !alone(site, draft, &path) {
            draft.missing(format!(
                "{name} is not there for a job: name one on PATH, or mount it"
            ));
            return None;
        }
        return (outside || draft.mounted(&path)).then(|| digests.exe(&path))?;
    }
    let inside = draft.path(site);
    if let Some(path) = resolve::which(name, inside.iter().map(PathBuf::as_path)) {
        let copied = path.starts_with(&site.root) && !draft.mounted(&path);
        return (!copied).then(|| digests.exe(&path))?;
    }
    let others = site
        .path
        .iter()
        .filter(|dir| !super::managers::is_shims(dir) && !dir.starts_with(&site.root));
    if let Some(path) = resolve::which(name, others.map(PathBuf::as_path))
        && alone(site, draft, &path)
    {
        draft.path_first(path.parent()?.to_owned());
        return digests.exe(&path);
    }
    draft.missing(format!("{name} was not found on PATH"));
    None
}

/// Mounts one executable where it is named and where it really lies.
fn alone(site: &Site<'_>, draft: &mut Draft, path: &Path) -> bool {
    if !resolve::executable(path) || system(path) {
        return false;
    }
    let Ok(real) = std::fs::canonicalize(path) else {
        return false;
    };
    draft.note(format!(
        "{} is mounted by itself, without what may belong to it",
        path.display()
    ));
    draft.same(site, &real) && draft.bind(site, &real, path)
}

/// The owner's own mounts. They are trusted, but neither may they bring credentials.
pub(super) fn extra(site: &Site<'_>, draft: &mut Draft, mounts: &[Mount]) {
    for mount in mounts {
        let (src, dst) = (Path::new(&mount.src), Path::new(&mount.dst));
        let plain = |path: &Path| {
            let mut parts = path.components();
            path.is_absolute()
                && parts.all(|c| matches!(c, Component::RootDir | Component::Normal(_)))
        };
        if !plain(dst) || system(dst) {
            draft.note(format!(
                "the mount at {} is left out: nothing is mounted there",
                mount.dst
            ));
            continue;
        }
        if mount.kind == MountKind::Tmpfs {
            draft.push(Mount {
                src: String::new(),
                ..mount.clone()
            });
            continue;
        }
        let Some(real) = std::fs::canonicalize(src).ok().filter(|_| plain(src)) else {
            draft.missing(format!(
                "{}, which this workspace mounts, is not there",
                mount.src
            ));
            continue;
        };
        match site.refused(&real).or_else(|| site.refused(dst)) {
            Some(why) => draft.note(format!("{} is not mounted: {why}", mount.src)),
            None => {
                let src = real.to_string_lossy().into_owned();
                draft.push(Mount {
                    src,
                    ..mount.clone()
                });
            }
        }
    }
}
