//! A place that holds something, and how places that meet become one.

use std::ops::Range;

use crate::placeholder;

/// A place in a text, on whole characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Find {
    pub(crate) at: Range<usize>,
    pub(crate) kind: &'static str,
    /// Whose kind is said where several find one place: the lowest.
    pub(crate) rank: usize,
}

/// A private key is one, whatever stands in it.
pub(crate) const RANK_BLOCK: usize = 0;
/// Rules follow in their order.
pub(crate) const RANK_RULES: usize = 1;
/// What can be checked.
pub(crate) const RANK_CHECKED: usize = 1 << 16;
/// What only its name betrays.
pub(crate) const RANK_NAMED: usize = 1 << 17;

/// The places in order, those that overlap made one: to leave a part of either would leave a part of a secret. The kind
/// is the one of the lowest rank. Placeholders stay whole: a place that cuts into one ends
/// before it or begins behind it.
pub(crate) fn merge(text: &str, mut finds: Vec<Find>) -> Vec<Find> {
    finds.retain(|f| !f.at.is_empty());
    finds.sort_by_key(|f| (f.at.start, f.rank));
    let mut out: Vec<Find> = Vec::new();
    for mut find in finds {
        find.at = whole(text, find.at);
        match out.last_mut() {
            Some(last) if find.at.start < last.at.end => {
                last.at.end = last.at.end.max(find.at.end);
                if find.rank < last.rank {
                    (last.kind, last.rank) = (find.kind, find.rank);
                }
            }
            _ => out.push(find),
        }
    }
    if !out.is_empty() && text.contains(placeholder::BEGIN) {
        let marks = placeholder::all(text);
        out.iter_mut().for_each(|find| spare(find, &marks));
        out.retain(|find| !find.at.is_empty());
    }
    out
}

/// Grown to whole characters.
fn whole(text: &str, at: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (at.start.min(text.len()), at.end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

fn spare(find: &mut Find, marks: &[Range<usize>]) {
    let first = marks.partition_point(|mark| mark.end <= find.at.start);
    for mark in &marks[first..] {
        if mark.start >= find.at.end {
            break;
        }
        let (before, behind) = (mark.start < find.at.start, mark.end > find.at.end);
        if before && behind || *mark == find.at {
            find.at.end = find.at.start;
        } else if before {
            find.at.start = mark.end;
        } else if behind {
            find.at.end = mark.start;
        }
    }
}
