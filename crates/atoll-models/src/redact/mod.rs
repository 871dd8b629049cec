//! Well-known key patterns, taken out of what is sent. Not a promise that a text holds no secret: a net under
//! the rule that credential files are never read at all.
//!
//! Linear in the text: the patterns run on automata, and the few steps by hand look at each byte a bounded
//! number of times. Compiled at the first use, since an idle node has nothing to redact.

mod assigned;
mod blocks;
mod known;

use std::ops::Range;

/// A text is looked at up to here. What lies beyond is taken out unread.
const TEXT_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Taking a secret out can lay another one bare, next to it. Each round finds what the one before uncovered.
const ROUNDS_MAX: usize = 4;

/// A place that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Find {
    at: Range<usize>,
    kind: &'static str,
}

/// Takes well-known key patterns out of a text: how many places, and the text with `[redacted:KIND]` in their
/// stead. A second run changes nothing.
pub fn redact(text: &str) -> (u64, String) {
    redact_up_to(text, TEXT_LIMIT_BYTES)
}

fn redact_up_to(text: &str, limit_bytes: usize) -> (u64, String) {
    let (head, beyond) = split(text, limit_bytes);
    let (mut count, mut out) = round(head);
    for _ in 1..ROUNDS_MAX {
        if count == 0 {
            break;
        }
        let (more, again) = round(&out);
        if more == 0 {
            break;
        }
        count += more;
        out = again;
    }
    if beyond {
        count += 1;
        out.push_str("[redacted:unread]");
    }
    (count, out)
}

/// The part that is looked at. It ends at a blank, so that no key is cut in two and half of it missed.
fn split(text: &str, limit_bytes: usize) -> (&str, bool) {
    if text.len() <= limit_bytes {
        return (text, false);
    }
    let head = &text.as_bytes()[..limit_bytes];
    let word = head
        .iter()
        .rev()
        .take_while(|b| !b.is_ascii_whitespace())
        .count();
    // An ASCII blank is never inside a character.
    (&text[..limit_bytes - word], true)
}

fn round(text: &str) -> (u64, String) {
    let mut finds = Vec::new();
    blocks::find(text, &mut finds);
    known::find(text, &mut finds);
    assigned::find(text, &mut finds);
    if finds.is_empty() {
        return (0, text.into());
    }
    finds.sort_by_key(|f| (f.at.start, std::cmp::Reverse(f.at.end)));
    let (mut count, mut done, mut out) = (0, 0, String::with_capacity(text.len()));
    let mut finds = finds.into_iter().peekable();
    while let Some(find) = finds.next() {
        // What overlaps is one place: leaving a part of either would leave a part of a secret.
        let mut end = find.at.end;
        while let Some(next) = finds.next_if(|next| next.at.start < end) {
            end = end.max(next.at.end);
        }
        out.push_str(&text[done..find.at.start]);
        out.push_str("[redacted:");
        out.push_str(find.kind);
        out.push(']');
        (count, done) = (count + 1, end);
    }
    out.push_str(&text[done..]);
    (count, out)
}

/// The bits of chance in each byte of a text, by how often each byte stands in it.
fn entropy_bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let all = text.len() as f64;
    let part = |n: u32| {
        let p = f64::from(n) / all;
        -p * p.log2()
    };
    counts.into_iter().filter(|n| *n > 0).map(part).sum()
}

#[cfg(test)]
mod tests;
