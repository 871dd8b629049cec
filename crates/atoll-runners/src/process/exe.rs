//! The executable that a permit names, checked by its digest.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use atoll_domain::{Exe, Hash};
use atoll_guard::Stop;
use sha2::{Digest, Sha256};

/// Device, inode, length, change time: what a digest holds good for.
type Identity = (u64, u64, u64, i64, i64);

/// Digests by what they hold good for, so that the check costs a stat.
#[derive(Default)]
pub struct Digests(Mutex<HashMap<String, (Identity, Hash)>>);

impl Digests {
    /// Whether `exe` is known to be what it was, by a stat alone.
    pub fn known(&self, exe: &Exe) -> bool {
        let Ok(meta) = std::fs::metadata(&exe.path) else {
            return false;
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&exe.path)
            .is_some_and(|(id, hash)| *id == identity(&meta) && *hash == exe.sha256)
    }

    /// Reads it. Blocking.
    pub fn check(&self, exe: &Exe) -> Result<(), Stop> {
        let changed = |what: String| Stop::Changed(format!("{}: {what}", exe.path));
        let mut file = std::fs::File::open(&exe.path).map_err(|err| changed(err.to_string()))?;
        let meta = file.metadata().map_err(|err| changed(err.to_string()))?;
        let mut hasher = Sha256::new();
        let mut buf = vec![0; 1 << 18];
        loop {
            match file
                .read(&mut buf)
                .map_err(|err| changed(err.to_string()))?
            {
                0 => break,
                n => hasher.update(&buf[..n]),
            }
        }
        let hash = Hash(hasher.finalize().into());
        if hash != exe.sha256 {
            return Err(changed("its content is not what was permitted".into()));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > 1024 {
            known.clear();
        }
        known.insert(exe.path.clone(), (identity(&meta), hash));
        Ok(())
    }
}

fn identity(meta: &std::fs::Metadata) -> Identity {
    (
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.ctime(),
        meta.ctime_nsec(),
    )
}
