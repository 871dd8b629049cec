//! The vault: an age-encrypted file, and four places for its key.
//!
//! `vault.age` holds all secrets, encrypted to one X25519 key (<https://age-encryption.org/v1>), so that the file can be
//! read without Atoll: `age -d -i KEY vault.age`. What keeps that key decides how strong the vault is:
//!
//! | keeper | where | opens |
//! |---|---|---|
//! | keychain | the Secret Service or the system's own, by the `keyring` crate | while its user is logged in |
//! | passphrase | `key.age`, encrypted by scrypt | when it is typed, until the process ends |
//! | credentials | `$CREDENTIALS_DIRECTORY/atoll-vault`, which systemd-creds decrypts for the service | for the service |
//! | key file | `key.txt`, mode 0600 | for who can read its user's files |
//!
//! The key alone stays in memory while the vault is open; values are decrypted for each use and zeroized after it.
//! Files are replaced whole (written beside, synced, renamed) under a lock, and refused where they are links, belong to
//! somebody else or can be read by others.

mod content;
mod files;
mod keeper;
mod keychain;
mod vault;

pub use keychain::{Keychain, KeychainError, system_keychain};
pub use vault::{AgeVault, CREDENTIAL, Options};
