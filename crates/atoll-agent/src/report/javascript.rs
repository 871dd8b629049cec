//! node's own runner (TAP and spec), jest, vitest and mocha.

use super::marks::{indent, until};
use super::{Class, Marks};

/// Lines of an uncaught error, at most.
const CRASH_LINES_MAX: usize = 60;
/// How deep mocha's suites are nested, at most.
const SUITES_MAX: usize = 8;

pub(super) fn mark(lines: &[&str], marks: &mut Marks) {
    let mut at = 0;
    while at < lines.len() {
        let text = lines[at].trim_start();
        let end = tap(lines, at, marks)
            .or_else(|| node_spec(lines, at, marks))
            .or_else(|| jest(lines, at, marks))
            .or_else(|| vitest(lines, at, marks))
            .or_else(|| mocha(lines, at, marks));
        let passed = |line: &&str| line.starts_with("ok ");
        if lines[at].starts_with("Node.js v") {
            crash(lines, at, marks);
        } else if lines[at].starts_with("# ") && lines.get(at + 1).is_some_and(passed) {
            marks.pass(at);
        }
        if end.is_none() && is_summary(lines[at]) {
            marks.mark(at, Class::Title);
        } else if end.is_none() && text.starts_with(['✓', '✔', '√']) {
            marks.pass(at);
        }
        at = end.unwrap_or(at + 1).max(at + 1);
    }
}

/// What node says when nobody caught an error: `file:12`, the line, the error and its frames, then its version.
fn crash(lines: &[&str], at: usize, marks: &mut Marks) {
    let placed = |line: &&str| {
        line.rsplit_once(':')
            .is_some_and(|(path, n)| !path.contains(' ') && n.parse::<u32>().is_ok())
    };
    let back = lines[..at].iter().rev().take(CRASH_LINES_MAX);
    if let Some(back) = back.clone().position(placed) {
        marks.block(lines, at - 1 - back, at);
    }
}

fn is_summary(line: &str) -> bool {
    let counted = |rest: &str| rest.trim().parse::<u64>().is_ok();
    let starred = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "));
    if let Some(rest) = starred {
        let words = ["tests ", "pass ", "fail ", "cancelled "];
        return words
            .iter()
            .any(|word| rest.strip_prefix(word).is_some_and(counted));
    }
    let text = line.trim_start();
    let numbered = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    let words = ["Tests:", "Test Suites:", "Tests  ", "Test Files  "];
    if words.iter().any(|word| text.starts_with(word)) {
        return numbered(text);
    }
    let mut tokens = text.split(' ');
    let number = tokens.next().is_some_and(|n| n.parse::<u64>().is_ok());
    number && matches!(tokens.next(), Some("passing" | "failing"))
}

/// `not ok 3 - name` with the YAML that follows it. A suite that failed because its tests did says nothing new.
fn tap(lines: &[&str], at: usize, marks: &mut Marks) -> Option<usize> {
    let (line, text) = (lines[at], lines[at].trim_start());
    let depth = indent(line);
    let failed = text.strip_prefix("not ok ");
    let rest = failed.or_else(|| text.strip_prefix("ok "))?;
    rest.split([' ', '\t']).next()?.parse::<u64>().ok()?;
    let yaml = lines
        .get(at + 1)
        .is_some_and(|l| l.trim() == "---" && indent(l) > depth);
    let end = if yaml {
        let end = until(lines, at + 2, |l| l.trim() == "..." && indent(l) > depth);
        (end + 1).min(lines.len())
    } else {
        at + 1
    };
    let directive = rest.contains("# TODO") || rest.contains("# SKIP");
    let suite = lines[at..end]
        .iter()
        .any(|l| l.contains("'subtestsFailed'"));
    if failed.is_none() || directive || suite {
        (at..end).for_each(|at| marks.pass(at));
    } else {
        marks.name(rest.split_once(" - ").map_or(rest, |r| r.1));
        marks.block(lines, at, end);
    }
    Some(end)
}

/// `test at file:1:2` with `✖ name (1.2ms)` and the error below it, among node's `failing tests`.
fn node_spec(lines: &[&str], at: usize, marks: &mut Marks) -> Option<usize> {
    lines[at].strip_prefix("test at ")?;
    let name = lines.get(at + 1)?.strip_prefix("✖ ")?;
    marks.name(name.rsplit_once(" (").map_or(name, |n| n.0));
    let end = until(lines, at + 2, |l| {
        l.starts_with("test at ") || l.starts_with("[standard error]")
    });
    marks.block(lines, at, end);
    marks.mark(at + 1, Class::Title);
    Some(end)
}

/// `  ● suite › name`
fn jest(lines: &[&str], at: usize, marks: &mut Marks) -> Option<usize> {
    if lines[at].starts_with("FAIL ") {
        marks.mark(at, Class::Title);
        return None;
    }
    let name = lines[at].strip_prefix("  ● ")?;
    let ends = |line: &str| {
        let starts = ["  ● ", "FAIL ", "PASS ", "Test Suites:", "[standard error]"];
        starts.iter().any(|word| line.starts_with(word))
    };
    let end = until(lines, at + 1, ends);
    if !name.starts_with("Console") {
        marks.name(name);
        marks.block(lines, at, end);
    }
    Some(end)
}

/// ` FAIL  file > suite > name`
fn vitest(lines: &[&str], at: usize, marks: &mut Marks) -> Option<usize> {
    let name = lines[at].strip_prefix(" FAIL  ")?;
    let rule = |line: &str| line.starts_with("⎯⎯⎯⎯");
    let end = until(lines, at + 1, |l| {
        l.starts_with(" FAIL  ") || rule(l) || l.starts_with(" Test Files ")
    });
    marks.name(name);
    marks.block(lines, at, end);
    Some(end)
}

/// `  1) suite` below `1 failing`, the test's name on a line of its own that ends with a colon.
fn mocha(lines: &[&str], at: usize, marks: &mut Marks) -> Option<usize> {
    let numbered = |line: &str| {
        let inner = line.strip_prefix("  ")?;
        let (number, rest) = inner.split_once(") ")?;
        number.parse::<u32>().ok().map(|_| rest.to_owned())
    };
    let suite = numbered(lines[at])?;
    let near = lines.iter().enumerate().skip(at + 1).take(SUITES_MAX);
    let (named, name) = near
        .take_while(|(_, l)| !l.trim().is_empty())
        .find(|(_, l)| l.ends_with(':'))?;
    marks.name(&format!("{suite} {}", name.trim().trim_end_matches(':')));
    let end = until(lines, named + 1, |l| {
        numbered(l).is_some() || l.starts_with("[standard error]")
    });
    marks.block(lines, at, end);
    Some(end)
}
