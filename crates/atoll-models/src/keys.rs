//! The key file: `keys.toml`, which its owner alone may read. A line is `provider = "key"`.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use atoll_ports::models::Key;

/// The file's name in the configuration directory.
pub const KEYS_FILE: &str = "keys.toml";

const FILE_LIMIT_BYTES: u64 = 64 * 1024;
const KEY_LIMIT_BYTES: usize = 8 * 1024;

/// Why the key file isn't used. None of its content is in these words.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// Others can read it.
    #[error("{} can be read by others (mode {mode:o}): chmod 600 {}, and replace its keys if others may have read them", .path.display(), .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can't be read.
    #[error("{} can't be read: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It isn't what it should be.
    #[error("{} is no key file: each line is `provider = \"key\"`", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// A provider's key from the file; `None` if there is no file or no such line. Read each time: keys are
/// rotated while a node runs, and they don't stay in its memory.
pub(crate) fn stored(file: &Path, provider: &str) -> Result<Option<Key>, BadKeys> {
    let Some(text) = read(file)? else {
        return Ok(None);
    };
    let malformed = || BadKeys::Malformed { path: file.into() };
    let mut keys: BTreeMap<String, String> = toml::from_str(&text).map_err(|_| malformed())?;
    match keys.remove(provider) {
        Some(key) if sendable(&key) => Ok(Some(Key::new(key))),
        Some(_) => Err(malformed()),
        None => Ok(None),
    }
}

/// Whether a key can stand in a header.
pub(crate) fn sendable(key: &str) -> bool {
    !key.is_empty() && key.len() <= KEY_LIMIT_BYTES && key.bytes().all(|b| b.is_ascii_graphic())
}

fn read(path: &Path) -> Result<Option<String>, BadKeys> {
    let unreadable = |why: String| BadKeys::Unreadable {
        path: path.into(),
        why,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(unreadable(err.to_string())),
    };
    // Asked of the open file: what is checked is what is read.
    let meta = file.metadata().map_err(|err| unreadable(err.to_string()))?;
    if !meta.is_file() {
        return Err(unreadable("it is no file".into()));
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(BadKeys::Open {
            path: path.into(),
            mode,
        });
    }
    let mut text = String::new();
    let read = file.take(FILE_LIMIT_BYTES + 1).read_to_string(&mut text);
    read.map_err(|err| unreadable(err.to_string()))?;
    if text.len() as u64 > FILE_LIMIT_BYTES {
        return Err(unreadable(format!(
            "it is larger than {FILE_LIMIT_BYTES} bytes"
        )));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEYS_FILE);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_private_file_gives_its_keys() {
        let (_dir, path) = file("openai = \"sk-1\"\n\"my.own\" = \"k2\"\n", 0o600);
        let key = |name| stored(&path, name).unwrap().map(|k| k.expose().to_owned());
        assert_eq!(key("openai").as_deref(), Some("sk-1"));
        assert_eq!(key("my.own").as_deref(), Some("k2"));
        assert_eq!(key("other"), None);
        assert!(
            stored(&path.with_extension("none"), "openai")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o644, 0o660, 0o666, 0o610, 0o602] {
            let (_dir, path) = file("openai = \"sk-1\"", mode);
            let err = stored(&path, "openai").unwrap_err().to_string();
            assert!(
                err.contains("chmod 600") && !err.contains("sk-1"),
                "{mode:o}: {err}"
            );
        }
    }

    #[test]
    fn what_is_no_key_file_is_said_without_its_content() {
        let long = format!("a = \"{}\"", "x".repeat(70_000));
        for text in [
            "sk-secret",
            "openai = 3",
            "openai = \"sk secret\"",
            "openai = \"sk\\nsecret\"",
            "openai = \"\"",
            &long,
        ] {
            let (_dir, path) = file(text, 0o600);
            let err = stored(&path, "openai").unwrap_err().to_string();
            assert!(!err.contains("secret"), "{err}");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(stored(dir.path(), "openai").is_err());
    }
}
