//! The vault: secrets by name. A value is put in by a person, and comes out for one use, by a permit.

use std::path::PathBuf;

use atoll_domain::action::UseSecret;
use atoll_domain::{Ms, SecretName, Tick};
use atoll_guard::Permit;
use zeroize::Zeroizing;

use crate::Did;

/// The longest value, in bytes: an environment variable may hold it.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Secrets in one vault.
pub const SECRETS_MAX: usize = 1024;
/// The longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// A value, zeroized when it goes. It can't be shown, compared, copied or written anywhere by accident:
///
/// ```compile_fail
/// fn shown(s: atoll_ports::vault::Secret) -> String { format!("{s:?}") }
/// ```
/// ```compile_fail
/// fn shown(s: atoll_ports::vault::Secret) -> String { s.to_string() }
/// ```
/// ```compile_fail
/// fn written(s: atoll_ports::vault::Secret) -> String { serde_json::to_string(&s).unwrap() }
/// ```
/// ```compile_fail
/// fn twice(s: atoll_ports::vault::Secret) -> (atoll_ports::vault::Secret, atoll_ports::vault::Secret) { (s.clone(), s) }
/// ```
pub struct Secret(Zeroizing<String>);

/// Why a text can't be a value. Nothing of it is in these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// It has no bytes.
    #[error("the value is empty")]
    Empty,
    /// It is too long.
    #[error("the value has more than {VALUE_BYTES_MAX} bytes")]
    Long,
    /// It isn't text.
    #[error("the value is no text (UTF-8); store it as base64 and decode it where it is used")]
    NotText,
    /// A byte of it can't stand in an environment variable.
    #[error(
        "the value holds a zero byte, which no environment variable can; store it as base64 and decode it where it is used"
    )]
    Zero,
}

impl Secret {
    /// Of a text with 1 to [`VALUE_BYTES_MAX`] bytes, none of them zero.
    pub fn new(text: Zeroizing<String>) -> Result<Secret, BadValue> {
        match text.len() {
            0 => Err(BadValue::Empty),
            n if n > VALUE_BYTES_MAX => Err(BadValue::Long),
            _ if text.contains('\0') => Err(BadValue::Zero),
            _ => Ok(Secret(text)),
        }
    }

    /// Of bytes, which must be such a text.
    pub fn of_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Secret, BadValue> {
        if bytes.len() > VALUE_BYTES_MAX {
            return Err(BadValue::Long);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| BadValue::NotText)?;
        Secret::new(Zeroizing::new(text.to_owned()))
    }

    /// Where it is used, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What keeps the vault's key, and so how strong it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The system's keychain.
    Keychain,
    /// A passphrase.
    Passphrase,
    /// What systemd hands to the node's service.
    Credentials,
    /// A file.
    KeyFile,
    /// Nothing: it is gone with the process.
    Memory,
}

impl Strength {
    /// As people read it, with what it doesn't protect against.
    pub fn words(self) -> &'static str {
        match self {
            Strength::Keychain => "age, key in the OS keychain: opens while you are logged in",
            Strength::Passphrase => "age, passphrase: opens when you type it, until the node ends",
            Strength::Credentials => {
                "age, key from systemd-creds: opens for the node's service alone"
            }
            Strength::KeyFile => {
                "age, key file: protects backups of one without the other, and from other users; not against who can read your files"
            }
            Strength::Memory => "memory: gone with the node",
        }
    }
}

/// How a new vault's key is to be kept.
pub enum Keep {
    /// In the system's keychain.
    Keychain,
    /// By a passphrase.
    Passphrase(Secret),
    /// By the service's credential, which is there already.
    Credentials,
    /// In a file beside it.
    KeyFile,
}

/// The vault as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What keeps its key; `None`: there is no vault yet.
    pub strength: Option<Strength>,
    /// Whether a person must unlock it first.
    pub locked: bool,
    /// Where it lies.
    pub place: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// What could keep a new vault's key here without a passphrase, the best first; a key file can always.
    pub offers: Vec<Strength>,
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: SecretName,
    /// When it was first put in.
    pub set: Ms,
    /// When its value was last replaced.
    pub rotated: Option<Ms>,
}

/// Why the vault did nothing. It is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none yet.
    #[error("there is no vault yet")]
    Absent,
    /// There is one already.
    #[error("there is a vault already")]
    Made,
    /// A person must unlock it.
    #[error("the vault is locked")]
    Locked,
    /// Another passphrase is wanted.
    #[error("that is not the vault's passphrase, or {} was changed", .0.display())]
    Passphrase(PathBuf),
    /// There is no such secret.
    #[error("there is no secret {0}")]
    Missing(SecretName),
    /// There is one of that name.
    #[error("there is a secret {0} already")]
    Exists(SecretName),
    /// It is full.
    #[error("a vault holds {SECRETS_MAX} secrets")]
    Full,
    /// A file of it isn't what it must be.
    #[error("{} {why}", .path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
        /// What to do, if there is something simple.
        fix: Option<String>,
    },
    /// What keeps its key doesn't give it.
    #[error("{0}")]
    Keeper(String),
    /// It can't be written.
    #[error("the vault can't be written: {0}")]
    Io(String),
}

/// The vault. Calls may block, for as long as a key takes to be derived from a passphrase or a keychain to answer
/// (bounded).
pub trait Vault: Send + Sync {
    /// How it stands. Quick; nothing is unlocked or asked.
    fn state(&self) -> State;
    /// Makes one, empty.
    fn make(&self, keep: Keep) -> Result<(), Error>;
    /// Unlocks one that a passphrase keeps.
    fn unlock(&self, passphrase: Secret) -> Result<(), Error>;
    /// Forgets its key. One that no passphrase keeps opens again by itself.
    fn lock(&self);
    /// What is in it, by name.
    fn list(&self) -> Result<Vec<Listed>, Error>;
    /// Puts a value in. Where `rotate` is set there must be one of that name, which goes; else there must be none.
    fn set(&self, name: &SecretName, value: Secret, rotate: bool, now: Ms) -> Result<(), Error>;
    /// Takes one out for good.
    fn remove(&self, name: &SecretName) -> Result<(), Error>;
    /// Gives the value of the secret that the permit names.
    fn reveal(&self, permit: Permit<UseSecret>, now: Tick) -> Did<UseSecret, Secret, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bounded_text() {
        let of = |bytes: &[u8]| Secret::of_bytes(Zeroizing::new(bytes.to_vec())).map(|_| ());
        assert_eq!(of(b"x"), Ok(()));
        assert_eq!(of(&vec![b'x'; VALUE_BYTES_MAX]), Ok(()));
        assert_eq!(of(b""), Err(BadValue::Empty));
        assert_eq!(of(&vec![b'x'; VALUE_BYTES_MAX + 1]), Err(BadValue::Long));
        assert_eq!(of(&vec![b'x'; 1 << 20]), Err(BadValue::Long));
        assert_eq!(of(b"\xff\xfe"), Err(BadValue::NotText));
        assert_eq!(of(b"a\0b"), Err(BadValue::Zero));
    }
}
