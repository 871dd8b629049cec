//! What the user tells git to ignore in every repository. Their configuration is read as text; nothing
//! that it names is run, and only one file that it names is opened, for patterns.

use std::path::{Path, PathBuf};

use super::config;
use crate::beneath::{Dir, small_file};

const EXCLUDES_LIMIT_BYTES: u64 = 256 << 10;
const INCLUDES_MAX: usize = 16;

/// The patterns of `core.excludesFile`, else of `git/ignore` in the configuration folder (`config_home`,
/// else `~/.config`).
pub(crate) fn excludes(home: &Path, config_home: Option<&Path>) -> Option<Vec<u8>> {
    let config_home = config_home.map_or_else(|| home.join(".config"), Path::to_owned);
    let mut named = None;
    let mut includes_left = INCLUDES_MAX;
    // git's order: what is read later wins.
    for file in [config_home.join("git/config"), home.join(".gitconfig")] {
        read(&file, home, &mut includes_left, &mut named);
    }
    let file = match named {
        // Set to nothing: there is none.
        Some(name) if name.is_empty() => return None,
        Some(name) => expand(&name, home, home)?,
        None => config_home.join("git/ignore"),
    };
    regular(&file, EXCLUDES_LIMIT_BYTES)
}

fn read(file: &Path, home: &Path, includes_left: &mut usize, named: &mut Option<String>) {
    let Some(text) = regular(file, config::LIMIT_BYTES) else {
        return;
    };
    let folder = file.parent().unwrap_or(home).to_owned();
    let text = String::from_utf8_lossy(&text).into_owned();
    config::each(&text, |key, value| match key {
        "core.excludesfile" => *named = Some(value.to_owned()),
        // `includeIf` depends on the repository and is passed over.
        "include.path" if *includes_left > 0 => {
            *includes_left -= 1;
            if let Some(other) = expand(value, home, &folder) {
                read(&other, home, includes_left, named);
            }
        }
        _ => {}
    });
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
        excludes(home, None).map(|b| String::from_utf8(b).unwrap())
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
        let there = excludes(home.path(), Some(elsewhere.path()));
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
