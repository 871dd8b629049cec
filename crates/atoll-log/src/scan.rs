//! Finds the few fields that verifying needs in a stored line, without building
//! a value of it.
//!
//! The walk is over the top level alone. It is strict about what it looks at:
//! keys must ascend (so none occurs twice) and the line must end with its
//! object. What lies inside values is covered by the hash.

use std::cmp::Ordering;
use std::ops::Range;

use atoll_domain::Hash;

use crate::{Error, canonical};

/// The fields of one event that a chain is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The node's did:key.
    pub node: &'a str,
    /// Position in the node's log, from 1.
    pub seq: u64,
    /// The event's id, as text.
    pub id: &'a str,
    /// Milliseconds since the epoch.
    pub ts: u64,
    /// The kind, from `type`.
    pub kind: &'a str,
    /// The session's id, as text.
    pub session: Option<&'a str>,
    /// Hash of the event before.
    pub prev: Hash,
    /// The bytes of `body`.
    pub body: &'a [u8],
    /// The line's own hash, in exports.
    pub hash: Option<Hash>,
    /// Where `"hash":"…",` stands in the line, its comma included.
    pub hash_at: Option<Range<usize>>,
}

/// Reads the fields of a line: canonical bytes, with `hash` (an export) or
/// without (at rest). Errors: [`Error::Envelope`] names what is missing or bent.
pub fn fields(line: &[u8]) -> Result<Fields<'_>, Error> {
    let mut found = Found::default();
    members(line, |key, value, at| found.take(key, value, at))?;
    found.finish()
}

/// Where `hash` would stand among the keys of a line at rest: the offset of the
/// first key that sorts after it. Errors: no event, or one that has a `hash`.
pub(crate) fn place_of_hash(line: &[u8]) -> Result<usize, Error> {
    let (mut place, mut has_hash) = (None, false);
    members(line, |key, _, at| match order(key, b"hash") {
        Ordering::Greater if place.is_none() => place = Some(at.start),
        Ordering::Equal => has_hash = true,
        _ => {}
    })?;
    match place {
        Some(at) if !has_hash => Ok(at),
        _ => Err(Error::Envelope("not an event at rest")),
    }
}

/// Calls `each` with key, value and place (its comma included) of every member.
fn members<'a>(
    line: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8], Range<usize>),
) -> Result<(), Error> {
    let mut walk = Walk { line, at: 0 };
    walk.expect(b'{', "it does not start with {")?;
    let mut last: Option<&[u8]> = None;
    loop {
        let key_from = walk.at;
        let key = walk.string()?;
        if let Some(last) = last
            && order(last, key) != Ordering::Less
        {
            return Err(Error::Envelope("its keys are not in order"));
        }
        last = Some(key);
        walk.expect(b':', "a key without a value")?;
        let from = walk.at;
        walk.value()?;
        let value = &line[from..walk.at];
        let more = walk.next()?;
        each(key, value, key_from..walk.at);
        match more {
            b',' => {}
            b'}' if walk.at == line.len() => return Ok(()),
            b'}' => return Err(Error::Envelope("something follows it")),
            _ => return Err(Error::Envelope("its members are not separated")),
        }
    }
}

#[derive(Default)]
struct Found<'a> {
    node: Option<&'a [u8]>,
    seq: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    ts: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    session: Option<&'a [u8]>,
    prev: Option<&'a [u8]>,
    body: Option<&'a [u8]>,
    hash: Option<&'a [u8]>,
    hash_at: Option<Range<usize>>,
}

impl<'a> Found<'a> {
    fn take(&mut self, key: &[u8], value: &'a [u8], member: Range<usize>) {
        match key {
            b"node" => self.node = Some(value),
            b"seq" => self.seq = Some(value),
            b"id" => self.id = Some(value),
            b"ts" => self.ts = Some(value),
            b"type" => self.kind = Some(value),
            b"session" => self.session = Some(value),
            b"prev" => self.prev = Some(value),
            b"body" => self.body = Some(value),
            b"hash" => {
                self.hash = Some(value);
                self.hash_at = Some(member);
            }
            _ => {}
        }
    }

    fn finish(self) -> Result<Fields<'a>, Error> {
        let body = self.body.ok_or(Error::Envelope("no body"))?;
        Ok(Fields {
            node: self
                .node
                .and_then(plain)
                .ok_or(Error::Envelope("no node"))?,
            seq: self
                .seq
                .and_then(integer)
                .ok_or(Error::Envelope("no seq"))?,
            id: self.id.and_then(plain).ok_or(Error::Envelope("no id"))?,
            ts: self.ts.and_then(integer).ok_or(Error::Envelope("no ts"))?,
            kind: self
                .kind
                .and_then(plain)
                .ok_or(Error::Envelope("no type"))?,
            session: match self.session {
                None | Some(b"null") => None,
                Some(text) => {
                    Some(plain(text).ok_or(Error::Envelope("a session that is no string"))?)
                }
            },
            prev: self
                .prev
                .and_then(digest)
                .ok_or(Error::Envelope("no prev"))?,
            body,
            hash: match self.hash {
                None => None,
                Some(text) => Some(digest(text).ok_or(Error::Envelope("a hash that is none"))?),
            },
            hash_at: self.hash_at,
        })
    }
}

/// A string value without escapes. The fields that are read never need one.
fn plain(value: &[u8]) -> Option<&str> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return None;
    }
    std::str::from_utf8(inner).ok()
}

fn integer(value: &[u8]) -> Option<u64> {
    let canonical_form = value == b"0" || (value.first()? != &b'0' && value.len() <= 16);
    if !canonical_form {
        return None;
    }
    let mut n = 0u64;
    for digit in value {
        n = n * 10 + u64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
    }
    (n <= canonical::INTEGER_MAX).then_some(n)
}

fn digest(value: &[u8]) -> Option<Hash> {
    let digits = value.strip_prefix(b"\"sha256:")?.strip_suffix(b"\"")?;
    if digits.len() != 64 {
        return None;
    }
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut out = [0u8; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(Hash(out))
}

/// Order of raw key bytes; keys that hold escapes or more than ASCII are decoded first.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let simple = |k: &[u8]| k.iter().all(|b| b.is_ascii() && *b != b'\\');
    if simple(a) && simple(b) {
        return a.cmp(b);
    }
    let decode = |k: &[u8]| {
        let quoted = [b"\"".as_slice(), k, b"\""].concat();
        serde_json::from_slice::<String>(&quoted).ok()
    };
    match (decode(a), decode(b)) {
        (Some(a), Some(b)) => canonical::key_order(&a, &b),
        // Not a key at all: claim disorder, which refuses the line.
        _ => Ordering::Greater,
    }
}

struct Walk<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Result<u8, Error> {
        let byte = *self
            .line
            .get(self.at)
            .ok_or(Error::Envelope("it is cut off"))?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), Error> {
        if self.next()? == byte {
            Ok(())
        } else {
            Err(Error::Envelope(why))
        }
    }

    /// Steps over a string; what stands between its quotes comes back raw.
    fn string(&mut self) -> Result<&'a [u8], Error> {
        self.expect(b'"', "a key that is no string")?;
        let from = self.at;
        self.rest_of_string()?;
        Ok(&self.line[from..self.at - 1])
    }

    fn rest_of_string(&mut self) -> Result<(), Error> {
        loop {
            let rest = &self.line[self.at..];
            let step = rest
                .iter()
                .position(|b| *b == b'"' || *b == b'\\')
                .ok_or(Error::Envelope("a string that does not end"))?;
            self.at += step + 1;
            if rest[step] == b'"' {
                return Ok(());
            }
            self.next()?;
        }
    }

    /// Steps over one value of any kind.
    fn value(&mut self) -> Result<(), Error> {
        let from = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.line.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    self.rest_of_string()?;
                    if depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                b',' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == from || depth > 0 {
            Err(Error::Envelope("a key without a value"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(hash: &str) -> String {
        let zero = format!("sha256:{}", "0".repeat(64));
        format!(
            r#"{{"actor":{{"id":"}}\"{{","kind":"ai"}},"body":{{"a":[1,"]"]}},{hash}"id":"evt_1","node":"did:key:z6Mk","prev":"{zero}","seq":12,"session":"ses_1","ts":1763600000123,"type":"ExecStarted","v":"0.2"}}"#
        )
    }

    #[test]
    fn finds_the_fields_with_and_without_a_hash() {
        let bare = sample("");
        let f = fields(bare.as_bytes()).unwrap();
        assert_eq!(
            (f.node, f.seq, f.id, f.ts, f.kind),
            (
                "did:key:z6Mk",
                12,
                "evt_1",
                1_763_600_000_123,
                "ExecStarted"
            )
        );
        assert_eq!(
            (f.session, f.prev, f.hash),
            (Some("ses_1"), Hash::ZERO, None)
        );
        assert_eq!(f.body, br#"{"a":[1,"]"]}"#);

        let member = format!(r#""hash":"{}","#, Hash::of(b"x"));
        let line = sample(&member);
        let f = fields(line.as_bytes()).unwrap();
        assert_eq!(f.hash, Some(Hash::of(b"x")));
        assert_eq!(&line[f.hash_at.unwrap()], member);
    }

    #[test]
    fn bent_lines_are_refused() {
        let good = sample("");
        for (from, to) in [
            ("\"seq\":12", "\"seq\":012"),
            ("\"seq\":12", "\"seq\":-1"),
            ("\"seq\":12", "\"seq\":9007199254740992"),
            ("\"seq\":12", "\"seq\":12,\"seq\":13"),
            ("\"seq\":12", "\"seq\":"),
            ("\"seq\":12,", ""),
            ("\"node\"", "\"zone\""),
            ("sha256:0", "sha256:G"),
            ("\"v\":\"0.2\"}", "\"v\":\"0.2\"} "),
            ("\"v\":\"0.2\"}", "\"v\":\"0.2\""),
        ] {
            let bent = good.replacen(from, to, 1);
            assert_ne!(bent, good);
            assert!(fields(bent.as_bytes()).is_err(), "{bent}");
        }
        for end in 0..good.len() {
            assert!(fields(&good.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&line);
        }

        #[test]
        fn never_panics_on_nearly_good_lines(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut line = sample("").into_bytes();
            let i = at.index(line.len());
            line[i] = byte;
            let _ = fields(&line);
        }
    }
}
