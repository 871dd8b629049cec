//! The folder for what is fetched, and for the harmless copies of configuration.
//!
//! It is Atoll's own. What a project fetches lies under the digest of its lock file together with the
//! project's own settings of the tool that reads it: a project with the same lock file but other
//! settings can't spoil it for this one.
#![allow(
    clippy::disallowed_methods,
    reason = "Atoll's own cache: empty folders, and copies of configuration"
)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use atoll_domain::{Hash, Mount};

use super::evict;
use super::requirements::Requirements;
use super::site::Site;

/// The cache below `dir`.
pub(super) struct Cache<'a> {
    pub(super) dir: &'a Path,
}

impl Cache<'_> {
    /// Cargo's registry and git folders for the project's lock file.
    pub(super) fn cargo(&self, site: &Site<'_>) -> Option<PathBuf> {
        self.keyed(
            site,
            "cargo",
            &["Cargo.lock"],
            &[".cargo/config.toml", ".cargo/config"],
        )
    }

    /// The folders that stand for the project's `node_modules`, by number.
    pub(super) fn node(&self, site: &Site<'_>) -> Option<PathBuf> {
        let (lock, _) = super::node::lock(site)?;
        self.keyed(site, "npm", &[lock], &[".npmrc"])
    }

    /// Go's module cache.
    pub(super) fn go(&self, site: &Site<'_>) -> Option<PathBuf> {
        self.keyed(site, "go", &["go.sum"], &["go.work.sum"])
    }

    /// A Python's packages.
    pub(super) fn python(
        &self,
        _: &Site<'_>,
        wanted: &Requirements,
        version: &str,
    ) -> Option<PathBuf> {
        let key = key("python", [version.as_bytes(), wanted.text().as_bytes()]);
        Some(self.dir.join("python").join(key))
    }

    fn keyed(&self, site: &Site<'_>, tool: &str, must: &[&str], may: &[&str]) -> Option<PathBuf> {
        let must: Option<Vec<String>> = must.iter().map(|file| site.project_text(file)).collect();
        let may = may
            .iter()
            .map(|file| site.project_text(file).unwrap_or_default());
        let texts: Vec<String> = must?.into_iter().chain(may).collect();
        Some(
            self.dir
                .join(tool)
                .join(key(tool, texts.iter().map(String::as_bytes))),
        )
    }

    /// Makes `folder` of the cache with its parts, so that they can be mounted.
    pub(super) fn prepare(&self, folder: &Path, parts: &[&str]) -> io::Result<()> {
        for part in parts {
            builder().create(folder.join(part))?;
        }
        evict::used(folder);
        Ok(())
    }

    /// Those of `mounts` that hold what was fetched: of the cache, not its copies of configuration, not empty.
    pub(super) fn fetched(&self, mounts: &[Mount]) -> Vec<String> {
        let config = self.dir.join("config");
        let ours = mounts.iter().filter(|m| {
            let src = Path::new(&m.src);
            !self.dir.as_os_str().is_empty()
                && src.starts_with(self.dir)
                && !src.starts_with(&config)
        });
        let held = ours.filter(|m| holds_a_file(Path::new(&m.src)));
        held.map(|m| m.dst.clone()).collect()
    }

    /// Keeps a copy of configuration, named by its content.
    pub(super) fn config(&self, content: &[u8]) -> io::Result<PathBuf> {
        let folder = self.dir.join("config");
        let file = folder.join(format!("{}.toml", Hash::of(content).hex()));
        self.keep(&file, content)?;
        evict::file_used(&file);
        Ok(file)
    }

    /// Writes a file of the cache whole, or leaves it as it is where it says the same.
    pub(super) fn keep(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        if fs::read(file).is_ok_and(|there| there == content) {
            return Ok(());
        }
        let folder = file.parent().unwrap_or(self.dir);
        builder().create(folder)?;
        // Two nodes' finders may write the same at once: each its own, then one name.
        let mut random = [0; 8];
        fs::File::open("/dev/urandom")
            .and_then(|mut f| io::Read::read_exact(&mut f, &mut random))?;
        let draft = folder.join(format!(".{}", hex::encode(random)));
        let mut written = fs::File::create_new(&draft)?;
        let done = written
            .write_all(content)
            .and_then(|()| fs::rename(&draft, file));
        if done.is_err() {
            let _ = fs::remove_file(&draft);
        }
        done
    }
}

/// Whether any file is in `folder`. One with more empty folders than are looked at counts as one that holds some.
fn holds_a_file(folder: &Path) -> bool {
    const FOLDERS_MAX: usize = 1000;
    let (mut open, mut seen) = (vec![folder.to_owned()], 0);
    while let Some(at) = open.pop() {
        seen += 1;
        let Ok(entries) = fs::read_dir(&at) else {
            return at.is_file();
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && seen < FOLDERS_MAX => open.push(entry.path()),
                _ => return true,
            }
        }
    }
    false
}

fn builder() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

/// A digest of the parts, each with its length, so that no two lists of parts read alike.
fn key<'a>(tool: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut joined = format!("atoll {tool} 1\n").into_bytes();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_le_bytes());
        joined.extend_from_slice(part);
    }
    Hash::of(&joined).hex()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_copy_is_kept_once_and_privately() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("cache");
        let cache = Cache { dir: &top };
        let one = cache.config(b"a = 1\n").unwrap();
        assert_eq!(one, cache.config(b"a = 1\n").unwrap());
        assert_ne!(one, cache.config(b"a = 2\n").unwrap());
        assert_eq!(fs::read(&one).unwrap(), b"a = 1\n");
        assert_eq!(fs::read_dir(top.join("config")).unwrap().count(), 2);
        assert_eq!(
            fs::metadata(&top).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn keys_tell_lists_of_parts_apart() {
        let key = |parts: &[&[u8]]| super::key("x", parts.iter().copied());
        assert_ne!(key(&[b"ab", b""]), key(&[b"a", b"b"]));
        assert_ne!(key(&[b"ab"]), key(&[b"ab", b""]));
        assert_eq!(key(&[b"ab"]), key(&[b"ab"]));
    }
}
