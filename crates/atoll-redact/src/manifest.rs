//! Kubernetes Secrets: the values below `data` and `stringData` are secret under any name.

use crate::find::{Find, RANK_NAMED};

const WINDOW_BYTES: usize = 4096;
const VALUE_BYTES_MIN: usize = 6;

/// Takes the values of the manifest whose `kind: Secret` holds the hint at `at`.
pub(crate) fn find(text: &str, at: usize, out: &mut Vec<Find>) {
    let bytes = text.as_bytes();
    let line = bytes[at.saturating_sub(16)..at]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(at.saturating_sub(16), |i| at.saturating_sub(16) + i + 1);
    let before = String::from_utf8_lossy(&bytes[line..at]);
    let before = before.trim_end_matches(['"', '\'']).trim_end();
    let ends = bytes
        .get(at + 6)
        .is_none_or(|b| b.is_ascii_whitespace() || b"\"'".contains(b));
    if before != "kind:" || !ends {
        return;
    }
    let mut from = line.saturating_sub(WINDOW_BYTES);
    let mut to = text.len().min(line + WINDOW_BYTES);
    if let Some(i) = memchr::memmem::rfind(&bytes[from..line], b"\n---") {
        from += i + 4;
    }
    if let Some(i) = memchr::memmem::find(&bytes[line..to], b"\n---") {
        to = line + i;
    }
    values(bytes, from, to, out);
}

fn values(bytes: &[u8], from: usize, to: usize, out: &mut Vec<Find>) {
    let (mut at, mut below) = (from, None);
    for line in bytes[from..to].split_inclusive(|b| *b == b'\n') {
        let start = at;
        at += line.len();
        let indent = line.iter().take_while(|b| **b == b' ').count();
        let words = line[indent..].trim_ascii();
        if words.is_empty() {
            continue;
        }
        if words == b"data:" || words == b"stringData:" {
            below = Some(indent);
        } else if below.is_some_and(|outer| indent <= outer) {
            below = None;
        } else if below.is_some() {
            value(bytes, start + indent, words, out);
        }
    }
}

/// The value of `name: value`, without quotes.
fn value(bytes: &[u8], line: usize, words: &[u8], out: &mut Vec<Find>) {
    let Some(colon) = words.windows(2).position(|w| w == b": ") else {
        return;
    };
    let mut start = line + colon + 2;
    let mut end = line + words.len();
    while start < end && b" \"'".contains(&bytes[start]) {
        start += 1;
    }
    while start < end && b"\"'".contains(&bytes[end - 1]) {
        end -= 1;
    }
    let value = &bytes[start..end];
    let said = value.len() >= VALUE_BYTES_MIN && value.iter().all(u8::is_ascii_graphic);
    if said && !b"{$[|>&*".contains(&value[0]) {
        out.push(Find {
            at: start..end,
            kind: "kubernetes-secret",
            rank: RANK_NAMED,
        });
    }
}
