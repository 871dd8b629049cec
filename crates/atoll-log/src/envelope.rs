//! From a draft to an event: number, link, canonical bytes and hash.

use atoll_domain::{Actor, ActorKind, Draft, Event, EventId, Hash, Ms, SessionId, VERSION};
use serde_json::Value;

use crate::canonical::{write, write_string, write_u64};
use crate::line::EVENT_BYTES_MAX;
use crate::{Error, canonical};

/// Where a log stands: what the next event links to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last event's number; 0 before the first.
    pub seq: u64,
    /// The last event's hash; zeros before the first.
    pub hash: Hash,
}

impl Head {
    /// Before the first event.
    pub const EMPTY: Head = Head {
        seq: 0,
        hash: Hash::ZERO,
    };
}

/// An event that has its place: what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// Its time.
    pub ts: Ms,
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub topic: String,
    /// In which session.
    pub session: Option<SessionId>,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// The canonical bytes without `hash`.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub hash: Hash,
}

/// The canonical bytes of a draft's body: the part of sealing that needs no
/// place in the log, and so can be done by each caller for itself. Errors: a kind
/// that is no name, floats, wide integers, deep nesting, or more than [`EVENT_BYTES_MAX`] bytes.
pub fn body(draft: &Draft) -> Result<Vec<u8>, Error> {
    let kind = draft.body.kind();
    if kind.is_empty() || kind.len() > 64 || !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::Envelope("a kind is 1 to 64 letters and digits"));
    }
    let value = draft
        .body
        .to_value()
        .map_err(|e| Error::Json(e.to_string()))?;
    let mut out = Vec::with_capacity(256);
    write(&value, &mut out)?;
    if out.len() > EVENT_BYTES_MAX {
        return Err(Error::Size {
            limit_bytes: EVENT_BYTES_MAX,
        });
    }
    Ok(out)
}

/// Gives `draft` the place behind `head` in `node`'s log, and moves `head` on.
/// Errors (then `head` stays): those of [`body`], or a whole that is too long.
pub fn seal(
    draft: &Draft,
    node: &str,
    head: &mut Head,
    id: EventId,
    ts: Ms,
) -> Result<Sealed, Error> {
    seal_body(draft, &body(draft)?, node, head, id, ts)
}

/// [`seal`] with the body's bytes at hand. They must be [`body`]'s of this draft.
pub fn seal_body(
    draft: &Draft,
    body: &[u8],
    node: &str,
    head: &mut Head,
    id: EventId,
    ts: Ms,
) -> Result<Sealed, Error> {
    let seq = head.seq + 1;
    if seq > canonical::INTEGER_MAX || ts.0 > canonical::INTEGER_MAX {
        return Err(Error::Integer);
    }
    let kind = draft.body.kind();
    let mut out = Vec::with_capacity(768);
    // The keys below stand in RFC 8785's order; a property test holds the result
    // against an independent canonicalizer.
    out.extend_from_slice(b"{\"actor\":");
    write_actor(&draft.actor, &mut out);
    out.extend_from_slice(b",\"body\":");
    out.extend_from_slice(body);
    out.extend_from_slice(b",\"cause\":");
    write_id(draft.cause.as_ref(), &mut out);
    out.extend_from_slice(b",\"id\":");
    write_id(Some(&id), &mut out);
    out.extend_from_slice(
        b",\"meta\":{\"congruence\":null,\"reptag\":[],\"scripttag\":[]},\"node\":",
    );
    write_string(node, &mut out);
    out.extend_from_slice(b",\"prev\":");
    write_hash(&head.hash, &mut out);
    out.extend_from_slice(b",\"seq\":");
    write_u64(seq, &mut out);
    out.extend_from_slice(b",\"session\":");
    write_id(draft.session.as_ref(), &mut out);
    out.extend_from_slice(b",\"topic\":");
    write_string(&draft.topic.0, &mut out);
    out.extend_from_slice(b",\"ts\":");
    write_u64(ts.0, &mut out);
    out.extend_from_slice(b",\"type\":");
    write_string(kind, &mut out);
    out.extend_from_slice(b",\"v\":");
    write_string(VERSION, &mut out);
    out.push(b'}');
    if out.len() > EVENT_BYTES_MAX {
        return Err(Error::Size {
            limit_bytes: EVENT_BYTES_MAX,
        });
    }
    let hash = Hash::of(&out);
    *head = Head { seq, hash };
    Ok(Sealed {
        seq,
        id,
        ts,
        kind: kind.to_owned(),
        topic: draft.topic.0.clone(),
        session: draft.session,
        cause: draft.cause,
        bytes: out,
        hash,
    })
}

fn write_actor(actor: &Actor, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    write_string(&actor.id, out);
    out.extend_from_slice(match actor.kind {
        ActorKind::Human => b",\"kind\":\"human\"}",
        ActorKind::Ai => b",\"kind\":\"ai\"}",
        ActorKind::System => b",\"kind\":\"system\"}",
    });
}

/// Ids and digests are plain ASCII, so they need no escaping.
fn write_id<T: std::fmt::Display>(id: Option<&T>, out: &mut Vec<u8>) {
    use std::io::Write as _;
    match id {
        None => out.extend_from_slice(b"null"),
        // Writing to a Vec can't fail.
        Some(id) => drop(write!(out, "\"{id}\"")),
    }
}

/// `Display` would go through a string of its own; this is on the hot path.
fn write_hash(hash: &Hash, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\"sha256:");
    for byte in hash.0 {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

/// The canonical bytes (without `hash`) of an event: what its hash is over.
pub fn bytes(event: &Event) -> Result<Vec<u8>, Error> {
    let mut value = serde_json::to_value(event).map_err(|e| Error::Json(e.to_string()))?;
    if let Value::Object(map) = &mut value {
        map.remove("hash");
    }
    canonical::bytes(&value)
}

/// Reads an event at rest back. Fields that this version does not know are not
/// in the result; they are in the bytes.
pub fn read(bytes: &[u8], hash: &Hash) -> Result<Event, Error> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|e| Error::Json(e.to_string()))?;
    value["hash"] = Value::String(hash.to_string());
    serde_json::from_value(value).map_err(|e| Error::Json(e.to_string()))
}

#[cfg(test)]
mod tests {
    use atoll_domain::{Body, Topic};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_body() -> impl Strategy<Value = Value> {
        prop::collection::btree_map(
            any::<String>(),
            prop_oneof![
                any::<String>().prop_map(Value::from),
                (0..=canonical::INTEGER_MAX).prop_map(Value::from),
                prop::collection::vec(any::<i32>(), 0..4).prop_map(Value::from),
            ],
            0..6,
        )
        .prop_map(|m| Value::Object(m.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn the_fast_path_equals_the_canonicalizer(
            body in any_body(), kind in "[A-Za-z][A-Za-z0-9]{0,20}", actor in any::<String>(), topic in any::<String>(),
            node in any::<String>(), who in 0..3u8, session in any::<Option<[u8; 10]>>(), cause in any::<Option<[u8; 10]>>(),
            seq in 0..canonical::INTEGER_MAX, ts in 0..=canonical::INTEGER_MAX,
        ) {
            let kind_of = [ActorKind::Human, ActorKind::Ai, ActorKind::System][who as usize];
            let draft = Draft {
                topic: Topic(topic),
                actor: Actor { kind: kind_of, id: actor },
                session: session.map(|r| SessionId::new(Ms(1), r)),
                cause: cause.map(|r| EventId::new(Ms(2), r)),
                body: Body::Unknown { kind, body },
                sides: vec![],
            };
            let mut head = Head { seq, hash: Hash::of(b"before") };
            let sealed = seal(&draft, &node, &mut head, EventId::new(Ms(3), [9; 10]), Ms(ts)).unwrap();
            let event = read(&sealed.bytes, &sealed.hash).unwrap();
            prop_assert_eq!(&bytes(&event).unwrap(), &sealed.bytes);
            let mut value = serde_json::to_value(&event).unwrap();
            value.as_object_mut().unwrap().remove("hash");
            prop_assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), sealed.bytes);
            prop_assert_eq!((head.seq, head.hash), (seq + 1, event.hash));
            prop_assert_eq!(event.prev, Hash::of(b"before"));
        }
    }

    #[test]
    fn a_kind_is_a_name() {
        for kind in ["", "Exec Started", "X\"", "\u{e9}", &"X".repeat(65)] {
            let draft = Draft::node(Body::Unknown {
                kind: kind.into(),
                body: json!({}),
            });
            assert!(
                matches!(super::body(&draft), Err(Error::Envelope(_))),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_body_that_may_not_be_logged_leaves_the_head() {
        for body in [
            json!({"a": 0.5}),
            json!({"a": u64::MAX}),
            json!({"a": "x".repeat(EVENT_BYTES_MAX)}),
        ] {
            let draft = Draft::node(Body::Unknown {
                kind: "X".into(),
                body,
            });
            let mut head = Head::EMPTY;
            assert!(seal(&draft, "n", &mut head, EventId::new(Ms(1), [0; 10]), Ms(1)).is_err());
            assert_eq!(head, Head::EMPTY);
        }
    }
}
