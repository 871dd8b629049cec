//! Phone numbers: international ones with their plus (ITU-T E.164), national ones behind a word that says phone.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{checked, in_word};
use crate::find::Find;

const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 15;
const NATIONAL_DIGITS_MIN: usize = 7;
const WORD_REACH_BYTES: usize = 16;
const WORDS: [&str; 8] = [
    "telephone",
    "telefon",
    "phone",
    "mobile",
    "whatsapp",
    "cell",
    "tel",
    "fax",
];

static WORDS_AT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst);
    builder.build(WORDS).ok()
});

pub(super) fn find(bytes: &[u8], out: &mut Vec<Find>) {
    for at in memchr::memchr_iter(b'+', bytes) {
        let starts = bytes.get(at + 1).is_some_and(|b| (b'1'..=b'9').contains(b));
        if !starts || at > 0 && (in_word(bytes.get(at - 1)) || b"/+=".contains(&bytes[at - 1])) {
            continue;
        }
        if let Some(end) = number(bytes, at + 1, DIGITS_MIN) {
            out.push(checked(at, end, "phone"));
        }
    }
    national(bytes, out);
}

fn national(bytes: &[u8], out: &mut Vec<Find>) {
    let Some(words) = WORDS_AT.as_ref() else {
        return;
    };
    let mut done = 0;
    for word in words.find_iter(bytes) {
        if in_word(bytes.get(word.end())) && !bytes[word.end()..].starts_with(b"_") {
            continue;
        }
        let rest = &bytes[word.end()..bytes.len().min(word.end() + WORD_REACH_BYTES)];
        let between = |b: &u8| b" .:=\"'\t_-".contains(b);
        let mut gap = rest.iter().take_while(|b| between(b)).count();
        if rest[gap..].len() > 6 && rest[gap..gap + 6].eq_ignore_ascii_case(b"number") {
            gap += 6;
            gap += rest[gap..].iter().take_while(|b| between(b)).count();
        }
        let at = word.end() + gap;
        let starts = bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_digit() || *b == b'(');
        if !starts || at < done || gap == 0 {
            continue;
        }
        if let Some(end) = number(bytes, at, NATIONAL_DIGITS_MIN) {
            out.push(checked(at, end, "phone"));
            done = end;
        }
    }
}

/// Where the number that begins here ends: groups of digits with one blank, dot, hyphen, slash or bracket between.
fn number(bytes: &[u8], at: usize, digits_min: usize) -> Option<usize> {
    let (mut i, mut end, mut digits, mut signs) = (at, at, 0, 0);
    while let Some(byte) = bytes.get(i) {
        if byte.is_ascii_digit() {
            (digits, signs, end) = (digits + 1, 0, i + 1);
        } else if b" .-/()".contains(byte) && signs < 2 {
            signs += 1;
        } else {
            break;
        }
        i += 1;
    }
    let good = (digits_min..=DIGITS_MAX).contains(&digits) && !in_word(bytes.get(end));
    good.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_and_sums_stay() {
        let text = "call +49 30 1234567 or +1 (415) 555-2671; tel: 030 123 45 67, phone number 0171/1234567, \"mobile\": \"415-555-2671\". \
            a+12345678 x=+1234 0123456789 UTC+02:00 +1234567890123456789 base64+12345678ab";
        let mut out = Vec::new();
        find(text.as_bytes(), &mut out);
        let mut found: Vec<_> = out.into_iter().map(|f| &text[f.at]).collect();
        found.sort_unstable();
        assert_eq!(
            found,
            [
                "+1 (415) 555-2671",
                "+49 30 1234567",
                "0171/1234567",
                "030 123 45 67",
                "415-555-2671"
            ]
        );
    }
}
