use similar::{Algorithm, DiffTag};

use super::lines::{Lines, all_crlf, needle, to_crlf};
use super::locate::{LEVELS, Level, PLACES_MAX, common_indent, nearest, places, plain};
use super::{Applied, Error};

const WHAT: &str = "the search text";

pub(super) fn apply(text: &str, search: &str, replace: &str, all: bool) -> Result<Applied, Error> {
    if search.trim().is_empty() {
        return Err(Error::Malformed(
            "the search text is empty; give the lines to replace, or the whole file".to_owned(),
        ));
    }
    if search == replace {
        return Err(Error::NoChange);
    }
    let mut tolerated = Vec::new();
    if !text.contains(search) && (all_crlf(text) || (search.contains('\r') && !text.contains('\r')))
    {
        // One style in the file: work without it and put it back.
        let had_crlf = all_crlf(text);
        let lf = |s: &str| s.replace("\r\n", "\n");
        let done = at_lf(&lf(text), &lf(search), &lf(replace), all, &mut tolerated)?;
        tolerated.insert(0, "line endings differed".to_owned());
        return Ok(Applied {
            text: if had_crlf { to_crlf(&done) } else { done },
            tolerated,
        });
    }
    let text = at_lf(text, search, replace, all, &mut tolerated)?;
    Ok(Applied { text, tolerated })
}

fn at_lf(
    text: &str,
    search: &str,
    replace: &str,
    all: bool,
    tolerated: &mut Vec<String>,
) -> Result<String, Error> {
    if let Some(done) = exact(text, search, replace, all)? {
        return Ok(done);
    }
    let lines = Lines::of(text);
    let texts = lines.texts();
    let as_is = (needle(search), needle(replace));
    let variants = variants(&as_is.0, &as_is.1);
    for level in LEVELS {
        for variant in &variants {
            let found = places(&texts, &variant.search, 0, level);
            match found[..] {
                [] => {}
                [at] => {
                    tolerated.extend(variant.said.iter().map(|s| (*s).to_owned()));
                    tolerated.extend(level.said().map(str::to_owned));
                    return Ok(splice(&lines, at, &variant.search, &variant.replace, level));
                }
                _ => {
                    return Err(Error::Ambiguous {
                        what: WHAT.into(),
                        lines: found.iter().map(|n| n + 1).collect(),
                    });
                }
            }
        }
    }
    let already = replace.trim().len() > 8 && text.matches(replace.trim()).count() == 1;
    Err(Error::NotFound {
        what: WHAT.into(),
        nearest: nearest(&texts, &as_is.0),
        already,
    })
}

fn exact(text: &str, search: &str, replace: &str, all: bool) -> Result<Option<String>, Error> {
    let places: Vec<usize> = overlapping(text, search);
    match places.len() {
        0 => Ok(None),
        _ if all => Ok(Some(text.replace(search, replace))),
        1 => {
            let at = places[0];
            Ok(Some(
                [&text[..at], replace, &text[at + search.len()..]].concat(),
            ))
        }
        _ => {
            let line = |at: usize| text[..at].matches('\n').count() + 1;
            Err(Error::Ambiguous {
                what: WHAT.into(),
                lines: places.into_iter().map(line).collect(),
            })
        }
    }
}

// `"aa"` fits `"aaa"` twice: two places that share a character are still two.
fn overlapping(text: &str, search: &str) -> Vec<usize> {
    let step = search.chars().next().map_or(1, char::len_utf8);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(search) {
        found.push(from + at);
        from += at + step;
        if found.len() >= PLACES_MAX || from > text.len() {
            break;
        }
    }
    found
}

struct Variant<'a> {
    search: Vec<&'a str>,
    replace: Vec<&'a str>,
    said: Vec<&'static str>,
}

/// The needle as it is, then without blank edges, then without line numbers.
fn variants<'a>(search: &[&'a str], replace: &[&'a str]) -> Vec<Variant<'a>> {
    let mut all = vec![Variant {
        search: search.to_vec(),
        replace: replace.to_vec(),
        said: vec![],
    }];
    let edged = without_edges(search);
    if edged.len() < search.len() {
        let said = vec!["blank lines around the search text were ignored"];
        all.push(Variant {
            search: edged,
            replace: without_edges(replace),
            said,
        });
    }
    for spaced in [false, true] {
        let Some(bare) = without_numbers(search, spaced) else {
            continue;
        };
        let replace = without_numbers(replace, spaced).unwrap_or_else(|| replace.to_vec());
        let said = vec!["line numbers in the search text were ignored"];
        let edged = without_edges(&bare);
        let shorter = edged.len() < bare.len();
        all.push(Variant {
            search: bare,
            replace: replace.clone(),
            said: said.clone(),
        });
        if shorter {
            all.push(Variant {
                search: edged,
                replace: without_edges(&replace),
                said,
            });
        }
    }
    all
}

fn without_edges<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let blank = |l: &&&str| l.trim().is_empty();
    let front = lines.iter().take_while(blank).count();
    let back = lines[front..].iter().rev().take_while(blank).count();
    lines[front..lines.len() - back].to_vec()
}

/// The lines without the numbers that a file viewer put before them: only when
/// every line has one and they count up by one. `spaced`: a space follows the mark.
fn without_numbers<'a>(lines: &[&'a str], spaced: bool) -> Option<Vec<&'a str>> {
    let mut last: Option<u64> = None;
    let mut out = Vec::new();
    for line in lines {
        let rest = line.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let n: u64 = rest.get(..digits)?.parse().ok()?;
        if last.is_some_and(|l| n != l + 1) {
            return None;
        }
        last = Some(n);
        let rest = &rest[digits..];
        let bare = if let Some(tabbed) = rest.strip_prefix('\t') {
            tabbed
        } else {
            let marked = rest
                .trim_start_matches(' ')
                .strip_prefix(['|', '→', ':', '│'])?;
            if spaced {
                marked
                    .strip_prefix(' ')
                    .or(marked.is_empty().then_some(""))?
            } else {
                marked
            }
        };
        out.push(bare);
    }
    (!out.is_empty()).then_some(out)
}

/// Puts `replace` where `search` stands at line `at`. Lines that both share keep
/// the file's own text; new ones take the file's indentation and endings.
fn splice(lines: &Lines<'_>, at: usize, search: &[&str], replace: &[&str], level: Level) -> String {
    let window: Vec<&str> = lines.all[at..at + search.len()]
        .iter()
        .map(|(t, _)| *t)
        .collect();
    let ending = lines.ending();
    let mut middle: Vec<(String, &str)> = Vec::new();
    let fit = Fit::new(&window, search, level);
    for op in similar::capture_diff_slices(Algorithm::Myers, search, replace) {
        if op.tag() == DiffTag::Equal {
            for n in op.old_range() {
                let (text, own) = lines.all[at + n];
                middle.push((text.to_owned(), if own.is_empty() { ending } else { own }));
            }
        } else {
            middle.extend(op.new_range().map(|n| (fit.line(replace[n]), ending)));
        }
    }
    // A file without a last newline stays without one.
    let to_end = at + search.len() == lines.all.len();
    let unfinished = lines.all.last().is_some_and(|(_, e)| e.is_empty());
    if to_end
        && unfinished
        && let Some(last) = middle.last_mut()
    {
        last.1 = "";
    }
    let mut out = String::new();
    lines.all[..at]
        .iter()
        .for_each(|(t, e)| out.extend([*t, *e]));
    middle
        .iter()
        .for_each(|(t, e)| out.extend([t.as_str(), *e]));
    lines.all[at + search.len()..]
        .iter()
        .for_each(|(t, e)| out.extend([*t, *e]));
    out
}

/// How new lines are fitted into a place that was found loosely.
pub(super) struct Fit<'a> {
    from: &'a str,
    to: &'a str,
    shifts: bool,
    straighten: bool,
}

impl<'a> Fit<'a> {
    pub(super) fn new(window: &[&'a str], search: &[&'a str], level: Level) -> Self {
        let shifts = level >= Level::Indent;
        // The search was typeset and the file is not: so is the replacement.
        let straighten = matches!(level, Level::Quotes | Level::IndentQuotes)
            && window.iter().all(|l| plain(l) == *l)
            && search.iter().any(|l| plain(l) != *l);
        Self {
            from: common_indent(search),
            to: common_indent(window),
            shifts,
            straighten,
        }
    }

    pub(super) fn line(&self, line: &str) -> String {
        let text = if self.straighten {
            plain(line)
        } else {
            line.to_owned()
        };
        if !self.shifts || text.trim().is_empty() {
            return text;
        }
        match text.strip_prefix(self.from) {
            Some(rest) => format!("{}{rest}", self.to),
            // Shallower than the search: take as much from the file's indentation.
            None => {
                let own = text.len() - text.trim_start().len();
                let less = self.from.len().saturating_sub(own);
                let keep = self.to.len().saturating_sub(less);
                let keep = (0..=keep)
                    .rev()
                    .find(|n| self.to.is_char_boundary(*n))
                    .unwrap_or(0);
                format!("{}{}", &self.to[..keep], text.trim_start())
            }
        }
    }
}
