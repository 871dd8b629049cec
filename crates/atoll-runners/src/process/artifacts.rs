//! Files that are kept, read when the whole tree is dead, through the box's own view of its working
//! directory: beneath it, over no symlink, from no other mount.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use atoll_domain::{Artifact, Hash};
use atoll_ports::runner::Kept;
use atoll_redact::Masks;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::FileType;

use crate::inside::sys;

/// Folders and files that are looked at.
const ENTRIES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 32;

/// What was kept, and what a person should know.
#[derive(Default)]
pub struct Found {
    /// The files.
    pub kept: Vec<Kept>,
    /// Why something was left out.
    pub note: Option<String>,
}

/// The globs of a job; an error says which is malformed.
pub fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern.trim_start_matches("./"))
            .literal_separator(true)
            .build()
            .map_err(|err| format!("artifact glob {pattern:?}: {err}"))?;
        set.add(glob);
    }
    set.build().map_err(|err| format!("artifact globs: {err}"))
}

/// Reads what `globs` name below `top`, and leaves out what quotes a secret: a file can't be masked and still be what
/// its digest says. Blocking.
pub fn read(top: &OwnedFd, globs: &GlobSet, limit_bytes: u64, masks: Option<&Masks>) -> Found {
    let mut walk = Walk {
        top,
        globs,
        masks,
        left_bytes: limit_bytes,
        entries: 0,
        found: Found::default(),
    };
    walk.folder("", 0);
    walk.found
        .kept
        .sort_by(|a, b| a.artifact.path.cmp(&b.artifact.path));
    walk.found
}

struct Walk<'a> {
    top: &'a OwnedFd,
    globs: &'a GlobSet,
    masks: Option<&'a Masks>,
    left_bytes: u64,
    entries: usize,
    found: Found,
}

const BENEATH: u64 = sys::BENEATH | sys::NO_SYMLINKS | sys::NO_XDEV;

impl Walk<'_> {
    fn note(&mut self, words: String) {
        self.found.note.get_or_insert(words);
    }

    fn folder(&mut self, path: &str, depth: usize) {
        let at = if path.is_empty() { "." } else { path };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let Ok(dir) = sys::openat2(Some(self.top.as_fd()), at, flags, 0, BENEATH) else {
            return;
        };
        let Ok(entries) = rustix::fs::Dir::read_from(&dir) else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return self.note(format!("only {ENTRIES_MAX} files were looked at"));
            }
            let path = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            match entry.file_type() {
                FileType::Directory if depth < DEPTH_MAX => self.folder(&path, depth + 1),
                FileType::RegularFile if self.globs.is_match(&path) => self.file(path),
                _ => {}
            }
        }
    }

    fn file(&mut self, path: String) {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let Ok(fd) = sys::openat2(Some(self.top.as_fd()), &path, flags, 0, BENEATH) else {
            return;
        };
        let file = std::fs::File::from(fd);
        let Ok(meta) = file.metadata() else { return };
        if !meta.is_file() {
            return;
        }
        if meta.len() > self.left_bytes {
            return self.note(format!(
                "{path} is larger than what may be kept of a job's files"
            ));
        }
        let mut bytes = Vec::new();
        if file.take(self.left_bytes).read_to_end(&mut bytes).is_err() {
            return;
        }
        let quoted = |masks: &Masks| masks.occur(&bytes) || masks.occur(path.as_bytes());
        if self.masks.is_some_and(quoted) {
            return self.note("a file that quotes a secret was not kept".into());
        }
        self.left_bytes -= bytes.len() as u64;
        let artifact = Artifact {
            path,
            sha256: Hash::of(&bytes),
            bytes: bytes.len() as u64,
        };
        self.found.kept.push(Kept { artifact, bytes });
    }
}
