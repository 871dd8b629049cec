//! What any output says of trouble: words, the first and last lines, and make's own errors.

use super::{Class, Marks};

/// Lines at the start and at the end that are shown where a format is known, and where none is.
const EDGES: (usize, usize) = (2, 3);
const EDGES_UNKNOWN: (usize, usize) = (8, 12);
/// Lines that are shown after one that looks like trouble.
const AFTER: usize = 3;
/// Of a line, so much is looked at, in bytes.
const LOOK_BYTES: usize = 400;
const WORDS: [&str; 8] = [
    "error",
    "fail",
    "panic",
    "assert",
    "traceback",
    "exception",
    "fatal",
    "undefined",
];
const NO_TROUBLE: [&str; 6] = [
    "0 fail",
    "0 error",
    "no error",
    "no fail",
    "without error",
    "errors=0",
];

pub(super) fn mark(lines: &[&str], marks: &mut Marks) {
    let known = marks.classes.contains(&Class::Title);
    let (head, tail) = if known { EDGES } else { EDGES_UNKNOWN };
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("make: *** ") || (line.starts_with("make[") && line.contains("]: *** "))
        {
            marks.mark(at, Class::Title);
        }
        if marks.classes[at] == Class::Fill && is_trouble(line) {
            let (hit, after) = if known {
                (Class::Hit, Class::Hit)
            } else {
                (Class::Core, Class::Body)
            };
            marks.mark(at, hit);
            if at > 0 {
                marks.mark(at - 1, after.min(Class::Hit));
            }
            for next in at + 1..=at + AFTER {
                // A hit of its own is judged when its turn comes.
                if lines.get(next).is_some_and(|line| !is_trouble(line)) {
                    marks.mark(next, after);
                }
            }
        }
    }
    for at in (0..head.min(lines.len())).chain(lines.len().saturating_sub(tail)..lines.len()) {
        marks.mark(at, Class::Edge);
    }
    if let Some(last) = lines.len().checked_sub(1) {
        marks.mark(last, Class::Last);
    }
}

fn is_trouble(line: &str) -> bool {
    let mut end = line.len().min(LOOK_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let look = line[..end].to_ascii_lowercase();
    WORDS.iter().any(|word| look.contains(word))
        && !NO_TROUBLE.iter().any(|none| look.contains(none))
}
