//! The list of models.

use serde_json::Value;

use crate::fault::Fault;

const NAMES_MAX: usize = 10_000;
const NAME_LIMIT_BYTES: usize = 256;

/// The names in the answer of `GET …/models`, sorted. Names that could not be asked for again are left out.
pub(in crate::wire) fn listing(body: &[u8]) -> Result<Vec<String>, Fault> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|err| Fault::garbage(format!("the list of models is no JSON ({err})")))?;
    // Most wrap the list in `data`, a few send it bare.
    let rows = value["data"].as_array().or(value.as_array());
    let rows = rows.ok_or_else(|| Fault::garbage("the list of models holds no list"))?;
    let usable = |name: &&str| {
        !name.is_empty() && name.len() <= NAME_LIMIT_BYTES && !name.contains(char::is_control)
    };
    let names = rows.iter().filter_map(|row| row["id"].as_str());
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
        assert_eq!(listing(wrapped).unwrap(), ["a", "b"]);
        assert_eq!(listing(br#"[{"id":"a"}]"#).unwrap(), ["a"]);
        assert_eq!(listing(br#"{"data":[]}"#).unwrap(), [""; 0]);
        for bad in [&b"{}"[..], b"null", b"<html>", b""] {
            assert!(listing(bad).is_err());
        }
    }
}
