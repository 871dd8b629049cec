//! Finding and taking out, in rounds.

use crate::classes::Classes;
use crate::find::Find;
use crate::{placeholder, scan};

/// A text is looked at up to here. What lies beyond is taken out unread.
pub const TEXT_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Taking a secret out can lay another one bare, next to it. Each round finds what the one before uncovered.
const ROUNDS_MAX: usize = 4;

/// A text without what was taken out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The places.
    pub count: u64,
    pub text: String,
}

/// Takes secrets, cards and IBANs out of a text: how many places, and the text with `[redacted:KIND]` in their stead.
/// A second run changes nothing.
pub fn redact(text: &str) -> (u64, String) {
    let Redacted { count, text } = redact_classes(text, Classes::default());
    (count, text)
}

/// The same for the classes that are asked for.
pub fn redact_classes(text: &str, classes: Classes) -> Redacted {
    redact_with(text, classes, TEXT_LIMIT_BYTES, &mut |kind, _| {
        placeholder::plain(kind)
    })
}

/// The same with placeholders of the caller's making, from a kind and a secret.
pub(crate) fn redact_with(
    text: &str,
    classes: Classes,
    limit_bytes: usize,
    mark: &mut dyn FnMut(&'static str, &str) -> String,
) -> Redacted {
    let (head, beyond) = split(text, limit_bytes);
    let (mut count, mut out) = round(head, classes, mark);
    for _ in 1..ROUNDS_MAX {
        if count == 0 {
            break;
        }
        let (more, again) = round(&out, classes, mark);
        if more == 0 {
            break;
        }
        count += more;
        out = again;
    }
    if beyond {
        count += 1;
        out.push_str(&placeholder::plain("unread"));
    }
    Redacted { count, text: out }
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

fn round(
    text: &str,
    classes: Classes,
    mark: &mut dyn FnMut(&'static str, &str) -> String,
) -> (u64, String) {
    replace(text, &scan::finds(text, classes), mark)
}

/// The text with marks for its places, which are in order and apart.
pub(crate) fn replace(
    text: &str,
    finds: &[Find],
    mark: &mut dyn FnMut(&'static str, &str) -> String,
) -> (u64, String) {
    if finds.is_empty() {
        return (0, text.into());
    }
    let (mut done, mut out) = (0, String::with_capacity(text.len()));
    for find in finds {
        out.push_str(&text[done..find.at.start]);
        out.push_str(&mark(find.kind, &text[find.at.clone()]));
        done = find.at.end;
    }
    out.push_str(&text[done..]);
    (finds.len() as u64, out)
}

#[cfg(test)]
fn redact_up_to(text: &str, limit_bytes: usize) -> (u64, String) {
    let Redacted { count, text } =
        redact_with(text, Classes::default(), limit_bytes, &mut |kind, _| {
            placeholder::plain(kind)
        });
    (count, text)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
