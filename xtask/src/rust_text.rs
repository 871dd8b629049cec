//! Rust source with its comments, strings and tests blanked out, so that a
//! search finds code and nothing else. Lines and columns stay where they were.

use regex::Regex;
use std::sync::LazyLock;

/// One file's text in three degrees of bareness, all of the same length.
pub struct RustText {
    /// Code alone: comments and the insides of strings are blanks.
    pub code: String,
    /// As `code`, and without what stands under `#[cfg(test)]`.
    pub product: String,
    /// Product code with its strings: comments and tests are blanks.
    pub spoken: String,
    /// Modules declared as `#[cfg(test)] mod name;`.
    pub test_modules: Vec<String>,
    /// The file opens with `#![cfg(test)]`.
    pub all_test: bool,
}

/// A function with a body: its name, and its first and last line from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub first: usize,
    pub last: usize,
}

static CFG_TEST: LazyLock<Regex> = LazyLock::new(|| regex(r"#\[cfg\((all\()?\s*test\b[^\]]*\]"));
static ALL_TEST: LazyLock<Regex> = LazyLock::new(|| regex(r"#!\[cfg\(\s*test\s*\)\]"));
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| regex(r"\bfn\s+([A-Za-z_][A-Za-z0-9_]*)"));
static MODULE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bmod\s+([a-z_0-9]+)\s*;\s*$"));

/// A pattern that is written in this program.
pub fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("a pattern of this program: {error}"))
}

impl RustText {
    pub fn read(text: &str) -> Self {
        let (code, said) = blank(text.as_bytes());
        let mut product = code.clone().into_bytes();
        let mut spoken = said.into_bytes();
        let mut test_modules = Vec::new();
        for found in CFG_TEST.find_iter(&code) {
            let end = item_end(code.as_bytes(), found.end());
            let item = &code[found.end()..end];
            if let Some(module) = MODULE.captures(item) {
                test_modules.push(module[1].to_owned());
            }
            wipe(&mut product[found.start()..end]);
            wipe(&mut spoken[found.start()..end]);
        }
        let all_test = ALL_TEST.is_match(&code);
        Self {
            code,
            product: lossy(product),
            spoken: lossy(spoken),
            test_modules,
            all_test,
        }
    }

    /// Every function that has a body, in the order they begin.
    pub fn functions(text: &str) -> Vec<Function> {
        let bytes = text.as_bytes();
        let bodied = |found: regex::Captures<'_>| {
            let whole = found.get(0)?;
            let open = body_start(bytes, whole.end())?;
            Some(Function {
                name: found[1].to_owned(),
                first: line_of(text, whole.start()),
                last: line_of(text, closing(bytes, open).saturating_sub(1)),
            })
        };
        FUNCTION.captures_iter(text).filter_map(bodied).collect()
    }
}

/// The line, from 1, that a byte offset lies on.
pub fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn lossy(bytes: Vec<u8>) -> String {
    // Only whole runs are blanked, so this is valid; should it not be, a
    // replacement character harms no search.
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn wipe(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// `text` without comments and string contents, and `text` without comments.
fn blank(text: &[u8]) -> (String, String) {
    let mut code = text.to_vec();
    let mut said = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let (end, comment) = match text[at] {
            b'/' if text[at + 1..].starts_with(b"/") => (line_end(text, at), true),
            b'/' if text[at + 1..].starts_with(b"*") => (comment_end(text, at), true),
            b'"' => (string_end(text, at + 1), false),
            b'r' | b'b' | b'c' if !continues_word(text, at) => match raw_end(text, at) {
                Some(end) => (end, false),
                None => (at, false),
            },
            b'\'' => (char_end(text, at), false),
            _ => (at, false),
        };
        if end <= at {
            at += 1;
            continue;
        }
        wipe(&mut code[at..end]);
        if comment {
            wipe(&mut said[at..end]);
        } else {
            // Quotes stay, so that an argument is still seen to be there.
            code[at] = b'"';
            code[end - 1] = b'"';
        }
        at = end;
    }
    (lossy(code), lossy(said))
}

fn continues_word(text: &[u8], at: usize) -> bool {
    at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_')
}

fn line_end(text: &[u8], at: usize) -> usize {
    let rest = text[at..].iter().position(|byte| *byte == b'\n');
    rest.map_or(text.len(), |found| at + found)
}

fn comment_end(text: &[u8], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The end of a string whose opening quote lies before `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The end of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`; `None` if none begins.
fn raw_end(text: &[u8], at: usize) -> Option<usize> {
    let mut next = at + 1;
    let mut raw = text[at] == b'r';
    if !raw && text.get(next) == Some(&b'r') {
        raw = true;
        next += 1;
    }
    let hashes = text[next..].iter().take_while(|b| **b == b'#').count();
    if text.get(next + hashes) != Some(&b'"') || (!raw && hashes > 0) {
        return None;
    }
    let inside = next + hashes + 1;
    if !raw {
        return Some(string_end(text, inside));
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let found = text[inside..]
        .windows(close.len())
        .position(|window| window == close);
    Some(found.map_or(text.len(), |at| inside + at + close.len()))
}

/// The end of a character; `at` itself where a lifetime begins.
fn char_end(text: &[u8], at: usize) -> usize {
    match text.get(at + 1) {
        Some(b'\\') => {
            // The escaped character itself may be a quote.
            let rest = text.get(at + 3..).unwrap_or_default();
            let close = rest.iter().position(|byte| *byte == b'\'');
            close.map_or(at, |found| at + 3 + found + 1)
        }
        Some(_) => {
            // One character of up to four bytes, then the quote.
            let close = text[at + 2..].iter().take(4).position(|b| *b == b'\'');
            let Some(found) = close else { return at };
            let inside = &text[at + 1..at + 2 + found];
            match std::str::from_utf8(inside) {
                Ok(one) if one.chars().count() == 1 => at + 2 + found + 1,
                _ => at,
            }
        }
        None => at,
    }
}

/// Where the item after an attribute ends: at its `;` or its closing brace.
fn item_end(code: &[u8], from: usize) -> usize {
    let mut at = from;
    let mut depth = 0_i32;
    let head = String::from_utf8_lossy(&code[from..code.len().min(from + 64)]).into_owned();
    let is_use = head.trim_start().trim_start_matches("pub").trim_start();
    let is_use = is_use.starts_with("use ") || is_use.starts_with("(crate) use ");
    while at < code.len() {
        match code[at] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            b'{' if depth == 0 && !is_use => return closing(code, at),
            _ => {}
        }
        at += 1;
    }
    code.len()
}

/// The brace that opens a function's body; `None` if a `;` ends it first.
fn body_start(code: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// One past the brace that closes the one at `open`.
fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARD: &str = r##"
// std::fs::write in a comment /* "
/* nested /* std::fs */ still */ let a = "std::fs::write \" // no"; // x
let b = r#"std::fs " "#; let c = b"std::fs"; let d = '"'; let e = '\''; let f = '\u{1F600}';
fn g<'a>(x: &'a str) -> &'a str { real(x, 'é') } let h = br"\"; after();
"##;

    #[test]
    fn comments_and_strings_are_blanks_and_lines_stay() {
        let text = RustText::read(HARD);
        assert!(!text.code.contains("std::fs"), "{}", text.code);
        for kept in ["let a", "let f", "real(x", "&'a str", "after();"] {
            assert!(text.code.contains(kept), "{kept}: {}", text.code);
        }
        assert_eq!(text.spoken.matches("std::fs").count(), 3, "{}", text.spoken);
        assert_eq!(text.code.lines().count(), HARD.lines().count());
    }

    #[test]
    fn tests_are_no_product() {
        let text = RustText::read(
            "fn keep() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn t() { gone() } }\nfn kept() {}\n\
             #[cfg(test)] use a::{gone};\n#[cfg(all(test, unix))]\nmod unix;\n#[cfg(not(test))] fn real() {}",
        );
        assert!(!text.product.contains("gone"), "{}", text.product);
        for kept in ["keep", "kept", "real"] {
            assert!(text.product.contains(kept), "{kept}");
        }
        assert_eq!(text.test_modules, ["unix"]);
        assert!(!text.all_test && RustText::read("#![cfg(test)]").all_test);
    }

    #[test]
    fn functions_are_measured_from_name_to_brace() {
        let text = "trait T { fn none(&self); }\nfn two()\n{ a({ 1 });\n}\nfn arr(x: [u8; 3]) { }";
        let found = RustText::functions(text);
        let brief: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.first, f.last))
            .collect();
        assert_eq!(brief, [("two", 2, 4), ("arr", 5, 5)]);
    }

    #[test]
    fn unfinished_text_ends_without_panic() {
        for text in [
            "\"open",
            "/* open",
            "r#\"open",
            "'",
            "'\\",
            "fn a(",
            "fn a() {",
            "#[cfg(test)]",
            "b'",
        ] {
            let read = RustText::read(text);
            assert_eq!(read.code.len(), text.len());
            RustText::functions(&read.code);
        }
    }
}
