//! What keeps the vault's key: found by what lies in its folder.

use std::path::{Path, PathBuf};

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use atoll_ports::vault::{Error, Secret, Strength};
use zeroize::Zeroizing;

use crate::content::decrypted;
use crate::files::{self, Folder, Lock};
use crate::vault::Options;

/// The key, encrypted by a passphrase.
pub(crate) const WRAPPED: &str = "key.age";
/// The key as it is.
pub(crate) const PLAIN: &str = "key.txt";
/// That the keychain has the key; empty.
pub(crate) const IN_KEYCHAIN: &str = "keychain";

/// What keeps the key, as the folder says; without any of the files it is the service's credential.
pub(crate) fn found(folder: &Folder) -> Strength {
    if folder.has(WRAPPED) {
        Strength::Passphrase
    } else if folder.has(PLAIN) {
        Strength::KeyFile
    } else if folder.has(IN_KEYCHAIN) {
        Strength::Keychain
    } else {
        Strength::Credentials
    }
}

/// The key, where nobody need be asked for it.
pub(crate) fn key(options: &Options, folder: &Folder) -> Result<x25519::Identity, Error> {
    match found(folder) {
        Strength::KeyFile => {
            let path = folder.path(PLAIN);
            of_file(&path, files::read(&path)?)
        }
        Strength::Keychain => {
            let account = options.account();
            let kept = options.keychain.get(&account);
            let text = kept.map_err(|err| Error::Keeper(err.to_string()))?;
            let text = text.ok_or_else(|| {
                Error::Keeper(format!("the keychain has no key for {account} any more"))
            })?;
            parsed(&text).ok_or_else(|| {
                Error::Keeper(format!("what the keychain has for {account} is no age key"))
            })
        }
        Strength::Credentials => {
            let path = options.credential().ok_or_else(|| {
                Error::Keeper(
                    "the vault's key is a systemd credential, and this process was given none"
                        .into(),
                )
            })?;
            of_file(&path, files::read_credential(&path)?)
        }
        Strength::Passphrase | Strength::Memory => Err(Error::Locked),
    }
}

fn of_file(path: &Path, bytes: Option<Zeroizing<Vec<u8>>>) -> Result<x25519::Identity, Error> {
    let bad = |why: &str| Error::Bad {
        path: path.into(),
        why: why.into(),
        fix: None,
    };
    let bytes = bytes.ok_or_else(|| bad("is not there, and the vault's key was in it"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("holds no age key"))?;
    parsed(text).ok_or_else(|| bad("holds no age key"))
}

/// The first line that isn't a comment, as `age-keygen` writes it.
fn parsed(text: &str) -> Option<x25519::Identity> {
    let lines = text.lines().map(str::trim);
    let line = lines
        .into_iter()
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    line.parse().ok()
}

/// The key, by its passphrase.
pub(crate) fn unwrapped(folder: &Folder, passphrase: &Secret) -> Result<x25519::Identity, Error> {
    let path = folder.path(WRAPPED);
    let sealed = folder.read(WRAPPED)?.ok_or(Error::Absent)?;
    let mut identity = age::scrypt::Identity::new(phrase(passphrase));
    identity.set_max_work_factor(WORK_MAX);
    let text = decrypted(&sealed, &identity).map_err(|_| Error::Passphrase(path.clone()))?;
    let text = std::str::from_utf8(&text).ok().and_then(parsed);
    text.ok_or(Error::Bad {
        path,
        why: "holds no age key".into(),
        fix: None,
    })
}

/// The most work that a file may ask for: about four times our own.
const WORK_MAX: u8 = 20;

/// Puts a key where a passphrase keeps it.
pub(crate) fn wrap(
    folder: &Folder,
    key: &x25519::Identity,
    passphrase: &Secret,
    work: u8,
    held: &Lock,
) -> Result<(), Error> {
    let mut recipient = age::scrypt::Recipient::new(phrase(passphrase));
    recipient.set_work_factor(work);
    let text = text(key);
    let sealed = age::encrypt(&recipient, text.as_bytes());
    let sealed = sealed.map_err(|err| Error::Io(err.to_string()))?;
    folder.replace(WRAPPED, &sealed, held)
}

/// A key as age writes it, with its line end.
pub(crate) fn text(key: &x25519::Identity) -> Zeroizing<String> {
    let secret = key.to_string();
    let mut text = Zeroizing::new(String::with_capacity(secret.expose_secret().len() + 1));
    text.push_str(secret.expose_secret());
    text.push('\n');
    text
}

fn phrase(passphrase: &Secret) -> SecretString {
    SecretString::from(passphrase.expose().to_owned())
}

impl Options {
    /// The credential's file, if the service manager gave one.
    pub(crate) fn credential(&self) -> Option<PathBuf> {
        let path = self.credentials.as_ref()?.join(crate::CREDENTIAL);
        path.exists().then_some(path)
    }

    /// What its key is called in the keychain: vaults of several homes have one each.
    pub(crate) fn account(&self) -> String {
        format!("vault at {}", self.folder.display())
    }
}
