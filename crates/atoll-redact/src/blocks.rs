//! Private keys in PEM armour (and OpenSSH's and PGP's), whole blocks of them; a block without an end as far as it
//! reaches.

use memchr::memmem;

use crate::find::{Find, RANK_BLOCK};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// In one line of base64.
const KEY_BYTES_MIN: usize = 20;
const LABEL_LIMIT_BYTES: usize = 64;
/// The longest key there is (RSA of 16,384 bits, an exported PGP ring) is far shorter.
const BLOCK_LIMIT_BYTES: usize = 64 << 10;

/// Takes the block that begins at `begin`, if it is a private key's; up to where it reaches.
pub(crate) fn find(text: &str, begin: usize, out: &mut Vec<Find>) -> usize {
    let at = begin + BEGIN.len();
    let Some(body) = private(text, at) else {
        return at;
    };
    let bytes = text.as_bytes();
    // Up to the next block at most: many beginnings without an end stay linear.
    let limit = bytes.len().min(body + BLOCK_LIMIT_BYTES);
    let next = memmem::find(&bytes[body..limit], BEGIN.as_bytes()).map_or(limit, |i| body + i);
    let end = match memmem::find(&bytes[body..next], END.as_bytes()) {
        Some(i) => close(text, body + i),
        None => body + armour_bytes(&bytes[body..next]),
    };
    if !holds_a_key(&bytes[body..end]) {
        return at;
    }
    out.push(Find {
        at: begin..end,
        kind: "private-key",
        rank: RANK_BLOCK,
    });
    end
}

/// Whether there is more than the line that begins one, which code that reads keys is full of.
fn holds_a_key(body: &[u8]) -> bool {
    let in_base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
    body.split(|b| !in_base64(b))
        .any(|run| run.len() >= KEY_BYTES_MIN)
}

/// Where the body begins, if the label that begins at `at` is a private key's.
fn private(text: &str, at: usize) -> Option<usize> {
    let bytes = &text.as_bytes()[at..text.len().min(at + LABEL_LIMIT_BYTES)];
    let end = memmem::find(bytes, DASHES.as_bytes())?;
    bytes[..end]
        .windows(11)
        .any(|w| w.eq_ignore_ascii_case(b"PRIVATE KEY"))
        .then_some(at + end + DASHES.len())
}

/// Past the label and the dashes that close the end line, as far as they are there.
fn close(text: &str, end: usize) -> usize {
    let label = end + END.len();
    let bytes = &text.as_bytes()[label..text.len().min(label + LABEL_LIMIT_BYTES)];
    let in_label = |b: &u8| b.is_ascii_alphanumeric() || *b == b' ';
    let words = bytes.iter().take_while(|b| in_label(b)).count();
    let dashes = bytes[words..].iter().take(DASHES.len());
    label + words + dashes.take_while(|b| **b == b'-').count()
}

/// The length of what looks like armour: base64, line ends as they are or escaped, headers, plus signs of a diff; and
/// quotes where a further line of it stands in the next string. Another quote ends the string that all of it stands in.
fn armour_bytes(body: &[u8]) -> usize {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+/=\r\n\t \\:,".contains(&b);
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        if b"\"'".contains(byte) {
            match next_line(&body[at + 1..]) {
                Some(gap) => at += gap,
                None => break,
            }
        } else if !fits(*byte) {
            break;
        }
        at += 1;
    }
    // Backslashes belong to the quote behind them, in JSON and in JSON within JSON; pairs are the text's own.
    let quote = body.get(at).is_some_and(|b| b"\"'".contains(b));
    let slashes = body[..at].iter().rev().take_while(|b| **b == b'\\').count();
    at - if quote { [0, 1, 0, 3][slashes % 4] } else { 0 }
}

/// How far behind a quote the next string's opening one stands, if that string is a line of base64.
fn next_line(rest: &[u8]) -> Option<usize> {
    const GAP_BYTES_MAX: usize = 48;
    let between = |b: &u8| b" ,+.\r\n\t\\".contains(b);
    let gap = rest
        .iter()
        .take(GAP_BYTES_MAX)
        .take_while(|b| between(b))
        .count();
    let line = rest.get(gap + 1..).unwrap_or_default();
    let quote = rest.get(gap).is_some_and(|b| b"\"'".contains(b));
    let run = line
        .iter()
        .take(KEY_BYTES_MIN)
        .take_while(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b));
    (quote && run.count() == KEY_BYTES_MIN).then_some(gap + 1)
}
