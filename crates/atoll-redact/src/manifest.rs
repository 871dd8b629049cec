//! Kubernetes Secrets: the values below `data` and `stringData` are secret under any name.

use crate::find::{Find, RANK_NAMED};

/// How far from its kind a manifest is read.
const WINDOW_BYTES: usize = 32 << 10;
const KIND_BYTES_MAX: usize = 16;
const VALUE_BYTES_MIN: usize = 6;

/// Takes the values of the manifest whose `kind: Secret` holds the hint at `at`; up to where it was read. What stands
/// before `done` was read already.
pub(crate) fn find(text: &str, at: usize, done: usize, out: &mut Vec<Find>) -> usize {
    let bytes = text.as_bytes();
    let near = at.saturating_sub(KIND_BYTES_MAX);
    let line = memchr::memrchr(b'\n', &bytes[near..at]).map_or(near, |i| near + i + 1);
    let quote = |b: &u8| b"\"' ".contains(b);
    let quotes = bytes[line..at]
        .iter()
        .rev()
        .take_while(|b| quote(b))
        .count();
    let ends = bytes
        .get(at + "secret".len())
        .is_none_or(|b| b.is_ascii_whitespace() || b"\"'".contains(b));
    if at < done || !ends || bytes[line..at - quotes] != *b"kind:" {
        return done;
    }
    let mut from = line.saturating_sub(WINDOW_BYTES).max(done);
    let mut to = text.len().min(line + WINDOW_BYTES);
    if let Some(i) = memchr::memmem::rfind(&bytes[from..line], b"\n---") {
        from += i + 4;
    } else if from > done {
        // Whole lines: half a value is none.
        from += memchr::memchr(b'\n', &bytes[from..line]).unwrap_or(0);
    }
    match memchr::memmem::find(&bytes[line..to], b"\n---") {
        Some(i) => to = line + i,
        None => to += memchr::memchr(b'\n', &bytes[to..]).unwrap_or(bytes.len() - to),
    }
    values(bytes, from, to, out);
    to
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
