//! `cargo test`, nextest, and rustc's errors.

use super::marks::until;
use super::{Class, Marks};

pub(super) fn mark(lines: &[&str], marks: &mut Marks) {
    // Blocks don't overlap: each line is looked at once, whatever it holds.
    let mut past = 0;
    for (at, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        if let Some(rest) = line.strip_prefix("test ") {
            if let Some(name) = rest.strip_suffix(" ... FAILED") {
                marks.mark(at, Class::Title);
                marks.name(name);
            } else if rest.ends_with(" ... ok") || rest.contains(" ... ignored") {
                marks.pass(at);
            } else if rest.starts_with("result: FAILED") {
                marks.mark(at, Class::Title);
            } else if rest.starts_with("result: ok") {
                marks.mark(at, Class::Hit);
            }
        } else if is_captured(line) {
            past = until(lines, at + 1, ends_captured);
            marks.block(lines, at, past);
        } else if at < past {
            continue;
        } else if line.starts_with("error: ") || line.starts_with("error[E") {
            past = until(lines, at + 1, |l| l.trim().is_empty());
            marks.block(lines, at, past);
        } else if line.starts_with("warning: ") {
            past = until(lines, at + 1, |l| l.trim().is_empty());
            (at..past).for_each(|at| marks.pass(at));
        } else if let Some(name) = nextest(text, &["FAIL [", "TIMEOUT [", "SIGABRT [", "SIGSEGV ["])
        {
            marks.name(name);
            past = until(lines, at + 1, ends_nextest);
            marks.block(lines, at, past);
        } else if nextest(text, &["PASS ["]).is_some() {
            marks.pass(at);
        } else if text.starts_with("Summary [") {
            marks.mark(at, Class::Title);
        }
    }
}

/// `---- tests::adds stdout ----`
fn is_captured(line: &str) -> bool {
    line.starts_with("---- ") && line.ends_with(" ----") && !line.starts_with("---- -")
}

fn ends_captured(line: &str) -> bool {
    is_captured(line)
        || line == "failures:"
        || line.starts_with("test result: ")
        || ends_nextest(line)
}

fn ends_nextest(line: &str) -> bool {
    let text = line.trim_start();
    let words = ["PASS [", "FAIL [", "Summary [", "Cancel", "────────────"];
    words.iter().any(|word| text.starts_with(word))
}

/// `FAIL [   0.005s] till tests::adds`: the test.
fn nextest<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    let rest = words.iter().find_map(|word| text.strip_prefix(word))?;
    let (time, name) = rest.split_once("s] ")?;
    time.trim().parse::<f64>().is_ok().then_some(name.trim())
}
