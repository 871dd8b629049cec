//! Looking through a checkout for folders of a name, without getting lost in it.

use std::fs;
use std::path::{Path, PathBuf};

const DEPTH_MAX: usize = 4;
const FOLDERS_MAX: usize = 20_000;
const FOUND_MAX: usize = 64;

/// Folders that hold dependencies or products, never a part of the project.
const SKIPPED: [&str; 7] = [
    "node_modules",
    "target",
    "vendor",
    "venv",
    "dist",
    "build",
    "__pycache__",
];

/// The folders named `name`, at most four levels down, at most 64 of them; links are not followed. What
/// lies in a found one, in a hidden folder or in another dependency folder is not looked at.
pub(super) fn find(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![root.to_owned()];
    let mut seen = 0;
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for dir in level {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                // The entry's own type: a link is none.
                if !entry.file_type().is_ok_and(|t| t.is_dir()) {
                    continue;
                }
                seen += 1;
                if seen > FOLDERS_MAX || found.len() == FOUND_MAX {
                    found.sort();
                    return found;
                }
                let own = entry.file_name();
                if own == name {
                    found.push(entry.path());
                } else if let Some(own) = own.to_str()
                    && !own.starts_with('.')
                    && !SKIPPED.contains(&own)
                {
                    next.push(entry.path());
                }
            }
        }
        next.sort();
        level = next;
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::*;

    #[test]
    fn workspaces_are_found_and_what_lies_within_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for folder in [
            "node_modules/a/node_modules",
            "packages/one/node_modules",
            "a/b/c/node_modules",
            "a/b/c/d/node_modules",
            ".git/node_modules",
            "target/node_modules",
        ] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::create_dir(dir.path().join("linked")).unwrap();
        std::os::unix::fs::symlink("/usr", dir.path().join("linked/node_modules")).unwrap();
        let want = [
            "a/b/c/node_modules",
            "node_modules",
            "packages/one/node_modules",
        ];
        assert_eq!(
            find(dir.path(), "node_modules"),
            want.map(|w| dir.path().join(w))
        );
    }

    #[test]
    fn their_number_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..100 {
            fs::create_dir_all(dir.path().join(format!("p{i}/target"))).unwrap();
        }
        assert_eq!(find(dir.path(), "target").len(), FOUND_MAX);
    }
}
