//! JSON as models write it: strict first, then with small repairs that can't change its meaning.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Arguments longer than this are refused, in bytes.
pub(crate) const ARGUMENTS_BYTES_MAX: usize = 512 << 10;
/// Arguments nested deeper than this are refused.
const DEPTH_MAX: usize = 24;

/// An object of arguments, and what was mended to read it.
pub(crate) fn object(text: &str) -> Result<(Map<String, Value>, Option<&'static str>), String> {
    if text.len() > ARGUMENTS_BYTES_MAX {
        return Err(format!(
            "the arguments are {} bytes long; at most {ARGUMENTS_BYTES_MAX} are taken: work in smaller steps",
            text.len()
        ));
    }
    let trimmed = unfence(text.trim());
    if trimmed.is_empty() || trimmed == "null" {
        return Ok((Map::new(), None));
    }
    match strict(trimmed) {
        Ok(value) => unwrap(value, 2).map(|map| (map, None)),
        Err(err) => {
            if err.contains(DUPLICATE) || err.contains(DEEP) {
                return Err(err);
            }
            let mended = mend(trimmed);
            let value = strict(&mended).map_err(|_| {
                format!("the arguments are not valid JSON ({err}): send one JSON object")
            })?;
            let map = unwrap(value, 2)?;
            Ok((
                map,
                Some("the arguments were not valid JSON and were mended"),
            ))
        }
    }
}

/// Whether `text` nests deeper than is read, outside strings.
fn nested(text: &str) -> bool {
    let (mut depth, mut string, mut escaped) = (0usize, false, false);
    for b in text.bytes() {
        match (string, b) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => string = !string,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The object; one that was written as a string, or alone in a list, counts too.
fn unwrap(value: Value, tries: u8) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map),
        Value::String(inner) if tries > 0 && inner.trim_start().starts_with(['{', '[']) => {
            unwrap(strict(&inner).map_err(not_object)?, tries - 1)
        }
        Value::Array(mut items) if tries > 0 && items.len() == 1 => {
            unwrap(items.remove(0), tries - 1)
        }
        _ => Err(not_object("something else came".into())),
    }
}

fn not_object(err: String) -> String {
    format!("the arguments must be one JSON object ({err})")
}

/// Without a Markdown fence around it.
fn unfence(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("```").and_then(|t| t.strip_suffix("```")) else {
        return text;
    };
    let inner = inner.strip_prefix("json").unwrap_or(inner);
    inner.trim()
}

const DUPLICATE: &str = "is given twice";
const DEEP: &str = "nested too deep";

fn strict(text: &str) -> Result<Value, String> {
    if nested(text) {
        return Err(format!("the arguments are {DEEP}"));
    }
    let Strict(value) = serde_json::from_str(text).map_err(|err| err.to_string())?;
    Ok(value)
}

/// Trailing commas go, raw controls inside strings are escaped, Python's words become JSON's.
fn mend(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut string, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if string {
            match c {
                _ if escaped => {
                    escaped = false;
                    out.push(c);
                }
                '\\' => {
                    escaped = true;
                    out.push(c);
                }
                '"' => {
                    string = false;
                    out.push(c);
                }
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
                c => out.push(c),
            }
        } else if let Some((word, json)) = python_word(rest) {
            out.push_str(json);
            rest = &rest[word.len()..];
            continue;
        } else {
            let next = rest[c.len_utf8()..].trim_start().chars().next();
            string = c == '"';
            if c != ',' || !matches!(next, Some('}' | ']')) {
                out.push(c);
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn python_word(rest: &str) -> Option<(&'static str, &'static str)> {
    [("True", "true"), ("False", "false"), ("None", "null")]
        .into_iter()
        .find(|(word, _)| rest.starts_with(word))
}

/// A value in which no key is given twice: what a reader may pick of two is a way to hide one.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Strict, D::Error> {
        d.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            items.push(value);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = access.next_entry::<String, Strict>()? {
            if map.contains_key(&key) {
                let shown: String = key.chars().take(40).collect();
                return Err(serde::de::Error::custom(format!("`{shown}` {DUPLICATE}")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        Value::Object(object(text).unwrap().0)
    }

    #[test]
    fn small_slips_are_mended() {
        assert_eq!(read(r#"{"a": 1,}"#), json!({"a": 1}));
        assert_eq!(read("{\"a\": \"x\ny\"}"), json!({"a": "x\ny"}));
        assert_eq!(read("```json\n{\"a\": true}\n```"), json!({"a": true}));
        assert_eq!(
            read(r#"{"a": True, "b": [None,],}"#),
            json!({"a": true, "b": [null]})
        );
        assert_eq!(read(r#""{\"a\": 2}""#), json!({"a": 2}));
        assert_eq!(read(r#"[{"a": 3}]"#), json!({"a": 3}));
        assert_eq!(read(""), json!({}));
        assert_eq!(
            read("{\"a\": \"say \\\"True,}\\\"\n\"}"),
            json!({"a": "say \"True,}\"\n"})
        );
    }

    #[test]
    fn what_is_not_an_object_is_said() {
        for bad in ["7", "[1,2]", "\"x\"", "{\"a\":", "path=a.py", "{'a': 1}"] {
            assert!(object(bad).is_err(), "{bad}");
        }
        assert!(
            object(r#"{"a": 1, "a": 2}"#)
                .unwrap_err()
                .contains("`a` is given twice")
        );
        assert!(object(r#"{"a": 1, "\u0061": 2,}"#).is_err());
        let deep = format!("{}{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
        assert!(object(&deep).unwrap_err().contains("deep"));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(ARGUMENTS_BYTES_MAX));
        assert!(object(&long).unwrap_err().contains("smaller steps"));
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in any::<String>(), json in r#"[{}\[\]",:a1\\\n TrueFalseNone']{0,60}"#) {
            let _ = object(&text);
            let _ = object(&json);
            let _ = object(&format!("{{{json}}}"));
        }
        #[test]
        fn valid_objects_are_read_as_they_are(key in "[a-z]{1,8}", value in any::<String>(), n in any::<i64>()) {
            let whole = json!({ key.clone(): value, "zz": n });
            prop_assert_eq!(read(&whole.to_string()), whole);
        }
    }
}
