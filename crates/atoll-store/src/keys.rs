//! The keys that sign checkpoints. Only the current epoch's lies on disk; the
//! root key never does, and an old epoch's is overwritten and removed.
#![allow(
    clippy::disallowed_methods,
    reason = "keeps the epoch's key in the node's own data directory"
)]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use atoll_domain::Entropy;
use atoll_log::{Key, PublicKey};
use atoll_ports::log::Error;

use crate::folder;
use crate::row::io;

const WHAT: &str = "the key that signs checkpoints";

/// The folder of keys.
#[derive(Clone, Debug)]
pub struct Keys {
    dir: PathBuf,
}

/// A key drawn from chance. The seed does not outlive the call, but for a copy
/// that [`Keys`] writes.
fn draw(entropy: &dyn Entropy) -> ([u8; 32], Key) {
    let mut seed = [0; 32];
    entropy.fill(&mut seed);
    let key = Key::from_seed(&seed);
    (seed, key)
}

/// Overwrites a seed in memory. `black_box` keeps the writing from being optimised away.
fn wipe(seed: &mut [u8; 32]) {
    *seed = [0; 32];
    std::hint::black_box(seed);
}

impl Keys {
    /// The keys of a data directory.
    pub fn of(data_dir: &Path) -> Keys {
        Keys {
            dir: data_dir.join("keys"),
        }
    }

    fn current(&self) -> PathBuf {
        self.dir.join("epoch.key")
    }

    fn coming(&self) -> PathBuf {
        self.dir.join("epoch.next")
    }

    /// Whether there is the key of a log.
    pub fn is_there(&self) -> bool {
        self.current().exists()
    }

    /// A root key, which is never written anywhere, for a new log.
    pub fn root(entropy: &dyn Entropy) -> Key {
        let (mut seed, key) = draw(entropy);
        wipe(&mut seed);
        key
    }

    /// Draws the key of the epoch to come and puts it on disk beside the current one.
    pub fn draw_next(&self, entropy: &dyn Entropy) -> Result<Key, Error> {
        let (mut seed, key) = draw(entropy);
        let written = folder::write_whole(&self.coming(), &seed);
        wipe(&mut seed);
        written.map_err(|e| io(WHAT, e))?;
        Ok(key)
    }

    /// The log names the coming key: the current one is destroyed.
    pub fn turn(&self) -> Result<(), Error> {
        self.shred(&self.current())?;
        std::fs::rename(self.coming(), self.current()).map_err(|e| io(WHAT, e))?;
        folder::sync_dir(&self.dir).map_err(|e| io(WHAT, e))
    }

    /// Overwrites and removes a key file. On disks that write elsewhere than
    /// where they overwrite, that is the best a program can do.
    fn shred(&self, path: &Path) -> Result<(), Error> {
        if !path.exists() {
            return Ok(());
        }
        let over = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).mode(0o600).open(path)?;
            file.write_all(&[0; 32])?;
            file.sync_all()?;
            std::fs::remove_file(path)
        };
        over().map_err(|e| io(WHAT, e))
    }

    fn read(&self, path: &Path) -> Option<Key> {
        let mut seed: [u8; 32] = std::fs::read(path).ok()?.try_into().ok()?;
        let key = Key::from_seed(&seed);
        wipe(&mut seed);
        Some(key)
    }

    /// The key that the log names as current. An epoch that ended in the middle
    /// (the checkpoint was written, the old key not yet destroyed) is finished.
    pub fn load(&self, named: &PublicKey) -> Result<Key, Error> {
        if let Some(key) = self.read(&self.coming())
            && key.public() == *named
        {
            self.turn()?;
            return Ok(key);
        }
        match self.read(&self.current()) {
            Some(key) if key.public() == *named => {
                self.shred(&self.coming())?;
                Ok(key)
            }
            Some(_) => Err(Error::Unusable(format!(
                "{WHAT} (keys/epoch.key) is not the one that the log names: restore the right one from a backup"
            ))),
            None => Err(Error::Unusable(format!(
                "{WHAT} (keys/epoch.key) is missing or damaged: restore it from a backup"
            ))),
        }
    }
}
