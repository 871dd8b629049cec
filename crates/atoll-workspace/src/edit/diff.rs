use super::lines::{Lines, needle};
use super::locate::{LEVELS, Level, nearest, places};
use super::replace::Fit;
use super::{Applied, Error};

/// One hunk. `Both` lines are context.
struct Hunk<'a> {
    /// The line the header names in the old file, from 1.
    start: Option<usize>,
    /// The header's counts of old and new lines.
    declared: Option<(usize, usize)>,
    /// They agree with the lines.
    counted: bool,
    lines: Vec<(Side, &'a str)>,
    /// There is a `\ No newline at end of file`.
    marked: bool,
    /// It follows a line of the new file.
    unfinished: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

impl<'a> Hunk<'a> {
    fn old(&self) -> Vec<&'a str> {
        self.lines
            .iter()
            .filter(|(s, _)| *s != Side::New)
            .map(|(_, l)| *l)
            .collect()
    }

    fn counts(&self) -> (usize, usize) {
        let count = |not: Side| self.lines.iter().filter(|(s, _)| *s != not).count();
        (count(Side::New), count(Side::Old))
    }

    /// Context lines at the front and at the back.
    fn edges(&self) -> (usize, usize) {
        let both = |l: &&(Side, &str)| l.0 == Side::Both;
        (
            self.lines.iter().take_while(both).count(),
            self.lines.iter().rev().take_while(both).count(),
        )
    }
}

const HUNKS_MAX: usize = 1000;

pub(super) fn apply(text: &str, diff: &str) -> Result<Applied, Error> {
    let hunks = parse(diff)?;
    let lines = Lines::of(text);
    let texts = lines.texts();
    let ending = lines.ending();
    let mut out: Vec<(String, &str)> = Vec::new();
    let mut tolerated: Vec<String> = Vec::new();
    let mut done = 0;
    let was_unfinished = lines.all.last().is_some_and(|(_, e)| e.is_empty());
    let mut shift: isize = 0;
    for (n, hunk) in hunks.iter().enumerate() {
        let name = format!("hunk {}", n + 1);
        let place = locate(&texts, hunk, done, shift, &name)?;
        if let (Some(start), false) = (hunk.start, place.at == usize::MAX) {
            shift = place.at as isize + 1 - start as isize - place.skipped_front as isize;
        }
        tolerated.extend(place.said.iter().map(|s| format!("{name}: {s}")));
        let at = if place.at == usize::MAX { 0 } else { place.at };
        out.extend(
            lines.all[done..at]
                .iter()
                .map(|(t, e)| ((*t).to_owned(), *e)),
        );
        let kept = &hunk.lines[place.skipped_front..hunk.lines.len() - place.skipped_back];
        let old: Vec<&str> = kept
            .iter()
            .filter(|(s, _)| *s != Side::New)
            .map(|(_, l)| *l)
            .collect();
        let fit = Fit::new(&texts[at..at + old.len()], &old, place.level);
        let mut file_at = at;
        for (side, line) in kept {
            match side {
                Side::Both => {
                    out.push((lines.all[file_at].0.to_owned(), lines.all[file_at].1));
                    file_at += 1;
                }
                Side::Old => file_at += 1,
                Side::New => out.push((fit.line(line), ending)),
            }
        }
        done = file_at;
        let at_end = done == lines.all.len() && kept.last().is_some_and(|(s, _)| *s == Side::New);
        // Without a mark the file's own style stays.
        if at_end
            && (hunk.unfinished || (was_unfinished && !hunk.marked))
            && let Some(last) = out.last_mut()
        {
            last.1 = "";
        }
    }
    out.extend(lines.all[done..].iter().map(|(t, e)| ((*t).to_owned(), *e)));
    Ok(Applied {
        text: joined(&out, ending),
        tolerated,
    })
}

// Only the last line may lack its ending.
fn joined(out: &[(String, &str)], ending: &str) -> String {
    let mut text = String::new();
    for (n, (line, own)) in out.iter().enumerate() {
        text.push_str(line);
        text.push_str(if own.is_empty() && n + 1 < out.len() {
            ending
        } else {
            own
        });
    }
    text
}

struct Place {
    /// `usize::MAX`: before the first line of an empty file.
    at: usize,
    level: Level,
    skipped_front: usize,
    skipped_back: usize,
    said: Vec<&'static str>,
}

/// How many context lines at either edge may be wrong.
const FUZZ_MAX: usize = 2;

fn locate(
    texts: &[&str],
    hunk: &Hunk<'_>,
    from: usize,
    shift: isize,
    name: &str,
) -> Result<Place, Error> {
    let old = hunk.old();
    if old.is_empty() || old.iter().all(|l| l.trim().is_empty()) {
        return blank_place(texts, hunk, &old, from, name);
    }
    let (front, back) = hunk.edges();
    for fuzz in 0..=FUZZ_MAX {
        let (skip_front, skip_back) = (fuzz.min(front), fuzz.min(back));
        if fuzz > 0 && skip_front < fuzz && skip_back < fuzz {
            break;
        }
        let wanted = &old[skip_front..old.len() - skip_back];
        for level in LEVELS {
            let found = places(texts, wanted, from, level);
            let Some(at) = choose(&found, hunk, shift, skip_front) else {
                if found.is_empty() {
                    continue;
                }
                return Err(Error::Ambiguous {
                    what: name.to_owned(),
                    lines: found.iter().map(|n| n + 1).collect(),
                });
            };
            let mut said: Vec<&'static str> = level.said().into_iter().collect();
            if fuzz > 0 {
                said.push("some context lines at its edges differed");
            }
            return Ok(Place {
                at,
                level,
                skipped_front: skip_front,
                skipped_back: skip_back,
                said,
            });
        }
    }
    Err(Error::NotFound {
        what: name.to_owned(),
        nearest: nearest(texts, &old),
        already: false,
    })
}

/// The one place that fits; among several, the one whose line number the header
/// states, provided that its counts are right as well (a header that miscounts
/// proves nothing).
fn choose(found: &[usize], hunk: &Hunk<'_>, shift: isize, skipped: usize) -> Option<usize> {
    match found {
        [at] => Some(*at),
        [] => None,
        several => {
            let start = hunk
                .start
                .filter(|_| hunk.counted && shift == 0 && skipped == 0)?;
            several.iter().copied().find(|at| at + 1 == start)
        }
    }
}

// Nothing to recognise the place by: only an empty file, or a header that says where.
fn blank_place(
    texts: &[&str],
    hunk: &Hunk<'_>,
    old: &[&str],
    from: usize,
    name: &str,
) -> Result<Place, Error> {
    let place = |at| Place {
        at,
        level: Level::Exact,
        skipped_front: 0,
        skipped_back: 0,
        said: vec![],
    };
    if texts.is_empty() && old.is_empty() {
        return Ok(place(usize::MAX));
    }
    let stated = hunk
        .start
        .filter(|_| hunk.counted)
        .map(|s| if old.is_empty() { s } else { s.wrapping_sub(1) });
    match stated {
        // A stated line may be any number: its end need not exist.
        Some(at)
            if at >= from
                && at.checked_add(old.len()).and_then(|end| texts.get(at..end)) == Some(old) =>
        {
            Ok(place(at))
        }
        _ => Err(Error::Malformed(format!(
            "{name} has no context lines; add some of the lines around the change"
        ))),
    }
}

fn parse(diff: &str) -> Result<Vec<Hunk<'_>>, Error> {
    let malformed =
        |why: &str| Error::Malformed(format!("{why}; send a unified diff of this one file"));
    let mut hunks: Vec<Hunk<'_>> = Vec::new();
    let mut open = false;
    let mut files = 0;
    let all = needle(diff);
    let mut n = 0;
    while n < all.len() {
        let line = all[n];
        // Lines that a hunk still owes are its own, whatever they look like.
        let owed = open && hunks.last().is_some_and(owes);
        let header =
            line.starts_with("--- ") && all.get(n + 1).is_some_and(|l| l.starts_with("+++ "));
        n += 1;
        if header && !owed {
            files += 1;
            open = false;
            n += 1;
        } else if line.starts_with("diff --git ") || line.starts_with("```") {
            open = false;
        } else if line.starts_with("@@") {
            if hunks.len() >= HUNKS_MAX {
                return Err(malformed("the diff has too many hunks"));
            }
            let (start, declared) =
                range(line).map_or((None, None), |(s, old, new)| (Some(s), Some((old, new))));
            hunks.push(Hunk {
                start,
                declared,
                counted: false,
                lines: vec![],
                marked: false,
                unfinished: false,
            });
            open = true;
        } else if open && let Some(hunk) = hunks.last_mut() {
            body(hunk, line).ok_or_else(|| {
                malformed("a line of a hunk starts with neither a space, `+` nor `-`")
            })?;
        }
    }
    if files > 1 {
        return Err(malformed("the diff is of several files"));
    }
    // A blank last line is the end of the message, not context.
    for hunk in &mut hunks {
        while hunk.declared != Some(hunk.counts())
            && hunk
                .lines
                .last()
                .is_some_and(|(s, l)| *s == Side::Both && l.is_empty())
        {
            hunk.lines.pop();
        }
        hunk.counted = hunk.declared == Some(hunk.counts());
    }
    if hunks
        .iter()
        .all(|h| h.lines.iter().all(|(s, _)| *s == Side::Both))
    {
        return Err(malformed("the diff has no changed line"));
    }
    Ok(hunks)
}

fn owes(hunk: &Hunk<'_>) -> bool {
    let (old, new) = hunk.counts();
    hunk.declared.is_some_and(|(o, n)| old < o && new < n)
}

fn body<'a>(hunk: &mut Hunk<'a>, line: &'a str) -> Option<()> {
    let entry = match line.as_bytes().first() {
        None => (Side::Both, ""),
        Some(b' ') => (Side::Both, &line[1..]),
        // Some leave the first column off for an indented context line.
        Some(b'\t') => (Side::Both, line),
        Some(b'-') => (Side::Old, &line[1..]),
        Some(b'+') => (Side::New, &line[1..]),
        Some(b'\\') => {
            hunk.marked = true;
            hunk.unfinished = hunk.lines.last().is_some_and(|(s, _)| *s != Side::Old);
            return Some(());
        }
        _ => return None,
    };
    hunk.lines.push(entry);
    Some(())
}

/// Start and counts of `@@ -start,old +start,new @@`.
fn range(line: &str) -> Option<(usize, usize, usize)> {
    let mut parts = line.strip_prefix("@@")?.split_whitespace();
    // No file has more lines than 32 bits count, and sums of such numbers can't overflow.
    let number = |p: &str| usize::try_from(p.parse::<u32>().ok()?).ok();
    let read = |p: &str| -> Option<(usize, usize)> {
        let (start, count) = p.split_once(',').unwrap_or((p, "1"));
        Some((number(start)?, number(count)?))
    };
    let (start, old) = read(parts.next()?.strip_prefix('-')?)?;
    let (_, new) = read(parts.next()?.strip_prefix('+')?)?;
    Some((start, old, new))
}
