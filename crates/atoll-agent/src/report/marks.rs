//! How telling each line of an output is.

use crate::prompt::one_line;

/// How telling a line is, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// The last line.
    Last,
    /// Names what failed, or sums up.
    Title,
    /// Of the very first and last lines.
    Edge,
    /// Says how it failed: the first failure, and the key lines of the others.
    Core,
    /// The rest of a failure, near its start or end.
    Body,
    /// Looks like trouble.
    Hit,
    /// The middle of a long failure, and frames of a stack.
    Rest,
    /// Anything else.
    Fill,
    /// Says that something passed.
    Passing,
}

/// Lines of the first failure that are shown before the others' details.
const FIRST_LINES_MAX: usize = 40;
/// Lines at the start and at the end of a failure that come before its middle.
const ENDS_LINES: usize = 12;
/// Lines before a failure that are shown with it.
const BEFORE_LINES: usize = 3;
const NAME_CHARS_MAX: usize = 120;
const NAMES_KEPT_MAX: usize = 1000;

/// The classes of an output's lines, and the failing tests it names.
pub(crate) struct Marks {
    pub(crate) classes: Vec<Class>,
    pub(crate) names: Vec<String>,
    blocks: usize,
}

impl Marks {
    pub(crate) fn new(lines: usize) -> Marks {
        Marks {
            classes: vec![Class::Fill; lines],
            names: Vec::new(),
            blocks: 0,
        }
    }

    /// A line is at least this telling.
    pub(crate) fn mark(&mut self, at: usize, class: Class) {
        if let Some(old) = self.classes.get_mut(at) {
            *old = class.min(*old);
        }
    }

    /// A line says that something passed, unless it is known to say more.
    pub(crate) fn pass(&mut self, at: usize) {
        if let Some(old) = self.classes.get_mut(at).filter(|c| **c == Class::Fill) {
            *old = Class::Passing;
        }
    }

    /// A test failed. Said twice, it is named once.
    pub(crate) fn name(&mut self, name: &str) {
        let name = one_line(name, NAME_CHARS_MAX);
        let room = self.names.len() < NAMES_KEPT_MAX;
        if room && !name.is_empty() && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// The lines from `from` up to `to` tell of one failure; the first is its title.
    pub(crate) fn block(&mut self, lines: &[&str], from: usize, to: usize) {
        let to = to.min(lines.len());
        if from >= to {
            return;
        }
        self.mark(from, Class::Title);
        // What stood right before it often says which test was running.
        for at in from.saturating_sub(BEFORE_LINES)..from {
            if self.classes[at] == Class::Fill {
                self.mark(at, Class::Hit);
            }
        }
        let first = self.blocks == 0;
        self.blocks += 1;
        for (at, line) in lines.iter().enumerate().take(to).skip(from) {
            let class = if is_frame(line) {
                Class::Rest
            } else if is_key(line) || (first && at - from < FIRST_LINES_MAX) {
                Class::Core
            } else if at - from < ENDS_LINES || to - at <= ENDS_LINES {
                Class::Body
            } else {
                Class::Rest
            };
            self.mark(at, class);
        }
    }
}

/// A frame of a stack that isn't of the workspace's own code.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    let foreign = [
        "/rustc/",
        "node:internal",
        "node_modules/",
        "/usr/local/go/src/",
        "(node:",
    ];
    let framed = line.starts_with("at ") || line.starts_with('/') || line.contains("(node:");
    let numbered = line
        .split_once(": ")
        .is_some_and(|(n, rest)| n.parse::<u32>().is_ok() && rest.contains("::"));
    let own = numbered
        && !["core::", "std::", "alloc::", "test::", "__"]
            .iter()
            .any(|s| line.contains(s));
    (framed && foreign.iter().any(|f| line.contains(f))) || (numbered && !own)
}

/// Whether a line of a failure says what was wrong, or where.
fn is_key(line: &str) -> bool {
    let text = line.trim_start();
    let starts = [
        "E  ",
        "> ",
        "left:",
        "right:",
        "Expected",
        "Received",
        "expected",
        "actual",
        "error",
        "Error:",
        "location:",
        "- ",
        "+ ",
        "thread '",
        "assert",
        "panic:",
        "Caused by",
        "--> ",
    ];
    let holds = [
        "panicked at",
        "Error: ",
        "!==",
        "want ",
        "expected",
        "Exception",
    ];
    starts.iter().any(|s| text.starts_with(s)) || holds.iter().any(|s| text.contains(s))
}

/// The first line from `from` for which `is` holds; else the end.
pub(crate) fn until(lines: &[&str], from: usize, is: impl Fn(&str) -> bool) -> usize {
    let rest = lines.iter().skip(from);
    rest.take_while(|line| !is(line)).count() + from.min(lines.len())
}

/// How far a line is indented, in bytes.
pub(crate) fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
