//! The key that signs tokens: a file of the node's own, made on first use.
#![allow(
    clippy::disallowed_methods,
    reason = "keeps the key of tokens in the node's own data directory"
)]

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_domain::{Entropy, GrantId, Ms, Terms};
use atoll_ports::Grants;
use atoll_ports::grants::{Block, Error};
use biscuit_auth::builder::Algorithm;
use biscuit_auth::{KeyPair, PrivateKey};
use zeroize::Zeroizing;

use crate::token;

const SEED_BYTES: usize = 32;

/// The node's key for tokens.
pub struct Keyring {
    path: PathBuf,
    entropy: Arc<dyn Entropy>,
}

fn unusable(why: impl ToString) -> Error {
    Error::Key(why.to_string())
}

fn pair(seed: &[u8; SEED_BYTES]) -> Result<KeyPair, Error> {
    let private = PrivateKey::from_bytes(seed, Algorithm::Ed25519).map_err(unusable)?;
    Ok(KeyPair::from(&private))
}

impl Keyring {
    /// The key below a data directory, which its user alone may enter. Nothing is read or made yet.
    pub fn new(data: &Path, entropy: Arc<dyn Entropy>) -> Keyring {
        Keyring {
            path: data.join("keys/grant.key"),
            entropy,
        }
    }

    /// The key, if there is one.
    fn load(&self) -> Result<Option<KeyPair>, Error> {
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(nofollow)
            .open(&self.path);
        let mut file = match opened {
            Ok(file) => file,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(unusable(err)),
        };
        let meta = file.metadata().map_err(unusable)?;
        if meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
            let path = self.path.display();
            return Err(unusable(format!(
                "{path} is not yours alone: remove it, and mint tokens anew"
            )));
        }
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        file.read_exact(&mut *seed)
            .map_err(|_| unusable("keys/grant.key is damaged"))?;
        pair(&seed).map(Some)
    }

    fn load_or_make(&self) -> Result<KeyPair, Error> {
        if let Some(pair) = self.load()? {
            return Ok(pair);
        }
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        self.entropy.fill(&mut *seed);
        // Whole or not at all; where another task was first, its key counts.
        let temp = self.path.with_extension(format!(
            "{:x}",
            u64::from_le_bytes(self.entropy.ten()[..8].try_into().unwrap_or_default())
        ));
        let written = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temp)?;
            file.write_all(&*seed)?;
            file.sync_all()?;
            let linked = std::fs::hard_link(&temp, &self.path);
            std::fs::remove_file(&temp)?;
            match linked {
                Err(err) if err.kind() != ErrorKind::AlreadyExists => Err(err),
                _ => Ok(()),
            }
        };
        written().map_err(unusable)?;
        self.load()?
            .ok_or_else(|| unusable("keys/grant.key vanished"))
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Grants for Keyring {
    fn key(&self) -> Result<String, Error> {
        Ok(self.load_or_make()?.public().to_bytes_hex())
    }
    fn mint(&self, terms: &Terms, name: &str) -> Result<(GrantId, String), Error> {
        token::mint(&self.load_or_make()?, terms, name)
    }
    fn read(&self, token: &str, now: Ms) -> Result<Vec<Block>, Error> {
        match self.load()? {
            Some(pair) => token::verified(pair.public(), token, now),
            // Without a key no token was made here; what is no token at all is told first.
            None => token::peek(token).and(Err(Error::Foreign)),
        }
    }
}
