//! From a name to its value, through the ways that languages and formats write an assignment.

use std::ops::Range;

const BLANKS_MAX: usize = 8;
const BETWEEN_BYTES_MAX: usize = 48;
const TYPE_BYTES_MAX: usize = 32;
/// So much of a value is judged.
const VALUE_BYTES_MAX: usize = 512;

/// A value, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) at: Range<usize>,
    pub(crate) quoted: bool,
}

/// The value that is assigned to the name at `name`, if one is.
pub(crate) fn value_after(bytes: &[u8], name: &Range<usize>) -> Option<Value> {
    let option = bytes[name.clone()].starts_with(b"--") || bytes[..name.start].ends_with(b"--");
    let mut at = name.end;
    let closed = skip_quote(bytes, &mut at);
    if at < bytes.len() && b"])".contains(&bytes[at]) {
        at += 1;
        // `['key']`, and `("KEY", …)` never closes here.
        skip_quote(bytes, &mut at);
    }
    let here = at;
    let blanks = skip_blanks(bytes, &mut at);
    // C#'s accessors stand between a property and its value.
    if bytes[at..].starts_with(b"{ get;") {
        let rest = bytes[at..].iter().take(BETWEEN_BYTES_MAX);
        at += rest.take_while(|b| **b != b'}').count() + 1;
        at = at.min(bytes.len());
        skip_blanks(bytes, &mut at);
    }
    if let Some(value) = spelled(bytes, here) {
        return Some(value);
    }
    if let Some(next) = operator(bytes, at, closed) {
        let next = below(bytes, next);
        return value(bytes, next, false)
            .filter(|value| !value.at.is_empty())
            .or_else(|| spelled(bytes, next));
    }
    if bytes[at..].starts_with(b"</key>") {
        return listed(bytes, at + b"</key>".len());
    }
    let in_tag = name.start > 0 && bytes[name.start - 1] == b'<' || closed;
    match bytes.get(at) {
        Some(b'>') if in_tag => value(bytes, at + 1, false),
        Some(b'(') => value(bytes, at + 1, true),
        Some(_) if blanks > 0 && option => value(bytes, at, false),
        Some(b) if blanks > 0 && b.is_ascii_lowercase() && !is_set(bytes, name.start) => {
            // Go's `const key string = "…"`; another attribute's `class="…"` is none of it.
            let next = behind_type(bytes, at);
            let apart = next > at + 1 && !closed && bytes[next - 2] == b' ';
            apart.then(|| value(bytes, next, true)).flatten()
        }
        Some(_) if blanks > 0 => value(bytes, at, !is_set(bytes, name.start)),
        _ => None,
    }
}

/// Where the value begins, behind an assignment's sign.
fn operator(bytes: &[u8], at: usize, closed: bool) -> Option<usize> {
    // The last ones are as addresses and JSON write an equals sign.
    const SIGNS: [&[u8]; 17] = [
        b"===", b"||=", b"??=", b"=>", b":=", b"?=", b"==", b"||", b"??", b"+=", b"=", b":",
        b"%3D", b"%3d", b"\\u003d", b"\\u003D", // A table's next cell.
        b"|",
    ];
    let rest = &bytes[at..];
    let mut next = match SIGNS.iter().find(|sign| rest.starts_with(sign)) {
        Some(sign) => at + sign.len(),
        None if closed && rest.starts_with(b",") => at + 1,
        None => return None,
    };
    if rest[0] == b':' && next == at + 1 {
        next = behind_type(bytes, next);
    }
    Some(next)
}

/// Past the sign of a YAML block and its line: `key: |` and the value below.
fn below(bytes: &[u8], at: usize) -> usize {
    let mut next = at;
    skip_blanks(bytes, &mut next);
    if !matches!(bytes.get(next), Some(b'|' | b'>')) {
        return at;
    }
    next += 1;
    next += usize::from(matches!(bytes.get(next), Some(b'-' | b'+')));
    if bytes.get(next) != Some(&b'\n') {
        return at;
    }
    next += 1;
    let rest = bytes[next..].iter().take(BETWEEN_BYTES_MAX);
    next + rest.take_while(|b| **b == b' ').count()
}

/// Past a type that is written between a name and its value: `key: &'static str = "…"`.
fn behind_type(bytes: &[u8], at: usize) -> usize {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"&'<>?_ .[]|".contains(b);
    let length = bytes[at..]
        .iter()
        .take(TYPE_BYTES_MAX)
        .take_while(|b| fits(b))
        .count();
    let sign = at + length;
    match (bytes.get(sign), bytes.get(sign + 1)) {
        (Some(b'='), Some(next)) if length > 1 && b" \"'".contains(next) => sign + 1,
        _ => at,
    }
}

/// `- name: KEY` and below it `value: …`; `{"name": "KEY", "value": "…"}`; `variable "key" { default = "…" }`;
/// `<add key="KEY" value="…"/>`.
fn spelled(bytes: &[u8], mut at: usize) -> Option<Value> {
    let end = bytes.len().min(at + BETWEEN_BYTES_MAX);
    while at < end && (bytes[at].is_ascii_whitespace() || b",{\"'\\".contains(&bytes[at])) {
        at += 1;
    }
    let rest = &bytes[at..];
    let word = [b"value".as_slice(), b"default"]
        .into_iter()
        .find(|word| rest.len() > word.len() && rest[..word.len()].eq_ignore_ascii_case(word))?;
    at += word.len();
    skip_quote(bytes, &mut at);
    skip_blanks(bytes, &mut at);
    if !b":=".contains(bytes.get(at)?) {
        return None;
    }
    value(bytes, at + 1, false)
}

/// A property list's `<string>…</string>` behind its key.
fn listed(bytes: &[u8], at: usize) -> Option<Value> {
    const STRING: &[u8] = b"<string>";
    let rest = bytes[at..].iter().take(BETWEEN_BYTES_MAX);
    let at = at + rest.take_while(|b| b.is_ascii_whitespace()).count();
    let string = bytes[at..].starts_with(STRING);
    string
        .then(|| value(bytes, at + STRING.len(), false))
        .flatten()
}

/// Whether what stands before a name sets it to the next word: `ENV NAME value`, `setx NAME value`, `… set NAME value`.
fn is_set(bytes: &[u8], name: usize) -> bool {
    const WORDS: [&[u8]; 8] = [
        b"ENV ",
        b"ARG ",
        b"setx ",
        b" set ",
        b"set -x ",
        b"set -gx ",
        b"set -Ux ",
        b"secrets:set ",
    ];
    let before = &bytes[name.saturating_sub(12)..name];
    WORDS.iter().any(|word| before.ends_with(word))
}

/// The value that begins here, behind blanks, a prefix of its literal and its quote.
fn value(bytes: &[u8], mut at: usize, must_be_quoted: bool) -> Option<Value> {
    skip_blanks(bytes, &mut at);
    let prefix = bytes.get(at).is_some_and(|b| b"bBrRuUfF@$L".contains(b));
    if prefix && bytes.get(at + 1).is_some_and(|b| b"\"'`".contains(b)) {
        at += 1;
    }
    let opened = at;
    let quoted = skip_quote(bytes, &mut at);
    if must_be_quoted && !quoted {
        return None;
    }
    let quote = if quoted { bytes[at - 1] } else { b' ' };
    let escaped = at - opened > 1;
    if quoted && bytes[at..].starts_with(&[quote, quote]) {
        at += 2;
    }
    let plain = |b: &u8| b.is_ascii_graphic() && !b"\"'`,;()[]{}<>\\|".contains(b);
    let within = |b: &u8| b.is_ascii_graphic() && *b != quote && *b != b'\\';
    let rest = &bytes[at..bytes.len().min(at + VALUE_BYTES_MAX)];
    let mut length = rest.iter().take_while(|b| plain(b)).count();
    if quoted && !escaped {
        let all = rest.iter().take_while(|b| within(b)).count();
        // Other quotes are part of it only where it ends by its own, and ends no string around it.
        let closed = bytes
            .get(at + all)
            .is_none_or(|b| *b == quote || *b == b' ');
        if closed && !ends_a_string(&rest[..all]) {
            length = all;
        }
    }
    let mut end = at + length;
    if quoted && !escaped && bytes.get(end).is_some_and(|b| *b == b' ') {
        // A sentence is no secret.
        return None;
    }
    if !quoted {
        // In an address the next parameter begins at an ampersand.
        let next = |word: &[u8]| memchr::memmem::find(&bytes[at..end], word);
        let query = [next(b"&"), next(b"%26")].into_iter().flatten().min();
        end = query.map_or(end, |i| at + i);
        while end > at && b".:".contains(&bytes[end - 1]) {
            end -= 1;
        }
    }
    Some(Value {
        at: at..end,
        quoted,
    })
}

/// Whether a quote in a value is one of the JSON that the value stands in.
fn ends_a_string(value: &[u8]) -> bool {
    value
        .windows(2)
        .any(|w| w[0] == b'"' && b",:}]".contains(&w[1]))
}

/// Where a value ends that was found to be a secret: behind what was judged of it.
pub(crate) fn value_end(bytes: &[u8], value: &Value) -> usize {
    if value.at.len() < VALUE_BYTES_MAX {
        return value.at.end;
    }
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"+/=_.%~-".contains(b);
    value.at.end + bytes[value.at.end..].iter().take_while(|b| fits(b)).count()
}

/// Past a quote, also one that is escaped once or twice: tools' arguments are JSON within JSON.
fn skip_quote(bytes: &[u8], at: &mut usize) -> bool {
    let slashes = bytes[*at..]
        .iter()
        .take(3)
        .take_while(|b| **b == b'\\')
        .count();
    let quote = bytes
        .get(*at + slashes)
        .is_some_and(|b| b"\"'`".contains(b));
    if quote {
        *at += slashes + 1;
    }
    quote
}

fn skip_blanks(bytes: &[u8], at: &mut usize) -> usize {
    let rest = bytes[*at..].iter().take(BLANKS_MAX);
    let blanks = rest.take_while(|b| b" \t".contains(b)).count();
    *at += blanks;
    blanks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_it_leads_to_the_value() {
        for text in [
            "key=VALUE",
            "key = \"VALUE\"",
            "\"key\": \"VALUE\"",
            "\\\"key\\\": \\\"VALUE\\\"",
            "key: 'VALUE'",
            "key => 'VALUE'",
            "key := `VALUE`",
            "key ||= \"VALUE\"",
            "key || 'VALUE'",
            "['key'] = \"VALUE\"",
            "(\"key\", \"VALUE\")",
            "<key>VALUE</key>",
            "name=\"key\" value=\"VALUE\"",
            "\"name\": \"key\", \"value\": \"VALUE\"",
            "- name: \"key\"\n  value: VALUE",
            "variable \"key\" {\n  default = \"VALUE\"",
            "key: &'static str = \"VALUE\"",
            "key: string = 'VALUE'",
            "--key VALUE",
            "setkey(\"VALUE\")",
            "ENV key VALUE",
            "aws configure set key VALUE",
            "set -gx key VALUE",
            "<key>key</key>\n  <string>VALUE</string>",
            "key = \"\"\"VALUE\"\"\"",
            "\"key\": {\n  \"value\": \"VALUE\"",
            "#define key \"VALUE\"",
            "?key=VALUE&x=1",
            "?x%3D1%26key%3DVALUE%26y",
            "key\\u003dVALUE",
            "key = b'VALUE'",
            "key: |\n    VALUE\n",
            "key: >-\n  VALUE",
            "key string = \"VALUE\"",
            "key { get; set; } = \"VALUE\"",
        ] {
            let at = text
                .find("<key>key")
                .map_or_else(|| text.find("key").unwrap(), |at| at + 5);
            let start = if text.starts_with("--") { 0 } else { at };
            let found = value_after(text.as_bytes(), &(start..at + 3));
            let found = found.map(|value| &text[value.at]);
            assert_eq!(found, Some("VALUE"), "{text}");
        }
        for text in [
            "key is VALUE",
            "key",
            "key VALUE",
            "(key, VALUE)",
            "label=\"key\" class=\"VALUE\"",
            "key class=\"VALUE\"",
            "key = \"a VALUE\"",
        ] {
            let at = text.find("key").unwrap();
            assert_eq!(value_after(text.as_bytes(), &(at..at + 3)), None, "{text}");
        }
    }
}
