//! Reading JSON from outside: what a lenient reader would let pass is refused.
//!
//! Two readers that disagree about a line (which of two equal keys counts, what
//! a lone surrogate is, how wide a number is) would hash or judge it
//! differently, so such a line has no place in a log.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{Error, canonical};

/// What a line from outside may measure.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the whole text.
    pub bytes: usize,
    /// Nested arrays and objects.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 1 << 20,
            depth: canonical::DEPTH_MAX,
        }
    }
}

/// Parses one JSON text. Refuses duplicate keys at any level, lone surrogates,
/// floats (also `1.0`, `1e3` and `-0`), integers beyond 2^53 − 1, invalid UTF-8,
/// anything after the value, and whatever is past the limits.
pub fn parse(text: &[u8], limits: Limits) -> Result<Value, Error> {
    if text.len() > limits.bytes {
        return Err(Error::Size {
            limit_bytes: limits.bytes,
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict {
        depth_left: limits.depth,
    }
    .deserialize(&mut reader)
    .map_err(from_serde)?;
    reader.end().map_err(from_serde)?;
    Ok(value)
}

/// Parses one line and checks that its bytes are its canonical form.
pub fn parse_canonical(text: &[u8], limits: Limits) -> Result<Value, Error> {
    let value = parse(text, limits)?;
    let mut again = Vec::with_capacity(text.len());
    canonical::write(&value, &mut again)?;
    if again == text {
        Ok(value)
    } else {
        Err(Error::NotCanonical)
    }
}

fn from_serde(e: serde_json::Error) -> Error {
    let text = e.to_string();
    // The visitor's own refusals travel as messages, because serde_json's error
    // type carries nothing else.
    for (mark, error) in [
        (DUPLICATE, Error::DuplicateKey),
        (FLOAT, Error::Float),
        (INTEGER, Error::Integer),
        (DEPTH, Error::Depth),
        ("recursion limit exceeded", Error::Depth),
    ] {
        if text.starts_with(mark) {
            return error;
        }
    }
    if text.contains("surrogate") || text.contains("unexpected end of hex escape") {
        return Error::Surrogate;
    }
    Error::Json(text)
}

const DUPLICATE: &str = "atoll:duplicate-key";
const FLOAT: &str = "atoll:float";
const INTEGER: &str = "atoll:integer";
const DEPTH: &str = "atoll:depth";

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Strict, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Strict { depth_left }),
            None => Err(E::custom(DEPTH)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without floats or repeated keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Value, E> {
        if n > canonical::INTEGER_MAX {
            Err(E::custom(INTEGER))
        } else {
            Ok(n.into())
        }
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Value, E> {
        if n.unsigned_abs() > canonical::INTEGER_MAX {
            Err(E::custom(INTEGER))
        } else {
            Ok(n.into())
        }
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom(FLOAT))
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }

    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::String(s))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(DUPLICATE));
            }
            let value = access.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Error> {
        parse(text.as_bytes(), Limits::default())
    }

    #[test]
    fn duplicate_keys_are_refused_at_any_level() {
        assert!(matches!(read(r#"{"a":1,"a":1}"#), Err(Error::DuplicateKey)));
        assert!(matches!(
            read(r#"[{"b":{"a":1,"\u0061":2}}]"#),
            Err(Error::DuplicateKey)
        ));
    }

    #[test]
    fn lone_surrogates_are_refused_in_keys_and_values() {
        for text in [
            r#""\ud800""#,
            r#""\udc00""#,
            r#"{"\ud83d":1}"#,
            r#""\ud83d\ud83d""#,
            r#""\ud83dx""#,
        ] {
            assert!(
                matches!(read(text), Err(Error::Surrogate)),
                "{text}: {:?}",
                read(text)
            );
        }
        assert_eq!(read(r#""\ud83d\ude00""#).unwrap(), "\u{1f600}");
    }

    #[test]
    fn floats_and_wide_integers_are_refused() {
        for text in ["1.5", "1.0", "1e3", "-0", "18446744073709551616"] {
            assert!(
                matches!(read(text), Err(Error::Float)),
                "{text}: {:?}",
                read(text)
            );
        }
        for text in ["9007199254740992", "-9007199254740992"] {
            assert!(matches!(read(text), Err(Error::Integer)), "{text}");
        }
        assert!(read("9007199254740991").is_ok());
    }

    #[test]
    fn rubbish_is_refused() {
        for text in [
            "",
            "{",
            "nul",
            "{} {}",
            "{\"a\":1,}",
            "\u{feff}{}",
            "'a'",
            "[1 2]",
            "\"\u{1}\"",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"", Limits::default()).is_err());
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let limits = Limits {
            bytes: 16,
            depth: 2,
        };
        assert!(parse(b"[[1]]", limits).is_ok());
        assert!(matches!(parse(b"[[[1]]]", limits), Err(Error::Depth)));
        assert!(matches!(
            parse(&[b' '; 17], limits),
            Err(Error::Size { limit_bytes: 16 })
        ));
        let deep = "[".repeat(100_000);
        assert!(matches!(
            parse(deep.as_bytes(), Limits::default()),
            Err(Error::Depth)
        ));
    }

    #[test]
    fn other_spellings_are_not_canonical() {
        for text in [r#"{"b":1,"a":2}"#, r#"{ "a":1}"#, r#""\u0061""#, r#""\/""#] {
            assert!(
                matches!(
                    parse_canonical(text.as_bytes(), Limits::default()),
                    Err(Error::NotCanonical)
                ),
                "{text}"
            );
        }
        assert!(parse_canonical(br#"{"a":2,"b":1}"#, Limits::default()).is_ok());
    }
}
