//! `go test`, `go vet` and `go build`.

use super::marks::{indent, until};
use super::{Class, Marks};

/// With `-v` a test's words stand before its end: so many lines are looked back at.
const BACK_LINES_MAX: usize = 200;

pub(super) fn mark(lines: &[&str], marks: &mut Marks) {
    // Blocks don't overlap: each line is looked at once, whatever it holds.
    let mut past = 0;
    for (at, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        if let Some(rest) = text.strip_prefix("--- FAIL: ") {
            let name = rest.rsplit_once(" (").map_or(rest, |r| r.0);
            marks.name(name);
            marks.mark(at, Class::Title);
            if at >= past {
                let depth = indent(line);
                past = until(lines, at + 1, |l| {
                    !l.trim().is_empty() && indent(l) <= depth
                });
                marks.block(lines, at, past);
            }
            before(lines, at, name, marks);
        } else if text.starts_with("--- PASS: ") || line.starts_with("=== ") || *line == "PASS" {
            marks.pass(at);
        } else if line.starts_with("FAIL\t") {
            marks.mark(at, Class::Title);
        } else if line.starts_with("ok  \t") || line.contains("\t[no test files]") {
            marks.pass(at);
        } else if at < past {
            continue;
        } else if line.starts_with("panic: ") {
            past = until(lines, at + 1, |l| {
                l.starts_with("FAIL\t") || l.starts_with("exit status")
            });
            marks.block(lines, at, past);
        } else if line.starts_with("# ") && lines.get(at + 1).is_some_and(|l| l.contains(".go:")) {
            let ends = |l: &str| l.starts_with('#') || !l.contains(':') || l.starts_with("FAIL");
            past = until(lines, at + 1, ends);
            marks.block(lines, at, past);
        }
    }
}

/// What `-v` printed while the test ran.
fn before(lines: &[&str], at: usize, name: &str, marks: &mut Marks) {
    let ran = lines[..at].iter().rev().take(BACK_LINES_MAX);
    let starts = |line: &&str| {
        ["=== RUN   ", "=== NAME  ", "=== CONT  "]
            .iter()
            .any(|word| line.strip_prefix(word).is_some_and(|n| n.trim() == name))
    };
    let Some(back) = ran.clone().position(starts) else {
        return;
    };
    let from = at - 1 - back;
    let end = until(lines, from + 1, |l| {
        l.starts_with("=== ") || l.trim_start().starts_with("--- ")
    });
    if end > from + 1 {
        marks.block(lines, from, end);
    }
}
