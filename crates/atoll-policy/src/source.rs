//! Rule files as they come in, and what is wrong with them.

use std::fmt;

/// The longest rule file, in bytes.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The longest single rule, in bytes without its comments.
const RULE_BYTES_MAX: usize = 8 * 1024;
/// The most brackets, dots and operators in a rule. Parsing and checking recurse once for each of them at
/// worst, and a stack of 2 MiB (a thread's default) ends between 100 and 200 in a debug build.
const OPERATORS_MAX: usize = 100;
/// The most brackets inside brackets.
const DEPTH_MAX: usize = 32;
/// The most rules in a profile with the owner's, or in a workspace.
pub const RULES_MAX: usize = 1024;
/// The most files in one place.
pub(crate) const FILES_MAX: usize = 64;

/// A rule file: what it is called, and its text. Whoever holds it has read it; this crate opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as people should see it: `policy/mine.cedar`.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A file of that name and content.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// Something wrong with a rule file, and what to do about it. It may quote the file: show it through
/// `Shown` where the file isn't the owner's.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            file, line, column, ..
        } = self;
        write!(f, "{file}:{line}:{column}: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// At a byte offset of a file.
    pub(crate) fn at(
        source: &Source,
        offset: usize,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let (line, column) = position(&source.text, offset);
        Problem {
            file: source.name.clone(),
            line,
            column,
            message: message.into(),
            hint,
        }
    }
}

/// Line and column, both from 1, of a byte offset; the end of the text if it lies beyond.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// What is counted of a rule while its file is scanned.
#[derive(Default)]
struct Counted {
    /// Brackets that are open.
    depth: usize,
    /// Bytes without comments and white space.
    bytes: usize,
    /// Brackets, dots and operators.
    operators: usize,
}

impl Counted {
    fn excess(&self) -> Option<String> {
        if self.depth > DEPTH_MAX {
            Some(format!("more than {DEPTH_MAX} brackets inside brackets"))
        } else if self.operators > OPERATORS_MAX {
            Some(format!(
                "more than {OPERATORS_MAX} brackets, dots and operators in a rule"
            ))
        } else if self.bytes > RULE_BYTES_MAX {
            Some(format!(
                "a rule longer than {RULE_BYTES_MAX} bytes without its comments"
            ))
        } else {
            None
        }
    }
}

/// Where each rule begins, in bytes. Refuses what would cost more to parse than a rule is worth: long
/// files, long rules, deep nesting. Comments and strings are skipped as Cedar skips them.
pub(crate) fn starts(source: &Source) -> Result<Vec<usize>, Problem> {
    let text = source.text.as_bytes();
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "the file has {} bytes; {TEXT_BYTES_MAX} is the most",
            text.len()
        );
        return Err(Problem::at(
            source,
            0,
            message,
            Some("split it into several files".into()),
        ));
    }
    let (mut starts, mut rule, mut at) = (Vec::new(), Counted::default(), 0);
    while at < text.len() {
        if text[at..].starts_with(b"//") {
            at += text[at..]
                .iter()
                .position(|b| *b == b'\n')
                .unwrap_or(text.len() - at);
            continue;
        }
        let from = at;
        match text[at] {
            b';' => rule = Counted::default(),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                if rule.bytes == 0 {
                    starts.push(from);
                }
                match byte {
                    b'"' => at = end_of_string(text, at),
                    b'(' | b'[' | b'{' => rule.depth += 1,
                    b')' | b']' | b'}' => rule.depth = rule.depth.saturating_sub(1),
                    _ => {}
                }
                rule.operators += usize::from(nests(text, from));
                rule.bytes += at + 1 - from;
            }
        }
        if let Some(message) = rule.excess() {
            let hint = "split the rule into several".to_owned();
            return Err(Problem::at(source, from, message, Some(hint)));
        }
        at += 1;
    }
    Ok(starts)
}

/// Whether an expression goes one level deeper here: at a bracket, a dot, an operator, or an `if`.
fn nests(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| text.get(at)).copied();
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    match text[at] {
        b'(' | b'[' | b'{' | b'.' | b'!' | b'+' | b'-' | b'*' => true,
        byte @ (b'&' | b'|') => before != Some(byte),
        b'i' => text[at..].starts_with(b"if") && !word(before.as_ref()) && !word(text.get(at + 2)),
        _ => false,
    }
}

/// The index of a string's closing quote, or of the last byte.
fn end_of_string(text: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len().saturating_sub(1))
}
