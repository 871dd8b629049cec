//! Lists of models.

use serde_json::Value;

use crate::fault::Fault;

const NAMES_MAX: usize = 10_000;
const NAME_LIMIT_BYTES: usize = 256;

/// The names in the answer of `GET …/models`: OpenAI's, Anthropic's and most others'.
pub(super) fn of_data(body: &[u8]) -> Result<Vec<String>, Fault> {
    names(body, "data", "id")
}

/// The names in the answer of Ollama's `GET /api/tags`.
pub(super) fn of_tags(body: &[u8]) -> Result<Vec<String>, Fault> {
    names(body, "models", "name")
}

/// Sorted; names that could not be asked for again are left out.
fn names(body: &[u8], list: &str, field: &str) -> Result<Vec<String>, Fault> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|err| Fault::garbage(format!("the list of models is no JSON ({err})")))?;
    // Most wrap the list, a few send it bare.
    let rows = value[list].as_array().or(value.as_array());
    let rows = rows.ok_or_else(|| Fault::garbage("the list of models holds no list"))?;
    let usable = |name: &&str| {
        !name.is_empty() && name.len() <= NAME_LIMIT_BYTES && !name.contains(char::is_control)
    };
    let names = rows.iter().filter_map(|row| row[field].as_str());
    let mut names: Vec<String> = names
        .filter(usable)
        .take(NAMES_MAX)
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_wrapped_and_bare_without_odd_names() {
        let wrapped =
            br#"{"data":[{"id":"b"},{"id":"a"},{"id":""},{"id":3},{"id":"a"},{"id":"c\n"},7]}"#;
        assert_eq!(of_data(wrapped).unwrap(), ["a", "b"]);
        assert_eq!(of_data(br#"[{"id":"a"}]"#).unwrap(), ["a"]);
        assert_eq!(of_data(br#"{"data":[]}"#).unwrap(), [""; 0]);
        for bad in [&b"{}"[..], b"null", b"<html>", b""] {
            assert!(of_data(bad).is_err());
            assert!(of_tags(bad).is_err());
        }
        let tags =
            br#"{"models":[{"name":"b:7b","model":"b:7b","size":1},{"name":"a"},{"size":2}]}"#;
        assert_eq!(of_tags(tags).unwrap(), ["a", "b:7b"]);
    }
}
