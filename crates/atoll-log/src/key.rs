//! Ed25519 keys and their names. A key is made from 32 bytes that are handed in.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::Error;

/// did:key's multicodec prefix for an Ed25519 public key (0xed as a varint).
const MULTICODEC: [u8; 2] = [0xed, 0x01];

/// The longest did:key of an Ed25519 key, generously.
const DID_MAX: usize = 80;

/// A signing key. Its bytes are wiped when it is dropped.
pub struct Key(SigningKey);

impl Key {
    /// The key whose seed is `seed`. The caller draws it, and wipes its own copy.
    pub fn from_seed(seed: &[u8; 32]) -> Key {
        Key(SigningKey::from_bytes(seed))
    }

    /// The half that may be shown.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The Ed25519 signature over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

/// A public key. Its text is `did:key:z6Mk…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Refuses bytes that are no point of the curve.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<PublicKey, Error> {
        VerifyingKey::from_bytes(&bytes).map_err(|_| Error::Key("not an Ed25519 point"))?;
        Ok(PublicKey(bytes))
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` over `message` is this key's, by the strict rules
    /// (no small-order keys, no malleable signatures).
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
            .map_err(|_| Error::Signature)
    }

    /// The C2SP signed-note key id under `name`: the first 4 bytes of
    /// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
    pub fn note_id(&self, name: &str) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', 0x01])
            .chain_update(self.0)
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0u8; 34];
        bytes[..2].copy_from_slice(&MULTICODEC);
        bytes[2..].copy_from_slice(&self.0);
        write!(f, "did:key:z{}", bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<PublicKey, Error> {
        if text.len() > DID_MAX {
            return Err(Error::Key("too long for a did:key"));
        }
        let digits = text
            .strip_prefix("did:key:z")
            .ok_or(Error::Key("it does not start with did:key:z"))?;
        let bytes = bs58::decode(digits)
            .into_vec()
            .map_err(|_| Error::Key("not base58"))?;
        let raw = bytes
            .strip_prefix(&MULTICODEC)
            .ok_or(Error::Key("not an Ed25519 did:key"))?;
        PublicKey::from_bytes(raw.try_into().map_err(|_| Error::Key("not 32 bytes"))?)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8032_test_1() {
        let seed: [u8; 32] =
            hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
                .unwrap()
                .try_into()
                .unwrap();
        let key = Key::from_seed(&seed);
        assert_eq!(
            hex::encode(key.public().as_bytes()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert!(
            hex::encode(key.sign(b""))
                .starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974")
        );
        key.public().verify(b"", &key.sign(b"")).unwrap();
        assert_eq!(
            key.public().verify(b"x", &key.sign(b"")),
            Err(Error::Signature)
        );
    }

    /// From the did:key specification's Ed25519 test vectors.
    #[test]
    fn did_key_vector() {
        let did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        let key: PublicKey = did.parse().unwrap();
        assert_eq!(
            hex::encode(key.as_bytes()),
            "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
        );
        assert_eq!(key.to_string(), did);
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in [
            "",
            "did:key:z",
            "did:key:z0OIl",
            "did:web:x",
            "did:key:z6Mk",
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        ] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
        assert!(
            "did:key:z"
                .to_owned()
                .chars()
                .chain(std::iter::repeat_n('6', 100_000))
                .collect::<String>()
                .parse::<PublicKey>()
                .is_err()
        );
    }
}
