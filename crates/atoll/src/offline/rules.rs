//! The owner's rule files, written on the owner's word: a starter, and drafts that are being edited.
#![allow(
    clippy::disallowed_methods,
    reason = "writes the rule files its user asked for"
)]

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use atoll_api::{Error, codes};

use crate::paths::Paths;

/// The rules that `policy init` writes.
pub const STARTER: &str = include_str!("starter/mine.cedar");
/// Their tests.
pub const STARTER_TESTS: &str = include_str!("starter/tests.toml");
/// The table tests' file, beside the rules.
pub const TESTS: &str = "tests.toml";
/// The rule file that is meant where none is named.
pub const MINE: &str = "mine.cedar";

fn failed(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(codes::FILES, "a rule file can't be written")
        .found(format!("{}: {why}", path.display()))
}

fn folder(paths: &Paths) -> Result<PathBuf, Error> {
    let folder = paths.policy();
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).create(&folder);
    made.map_err(|err| failed(&folder, err))?;
    Ok(folder)
}

/// Writes a file that isn't there; `false`: it is, and stays as it is.
fn create(path: &Path, text: &str) -> Result<bool, Error> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let written = file
                .write_all(text.as_bytes())
                .and_then(|()| file.sync_all());
            written.map_err(|err| failed(path, err))?;
            Ok(true)
        }
        Err(err) if err.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(err) => Err(failed(path, err)),
    }
}

fn append(path: &Path, more: &str) -> Result<(), Error> {
    let opened = OpenOptions::new().append(true).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(more.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|err| failed(path, err))
}

/// Takes a draft away that was made by the very command.
pub fn drop_draft(path: &Path) -> Result<(), Error> {
    std::fs::remove_file(path).map_err(|err| failed(path, err))
}

/// Adds a test to those beside the rules; makes the file where there is none.
pub fn add_test(paths: &Paths, text: &str) -> Result<PathBuf, Error> {
    let path = folder(paths)?.join(TESTS);
    if !create(&path, text)? {
        append(&path, &format!("\n{text}"))?;
    }
    Ok(path)
}

/// Writes the starter and its tests; each with whether it was written, or was there before.
pub fn init(paths: &Paths) -> Result<Vec<(PathBuf, bool)>, Error> {
    let folder = folder(paths)?;
    let files = [(MINE, STARTER), (TESTS, STARTER_TESTS)];
    let write = |(name, text): &(&str, &str)| {
        let path = folder.join(name);
        create(&path, text).map(|written| (path, written))
    };
    files.iter().map(write).collect()
}

/// A rule file that is being edited, beside the one in force: what is in it counts for nothing.
pub struct Draft {
    /// `policy/mine.cedar`.
    pub name: String,
    /// Where it will stand.
    pub file: PathBuf,
    /// Where it stands meanwhile.
    pub draft: PathBuf,
    /// Whether an earlier edit left it.
    pub kept: bool,
    /// What is in force; `None`: no such file.
    before: Option<String>,
}

fn text(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::symlink_metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(failed(path, err)),
        Ok(_) => {}
    }
    Ok(Some(
        super::policy::read(path, path.display().to_string())?.text,
    ))
}

impl Draft {
    /// Begins one, or goes on with the one that an earlier edit left.
    pub fn begin(paths: &Paths, name: &str) -> Result<Draft, Error> {
        let plain = name.len() <= 100
            && name.strip_suffix(".cedar").is_some_and(|stem| {
                let letters = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                !stem.is_empty() && !stem.starts_with('.') && stem.chars().all(letters)
            });
        if !plain {
            let err = Error::new(codes::USAGE, format!("{name} is no name of a rule file"));
            return Err(err.next("name it like mine.cedar; it lies in your policy folder"));
        }
        let folder = folder(paths)?;
        let (file, draft) = (folder.join(name), folder.join(format!("{name}.draft")));
        let before = text(&file)?;
        let starter = if name == MINE { STARTER } else { "" };
        let kept = !create(&draft, before.as_deref().unwrap_or(starter))?;
        Ok(Draft {
            name: format!("policy/{name}"),
            file,
            draft,
            kept,
            before,
        })
    }

    /// `mine.cedar`, as it is named in commands; nothing for the one that is meant anyway.
    pub fn file_name(&self) -> &str {
        let name = self.name.strip_prefix("policy/").unwrap_or(&self.name);
        if name == MINE { "" } else { name }
    }

    /// Adds to it.
    pub fn add(&self, more: &str) -> Result<(), Error> {
        append(&self.draft, more)
    }

    /// What stands in it now.
    pub fn text(&self) -> Result<String, Error> {
        text(&self.draft)?.ok_or_else(|| failed(&self.draft, "it is gone"))
    }

    /// Whether it says what is in force already.
    pub fn unchanged(&self) -> Result<bool, Error> {
        Ok(self.before.as_ref() == Some(&self.text()?))
    }

    /// Takes it away.
    pub fn drop_it(self) -> Result<(), Error> {
        drop_draft(&self.draft)
    }

    /// Puts it in force, if it is still `checked` and nobody changed the file meanwhile.
    pub fn take(self, checked: &str) -> Result<(), Error> {
        if text(&self.file)? != self.before || self.text()? != checked {
            let err = Error::new(codes::CHANGED, "the rule file was changed meanwhile");
            return Err(err);
        }
        let synced = std::fs::File::open(&self.draft).and_then(|file| file.sync_all());
        // A link stays a link: what it points to is replaced.
        let target = std::fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        synced
            .and_then(|()| std::fs::rename(&self.draft, &target))
            .map_err(|err| failed(&self.file, err))
    }
}
