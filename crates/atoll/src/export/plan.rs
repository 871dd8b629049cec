//! What of a session goes into a zip of a given size.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;

use super::gather::Gathered;

/// What a zip says of each of its files, in bytes, beside the names: both headers.
const HEADERS_BYTES: u64 = 160;

/// Something that can be left out: a content, with its file if it has one.
pub struct Part {
    pub what: String,
    pub content: usize,
    /// Which of the kept files.
    pub file: Option<usize>,
    /// Bytes that it holds.
    pub bytes: u64,
    /// Whether events.ndjson would hold it; else there is its redacted file alone.
    pub proven: bool,
    /// Bytes that it takes in the zip, estimated.
    packed: u64,
}

/// Said of what is left out for its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    pub what: String,
    pub bytes: u64,
}

/// Counts what goes through.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes, packed.
fn packed(bytes: &[u8]) -> io::Result<u64> {
    let mut encoder = DeflateEncoder::new(Counter(0), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.0)
}

/// What can be left out, the largest first, and the bytes of all that can't.
pub struct Parts {
    pub parts: Vec<Part>,
    fixed: u64,
}

impl Parts {
    /// With what they take where that matters: `limit_bytes` may be too little for all of it.
    pub fn of(all: &Gathered, limit_bytes: u64) -> io::Result<Parts> {
        let lines: u64 = all.lines.iter().map(|l| l.piece.len + 1).sum();
        let kept =
            |n: &super::gather::Kept| n.redacted.map_or(all.held[n.content].bytes, |p| p.len);
        let files: u64 = all.kept.iter().map(kept).sum();
        let measured = lines + files > limit_bytes / 2;
        let mut parts = Vec::new();
        for (number, held) in all.held.iter().enumerate() {
            let file = all.kept.iter().position(|k| k.content == number);
            let mut bytes = 0;
            let mut takes = 0;
            if held.places == 0 {
                let line = all.lines[held.line].piece;
                bytes += held.bytes;
                takes += if measured {
                    packed(&all.read(line)?)?
                } else {
                    line.len
                };
            }
            if let Some(kept) = file.map(|f| &all.kept[f]) {
                takes += HEADERS_BYTES + 2 * kept.name.len() as u64;
                takes += match kept.redacted {
                    Some(piece) if measured => packed(&all.read(piece)?)?,
                    None if measured => packed(&all.content(number)?)?,
                    _ => held.bytes,
                };
                bytes = bytes.max(kept.redacted.map_or(held.bytes, |p| p.len));
            }
            if takes > 0 {
                let what = file.map(|f| all.kept[f].name.clone());
                let what = what.unwrap_or_else(|| format!("{} of event {}", held.what, held.seq));
                parts.push(Part {
                    what,
                    content: number,
                    file,
                    bytes,
                    proven: held.places == 0,
                    packed: takes,
                });
            }
        }
        parts.sort_by(|a, b| b.packed.cmp(&a.packed).then(a.content.cmp(&b.content)));
        let mut fixed = 0;
        if measured {
            let mut encoder = DeflateEncoder::new(Counter(0), Compression::default());
            for line in all.lines.iter().filter(|l| l.content.is_none()) {
                encoder.write_all(&all.read(line.piece)?)?;
            }
            fixed = encoder.finish()?.0;
        }
        Ok(Parts { parts, fixed })
    }

    /// How many of the largest have to go so that the rest fits beside `papers_bytes` of page and papers.
    pub fn over(&self, limit_bytes: u64, papers_bytes: u64) -> usize {
        let mut all: u64 = self.parts.iter().map(|p| p.packed).sum();
        all += self.fixed + papers_bytes;
        let mut gone = 0;
        while all > limit_bytes && gone < self.parts.len() {
            all -= self.parts[gone].packed;
            gone += 1;
        }
        gone
    }
}
