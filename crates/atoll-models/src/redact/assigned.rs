//! Assignments whose name says secret and whose value looks made by chance: `DB_PASSWORD=…`, `"apiKey": "…"`.
//! Names alone prove nothing: code is full of `token = next_token()`, which must stay readable.

use std::sync::LazyLock;

use regex::Regex;

use super::{Find, entropy_bits};

const VALUE_BYTES_MIN: usize = 10;
const VALUE_BYTES_MAX: usize = 512;
const ENTROPY_BITS_MIN: f64 = 3.0;

/// What a name ends in, if it says secret.
const WORDS: &str = "password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|secret[_-]?key|private[_-]?key|account[_-]?key|encryption[_-]?key|signing[_-]?key|credentials?|auth";
/// A quote, also an escaped one: tools' arguments are JSON within JSON.
const QUOTE: &str = r#"(?:\\?["'`])?"#;

/// The name, and all up to the value: an assignment, or an option of a command.
static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let form = format!(
        r"(?i)(?:(?:{WORDS}){QUOTE}[ \t]{{0,8}}(?:=>|:=|=|:)|--[a-z-]{{0,32}}(?:{WORDS})[ \t])[ \t]{{0,8}}{QUOTE}"
    );
    // A test sees that it compiles.
    regex::RegexBuilder::new(&form).unicode(false).build().ok()
});

pub(super) fn find(text: &str, out: &mut Vec<Find>) {
    let Some(names) = NAMES.as_ref() else {
        return;
    };
    for name in names.find_iter(text) {
        let start = name.end();
        let length = text.as_bytes()[start..]
            .iter()
            .take(VALUE_BYTES_MAX)
            .take_while(|b| in_value(**b))
            .count();
        let value = &text[start..start + length];
        if is_secret(value) {
            out.push(Find {
                at: start..start + length,
                kind: "secret",
            });
        }
    }
}

/// No blank, quote, bracket, comma or semicolon; `$` and `%` would be a variable.
fn in_value(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"'`,;()[]{}<>$\\|".contains(&byte)
}

/// Letters and digits mixed, much chance in them, and nothing that is a path, an address or a call.
fn is_secret(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.bytes().any(|b| test(&b));
    value.len() >= VALUE_BYTES_MIN
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !value.contains("://")
        && !value.starts_with(['.', '/', '~', '&', '*', '%', '@', '#'])
        && !looks_like_code(value)
        && entropy_bits(value) >= ENTROPY_BITS_MIN
}

/// `config.auth2.token`, `AUTH_TOKEN_V2`, `sha256_of_password`: names joined by dots, colons or underscores.
fn looks_like_code(value: &str) -> bool {
    let mut parts = value.split(['.', '_', ':', '-']).filter(|p| !p.is_empty());
    let wordy = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let tail = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let one_case = |test: fn(&u8) -> bool| tail.bytes().skip(1).all(|b| test(&b));
        part.len() <= 16
            && digits <= 3
            && tail.bytes().all(|b| b.is_ascii_alphabetic())
            && (one_case(u8::is_ascii_lowercase) || one_case(u8::is_ascii_uppercase))
    };
    parts.all(wordy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_compiles() {
        assert!(NAMES.is_some());
    }
}
