//! pytest and unittest.

use super::marks::until;
use super::{Class, Marks};

/// How an error that nobody caught begins; its last line says which.
const TRACEBACK: &str = "Traceback (most recent call last):";

pub(super) fn mark(lines: &[&str], marks: &mut Marks) {
    let mut failures = false;
    let mut summary = false;
    for (at, line) in lines.iter().enumerate() {
        if let Some(title) = barred(line, '=') {
            failures = matches!(title, "FAILURES" | "ERRORS");
            summary = title == "short test summary info";
            if counted(title) {
                marks.mark(at, Class::Title);
            }
        } else if failures && barred(line, '_').is_some() {
            let ends = |line: &str| barred(line, '_').is_some() || barred(line, '=').is_some();
            marks.block(lines, at, until(lines, at + 1, ends));
        } else if summary {
            let words = ["FAILED ", "ERROR "];
            if let Some(rest) = words.iter().find_map(|word| line.strip_prefix(word)) {
                marks.mark(at, Class::Title);
                marks.name(rest.split(" - ").next().unwrap_or(rest));
            } else if counted(line) {
                marks.mark(at, Class::Title);
            }
        } else if !failures && *line == TRACEBACK {
            let end = until(lines, at + 1, |l| !l.starts_with(' '));
            marks.block(lines, at, end + 1);
        } else if is_progress(line) {
            marks.pass(at);
        } else {
            unittest(lines, at, marks);
        }
    }
}

/// The words of `==== words ====`.
fn barred(line: &str, bar: char) -> Option<&str> {
    let rest = line.trim_end();
    let title = rest.trim_matches(bar);
    let inner = title.strip_prefix(' ')?.strip_suffix(' ')?;
    let bars = rest.len() - title.len();
    // `_ _ _ _` parts one failure's frames.
    (bars >= 2 && !inner.is_empty() && !inner.starts_with('_')).then_some(inner)
}

/// `1 failed, 8 passed in 0.12s`
fn counted(text: &str) -> bool {
    text.rsplit_once(" in ").is_some_and(|(counts, time)| {
        counts.starts_with(|c: char| c.is_ascii_digit())
            && time.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// `tests/test_a.py ....    [ 12%]` and `tests/test_a.py::test_b PASSED [ 1%]`, where nothing failed.
fn is_progress(line: &str) -> bool {
    let Some((head, _)) = line.strip_suffix("%]").and_then(|l| l.rsplit_once('[')) else {
        return false;
    };
    let head = head.trim_end();
    head.ends_with(" PASSED") || head.ends_with(['.', 's', 'x']) && !head.contains(['F', 'E'])
}

fn unittest(lines: &[&str], at: usize, marks: &mut Marks) {
    let line = lines[at];
    let ruled = at > 0 && lines[at - 1].starts_with("==========") && !lines[at - 1].contains(' ');
    let name = line
        .strip_prefix("FAIL: ")
        .or_else(|| line.strip_prefix("ERROR: "));
    if let Some(name) = name.filter(|_| ruled) {
        marks.name(name.split(' ').next().unwrap_or(name));
        let ends = |line: &str| line.starts_with("==========") || line.starts_with("Ran ");
        marks.block(lines, at, until(lines, at + 1, ends));
    } else if (line.starts_with("Ran ") && line.contains(" test")) || line.starts_with("FAILED (") {
        marks.mark(at, Class::Title);
    } else if line.ends_with(" ... ok") {
        marks.pass(at);
    }
}
