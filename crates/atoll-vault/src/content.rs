//! What the vault's file holds, and its encryption.

use std::collections::BTreeMap;
use std::io::Read;

use age::x25519;
use atoll_domain::{Ms, SecretName};
use atoll_ports::vault::{SECRETS_MAX, VALUE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The file's form.
const VERSION: u32 = 1;
/// A row of JSON without its value.
const ROW_BYTES: usize = 256;

/// All secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    v: u32,
    pub(crate) secrets: BTreeMap<SecretName, Row>,
}

/// One secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) value: Zeroizing<String>,
    pub(crate) set: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated: Option<Ms>,
}

impl Content {
    pub(crate) fn empty() -> Content {
        Content {
            v: VERSION,
            secrets: BTreeMap::new(),
        }
    }

    /// Encrypted to `key`. `Err`: why it can't be.
    pub(crate) fn sealed(&self, key: &x25519::Identity) -> Result<Vec<u8>, String> {
        // As long as it can get: a buffer that grows leaves copies behind.
        let values: usize = self.secrets.values().map(|row| row.value.len()).sum();
        let mut json = Zeroizing::new(Vec::with_capacity(
            values * 6 + (self.secrets.len() + 1) * ROW_BYTES,
        ));
        serde_json::to_writer(&mut *json, self).map_err(|err| err.to_string())?;
        age::encrypt(&key.to_public(), &json).map_err(|err| err.to_string())
    }

    /// Out of a file's bytes. `Err`: why not; nothing of the content is in these words.
    pub(crate) fn opened(sealed: &[u8], key: &x25519::Identity) -> Result<Content, String> {
        let json = decrypted(sealed, key).map_err(|err| match err {
            age::DecryptError::NoMatchingKeys => "is encrypted to another key".to_owned(),
            other => format!("can't be decrypted: {other}"),
        })?;
        let content: Content =
            serde_json::from_slice(&json).map_err(|_| "holds no secrets of Atoll's".to_owned())?;
        let fine = |row: &Row| !row.value.is_empty() && row.value.len() <= VALUE_BYTES_MAX;
        match content.v {
            VERSION
                if content.secrets.len() <= SECRETS_MAX && content.secrets.values().all(fine) =>
            {
                Ok(content)
            }
            VERSION => Err("holds more than a vault may".into()),
            v => Err(format!("has the form {v}, which a newer atoll reads")),
        }
    }
}

/// What age encrypted, into a buffer that doesn't grow.
pub(crate) fn decrypted(
    sealed: &[u8],
    key: &dyn age::Identity,
) -> Result<Zeroizing<Vec<u8>>, age::DecryptError> {
    let decryptor = age::Decryptor::new_buffered(sealed)?;
    let mut reader = decryptor.decrypt(std::iter::once(key))?;
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader
        .read_to_end(&mut plain)
        .map_err(age::DecryptError::Io)?;
    Ok(plain)
}
