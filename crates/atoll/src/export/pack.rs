//! Writes the zip: to a name of its own beside where it belongs, and there whole or not at all.
#![allow(
    clippy::disallowed_methods,
    reason = "writes an export where its user asked for it"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use atoll_api::{Error, codes};
use atoll_domain::Ms;
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::gather::Gathered;

/// Writing at once, in bytes, before a stop is looked for.
const CHUNK_BYTES: usize = 1 << 20;

/// What goes in beside the events.
pub struct Papers {
    /// Names and contents.
    pub texts: Vec<(&'static str, String)>,
}

/// What is left out of it.
#[derive(Default)]
pub struct Without {
    pub contents: BTreeSet<usize>,
    pub files: BTreeSet<usize>,
}

/// Why it was not written.
pub enum Trouble {
    Io(io::Error),
    Stopped,
}

impl From<io::Error> for Trouble {
    fn from(err: io::Error) -> Trouble {
        Trouble::Io(err)
    }
}

impl From<zip::result::ZipError> for Trouble {
    fn from(err: zip::result::ZipError) -> Trouble {
        Trouble::Io(io::Error::other(err.to_string()))
    }
}

/// A zip that has no name that counts yet: it goes with this, unless it is put in place.
pub struct Written(NamedTempFile);

/// A file without a name: nothing of it is left, whatever happens.
pub fn aside(folder: &Path) -> io::Result<File> {
    tempfile::tempfile_in(folder)
}

/// The time of all files in it: the session's last event's, so that the same session makes the same zip.
fn time(at: Ms) -> DateTime {
    let text = crate::ui::words::utc(at);
    let number = |from: usize, to: usize| text.get(from..to).and_then(|n| n.parse::<u16>().ok());
    let small = |from, to| {
        number(from, to)
            .and_then(|n| u8::try_from(n).ok())
            .unwrap_or(0)
    };
    let year = number(0, 4).unwrap_or(0).clamp(1980, 2107);
    let made = DateTime::from_date_and_time(
        year,
        small(5, 7),
        small(8, 10),
        small(11, 13),
        small(14, 16),
        small(17, 19),
    );
    made.unwrap_or_else(|_| DateTime::default_for_write())
}

/// A file that isn't there yet.
pub struct Zip<'a> {
    pub all: &'a Gathered,
    pub without: Without,
    pub papers: Papers,
    pub stop: &'a AtomicBool,
}

impl Zip<'_> {
    /// Writes it in `folder`; how long it is.
    pub fn write(&self, folder: &Path) -> Result<(Written, u64), Trouble> {
        let file = NamedTempFile::new_in(folder)?;
        let mut zip = ZipWriter::new(BufWriter::new(file));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(time(self.all.last))
            .unix_permissions(0o600);
        for (name, text) in &self.papers.texts {
            zip.start_file(*name, options)?;
            self.put(&mut zip, text.as_bytes())?;
        }
        zip.start_file("events.ndjson", options.large_file(self.all.is_large()))?;
        for line in &self.all.lines {
            if line
                .content
                .is_some_and(|c| self.without.contents.contains(&c))
            {
                continue;
            }
            self.put(&mut zip, &self.all.read(line.piece)?)?;
            self.put(&mut zip, b"\n")?;
        }
        for (number, kept) in self.all.kept.iter().enumerate() {
            if self.without.files.contains(&number) {
                continue;
            }
            let bytes = match kept.redacted {
                Some(piece) => self.all.read(piece)?,
                None => self.all.content(kept.content)?,
            };
            zip.start_file(kept.name.as_str(), options)?;
            self.put(&mut zip, &bytes)?;
        }
        let file = zip.finish()?.into_inner().map_err(|err| err.into_error())?;
        let bytes = file.as_file().metadata()?.len();
        Ok((Written(file), bytes))
    }

    fn put(&self, zip: &mut impl Write, bytes: &[u8]) -> Result<(), Trouble> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Trouble::Stopped);
            }
            zip.write_all(chunk)?;
        }
        Ok(())
    }
}

/// The same to a person.
pub fn unwritten(target: &Path, err: impl std::fmt::Display) -> Error {
    let err = Error::new(codes::FILES, "the export can't be written")
        .found(format!("{}: {err}", target.display()));
    err.next("free some space there, or name another place: -o FILE")
}

/// Refuses a name that is taken.
pub fn taken(target: &Path) -> Error {
    Error::new(codes::EXPORT_EXISTS, "there is a file of this name")
        .found(target.display().to_string())
        .next("give it another name: -o FILE, or write over it: --force")
}

/// Puts a written file in its place, at once and whole.
pub fn place(file: Written, target: &Path, force: bool) -> Result<(), Error> {
    let Written(file) = file;
    file.as_file()
        .sync_all()
        .map_err(|err| unwritten(target, err))?;
    let placed = match force {
        true => file.persist(target),
        false => file.persist_noclobber(target),
    };
    match placed {
        Ok(_) => Ok(()),
        Err(err) if err.error.kind() == io::ErrorKind::AlreadyExists => Err(taken(target)),
        Err(err) => Err(unwritten(target, err.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_events_and_in_the_formats_range() {
        let at = time(Ms(1_795_252_703_000));
        assert_eq!(
            (at.year(), at.month(), at.day(), at.hour()),
            (2026, 11, 21, 9)
        );
        assert_eq!(time(Ms(0)).year(), 1980);
        assert_eq!(time(Ms(32_503_680_000_000)).year(), 2107);
    }
}
