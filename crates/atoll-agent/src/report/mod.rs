//! Long output of commands, cut so that what failed stays.
//!
//! A test run of ten thousand lines may say what is wrong in five of them, anywhere. The formats of the usual
//! test runners are recognised line by line (`rust`, `python`, `javascript`, `golang`); each line gets a
//! [`Class`], and `pick` fills the room with the most telling ones, in their order. What no format knows is
//! judged by its words (`generic`). Several formats in one output (a Makefile that runs them all) add up.

mod generic;
mod golang;
mod javascript;
mod marks;
mod pick;
mod plain;
mod python;
mod rust;

pub(crate) use marks::{Class, Marks};
pub(crate) use plain::readable;

/// Names of failing tests that are said at most.
const NAMES_MAX: usize = 8;

/// At most `lines_max` lines and `limit_bytes` bytes of a command's output: failures and the summary first of
/// all, then some of head and tail, then as much of the rest as there is room for. Lines stay in their order;
/// what is left out is counted where it stood. The last line is always there, if only its end.
pub(crate) fn digest(output: &str, lines_max: usize, limit_bytes: usize) -> String {
    let text = output.trim_end();
    if text.len() <= limit_bytes && text.lines().count() <= lines_max {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let marks = marked(&lines);
    pick::pick(&lines, &marks.classes, lines_max, limit_bytes)
}

/// The tests that failed, as one line: `a, b and 3 more`; `None` where the output names none.
pub(crate) fn failing(output: &str) -> Option<String> {
    let lines: Vec<&str> = output.lines().collect();
    let names = marked(&lines).names;
    if names.is_empty() {
        return None;
    }
    let shown = names.iter().take(NAMES_MAX).map(String::as_str);
    let mut said = shown.collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX {
        said.push_str(&format!(" and {} more", names.len() - NAMES_MAX));
    }
    Some(said)
}

fn marked(lines: &[&str]) -> Marks {
    let mut marks = Marks::new(lines.len());
    rust::mark(lines, &mut marks);
    python::mark(lines, &mut marks);
    javascript::mark(lines, &mut marks);
    golang::mark(lines, &mut marks);
    generic::mark(lines, &mut marks);
    marks
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
