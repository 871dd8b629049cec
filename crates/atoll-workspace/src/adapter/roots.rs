use std::path::{Path, PathBuf};

use atoll_domain::WorkspaceId;
use atoll_ports::workspace::Error;

use crate::beneath::Dir;

/// Folders whose content is the system's: a sandbox has its own there.
const SYSTEM: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run",
    "/sbin", "/sys", "/usr", "/var/run",
];

/// The id and canonical path of the workspace at `root`.
pub(super) fn identify(root: &Path, data: &Path) -> Result<(WorkspaceId, String), Error> {
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
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    if data.starts_with(&canonical) || canonical.starts_with(&data) {
        return refuse("it holds Atoll's own data, or lies in it");
    }
    Ok((
        WorkspaceId::derive(&[b"workspace", path.as_bytes()]),
        path.to_owned(),
    ))
}

/// Opens a root that was identified before, refusing if it is another one now.
pub(super) fn open(
    root: &str,
    workspace: WorkspaceId,
    data: &Path,
) -> Result<(Dir, PathBuf), Error> {
    let (id, canonical) = identify(Path::new(root), data)?;
    if id != workspace || canonical != root {
        return Err(Error::Conflict(vec![root.to_owned()]));
    }
    let path = PathBuf::from(canonical);
    let dir = Dir::open_plain(&path)?;
    Ok((dir, path))
}
