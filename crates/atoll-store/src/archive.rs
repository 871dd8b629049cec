//! A folder that segments of the log are put into: on another disk, a stick, a network share.

#![allow(
    clippy::disallowed_methods,
    reason = "puts segments into the one folder that the node's owner named"
)]

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use atoll_log::Checkpoint;
use atoll_log::export::Extra;
use atoll_log::segment::HEADER_BYTES_MAX;
use atoll_ports::archive::{Archive, Lines, Put};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Files that are looked at in the folder.
const FILES_MAX: usize = 1_000_000;
/// What a segment is called until it is whole.
const NEW: &str = ".segment.new";

/// See the module. The folder is its owner's to make: one that isn't there is away.
#[derive(Clone, Debug)]
pub struct ArchiveFolder {
    path: PathBuf,
}

/// The first and last event of a segment, by its file's name.
fn range(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name
        .strip_prefix("segment-")?
        .strip_suffix(".ndjson.gz")?
        .split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn name(first: u64, last: u64) -> String {
    format!("segment-{first:012}-{last:012}.ndjson.gz")
}

impl ArchiveFolder {
    /// The folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> ArchiveFolder {
        ArchiveFolder { path: path.into() }
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(fs::open(&self.path, flags, Mode::empty())?)
    }

    /// The name of the segment that goes furthest.
    fn newest(&self) -> io::Result<Option<(u64, u64, String)>> {
        let mut newest: Option<(u64, u64, String)> = None;
        for entry in std::fs::read_dir(&self.path)?.take(FILES_MAX) {
            let name = entry?.file_name();
            let Some((name, (first, last))) = name.to_str().and_then(|n| Some((n, range(n)?)))
            else {
                continue;
            };
            if newest.as_ref().is_none_or(|n| n.1 < last) {
                newest = Some((first, last, name.to_owned()));
            }
        }
        Ok(newest)
    }

    /// The first line of a segment. A link is not followed.
    fn header(folder: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(fs::openat(folder, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let unpacked = GzDecoder::new(BufReader::new(file)).take(HEADER_BYTES_MAX as u64 + 1);
        let mut line = Vec::new();
        BufReader::new(unpacked).read_until(b'\n', &mut line)?;
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ => Err(io::Error::other("its first line has no end")),
        }
    }
}

/// Gives it its name, unless something has it.
fn named(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match fs::renameat_with(folder, NEW, folder, name, RenameFlags::NOREPLACE) {
        // Some file systems can't: this node alone writes here, one segment at a time.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(fs::renameat(folder, NEW, folder, name)?),
                Err(err) => Err(err.into()),
                Ok(_) => Err(Errno::EXIST.into()),
            }
        }
        done => Ok(done?),
    }
}

fn write(folder: &OwnedFd, lines: Lines<'_>) -> io::Result<u64> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(fs::openat(folder, NEW, flags, Mode::RUSR | Mode::WUSR)?);
    let mut packed = GzEncoder::new(BufWriter::new(file), Compression::default());
    lines(&mut |line| {
        packed.write_all(line)?;
        packed.write_all(b"\n")
    })?;
    let file = packed.finish()?.into_inner().map_err(|e| e.into_error())?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// What was left of one that didn't come to its name. It is a file of this module's own name; a link is taken away, not
/// what it leads to.
fn clear(folder: &OwnedFd) -> io::Result<()> {
    match fs::unlinkat(folder, NEW, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

fn within(path: &Path, name: &str, err: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {err}", path.join(name).display()))
}

impl Archive for ArchiveFolder {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn last(&self, node: &str) -> io::Result<Option<String>> {
        let folder = self.open()?;
        let Some((first, last, name)) = self.newest()? else {
            return Ok(None);
        };
        let bad = |why: &dyn std::fmt::Display| within(&self.path, &name, why);
        let line = ArchiveFolder::header(&folder, &name).map_err(|err| bad(&err))?;
        let Ok(Extra::Segment(header)) = serde_json::from_slice(&line) else {
            return Err(bad(&"it holds something else than a segment"));
        };
        let sealed = Checkpoint::open_unsigned(&header.note).map_err(|err| bad(&err))?;
        if sealed.node != node {
            return Err(bad(&format_args!("it is of the log of {}", sealed.node)));
        }
        if (header.first, sealed.size) != (first, last) {
            return Err(bad(&"it holds other events than its name says"));
        }
        Ok(Some(header.note))
    }

    fn put(&self, first: u64, last: u64, lines: Lines<'_>) -> io::Result<Put> {
        let folder = self.open()?;
        clear(&folder)?;
        let name = name(first, last);
        let done = write(&folder, lines).and_then(|bytes| {
            named(&folder, &name).map_err(|err| within(&self.path, &name, err))?;
            Ok(bytes)
        });
        if done.is_err() {
            let _ = clear(&folder); // the next one does it, if this can't
        }
        let bytes = done?;
        fs::fsync(&folder)?;
        Ok(Put { name, bytes })
    }
}
