//! A file that checkpoints are appended to: on another disk, a stick, a network share.

#![allow(
    clippy::disallowed_methods,
    reason = "appends to the one file that the node's owner named"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use atoll_log::{Checkpoint, note};
use atoll_ports::witness::Witness;
use rustix::fs::OFlags;

/// What is read of its end to see what it holds, in bytes: some hundred notes.
const END_BYTES: u64 = 64 << 10;

/// See the module. It is only ever appended to, so that it may lie where nothing else is allowed.
#[derive(Clone, Debug)]
pub struct WitnessFile {
    path: PathBuf,
}

impl WitnessFile {
    /// The file at `path`; made with the first checkpoint.
    pub fn new(path: impl Into<PathBuf>) -> WitnessFile {
        WitnessFile { path: path.into() }
    }

    /// The last bytes of it; none where there is no file yet.
    fn end(&self) -> io::Result<Vec<u8>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err),
        };
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(END_BYTES)))?;
        let mut end = Vec::new();
        file.take(END_BYTES).read_to_end(&mut end)?;
        Ok(end)
    }
}

impl Witness for WitnessFile {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn covers(&self) -> io::Result<u64> {
        let end = self.end()?;
        let end = String::from_utf8_lossy(&end);
        let sizes = note::each(&end).into_iter();
        let sizes = sizes.filter_map(|note| Checkpoint::open_unsigned(note).ok());
        Ok(sizes.map(|c| c.size).max().unwrap_or(0))
    }

    fn keep(&self, note: &str) -> io::Result<()> {
        // A blank line stands between notes; after one that was cut, its line is ended too.
        let between = match self.end()?.as_slice() {
            [] => "",
            [.., b'\n'] => "\n",
            _ => "\n\n",
        };
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.path)?;
        file.write_all(format!("{between}{note}").as_bytes())?;
        file.sync_data()
    }
}
