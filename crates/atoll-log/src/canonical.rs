//! RFC 8785 canonical JSON, without floats: the bytes that are stored and hashed.
//!
//! Only what an event may hold is written: null, booleans, strings, integers
//! below 2^53 in size, arrays and objects. The writer sorts keys itself, so it
//! does not matter whether `serde_json`'s map keeps insertion order.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::Value;

use crate::Error;

/// The largest integer that an event may hold: 2^53 − 1. Beyond it a reader
/// whose numbers are doubles (any browser) would see another value.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Nested arrays and objects that are accepted, in levels.
pub const DEPTH_MAX: usize = 64;

/// The canonical bytes of any serialisable value. Errors: a float, an integer
/// beyond 2^53 − 1, a map whose keys are no strings, nesting past [`DEPTH_MAX`].
pub fn bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let value = serde_json::to_value(value).map_err(|e| Error::Json(e.to_string()))?;
    let mut out = Vec::with_capacity(512);
    write(&value, &mut out)?;
    Ok(out)
}

/// Appends the canonical bytes of `value` to `out`. See [`bytes`] for errors.
pub fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    write_at(value, out, 0)
}

fn write_at(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::Depth);
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => write_number(n, out)?,
        Value::String(s) => write_string(s, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_at(item, out, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            if !members.is_sorted_by(|a, b| key_order(a.0, b.0) == Ordering::Less) {
                members.sort_by(|a, b| key_order(a.0, b.0));
            }
            out.push(b'{');
            for (i, (key, item)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write_at(item, out, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_number(n: &serde_json::Number, out: &mut Vec<u8>) -> Result<(), Error> {
    if let Some(u) = n.as_u64() {
        if u > INTEGER_MAX {
            return Err(Error::Integer);
        }
        write_u64(u, out);
        return Ok(());
    }
    match n.as_i64() {
        Some(i) if i.unsigned_abs() <= INTEGER_MAX => {
            out.push(b'-');
            write_u64(i.unsigned_abs(), out);
            Ok(())
        }
        Some(_) => Err(Error::Integer),
        None => Err(Error::Float),
    }
}

/// Appends `n` in decimal.
pub fn write_u64(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `s` as a JSON string, escaped as ECMAScript's `JSON.stringify` does.
pub fn write_string(s: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = s.as_bytes();
    let mut plain_from = 0;
    for (i, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..i]);
        plain_from = i + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(b >> 4)]);
                out.push(HEX[usize::from(b & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

/// RFC 8785's order of keys: by UTF-16 code unit. It differs from the order of
/// UTF-8 bytes only past U+FFFF against U+E000 to U+FFFF.
pub fn key_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() {
        return a.as_bytes().cmp(b.as_bytes());
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(INTEGER_MAX as i64)..=INTEGER_MAX as i64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equals_an_independent_canonicalizer(value in any_value()) {
            let theirs = serde_json_canonicalizer::to_vec(&value).unwrap();
            prop_assert_eq!(bytes(&value).unwrap(), theirs);
        }

        #[test]
        fn parses_back_to_the_same_value(value in any_value()) {
            let line = bytes(&value).unwrap();
            prop_assert_eq!(crate::strict::parse(&line, crate::strict::Limits::default()).unwrap(), value);
        }
    }

    #[test]
    fn keys_sort_by_utf16_as_in_rfc_8785_3_2_3() {
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = String::from_utf8(bytes(&value).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn floats_and_wide_integers_are_refused() {
        assert!(matches!(bytes(&json!({"a": 0.5})), Err(Error::Float)));
        assert!(matches!(bytes(&json!(1.0)), Err(Error::Float)));
        assert!(bytes(&json!(INTEGER_MAX)).is_ok());
        assert!(bytes(&json!(-(INTEGER_MAX as i64))).is_ok());
        assert!(matches!(
            bytes(&json!(INTEGER_MAX + 1)),
            Err(Error::Integer)
        ));
        assert!(matches!(bytes(&json!(i64::MIN)), Err(Error::Integer)));
    }

    #[test]
    fn nesting_is_bounded() {
        let mut value = Value::Null;
        for _ in 0..=DEPTH_MAX {
            value = Value::Array(vec![value]);
        }
        assert!(matches!(bytes(&value), Err(Error::Depth)));
    }
}
