//! Canonical JSON (RFC 8785), within what Atoll's formats allow: no floats, integers below 2^53.

use serde::Serialize;
use serde_json::Value;

/// The largest integer in an event: 2^53 - 1, so that every JSON reader reads it exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a value has no canonical form here.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    /// A float, or an integer of 2^53 or more.
    #[error("the number {0} is not an integer below 2^53")]
    Number(String),
    /// It could not be written as JSON at all.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn check(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) if u <= INTEGER_MAX => Ok(()),
            (None, Some(i)) if i.unsigned_abs() <= INTEGER_MAX => Ok(()),
            _ => Err(NotCanonical::Number(n.to_string())),
        },
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(map) => map.values().try_for_each(check),
        _ => Ok(()),
    }
}

/// The RFC 8785 bytes of `value`.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    let value = serde_json::to_value(value)?;
    check(&value)?;
    Ok(serde_json_canonicalizer::to_vec(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_floats_refused() {
        assert_eq!(
            canonical_json(&json!({"b": 1, "a": [true, null]})).unwrap(),
            br#"{"a":[true,null],"b":1}"#
        );
        assert!(canonical_json(&json!({"a": 1.5})).is_err());
        assert!(canonical_json(&json!(INTEGER_MAX)).is_ok());
        assert!(canonical_json(&json!(INTEGER_MAX + 1)).is_err());
    }
}
