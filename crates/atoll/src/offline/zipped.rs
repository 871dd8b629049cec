//! An export as a zip, from somebody who may be hostile: what it may hold, in which sizes, and whether the files beside
//! the events are what the events commit to. Nothing of it is ever unpacked to a disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use atoll_domain::Hash;
use atoll_log::Bad;
use atoll_log::export::{Content, Extra, LINE_BYTES_MAX, Reader};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

use crate::export::is_safe;

/// Files in it.
const FILES_MAX: usize = 20_000;
/// All of them unpacked, as they say themselves, in bytes.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;
/// A checkpoint, in bytes.
const NOTE_BYTES_MAX: u64 = 64 << 10;

pub const EVENTS: &str = "events.ndjson";
const NOTE: &str = "checkpoint.note";
/// To read: they prove nothing, and are not unpacked.
const PAPERS: [&str; 3] = ["README.txt", "index.html", "verify.py"];

/// What is wrong with it: a line of the events, or the zip itself.
pub enum Wrong {
    Line(Bad),
    Zip(String),
}

impl From<Bad> for Wrong {
    fn from(bad: Bad) -> Wrong {
        Wrong::Line(bad)
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Zip(why.into()))
}

fn unreadable(name: &str, err: impl std::fmt::Display) -> Wrong {
    Wrong::Zip(format!("{name} can't be unpacked: {err}"))
}

/// Whether a file is a zip, by its first bytes.
pub fn is_zip(path: &Path) -> bool {
    let mut first = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && (&first == b"PK\x03\x04" || &first == b"PK\x05\x06")
}

/// A content that files beside the events may be: its hash, and of which event.
#[derive(Default)]
struct Proven {
    /// Diffs of patches, in the log's order.
    patches: Vec<[u8; 32]>,
    artifacts: BTreeSet<[u8; 32]>,
    /// Their lengths: nothing of another length is unpacked.
    lengths: BTreeSet<u64>,
    /// The kind of the event whose contents come, and the hash of the one that gets a file.
    open: Option<(bool, String)>,
    note: Option<String>,
}

impl Proven {
    /// A line that has been verified.
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if line.starts_with(b"{\"checkpoint\":") {
            if let Ok(Extra::Checkpoint(signed)) = serde_json::from_slice(line) {
                self.note = Some(signed.note);
            }
        } else if line.starts_with(b"{\"content\":") {
            let Some((patch, h)) = &self.open else {
                return Ok(());
            };
            let Ok(Extra::Content(content)) = serde_json::from_slice::<Extra>(line) else {
                return Ok(());
            };
            if content.h.to_string() == *h {
                self.content(*patch, &content)?;
            }
        } else if line.starts_with(b"{\"actor\":") {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
            let file = match event["type"].as_str() {
                Some("PatchProposed") => Some((true, &event["body"]["diff"]["h"])),
                Some("ArtifactSaved") => Some((false, &event["body"]["content"]["h"])),
                _ => None,
            };
            self.open = file.and_then(|(patch, h)| Some((patch, h.as_str()?.to_owned())));
        }
        Ok(())
    }

    fn content(&mut self, patch: bool, content: &Content) -> Result<(), Wrong> {
        let Ok(bytes) = content.open() else {
            return Ok(()); // the reader has said so
        };
        let hash = Hash::of(&bytes).0;
        self.lengths.insert(bytes.len() as u64);
        match patch {
            true => self.patches.push(hash),
            false => {
                self.artifacts.insert(hash);
            }
        }
        Ok(())
    }
}

/// What stands beside the events.
#[derive(Debug, Default)]
pub struct Beside {
    /// Files that are contents of the log.
    pub proven: u64,
    /// Files that are for reading.
    pub unproven: u64,
}

/// An export in a zip, opened and looked over; nothing of it was unpacked yet.
pub struct Zipped {
    zip: ZipArchive<BufReader<File>>,
    /// Names and lengths, in order.
    files: Vec<(String, u64)>,
}

impl Zipped {
    /// Errors: what no export holds.
    pub fn open(file: File) -> Result<Zipped, Wrong> {
        let zip = ZipArchive::new(BufReader::new(file));
        let mut zip =
            zip.map_err(|err| Wrong::Zip(format!("it is no zip that can be read: {err}")))?;
        if zip.len() > FILES_MAX {
            return wrong(format!(
                "it holds {} files, and an export at most {FILES_MAX}",
                zip.len()
            ));
        }
        if zip.has_duplicate_names() {
            return wrong("two files have one name");
        }
        if zip.has_overlapping_entries().unwrap_or(true) {
            return wrong("its files overlap");
        }
        let (mut files, mut all) = (Vec::new(), 0u64);
        for at in 0..zip.len() {
            let entry = zip
                .by_index_raw(at)
                .map_err(|err| unreadable("a file", err))?;
            let name = match std::str::from_utf8(entry.name_raw()) {
                Ok(name) if is_safe(name) => name.to_owned(),
                _ => {
                    let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
                    return wrong(format!("a file's name leads elsewhere: {name:?}"));
                }
            };
            let plain = matches!(
                entry.compression(),
                CompressionMethod::Stored | CompressionMethod::Deflated
            );
            let special = entry
                .unix_mode()
                .is_some_and(|mode| !matches!(mode & 0o170_000, 0 | 0o100_000));
            if entry.encrypted() || !plain || special || !entry.is_file() {
                return wrong(format!("{name} is no plain file"));
            }
            all = all.saturating_add(entry.size());
            files.push((name, entry.size()));
        }
        if all > UNPACKED_BYTES_MAX {
            return wrong(format!(
                "unpacked it has {all} bytes, and an export at most {UNPACKED_BYTES_MAX}"
            ));
        }
        if !files.iter().any(|f| f.0 == EVENTS) {
            return wrong(format!("it has no {EVENTS}"));
        }
        Ok(Zipped { zip, files })
    }

    /// Verifies the events, and then all beside them.
    pub fn verify(&mut self, reader: &mut Reader) -> Result<Beside, Wrong> {
        let mut proven = Proven::default();
        self.events(reader, &mut proven)?;
        self.beside(&proven)
    }

    fn events(&mut self, reader: &mut Reader, proven: &mut Proven) -> Result<(), Wrong> {
        let entry = self
            .zip
            .by_name(EVENTS)
            .map_err(|err| unreadable(EVENTS, err))?;
        let declared = entry.size();
        let mut lines = BufReader::new(entry.take(declared.saturating_add(1)));
        let (mut line, mut all) = (Vec::new(), 0u64);
        loop {
            line.clear();
            let read = super::verify::line(&mut lines, &mut line, LINE_BYTES_MAX);
            let read = read.map_err(|err| unreadable(EVENTS, err))?;
            all += read as u64;
            if all > declared {
                return wrong(format!("{EVENTS} is longer than it says"));
            }
            if read == 0 && all < declared {
                return wrong(format!("{EVENTS} is shorter than it says"));
            }
            if read == 0 {
                return Ok(());
            }
            reader.line(&line)?;
            proven.line(&line)?;
        }
    }

    /// Each other file: known, and if it is to be a content, one that is proven.
    fn beside(&mut self, proven: &Proven) -> Result<Beside, Wrong> {
        let mut beside = Beside::default();
        let mut patches: Vec<(u64, String)> = Vec::new();
        for (name, length) in std::mem::take(&mut self.files) {
            if name == EVENTS {
                continue;
            }
            if PAPERS.contains(&name.as_str()) || name.starts_with("redacted/") {
                beside.unproven += 1;
                continue;
            }
            let patch = name
                .strip_prefix("patches/p")
                .and_then(|n| n.strip_suffix(".diff"));
            let patch = patch.and_then(|n| n.parse::<u64>().ok());
            if name == NOTE {
                self.note(proven, length)?;
            } else if patch.is_some() || name.starts_with("artifacts/") {
                if !proven.lengths.contains(&length) {
                    return wrong(format!("{name} is no content that the events commit to"));
                }
                match patch {
                    Some(number) => patches.push((number, name)),
                    None => {
                        let hash = self.hash(&name, length)?;
                        if !proven.artifacts.contains(&hash) {
                            return wrong(format!(
                                "{name} is no content that the events commit to"
                            ));
                        }
                    }
                }
            } else {
                return wrong(format!("{name} is no file of an export"));
            }
            beside.proven += 1;
        }
        self.patches(proven, patches)?;
        Ok(beside)
    }

    fn note(&mut self, proven: &Proven, length: u64) -> Result<(), Wrong> {
        let mut text = String::new();
        let entry = self
            .zip
            .by_name(NOTE)
            .map_err(|err| unreadable(NOTE, err))?;
        let read = entry.take(NOTE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|err| unreadable(NOTE, err))?;
        match text.len() as u64 == length && proven.note.as_ref() == Some(&text) {
            true => Ok(()),
            false => wrong(format!(
                "{NOTE} is not the checkpoint that the events are proven by"
            )),
        }
    }

    /// Patches were proposed in the order of their numbers: one that has another's name is found.
    fn patches(&mut self, proven: &Proven, mut patches: Vec<(u64, String)>) -> Result<(), Wrong> {
        patches.sort();
        let mut rest = proven.patches.as_slice();
        for (_, name) in patches {
            let hash = self.hash(&name, u64::MAX)?;
            let Some(at) = rest.iter().position(|p| *p == hash) else {
                return wrong(format!("{name} is no content that the events commit to"));
            };
            rest = &rest[at + 1..];
        }
        Ok(())
    }

    fn hash(&mut self, name: &str, length: u64) -> Result<[u8; 32], Wrong> {
        let entry = self
            .zip
            .by_name(name)
            .map_err(|err| unreadable(name, err))?;
        let mut entry = entry.take(length.min(UNPACKED_BYTES_MAX).saturating_add(1));
        let (mut hash, mut chunk, mut all) = (Sha256::new(), vec![0; 64 << 10], 0u64);
        loop {
            let read = entry
                .read(&mut chunk)
                .map_err(|err| unreadable(name, err))?;
            if read == 0 {
                return Ok(hash.finalize().into());
            }
            all += read as u64;
            if all > length {
                return wrong(format!("{name} is longer than it says"));
            }
            hash.update(&chunk[..read]);
        }
    }
}
