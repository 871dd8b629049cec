//! Choosing lines by class until the room is full.

use super::Class;
use crate::clip::cut_bytes;

/// A gap's line at its longest, with its line break.
const GAP_BYTES: usize = 40;
/// Below this nothing but the end of the text is worth showing.
const ROOM_BYTES_MIN: usize = 200;

/// What is shown of a long line at least.
const LINE_BYTES_MIN: usize = 100;

/// So much of the room may be taken up to the end of a class, in percent, before the next had its turn: a
/// thousand names of failing tests must not crowd out how the first one failed.
fn share_percent(class: Class, known: bool) -> usize {
    match class {
        // Where it is known what failed, little else is worth reading.
        Class::Fill if known => 50,
        Class::Last | Class::Title => 40,
        Class::Edge => 50,
        Class::Core => 75,
        Class::Body => 85,
        Class::Hit => 95,
        Class::Rest | Class::Fill | Class::Passing => 100,
    }
}

struct Room<'a> {
    lines: &'a [&'a str],
    taken: Vec<bool>,
    line_limit_bytes: usize,
    bytes: usize,
    count: usize,
    gaps: usize,
}

impl Room<'_> {
    fn line_bytes(&self, at: usize) -> usize {
        self.lines[at].len().min(self.line_limit_bytes) + 1
    }

    fn beside(&self, at: usize) -> bool {
        let taken = |at: usize| self.taken.get(at).is_some_and(|taken| *taken);
        taken(at + 1) || at.checked_sub(1).is_some_and(taken)
    }

    /// Takes a line if all stays within the bounds, which count gaps too.
    fn take(&mut self, at: usize, lines_max: usize, limit_bytes: usize) -> bool {
        if self.taken[at] {
            return true;
        }
        let before = at == 0 || self.taken[at - 1];
        let after = at + 1 == self.lines.len() || self.taken[at + 1];
        let gaps = match (before, after) {
            (true, true) => self.gaps - 1,
            (false, false) => self.gaps + 1,
            _ => self.gaps,
        };
        let bytes = self.bytes + self.line_bytes(at);
        // The last line has no line break.
        if bytes + gaps * GAP_BYTES > limit_bytes.saturating_add(1)
            || self.count + 1 + gaps > lines_max
        {
            return false;
        }
        self.taken[at] = true;
        (self.bytes, self.count, self.gaps) = (bytes, self.count + 1, gaps);
        true
    }

    fn text(&self) -> String {
        let mut out = String::with_capacity(self.bytes + self.gaps * GAP_BYTES);
        let mut hidden = 0;
        for (at, line) in self.lines.iter().enumerate() {
            if !self.taken[at] {
                hidden += 1;
                continue;
            }
            gap(&mut out, hidden);
            hidden = 0;
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&short(line, self.line_limit_bytes));
        }
        out
    }
}

fn gap(out: &mut String, hidden: usize) {
    if hidden == 0 {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let plural = if hidden == 1 { "" } else { "s" };
    out.push_str(&format!("[… {hidden} line{plural} left out …]"));
}

/// A line of at most `limit_bytes`, its middle left out.
fn short(line: &str, limit_bytes: usize) -> String {
    if line.len() <= limit_bytes {
        return line.to_owned();
    }
    cut_bytes(line, limit_bytes.saturating_sub(GAP_BYTES))
}

/// The most telling of `lines`, in their order, within both bounds.
pub(super) fn pick(
    lines: &[&str],
    classes: &[Class],
    lines_max: usize,
    limit_bytes: usize,
) -> String {
    let last = lines.last().copied().unwrap_or_default();
    if limit_bytes < ROOM_BYTES_MIN || lines_max < 3 {
        return end_of(last, limit_bytes);
    }
    let line_limit_bytes = match lines.len() {
        1 => limit_bytes,
        _ => (limit_bytes / 4).max(LINE_BYTES_MIN),
    };
    let mut room = Room {
        lines,
        taken: vec![false; lines.len()],
        line_limit_bytes,
        bytes: 0,
        count: 0,
        gaps: 1,
    };
    room.take(lines.len() - 1, lines_max, limit_bytes);
    let mut order: Vec<usize> = (0..lines.len()).collect();
    // What is only fill is taken from the end, where most tools say how it went.
    order.sort_by_key(|at| match classes[*at] {
        class @ (Class::Fill | Class::Passing) => (class, lines.len() - at),
        class => (class, *at),
    });
    let known = classes.contains(&Class::Title);
    for shared in [true, false] {
        for at in &order {
            let class = classes[*at];
            if class == Class::Passing || (class == Class::Fill && known && !shared) {
                break;
            }
            // Lines of fill say something beside what they led to; alone they are noise.
            if class == Class::Fill && !room.beside(*at) {
                continue;
            }
            let part = |max: usize| match shared {
                true => max.saturating_mul(share_percent(class, known)) / 100,
                false => max,
            };
            let fits = room.take(*at, part(lines_max), part(limit_bytes));
            if !fits && class >= Class::Fill {
                break;
            }
        }
    }
    room.text()
}

/// The end of a line, where there is no room for more.
fn end_of(line: &str, limit_bytes: usize) -> String {
    let mut from = line.len().saturating_sub(limit_bytes);
    while !line.is_char_boundary(from) {
        from += 1;
    }
    line[from..].to_owned()
}
