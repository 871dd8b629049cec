//! The vault over its files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age::x25519;
use atoll_domain::action::UseSecret;
use atoll_domain::{Ms, SecretName, Tick};
use atoll_guard::Permit;
use atoll_ports::Did;
use atoll_ports::vault::{Error, Keep, Listed, SECRETS_MAX, Secret, State, Strength, Vault};

use crate::content::{Content, Row};
use crate::files::{Folder, Lock};
use crate::keeper::{self, IN_KEYCHAIN, PLAIN, WRAPPED};
use crate::keychain::Keychain;

/// The file of all secrets.
const FILE: &str = "vault.age";
/// The credential's name, as `systemd-creds encrypt --name=` is given it.
pub const CREDENTIAL: &str = "atoll-vault";
/// How much work a passphrase costs, as a power of two: some 0.3 s and 128 MiB.
const WORK: u8 = 17;

/// Where a vault lies and what may keep its key.
#[derive(Clone)]
pub struct Options {
    /// Its folder.
    pub folder: PathBuf,
    /// The service manager's folder of credentials, `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    /// The keychain.
    pub keychain: Arc<dyn Keychain>,
    /// How much work a passphrase costs, as a power of two; 17 unless it is a test.
    pub work: u8,
}

impl Options {
    /// A vault in this folder, with what the system offers.
    pub fn new(folder: impl Into<PathBuf>) -> Options {
        Options {
            folder: folder.into(),
            credentials: None,
            keychain: crate::system_keychain(),
            work: WORK,
        }
    }
}

/// The vault.
pub struct AgeVault {
    options: Options,
    folder: Folder,
    /// The key, while it is open.
    key: Mutex<Option<x25519::Identity>>,
}

impl AgeVault {
    /// Opens nothing yet.
    pub fn new(options: Options) -> AgeVault {
        AgeVault {
            folder: Folder(options.folder.clone()),
            options,
            key: Mutex::new(None),
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<x25519::Identity>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key: in memory, or where nobody need be asked for it.
    fn key(&self) -> Result<x25519::Identity, Error> {
        if !self.folder.has(FILE) {
            return Err(Error::Absent);
        }
        let mut held = self.held();
        if let Some(key) = &*held {
            return Ok(key.clone());
        }
        let key = keeper::key(&self.options, &self.folder)?;
        *held = Some(key.clone());
        Ok(key)
    }

    fn content(&self, key: &x25519::Identity) -> Result<Content, Error> {
        let sealed = self.folder.read(FILE)?.ok_or(Error::Absent)?;
        Content::opened(&sealed, key).map_err(|why| Error::Bad {
            path: self.folder.path(FILE),
            why,
            fix: None,
        })
    }

    fn put(&self, content: &Content, key: &x25519::Identity, held: &Lock) -> Result<(), Error> {
        let sealed = content.sealed(key).map_err(Error::Io)?;
        self.folder.replace(FILE, &sealed, held)
    }

    /// Changes what is in it, seen by nobody until it is whole.
    fn change(&self, change: impl FnOnce(&mut Content) -> Result<(), Error>) -> Result<(), Error> {
        let key = self.key()?;
        let lock = self.folder.lock()?;
        let mut content = self.content(&key)?;
        change(&mut content)?;
        self.put(&content, &key, &lock)
    }

    /// Keeps a new key; it is good for something only once the vault's file is there.
    fn keep(&self, keep: Keep, lock: &Lock) -> Result<x25519::Identity, Error> {
        let key = x25519::Identity::generate();
        match keep {
            Keep::Passphrase(phrase) => {
                keeper::wrap(&self.folder, &key, &phrase, self.options.work, lock)?;
            }
            Keep::KeyFile => {
                let text = keeper::text(&key);
                self.folder.replace(PLAIN, text.as_bytes(), lock)?;
            }
            Keep::Keychain => {
                let kept = self
                    .options
                    .keychain
                    .set(&self.options.account(), keeper::text(&key));
                kept.map_err(|err| Error::Keeper(err.to_string()))?;
                self.folder.replace(IN_KEYCHAIN, b"", lock)?;
            }
            Keep::Credentials => return keeper::key(&self.options, &self.folder),
        }
        Ok(key)
    }

    fn revealed(&self, name: &SecretName) -> Result<Secret, Error> {
        let mut content = self.content(&self.key()?)?;
        let row = content.secrets.remove(name);
        let row = row.ok_or_else(|| Error::Missing(name.clone()))?;
        Secret::new(row.value).map_err(|err| Error::Keeper(err.to_string()))
    }
}

impl Vault for AgeVault {
    fn state(&self) -> State {
        let made = self.folder.has(FILE);
        let strength = made.then(|| keeper::found(&self.folder));
        let locked = strength == Some(Strength::Passphrase) && self.held().is_none();
        let offers = [
            (self.options.credential().is_some(), Strength::Credentials),
            (self.options.keychain.there(), Strength::Keychain),
        ];
        // Only what is quick and asks nobody: whether its files are its owner's own.
        let problem = match strength {
            None => None,
            Some(Strength::Passphrase) => self
                .folder
                .read(FILE)
                .and_then(|_| self.folder.read(WRAPPED))
                .err(),
            Some(Strength::KeyFile) => self
                .folder
                .read(FILE)
                .and_then(|_| self.folder.read(PLAIN))
                .err(),
            Some(_) => self.folder.read(FILE).err(),
        };
        State {
            strength,
            locked,
            place: self.folder.path(FILE).display().to_string(),
            problem: problem.map(|err| err.to_string()),
            offers: offers
                .into_iter()
                .filter(|(is, _)| *is)
                .map(|(_, s)| s)
                .collect(),
        }
    }

    fn make(&self, keep: Keep) -> Result<(), Error> {
        let lock = self.folder.lock()?;
        if self.folder.has(FILE) {
            return Err(Error::Made);
        }
        // What a killed maker left: no vault is encrypted to it.
        for name in [WRAPPED, PLAIN, IN_KEYCHAIN] {
            self.folder.remove(name, &lock);
        }
        let made = self.keep(keep, &lock).and_then(|key| {
            self.put(&Content::empty(), &key, &lock)?;
            Ok(key)
        });
        match made {
            Ok(key) => {
                *self.held() = Some(key);
                Ok(())
            }
            Err(err) => {
                for name in [WRAPPED, PLAIN, IN_KEYCHAIN] {
                    self.folder.remove(name, &lock);
                }
                Err(err)
            }
        }
    }

    fn unlock(&self, passphrase: Secret) -> Result<(), Error> {
        if !self.folder.has(FILE) {
            return Err(Error::Absent);
        }
        let key = match keeper::found(&self.folder) {
            Strength::Passphrase => keeper::unwrapped(&self.folder, &passphrase)?,
            _ => keeper::key(&self.options, &self.folder)?,
        };
        self.content(&key)?;
        *self.held() = Some(key);
        Ok(())
    }

    fn lock(&self) {
        *self.held() = None;
    }

    fn list(&self) -> Result<Vec<Listed>, Error> {
        let content = self.content(&self.key()?)?;
        let rows = content.secrets.into_iter();
        let listed = rows.map(|(name, row)| Listed {
            name,
            set: row.set,
            rotated: row.rotated,
        });
        Ok(listed.collect())
    }

    fn set(&self, name: &SecretName, value: Secret, rotate: bool, now: Ms) -> Result<(), Error> {
        self.change(|content| {
            let before = content.secrets.get(name).map(|row| row.set);
            match (before, rotate) {
                (Some(_), false) => return Err(Error::Exists(name.clone())),
                (None, true) => return Err(Error::Missing(name.clone())),
                (None, false) if content.secrets.len() >= SECRETS_MAX => return Err(Error::Full),
                _ => {}
            }
            let row = Row {
                value: zeroize::Zeroizing::new(value.expose().to_owned()),
                set: before.unwrap_or(now),
                rotated: before.map(|_| now),
            };
            content.secrets.insert(name.clone(), row);
            Ok(())
        })
    }

    fn remove(&self, name: &SecretName) -> Result<(), Error> {
        self.change(|content| {
            let removed = content.secrets.remove(name).map(drop);
            removed.ok_or_else(|| Error::Missing(name.clone()))
        })
    }

    fn reveal(&self, permit: Permit<UseSecret>, now: Tick) -> Did<UseSecret, Secret, Error> {
        let live = permit.begin(now)?;
        let value = self.revealed(&live.act().name);
        Ok((live, value))
    }
}
