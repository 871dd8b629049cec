//! `log verify` of segments: a folder of them, or several files, in the order of their events, each held against the
//! end of the one before.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use atoll_api::{Error, codes};
use atoll_domain::Shown;
use atoll_log::export::{Extra, LINE_BYTES_MAX, Proven, Reader};
use atoll_log::segment::HEADER_BYTES_MAX;
use atoll_log::{Bad, Checkpoint, Flaw, PublicKey, Start};
use flate2::bufread::GzDecoder;

use super::verify::{Found, line, unreadable};

/// A segment unpacked, in bytes.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;
/// Segments in one row.
const FILES_MAX: usize = 1_000_000;

/// Whether it is called as a segment is.
fn is_segment(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let range = plain
        .strip_prefix("segment-")
        .and_then(|n| n.strip_suffix(".ndjson"))
        .and_then(|n| n.split_once('-'));
    let digits = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    range.is_some_and(|(first, last)| digits(first) && digits(last))
}

/// The files that somebody named, and the segments in folders among them. `true`: they are a row.
pub fn files(named: &[PathBuf]) -> Result<(Vec<PathBuf>, bool), Error> {
    let mut files = Vec::new();
    let mut row = named.len() > 1;
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        row = true;
        let count = files.len();
        let entries = std::fs::read_dir(path).map_err(|err| unreadable(path, err))?;
        for entry in entries.take(FILES_MAX) {
            let entry = entry.map_err(|err| unreadable(path, err))?;
            if entry.file_name().to_str().is_some_and(is_segment) {
                files.push(entry.path());
            }
        }
        if files.len() == count {
            return Err(unreadable(path, "no segment of a log lies in it"));
        }
    }
    Ok((files, row))
}

/// A file's lines, unpacked if they are compressed; the inner error is the first bad one.
pub fn read(reader: &mut Reader, path: &Path) -> Result<Result<(), Bad>, Error> {
    let failed = |err| unreadable(path, err);
    let mut file = File::open(path).map_err(failed)?;
    if !is_packed(&mut file).map_err(failed)? {
        let mut lines = BufReader::new(file);
        return each(reader, &mut lines, LINE_BYTES_MAX).map_err(failed);
    }
    let unpacked = GzDecoder::new(BufReader::new(file)).take(UNPACKED_BYTES_MAX);
    let mut lines = BufReader::new(unpacked);
    let done = match each(reader, &mut lines, HEADER_BYTES_MAX) {
        Ok(done) => done,
        Err(err) => Err(reader.unreadable(err.to_string())),
    };
    if done.is_err() {
        return Ok(done);
    }
    let unpacked = lines.into_inner();
    if unpacked.limit() == 0 {
        let why = format!("unpacked it has {UNPACKED_BYTES_MAX} bytes or more");
        return Ok(Err(reader.unreadable(why)));
    }
    let mut rest = unpacked.into_inner().into_inner();
    let behind = rest.fill_buf().map_err(failed)?;
    Ok(match behind.is_empty() {
        true => Ok(()),
        false => Err(reader.unreadable("something stands behind the compressed data".into())),
    })
}

fn is_packed(file: &mut File) -> std::io::Result<bool> {
    let mut first = Vec::new();
    file.take(2).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(first == [0x1f, 0x8b])
}

/// The outer error: the lines can't be read.
fn each(
    reader: &mut Reader,
    lines: &mut impl BufRead,
    limit_bytes: usize,
) -> std::io::Result<Result<(), Bad>> {
    let mut text = Vec::new();
    loop {
        text.clear();
        if line(lines, &mut text, limit_bytes)? == 0 {
            return Ok(Ok(()));
        }
        if text.len() > limit_bytes {
            return Ok(Err(reader.unreadable("a line is too long".into())));
        }
        if let Err(bad) = reader.line(&text) {
            return Ok(Err(bad));
        }
    }
}

/// The number that a segment begins with; `None`: it is none.
fn first_of(path: &Path) -> Result<Option<u64>, Error> {
    let failed = |err| unreadable(path, err);
    let mut file = File::open(path).map_err(failed)?;
    let packed = is_packed(&mut file).map_err(failed)?;
    let mut text = Vec::new();
    let file = BufReader::new(file);
    let read = match packed {
        true => line(
            &mut BufReader::new(GzDecoder::new(file)),
            &mut text,
            HEADER_BYTES_MAX,
        ),
        false => line(&mut { file }, &mut text, HEADER_BYTES_MAX),
    };
    Ok(match (read, serde_json::from_slice(&text)) {
        (Ok(_), Ok(Extra::Segment(header))) => Some(header.first),
        _ => None,
    })
}

/// What is known of a row so far.
struct Row<'a> {
    root: Option<PublicKey>,
    kept: &'a [Checkpoint],
    behind: Option<Start>,
    found: &'a mut Found,
    range: Option<(u64, u64)>,
}

impl Row<'_> {
    /// One segment. `false`: it is bad, and nothing can be said of those behind it.
    fn take(&mut self, path: &Path) -> Result<bool, Error> {
        let mut reader = Reader::new();
        self.root.into_iter().for_each(|root| reader.expect(root));
        self.kept.iter().cloned().for_each(|c| reader.keep(c));
        let goes_on = self.behind.is_some();
        self.behind
            .take()
            .into_iter()
            .for_each(|end| reader.behind(end));
        let read = read(&mut reader, path)?;
        match read.and_then(|()| reader.finish()) {
            Ok(Proven::Segment { first, log, end }) => {
                self.found.checkpoints += log.checkpoints;
                self.found.compared += log.kept;
                self.found.events += log.events + 1 - first;
                let begun = self.range.map_or(first, |r| r.0);
                self.range = Some((begun, log.events));
                // Behind what is missing it must be the same log still.
                self.root = end.epochs.root().or(self.root);
                self.found.root = Some(end.node.clone());
                self.behind = Some(*end);
                Ok(true)
            }
            Ok(_) => {
                let flaw = Flaw::Incomplete("it is no segment");
                self.bad(
                    path,
                    Bad {
                        line: 1,
                        seq: 1,
                        flaw,
                    },
                );
                Ok(false)
            }
            Err(bad) => {
                let gap = match bad.flaw {
                    Flaw::Gap { expected, found } if goes_on && bad.line == 1 => {
                        Some((expected, found - 1))
                    }
                    _ => None,
                };
                self.bad(path, bad);
                let Some(gap) = gap else { return Ok(false) };
                // What is behind is looked at all the same: what else is missing is said, too.
                self.found.missing.push(gap);
                self.take(path)
            }
        }
    }

    /// The first one counts.
    fn bad(&mut self, path: &Path, bad: Bad) {
        if std::mem::replace(&mut self.found.intact, false) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.found.file = Some(Shown::line(&name).to_string());
            self.found.bad = Some((bad.line, bad.seq, bad.flaw.to_string()));
        }
    }
}

/// Verifies segments in the order of their events.
pub fn verify(
    found: &mut Found,
    paths: Vec<PathBuf>,
    root: Option<PublicKey>,
    kept: &[Checkpoint],
) -> Result<(), Error> {
    if paths.len() > FILES_MAX {
        let words = format!("{} files are more than a row may have", paths.len());
        return Err(Error::new(codes::USAGE, words));
    }
    let mut row = Row {
        root,
        kept,
        behind: None,
        found,
        range: None,
    };
    let mut ordered = Vec::new();
    for path in paths {
        match first_of(&path)? {
            Some(first) => ordered.push((first, path)),
            None => {
                let flaw = Flaw::Incomplete("it is no segment");
                row.bad(
                    &path,
                    Bad {
                        line: 1,
                        seq: 1,
                        flaw,
                    },
                );
            }
        }
    }
    ordered.sort();
    let count = ordered.len();
    if row.found.intact {
        for (_, path) in ordered {
            if !row.take(&path)? {
                break;
            }
        }
    }
    let (first, last) = row.range.unwrap_or_default();
    let count = match count {
        1 => "a segment".into(),
        count => format!("{count} segments"),
    };
    row.found.kind = format!("{count} of a log, from event {first} to {last}");
    (row.found.first, row.found.last) = (first, last);
    Ok(())
}
