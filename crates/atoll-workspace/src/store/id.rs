use std::fmt;
use std::str::FromStr;

/// The SHA-1 name of a git object.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId([u8; 20]);

/// The text was not 40 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("an object id is 40 hexadecimal digits")]
pub struct BadId;

impl ObjectId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(s, &mut bytes).map_err(|_| BadId)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ObjectId {
    type Error = BadId;
    fn try_from(s: String) -> Result<Self, BadId> {
        s.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}
