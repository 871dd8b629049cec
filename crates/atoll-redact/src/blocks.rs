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

/// Past the dashes that close the end line; past `END ` if there are none.
fn close(text: &str, end: usize) -> usize {
    let label = end + END.len();
    let bytes = &text.as_bytes()[label..text.len().min(label + LABEL_LIMIT_BYTES)];
    match memmem::find(bytes, DASHES.as_bytes()) {
        Some(i) => label + i + DASHES.len(),
        None => label,
    }
}

/// The length of what looks like armour: base64, line ends as they are or escaped, headers, quotes, plus signs
/// of a diff.
fn armour_bytes(body: &[u8]) -> usize {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+/=\r\n\t \\:,\"'".contains(&b);
    body.iter().take_while(|b| fits(**b)).count()
}
