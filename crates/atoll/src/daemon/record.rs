//! The node's own words: `node.log`, bounded.
#![allow(
    clippy::disallowed_methods,
    reason = "writes the node's own log file in its state folder"
)]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file is put aside (`node.log.1`) when it is this long, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

struct Inner {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// The file. Cheap to clone.
#[derive(Clone)]
pub struct Record(Arc<Mutex<Inner>>);

/// Opens the file for more words; its folder is made.
pub fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

impl Record {
    /// At `path`.
    pub fn at(path: &Path) -> std::io::Result<Record> {
        let file = open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Record(Arc::new(Mutex::new(Inner {
            path: path.to_owned(),
            file,
            bytes,
        }))))
    }
}

impl Write for Record {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.bytes >= FILE_BYTES_MAX {
            let aside = inner.path.with_extension("log.1");
            std::fs::rename(&inner.path, aside)?;
            inner.file = open(&inner.path)?;
            inner.bytes = 0;
        }
        inner.bytes += bytes.len() as u64;
        inner.file.write_all(bytes)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_put_aside_when_it_is_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/node.log");
        let mut record = Record::at(&path).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..9 {
            record.write_all(&line).unwrap();
        }
        let length = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert_eq!(length(&path), 1 << 20);
        assert_eq!(length(&path.with_extension("log.1")), 4 << 20);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            2
        );
    }
}
