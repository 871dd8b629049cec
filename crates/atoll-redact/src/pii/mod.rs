//! Personal data that can be checked: what passes no check is left alone.

mod card;
mod email;
mod iban;
mod phone;

use crate::classes::Classes;
use crate::find::{Find, RANK_CHECKED};

pub(crate) fn find(text: &str, classes: Classes, out: &mut Vec<Find>) {
    let bytes = text.as_bytes();
    if classes.cards {
        card::find(bytes, out);
    }
    if classes.ibans {
        iban::find(bytes, out);
    }
    if classes.emails {
        email::find(bytes, out);
    }
    if classes.phones {
        phone::find(bytes, out);
    }
}

fn checked(start: usize, end: usize, kind: &'static str) -> Find {
    Find {
        at: start..end,
        kind,
        rank: RANK_CHECKED,
    }
}

/// The runs of at least `length_min` bytes that `fits` takes. One byte in `length_min` is looked at, and what stands
/// around it if it fits: no run is missed, and most of a text is never read.
fn runs(bytes: &[u8], length_min: usize, fits: fn(u8) -> bool, mut each: impl FnMut(usize, usize)) {
    let (mut at, mut from) = (length_min - 1, 0);
    while at < bytes.len() {
        if fits(bytes[at]) {
            let before = bytes[from..at]
                .iter()
                .rev()
                .take_while(|b| fits(**b))
                .count();
            let behind = bytes[at..].iter().take_while(|b| fits(**b)).count();
            let (start, end) = (at - before, at + behind);
            if end - start >= length_min {
                each(start, end);
            }
            from = end;
            at = end + length_min;
        } else {
            at += length_min;
        }
    }
}

/// Whether a byte is part of a word.
fn in_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}
