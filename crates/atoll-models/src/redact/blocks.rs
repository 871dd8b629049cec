//! Private keys in PEM armour, whole blocks of them; a block without an end as far as it reaches.

use super::Find;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LABEL_LIMIT_BYTES: usize = 64;

pub(super) fn find(text: &str, out: &mut Vec<Find>) {
    let mut at = 0;
    // The next end is looked for once and kept: many beginnings without an end stay linear.
    let mut next_end = None;
    while let Some(begin) = text[at..].find(BEGIN).map(|i| at + i) {
        at = begin + BEGIN.len();
        let Some(body) = private(text, at) else {
            continue;
        };
        if next_end.is_none_or(|end: usize| end < body) {
            next_end = Some(text[body..].find(END).map_or(text.len(), |i| body + i));
        }
        let end = match next_end {
            Some(end) if end < text.len() && is_armour(&text[body..end]) => close(text, end),
            _ => body + armour_bytes(&text[body..]),
        };
        out.push(Find {
            at: begin..end,
            kind: "private-key",
        });
        at = end;
    }
}

/// Where the body begins, if the label that begins at `at` is a private key's.
fn private(text: &str, at: usize) -> Option<usize> {
    let bytes = &text.as_bytes()[at..text.len().min(at + LABEL_LIMIT_BYTES)];
    let end = bytes
        .windows(DASHES.len())
        .position(|w| w == DASHES.as_bytes())?;
    bytes[..end]
        .windows(11)
        .any(|w| w == b"PRIVATE KEY")
        .then_some(at + end + DASHES.len())
}

/// Past the dashes that close the end line; past `END ` if there are none.
fn close(text: &str, end: usize) -> usize {
    let label = end + END.len();
    let bytes = &text.as_bytes()[label..text.len().min(label + LABEL_LIMIT_BYTES)];
    match bytes
        .windows(DASHES.len())
        .position(|w| w == DASHES.as_bytes())
    {
        Some(i) => label + i + DASHES.len(),
        None => label,
    }
}

/// No beginning lies between: then the end belongs to another block.
fn is_armour(body: &str) -> bool {
    !body.contains(BEGIN)
}

/// The length of what looks like armour: base64, line ends as they are or escaped, headers, quotes, plus signs
/// of a diff.
fn armour_bytes(body: &str) -> usize {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+/=\r\n\t \\:,\"'".contains(&b);
    body.bytes().take_while(|b| fits(*b)).count()
}
