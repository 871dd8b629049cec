//! How domain values stand in columns.

use atoll_domain::{Commitment, EventId, Hash, Ms};
use atoll_ports::log::Error;
use rusqlite::ErrorCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A failure of SQLite, as the port names it.
pub fn sql(e: rusqlite::Error) -> Error {
    if is_corrupt(&e) {
        return damaged(0, format!("the database file log.db: {e}"));
    }
    Error::Io(e.to_string())
}

/// Whether the file itself holds what SQLite can't have written.
pub fn is_corrupt(e: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    matches!(
        e.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || matches!(
        e,
        // STRICT tables and the binary's own writing leave no other type and no number out of range.
        E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..)
    )
}

/// A failure of the file system, with what was being done.
pub fn io(what: &str, e: impl std::fmt::Display) -> Error {
    Error::Io(format!("{what}: {e}"))
}

/// A row that holds what this version can't have written.
pub fn damaged(seq: u64, why: impl std::fmt::Display) -> Error {
    Error::Damaged {
        seq,
        why: why.to_string(),
    }
}

/// A unit enum's word, or another value's JSON.
pub fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        // Domain enums, lists and budgets always serialise.
        Err(_) => String::new(),
    }
}

/// The enum behind a word.
pub fn from_word<T: DeserializeOwned>(word: String) -> Result<T, Error> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|e| damaged(0, e))
}

/// The value behind JSON.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| damaged(0, e))
}

/// A commitment's 40 bytes.
pub fn pack(c: &Commitment) -> [u8; 40] {
    let mut out = [0; 40];
    out[..32].copy_from_slice(&c.h.0);
    out[32..].copy_from_slice(&c.bytes.to_be_bytes());
    out
}

/// The commitment behind 40 bytes.
pub fn unpack(bytes: &[u8]) -> Result<Commitment, Error> {
    let whole: &[u8; 40] = bytes
        .try_into()
        .map_err(|_| damaged(0, "a commitment that is not 40 bytes"))?;
    let (mut h, mut n) = ([0; 32], [0; 8]);
    h.copy_from_slice(&whole[..32]);
    n.copy_from_slice(&whole[32..]);
    Ok(Commitment {
        h: Hash(h),
        bytes: u64::from_be_bytes(n),
    })
}

/// An id from its 16 bytes. Ids are made from text or chance alone, so it goes by text.
pub fn id<T: std::str::FromStr>(prefix: &str, bytes: &[u8]) -> Result<T, Error> {
    if bytes.len() != 16 {
        return Err(damaged(0, "an id that is not 16 bytes"));
    }
    let h = hex::encode(bytes);
    let text = format!(
        "{prefix}{}-{}-{}-{}-{}",
        &h[..8],
        &h[8..12],
        &h[12..16],
        &h[16..20],
        &h[20..]
    );
    text.parse().map_err(|_| damaged(0, "an id that is none"))
}

/// The id of the event that stands at `seq`: a UUIDv7 whose last 48 bits are the
/// number, so that an event is found by its id without an index. `chance` fills
/// the rest.
pub fn event_id(ts: Ms, seq: u64, chance: [u8; 10]) -> EventId {
    let mut random = chance;
    random[4..].copy_from_slice(&seq.to_be_bytes()[2..]);
    EventId::new(ts, random)
}

/// Where the event with this id stands, if it is one of ours.
pub fn seq_of(id: &EventId) -> u64 {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&id.as_bytes()[10..]);
    u64::from_be_bytes(bytes)
}

/// The day of a time: days since the Unix epoch, UTC.
pub fn day(ts: Ms) -> u64 {
    ts.0 / 86_400_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::{Kind, SessionId};

    #[test]
    fn columns_round_trip() {
        let c = Commitment {
            h: Hash::of(b"x"),
            bytes: 12_345,
        };
        assert_eq!(unpack(&pack(&c)), Ok(c));
        assert!(unpack(b"short").is_err());
        let s = SessionId::new(Ms(9), [5; 10]);
        assert_eq!(id::<SessionId>(SessionId::PREFIX, s.as_bytes()), Ok(s));
        assert_eq!(word(&Kind::Run), "run");
        assert_eq!(from_word::<Kind>("run".into()), Ok(Kind::Run));
        assert!(from_word::<Kind>("jump".into()).is_err());
        for seq in [1, 77, (1 << 48) - 1] {
            assert_eq!(
                seq_of(&event_id(Ms(1_763_600_000_123), seq, [255; 10])),
                seq
            );
        }
    }
}
