//! An event's line, at rest and in an export.
//!
//! At rest it is the canonical bytes without `hash`, with the hash beside them.
//! An export puts `hash` in its place among the keys, so that each line is
//! canonical JSON again.

use atoll_domain::Hash;

use crate::{Flaw, scan};

/// The longest event line that is read, in bytes.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

const MEMBER: &[u8] = b"\"hash\":\"";

/// An export's line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The canonical bytes without `hash`, as at rest.
    pub bytes: Vec<u8>,
    /// The hash that the line states.
    pub stated: Hash,
    /// The hash of `bytes`.
    pub actual: Hash,
}

impl Exported {
    /// Takes `hash` out of a line.
    pub fn parse(line: &[u8]) -> Result<Exported, Flaw> {
        if line.len() > EVENT_BYTES_MAX {
            return Err(crate::Error::Size {
                limit_bytes: EVENT_BYTES_MAX,
            }
            .into());
        }
        let fields = scan::fields(line)?;
        let (Some(stated), Some(at)) = (fields.hash, fields.hash_at) else {
            return Err(Flaw::NoHash);
        };
        let mut bytes = Vec::with_capacity(line.len());
        bytes.extend_from_slice(&line[..at.start]);
        bytes.extend_from_slice(&line[at.end..]);
        let actual = Hash::of(&bytes);
        Ok(Exported {
            bytes,
            stated,
            actual,
        })
    }
}

/// The export line of an event at rest, without a newline. Errors: bytes that
/// are no event.
pub fn export(bytes: &[u8], hash: &Hash) -> Result<Vec<u8>, crate::Error> {
    // `hash` stands before `id`, unless an unknown key sorts between them;
    // the scan tells where the first key above "hash" starts.
    let at = scan::place_of_hash(bytes)?;
    let mut line = Vec::with_capacity(bytes.len() + 82);
    line.extend_from_slice(&bytes[..at]);
    line.extend_from_slice(MEMBER);
    line.extend_from_slice(hash.to_string().as_bytes());
    line.extend_from_slice(b"\",");
    line.extend_from_slice(&bytes[at..]);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::canonical;

    fn at_rest(extra: &str) -> Vec<u8> {
        let mut value = json!({
            "v": "0.2", "node": "did:key:z6Mk", "seq": 1, "id": "evt_1", "ts": 5, "type": "X",
            "topic": "node", "actor": {"id": "node", "kind": "system"}, "body": {},
            "meta": {"reptag": [], "scripttag": [], "congruence": null}, "prev": Hash::ZERO,
        });
        value[extra] = json!("kept");
        canonical::bytes(&value).unwrap()
    }

    proptest! {
        #[test]
        fn an_export_line_is_canonical_and_reads_back(extra in "[a-z~\u{e9}]{1,6}") {
            prop_assume!(!["id", "v", "node", "seq", "ts", "type", "topic", "actor", "body", "meta", "prev", "hash"].contains(&extra.as_str()));
            let bytes = at_rest(&extra);
            let hash = Hash::of(&bytes);
            let line = export(&bytes, &hash).unwrap();
            crate::strict::parse_canonical(&line, Default::default()).unwrap();
            let back = Exported::parse(&line).unwrap();
            prop_assert_eq!(&back.bytes, &bytes);
            prop_assert_eq!((back.stated, back.actual), (hash, hash));
        }
    }

    #[test]
    fn a_line_without_its_hash_is_said_so() {
        assert_eq!(Exported::parse(&at_rest("x")), Err(Flaw::NoHash));
    }
}
