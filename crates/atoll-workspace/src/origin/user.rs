//! What the user tells git for every repository: their patterns to ignore, and how lines end. Their
//! configuration is read as text; nothing that it names is run, and only one file that it names is
//! opened, for patterns.

use std::path::{Path, PathBuf};

use super::{AutoCrlf, config};
use crate::beneath::{Dir, small_file};

const EXCLUDES_LIMIT_BYTES: u64 = 256 << 10;
const INCLUDES_MAX: usize = 16;

/// What a user's own configuration says.
#[derive(Default)]
pub(crate) struct User {
    /// The patterns of `core.excludesFile`, else of `git/ignore` in the configuration folder.
    pub(crate) excludes: Option<Vec<u8>>,
    /// `core.autocrlf`.
    pub(crate) autocrlf: Option<AutoCrlf>,
}

#[derive(Default)]
struct Named {
    excludes: Option<String>,
    autocrlf: Option<String>,
    includes: usize,
}

impl User {
    /// Of the user with this home; `config_home` where it isn't `~/.config`.
    pub(crate) fn of(home: &Path, config_home: Option<&Path>) -> Self {
        let config_home = config_home.map_or_else(|| home.join(".config"), Path::to_owned);
        let mut named = Named::default();
        // git's order: what is read later wins.
        for file in [config_home.join("git/config"), home.join(".gitconfig")] {
            named.read(&file, home);
        }
        let file = match named.excludes {
            // Set to nothing: there is none.
            Some(name) if name.is_empty() => None,
            Some(name) => expand(&name, home, home),
            None => Some(config_home.join("git/ignore")),
        };
        Self {
            excludes: file.and_then(|f| regular(&f, EXCLUDES_LIMIT_BYTES)),
            autocrlf: named.autocrlf.as_deref().map(AutoCrlf::of),
        }
    }
}

impl Named {
    fn read(&mut self, file: &Path, home: &Path) {
        let Some(text) = regular(file, config::LIMIT_BYTES) else {
            return;
        };
        let folder = file.parent().unwrap_or(home).to_owned();
        config::each(&String::from_utf8_lossy(&text), |key, value| match key {
            "core.excludesfile" => self.excludes = Some(value.to_owned()),
            "core.autocrlf" => self.autocrlf = Some(value.to_owned()),
            // `includeIf` depends on the repository and is passed over.
            "include.path" if self.includes < INCLUDES_MAX => {
                self.includes += 1;
                if let Some(other) = expand(value, home, &folder) {
                    self.read(&other, home);
                }
            }
            _ => {}
        });
    }
}

/// `~/x` is below the home; another's home (`~name/x`) is not looked at.
fn expand(name: &str, home: &Path, relative_to: &Path) -> Option<PathBuf> {
    match name.strip_prefix('~') {
        Some(rest) => Some(home.join(rest.strip_prefix('/')?)),
        None => Some(relative_to.join(name)),
    }
}

/// A regular file of the user's, whose links are followed: many keep such files in a folder of their own.
fn regular(file: &Path, limit_bytes: u64) -> Option<Vec<u8>> {
    let real = file.canonicalize().ok()?;
    let dir = Dir::open_plain(real.parent()?).ok()?;
    small_file(&dir, real.file_name()?.to_str()?, limit_bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::*;
    use std::fs;

    fn found(home: &Path) -> Option<String> {
        User::of(home, None)
            .excludes
            .map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn the_users_own_excludes_are_found_where_git_finds_them() {
        let home = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(found(home.path()), None);
        put(".config/git/ignore", "default");
        assert_eq!(found(home.path()).as_deref(), Some("default"));
        put("dots/gitconfig", "[core]\nexcludesFile = ~/mine\n");
        put("mine", "*.swp");
        std::os::unix::fs::symlink("dots/gitconfig", home.path().join(".gitconfig")).unwrap();
        assert_eq!(found(home.path()).as_deref(), Some("*.swp"));
        // Relative to the file as it is named, not to where its link leads.
        put("dots/gitconfig", "[include]\npath = dots/more\n");
        put(
            "dots/more",
            "[core]\nexcludesFile = ~/dots/other\n[include]\npath = more\n",
        );
        put("dots/other", "other");
        assert_eq!(found(home.path()).as_deref(), Some("other"));
        put("dots/gitconfig", "[core]\nexcludesFile =\n");
        assert_eq!(found(home.path()), None);
        put("dots/gitconfig", "");
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir(elsewhere.path().join("git")).unwrap();
        fs::write(elsewhere.path().join("git/ignore"), "xdg").unwrap();
        let there = User::of(home.path(), Some(elsewhere.path())).excludes;
        assert_eq!(there.as_deref(), Some(b"xdg".as_slice()));
    }

    #[test]
    fn what_is_no_file_or_too_long_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        for name in ["/dev/zero", "/proc/self/mem", "~root/x", "~/none", "~"] {
            let text = format!("[core]\nexcludesFile = {name}\n");
            fs::write(home.path().join(".gitconfig"), text).unwrap();
            assert_eq!(found(home.path()), None, "{name}");
        }
        fs::write(
            home.path().join(".gitconfig"),
            "[core]\nexcludesFile = ~/big\n",
        )
        .unwrap();
        let big = vec![b'x'; usize::try_from(EXCLUDES_LIMIT_BYTES).unwrap() + 1];
        fs::write(home.path().join("big"), big).unwrap();
        assert_eq!(found(home.path()), None);
    }
}
