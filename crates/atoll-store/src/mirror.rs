//! A file that every event is appended to, for a tool of the owner's to follow (`tail -F`).

#![allow(
    clippy::disallowed_methods,
    reason = "appends to the one file that the node's owner named, and notes how far it is in the data directory"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use atoll_ports::mirror::Mirror;
use rustix::fs::OFlags;

/// What is looked at of its end, in bytes: first a little, then as much as the longest event and its neighbour.
const END_BYTES: [u64; 2] = [16 << 10, 3 << 20];
/// What notes how far it is.
const MARK: &str = "mirror.at";

/// See the module. It is only ever appended to. Whoever follows may move it away at any time: it is begun anew, with
/// a line that says from which event.
#[derive(Clone, Debug)]
pub struct MirrorFile {
    path: PathBuf,
    mark: PathBuf,
}

/// The number of the event that a line holds, or the last one before those that a beginning announces; and of which
/// node.
fn seq(line: &[u8]) -> Option<(u64, String)> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let (seq, node) = match value["mirror"]["from"].as_u64() {
        Some(from) => (from.checked_sub(1)?, &value["mirror"]["node"]),
        None => (value["seq"].as_u64()?, &value["node"]),
    };
    Some((seq, node.as_str()?.to_owned()))
}

impl MirrorFile {
    /// The file at `path`, made with the first event; how far it is is noted in `data_dir`.
    pub fn new(path: impl Into<PathBuf>, data_dir: &Path) -> MirrorFile {
        MirrorFile {
            path: path.into(),
            mark: data_dir.join(MARK),
        }
    }

    /// The last whole line's event, and whether a line was cut behind it; `None`: there is nothing.
    fn end(&self, node: &str) -> io::Result<Option<(u64, bool)>> {
        let mut file = match OpenOptions::new()
            .read(true)
            .custom_flags(flags())
            .open(&self.path)
        {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        plain(&file)?;
        let size = file.metadata()?.len();
        if size == 0 {
            return Ok(None);
        }
        for bytes in END_BYTES {
            file.seek(SeekFrom::Start(size.saturating_sub(bytes)))?;
            let mut end = Vec::new();
            (&file).take(bytes).read_to_end(&mut end)?;
            let cut = end.last() != Some(&b'\n');
            let whole = end.iter().rposition(|b| *b == b'\n').unwrap_or(0);
            match end[..whole].rsplit(|b| *b == b'\n').find_map(seq) {
                Some((last, of)) if of == node => return Ok(Some((last, cut))),
                Some((_, of)) => return Err(io::Error::other(format!("it is the log of {of}"))),
                None => {}
            }
        }
        Err(io::Error::other(
            "it holds something else than a log's events",
        ))
    }

    /// How far it was, by the note; for another file it is none.
    fn noted(&self) -> u64 {
        let text = std::fs::read_to_string(&self.mark).unwrap_or_default();
        let (seq, path) = text.split_once(' ').unwrap_or_default();
        match path.trim_end_matches('\n') == self.path.display().to_string() {
            true => seq.parse().unwrap_or(0),
            false => 0,
        }
    }

    /// Notes how far it is. Without the note a file that was moved away while no node ran is begun at event 1.
    fn note(&self, to: u64) -> io::Result<()> {
        let new = self.mark.with_extension("new");
        std::fs::write(&new, format!("{to} {}\n", self.path.display()))?;
        std::fs::rename(&new, &self.mark)
    }
}

/// A link is not followed, and a pipe without a reader is not waited for.
fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// Only a file can be appended to and looked at.
fn plain(file: &File) -> io::Result<()> {
    let kind = file.metadata()?.file_type();
    match kind.is_file() && !kind.is_fifo() {
        true => Ok(()),
        false => Err(io::Error::other("it is no file")),
    }
}

impl Mirror for MirrorFile {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn last(&self, node: &str) -> io::Result<u64> {
        Ok(self.end(node)?.map_or_else(|| self.noted(), |end| end.0))
    }

    fn take(&self, node: &str, from: u64, to: u64, lines: &[u8]) -> io::Result<()> {
        let end = self.end(node)?;
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags())
            .open(&self.path)?;
        plain(&file)?;
        let mut bytes = Vec::with_capacity(lines.len() + 128);
        match end {
            // What was cut is ended, and said again whole: who follows drops a line that isn't JSON.
            Some((_, true)) => bytes.push(b'\n'),
            Some((_, false)) => {}
            None => {
                let begin = serde_json::json!({ "mirror": { "from": from, "node": node } });
                bytes.extend_from_slice(begin.to_string().as_bytes());
                bytes.push(b'\n');
            }
        }
        bytes.extend_from_slice(lines);
        file.write_all(&bytes)?;
        self.note(to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn lines(range: std::ops::RangeInclusive<u64>) -> String {
        range
            .map(|n| format!("{{\"node\":\"N\",\"seq\":{n}}}\n"))
            .collect()
    }

    #[test]
    fn it_goes_on_from_its_end_and_begins_anew_where_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.ndjson");
        let mirror = MirrorFile::new(&path, dir.path());
        assert_eq!(mirror.last("N").unwrap(), 0);
        mirror.take("N", 1, 2, lines(1..=2).as_bytes()).unwrap();
        mirror.take("N", 3, 3, lines(3..=3).as_bytes()).unwrap();
        let begin = "{\"mirror\":{\"from\":1,\"node\":\"N\"}}\n";
        let text = || std::fs::read_to_string(&path).unwrap();
        assert_eq!(text(), format!("{begin}{}", lines(1..=3)));
        assert_eq!(mirror.last("N").unwrap(), 3);
        // Moved away: the next begins behind it.
        std::fs::rename(&path, dir.path().join("m.1")).unwrap();
        assert_eq!(mirror.last("N").unwrap(), 3);
        mirror.take("N", 4, 4, lines(4..=4).as_bytes()).unwrap();
        assert_eq!(
            text(),
            format!(
                "{{\"mirror\":{{\"from\":4,\"node\":\"N\"}}}}\n{}",
                lines(4..=4)
            )
        );
        // A beginning alone tells how far it is, and so does what stands before a cut line.
        std::fs::write(&path, "{\"mirror\":{\"from\":9,\"node\":\"N\"}}\n").unwrap();
        assert_eq!(mirror.last("N").unwrap(), 8);
        std::fs::write(&path, format!("{}{{\"se", lines(8..=8))).unwrap();
        assert_eq!(mirror.last("N").unwrap(), 8);
        mirror.take("N", 9, 9, lines(9..=9).as_bytes()).unwrap();
        assert_eq!(text(), format!("{}{{\"se\n{}", lines(8..=8), lines(9..=9)));
        assert!(mirror.last("M").is_err(), "another node's");
        // Another file has no note.
        let other = MirrorFile::new(dir.path().join("other"), dir.path());
        assert_eq!(other.last("N").unwrap(), 0);
    }

    #[test]
    fn what_is_no_mirror_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letter.txt");
        std::fs::write(&path, "dear you\n").unwrap();
        let mirror = MirrorFile::new(&path, dir.path());
        assert!(mirror.last("N").is_err());
        assert!(mirror.take("N", 1, 1, lines(1..=1).as_bytes()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "dear you\n");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(MirrorFile::new(&link, dir.path()).last("N").is_err());
        assert!(MirrorFile::new(dir.path(), dir.path()).last("N").is_err());
    }
}
