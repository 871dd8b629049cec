//! What stands in a text for what was taken out: `[redacted:KIND]`, or `[redacted:KIND#TAG]` in a session.

use std::ops::Range;

pub(crate) const BEGIN: &str = "[redacted:";
const KIND_LIMIT_BYTES: usize = 48;
pub(crate) const TAG_BYTES: usize = 8;
/// Without 0, 1, l and o, which people and models mistake for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Forty bits as eight letters.
pub(crate) fn tag(bits: &[u8]) -> String {
    let all = bits
        .iter()
        .take(5)
        .fold(0_u64, |all, b| all << 8 | u64::from(*b));
    let letter = |i: usize| char::from(ALPHABET[(all >> (35 - 5 * i)) as usize & 31]);
    (0..TAG_BYTES).map(letter).collect()
}

pub(crate) fn plain(kind: &str) -> String {
    format!("{BEGIN}{kind}]")
}

pub(crate) fn tagged(kind: &str, tag: &str) -> String {
    format!("{BEGIN}{kind}#{tag}]")
}

/// Where placeholders stand, of either sort and whoever wrote them.
pub(crate) fn all(text: &str) -> Vec<Range<usize>> {
    let begins = memchr::memmem::find_iter(text.as_bytes(), BEGIN);
    begins
        .filter_map(|at| Some(at..at + BEGIN.len() + rest(&text.as_bytes()[at + BEGIN.len()..])?))
        .collect()
}

/// How long what follows the beginning is, with its bracket.
fn rest(bytes: &[u8]) -> Option<usize> {
    let end = bytes
        .iter()
        .take(KIND_LIMIT_BYTES + 1 + TAG_BYTES + 1)
        .position(|b| *b == b']')?;
    let fits = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-#".contains(b);
    (end > 0 && bytes[..end].iter().all(fits)).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_nothing_else() {
        let text = "é [redacted:github] x [redacted:openai#abcdefgh] [redacted:] [redacted: no] [redacted:a";
        let found: Vec<_> = all(text).into_iter().map(|at| &text[at]).collect();
        assert_eq!(found, ["[redacted:github]", "[redacted:openai#abcdefgh]"]);
        assert_eq!(tag(&[255; 5]), "99999999");
        assert_eq!(tag(&[0; 5]), "aaaaaaaa");
    }
}
