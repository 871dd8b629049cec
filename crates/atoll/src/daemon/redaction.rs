//! The secret from which the placeholders of sessions are made.
#![allow(
    clippy::disallowed_methods,
    reason = "keeps one small file in the node's own data directory"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use atoll_api::{Error, codes};
use rustix::fs::OFlags;

const NAME: &str = "redaction.key";

/// The node's, made anew where there is none. Who has it and a placeholder can try passwords against it, so it stays in
/// the data directory; lost, it costs no more than that sessions that go on have other placeholders than before.
pub fn redaction_key(data: &Path) -> Result<[u8; 32], Error> {
    let made = match read(data) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => make(data),
        Err(err) => Err(err),
    };
    made.map_err(|err| {
        Error::new(codes::STORE_UNUSABLE, "the node's secrets can't be kept")
            .found(format!("{}: {err}", data.join(NAME).display()))
            .next("atoll doctor")
    })
}

/// `None`: it isn't there, or it is of another length.
fn read(data: &Path) -> io::Result<Option<[u8; 32]>> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let file = match options.open(data.join(NAME)) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    let mut bytes = Vec::new();
    file.take(33).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

fn make(data: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|err| io::Error::other(err.to_string()))?;
    let new = data.join("redaction.key.new");
    match std::fs::remove_file(&new) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {} // what a crash left of an earlier try
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&key)?;
    file.sync_all()?;
    std::fs::rename(&new, data.join(NAME))?;
    File::open(data)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let key = redaction_key(dir.path()).unwrap();
        assert_eq!(redaction_key(dir.path()).unwrap(), key);
        let file = dir.path().join(NAME);
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        std::fs::write(&file, "cut").unwrap();
        std::fs::write(dir.path().join("redaction.key.new"), "left by a crash").unwrap();
        let new = redaction_key(dir.path()).unwrap();
        assert_ne!(new, key);
        assert_eq!(redaction_key(dir.path()).unwrap(), new);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        assert!(redaction_key(dir.path()).is_err(), "a link is not followed");
    }
}
