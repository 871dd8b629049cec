//! Where lines stand in a file, from an exact fit to looser ones.

use std::borrow::Cow;

use super::lines::numbered;

/// How alike a place must be. Later ones are looser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Exact,
    Trailing,
    Quotes,
    Indent,
    IndentQuotes,
}

pub(super) const LEVELS: [Level; 5] = [
    Level::Exact,
    Level::Trailing,
    Level::Quotes,
    Level::Indent,
    Level::IndentQuotes,
];

impl Level {
    pub(super) fn said(self) -> Option<&'static str> {
        match self {
            Self::Exact => None,
            Self::Trailing => Some("trailing white space differed"),
            Self::Quotes => Some("typographic characters differed"),
            Self::Indent => Some("the indentation differed by the same amount on every line"),
            Self::IndentQuotes => Some("indentation and typographic characters differed"),
        }
    }

    fn dedents(self) -> bool {
        self >= Self::Indent
    }

    fn folds(self) -> bool {
        matches!(self, Self::Quotes | Self::IndentQuotes)
    }

    fn form<'a>(self, line: &'a str) -> Cow<'a, str> {
        if self == Self::Exact {
            return Cow::Borrowed(line);
        }
        let line = line.trim_end();
        if self.folds() && !line.is_ascii() {
            Cow::Owned(plain(line))
        } else {
            Cow::Borrowed(line)
        }
    }
}

/// ASCII for the characters that get typeset on the way.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' => out.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' => out.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
            '\u{00a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => out.push(' '),
            '\u{2026}' => out.push_str("..."),
            '\u{200b}' | '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

/// The white space that all non-blank lines start with.
pub(super) fn common_indent<'a>(lines: &[&'a str]) -> &'a str {
    let mut common: Option<&'a str> = None;
    for line in lines.iter().filter(|l| !l.trim().is_empty()) {
        let indent = &line[..line.len() - line.trim_start().len()];
        common = Some(match common {
            None => indent,
            Some(c) => {
                let same = c
                    .bytes()
                    .zip(indent.bytes())
                    .take_while(|(a, b)| a == b)
                    .count();
                // White space may be multi-byte: stay on a boundary.
                let same = (0..=same)
                    .rev()
                    .find(|n| c.is_char_boundary(*n))
                    .unwrap_or(0);
                &c[..same]
            }
        });
    }
    common.unwrap_or("")
}

/// How many places are kept: enough to name, few enough to bound the work.
pub(super) const PLACES_MAX: usize = 20;

/// Where `needle` stands in `lines` from line `from` on, at this level.
pub(super) fn places(lines: &[&str], needle: &[&str], from: usize, level: Level) -> Vec<usize> {
    let mut found = Vec::new();
    if needle.is_empty() || needle.iter().all(|l| l.trim().is_empty()) || needle.len() > lines.len()
    {
        return found;
    }
    let needle_indent = if level.dedents() {
        common_indent(needle)
    } else {
        ""
    };
    let forms: Vec<Cow<'_, str>> = needle
        .iter()
        .map(|l| level.form(l.strip_prefix(needle_indent).unwrap_or(l.trim_start())))
        .collect();
    // The first line with something in it decides quickly at most places.
    let key = needle
        .iter()
        .position(|l| !l.trim().is_empty())
        .unwrap_or(0);
    let key_form = level.form(needle[key].trim()).trim().to_owned();
    for at in from..=lines.len() - needle.len() {
        if level.form(lines[at + key].trim()).trim() != key_form {
            continue;
        }
        let window = &lines[at..at + needle.len()];
        let indent = if level.dedents() {
            common_indent(window)
        } else {
            ""
        };
        let fits = window.iter().zip(&forms).all(|(line, form)| {
            let line = line.strip_prefix(indent).unwrap_or(line.trim_start());
            level.form(line) == *form
        });
        if fits {
            found.push(at);
            if found.len() >= PLACES_MAX {
                break;
            }
        }
    }
    found
}

const NEAREST_LINES_MAX: usize = 20_000;

/// The place that is most like `needle`, numbered; empty when none is at all.
pub(super) fn nearest(lines: &[&str], needle: &[&str]) -> String {
    if lines.len() > NEAREST_LINES_MAX || needle.len() > 400 || needle.is_empty() {
        return String::new();
    }
    let wanted: Vec<&str> = needle.iter().map(|l| l.trim()).collect();
    let size = needle.len().min(lines.len());
    // For each line that occurs in the needle, vote for where the needle would start.
    let mut votes = vec![0_usize; lines.len()];
    for (n, want) in wanted.iter().enumerate().filter(|(_, w)| w.len() > 2) {
        for (at, _) in lines.iter().enumerate().filter(|(_, l)| l.trim() == *want) {
            votes[at.saturating_sub(n)] += want.len();
        }
    }
    let best = votes
        .iter()
        .enumerate()
        .max_by_key(|(at, v)| (**v, std::cmp::Reverse(*at)));
    if let Some((at, _)) = best.filter(|(_, v)| **v > 0) {
        return numbered(lines, at.saturating_sub(1), size + 2);
    }
    let longest = wanted
        .iter()
        .max_by_key(|l| l.len())
        .copied()
        .unwrap_or_default();
    let grams = bigrams(longest);
    let alike = lines
        .iter()
        .enumerate()
        .map(|(at, l)| (likeness(&grams, &bigrams(l.trim())), at))
        .max_by_key(|(score, at)| (*score, std::cmp::Reverse(*at)));
    match alike {
        Some((score, at)) if score >= 500 => numbered(lines, at.saturating_sub(2), size.max(1) + 4),
        _ => String::new(),
    }
}

fn bigrams(line: &str) -> Vec<[u8; 2]> {
    let bytes = &line.as_bytes()[..line.len().min(400)];
    let mut grams: Vec<[u8; 2]> = bytes.windows(2).map(|w| [w[0], w[1]]).collect();
    grams.sort_unstable();
    grams
}

/// Dice's coefficient in thousandths, over sorted bigrams.
fn likeness(a: &[[u8; 2]], b: &[[u8; 2]]) -> usize {
    if a.is_empty() || b.is_empty() {
        return 0;
    }
    let (mut i, mut j, mut same) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Equal => (i, j, same) = (i + 1, j + 1, same + 1),
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
        }
    }
    2000 * same / (a.len() + b.len())
}
