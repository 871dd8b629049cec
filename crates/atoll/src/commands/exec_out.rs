//! A job's output on this command's own streams, and its kept files on disk.
#![allow(
    clippy::disallowed_methods,
    reason = "writes kept files where their user asked for them"
)]

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use atoll_api::{Error, codes};
use atoll_domain::Shown;

use crate::app::{out, say};

/// Where output goes.
pub struct Raw {
    /// Whether a person reads `out` and `err` on a terminal that isn't the job's own: then they are made safe.
    escape: [bool; 2],
    /// The beginning of a character whose rest hasn't come, by stream.
    rest: [Vec<u8>; 2],
}

impl Raw {
    /// Whether a person reads `out` and `err` on a terminal that isn't the job's own.
    pub fn new(out: bool, err: bool) -> Raw {
        Raw {
            escape: [out, err],
            rest: Default::default(),
        }
    }

    /// A piece of `out` or `err`.
    pub fn write(&mut self, stream: &str, bytes: &[u8]) {
        let err = usize::from(stream == "err");
        let shown = match self.escape[err] {
            false => bytes.to_vec(),
            true => self.shown(err, bytes).into_bytes(),
        };
        if err == 1 {
            let _ = std::io::stderr().lock().write_all(&shown); // who doesn't read it misses it
        } else {
            out(&shown);
        }
    }

    fn shown(&mut self, stream: usize, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.rest[stream]);
        all.extend_from_slice(bytes);
        // Only the last character may be incomplete; what is wrong before it is wrong for good.
        let whole = match std::str::from_utf8(&all) {
            Err(err) if err.error_len().is_none() => err.valid_up_to(),
            _ => all.len(),
        };
        self.rest[stream] = all.split_off(whole);
        Shown::bytes(&all).to_string()
    }

    /// What was left incomplete at the end.
    pub fn end(&mut self) {
        for (stream, rest) in self.rest.iter_mut().enumerate() {
            let text = Shown::bytes(&std::mem::take(rest)).to_string();
            match stream {
                0 if !text.is_empty() => out(text.as_bytes()),
                _ => say(&text),
            }
        }
    }
}

/// Writes a kept file below `dir`; what is there already is not replaced.
pub fn save(dir: &Path, path: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
    let failed = |why: String| {
        Error::new(codes::FILES, "a kept file can't be saved").found(format!("{path}: {why}"))
    };
    let relative = Path::new(path);
    if !relative
        .components()
        .all(|c| matches!(c, Component::Normal(_)))
        || path.is_empty()
    {
        return Err(failed("its path leads out of the folder".into()));
    }
    let target = dir.join(relative);
    let parent = target.parent().unwrap_or(dir);
    std::fs::create_dir_all(parent).map_err(|err| failed(err.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o644);
    let file = options
        .open(&target)
        .and_then(|mut file| file.write_all(bytes));
    file.map_err(|err| failed(err.to_string()))?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_cut_in_two_are_joined_and_escapes_shown() {
        let mut raw = Raw::new(true, false);
        let euro = "€".as_bytes();
        assert_eq!(raw.shown(0, &euro[..1]), "");
        assert_eq!(raw.shown(0, &euro[1..]), "€");
        assert_eq!(raw.shown(0, b"\x1b[2J\xff"), "\\e[2J\\xff");
    }

    #[test]
    fn a_kept_file_stays_below_its_folder_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let saved = save(dir.path(), "a/b.txt", b"x").unwrap();
        assert_eq!(std::fs::read(saved).unwrap(), b"x");
        for bad in ["a/b.txt", "../x", "/etc/x", "a/../../x", ""] {
            assert!(save(dir.path(), bad, b"y").is_err(), "{bad}");
        }
    }
}
