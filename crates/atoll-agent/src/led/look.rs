//! Which files a failing test is about, which of their lines are shown, and how a line is replaced.

use crate::clip::cut_bytes;

/// Files that are read because the tests' output names them, and because those name them.
const NAMED_MAX: usize = 3;
const FOLLOWED_MAX: usize = 2;
/// Lines of one file that are shown.
const LINES_MAX: usize = 80;
/// A longer line isn't offered, in bytes.
const LINE_BYTES_MAX: usize = 300;
/// Lines before and after the function that a test names, in a longer file.
const BEFORE: usize = 10;
/// Lines of the tests' output that are shown.
const TELLING_MAX: usize = 14;

const SOURCES: [&str; 22] = [
    "py", "rs", "js", "ts", "jsx", "tsx", "mjs", "cjs", "go", "java", "kt", "rb", "php", "c", "h",
    "cc", "cpp", "hpp", "cs", "swift", "sh", "lua",
];

/// A file, or the part of it that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) path: String,
    /// The number of its first line here, from 1.
    pub(super) from: usize,
    pub(super) lines: Vec<String>,
}

impl Shown {
    pub(super) fn new(path: &str, text: &str) -> Shown {
        Shown {
            path: path.to_owned(),
            from: 1,
            lines: lines(text),
        }
    }

    /// Of a long file, what is about one of the words; its beginning otherwise.
    pub(super) fn window(&self, words: &[&str]) -> std::ops::Range<usize> {
        let all = self.lines.len();
        if all <= LINES_MAX {
            return 0..all;
        }
        let defines = |line: &String| {
            let mut parts = idents(line);
            let heads = ["def", "fn", "function", "func", "class", "sub"];
            parts.any(|w| heads.contains(&w)) && idents(line).any(|w| words.contains(&w))
        };
        let at = self.lines.iter().position(defines).unwrap_or(0);
        let start = at.saturating_sub(BEFORE).min(all - LINES_MAX);
        start..start + LINES_MAX
    }
}

/// The lines of a file as `read_file` gives it, without their numbers.
pub(super) fn lines(text: &str) -> Vec<String> {
    let bare = |line: &str| match line.split_once('\t') {
        Some((number, rest)) if number.trim().parse::<u64>().is_ok() => rest.to_owned(),
        _ => line.to_owned(),
    };
    let note = |line: &&str| !(line.starts_with('[') && line.ends_with(']'));
    text.lines().filter(note).map(bare).collect()
}

/// The names in a line of code.
fn idents(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty())
}

/// Names in a text that can be those of functions and files.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text
        .lines()
        .flat_map(idents)
        .filter(|w| w.len() > 2 && !w.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The files of a listing.
fn files(listing: &str) -> impl Iterator<Item = &str> {
    listing.lines().filter_map(|line| {
        let path = line.split("  ").next().unwrap_or_default().trim();
        let extension = path.rsplit_once('.').map(|(_, e)| e);
        extension
            .is_some_and(|e| SOURCES.contains(&e))
            .then_some(path)
    })
}

/// Whether a file holds tests, by its name.
pub(super) fn is_test(path: &str) -> bool {
    path.split(['/', '.', '_', '-'])
        .any(|part| matches!(part, "test" | "tests" | "spec" | "specs" | "conftest"))
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// The files that the output names by their path; where it names none, the first that hold tests.
pub(super) fn named(output: &str, listing: &str) -> Vec<String> {
    let all = files(listing).filter(|path| output.contains(path));
    let mut found: Vec<String> = all.map(str::to_owned).collect();
    if found.is_empty() {
        let tests = files(listing).filter(|path| is_test(path));
        found = tests.map(str::to_owned).collect();
    }
    // What is not a test may be what is wrong.
    found.sort_by_key(|path| is_test(path));
    found.truncate(NAMED_MAX);
    found
}

/// The files whose names stand in the tests: what they take in.
pub(super) fn followed(text: &str, listing: &str, read: &[&str]) -> Vec<String> {
    let words = words(text);
    let all = files(listing).filter(|path| !is_test(path) && !read.contains(path));
    let meant = all.filter(|path| words.binary_search(&stem(path)).is_ok());
    let left = (FOLLOWED_MAX + 1).saturating_sub(read.len());
    meant
        .take(left.min(FOLLOWED_MAX))
        .map(str::to_owned)
        .collect()
}

/// The lines of the tests' output that say something: without rules, counts and headings.
pub(super) fn telling(output: &str, limit_bytes: usize) -> String {
    let digest = crate::report::digest(output, 60, limit_bytes * 2);
    let noise = ["Traceback (", "Ran ", "FAILED (", "[exit code", "exit code"];
    let says = |line: &&str| {
        let line = line.trim();
        line.chars().filter(|c| c.is_alphanumeric()).count() > 3
            && !noise.iter().any(|n| line.starts_with(n))
            && !line.chars().all(|c| ".FEsx".contains(c))
    };
    let kept: Vec<&str> = digest.lines().filter(says).take(TELLING_MAX).collect();
    cut_bytes(&kept.join("\n"), limit_bytes)
}

/// Whether a line can be what is wrong: code, and not what explains it.
fn is_code(line: &str) -> bool {
    let line = line.trim();
    let remarks = [
        "#", "//", "/*", "*", "\"\"\"", "'''", "import ", "from ", "use ", "package ",
    ];
    line.chars().any(char::is_alphanumeric)
        && line.len() <= LINE_BYTES_MAX
        && !remarks.iter().any(|r| line.starts_with(r))
}

/// The lines that are offered: code that stands once in all files.
pub(super) fn offered(files: &[Shown], shown: &[std::ops::Range<usize>]) -> Vec<String> {
    let all = files.iter().zip(shown);
    let all = all.flat_map(|(file, range)| &file.lines[range.clone()]);
    let mut lines: Vec<&str> = Vec::new();
    for line in all.filter(|line| is_code(line)).map(|line| line.trim()) {
        if find(files, line).is_some() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.into_iter().map(str::to_owned).collect()
}

/// The file and line that a text means: it must be one alone.
pub(super) fn find(files: &[Shown], text: &str) -> Option<(usize, usize)> {
    let wanted = text.trim();
    let mut found = None;
    for (file, shown) in files.iter().enumerate() {
        for (at, line) in shown.lines.iter().enumerate() {
            if line.trim() == wanted && is_code(line) {
                if found.is_some() {
                    return None;
                }
                found = Some((file, at));
            }
        }
    }
    found
}

/// What is written instead of a line, indented as that is.
pub(super) fn indented(was: &str, right: &str) -> String {
    let indent: String = was.chars().take_while(|c| c.is_whitespace()).collect();
    let mut lines = right.trim().lines();
    let mut out = format!("{indent}{}", lines.next().unwrap_or_default().trim());
    for line in lines {
        let own = line.starts_with(char::is_whitespace);
        out.push('\n');
        out.push_str(&format!("{}{line}", if own { "" } else { &indent }));
    }
    out.trim_end().to_owned()
}

/// The text that stands in a file with one line changed, and the text that is to stand there with another, from
/// the first to the last that differs, with as many lines before as make it stand once.
pub(super) fn block(
    lines: &[String],
    old: Option<(usize, String)>,
    new: Option<(usize, String)>,
) -> (String, String) {
    let with = |change: &Option<(usize, String)>| -> Vec<String> {
        let mut all = lines.to_vec();
        if let Some((at, text)) = change
            && let Some(line) = all.get_mut(*at)
        {
            line.clone_from(text);
        }
        all
    };
    let (before, after) = (with(&old), with(&new));
    let changed = [&old, &new].into_iter().flatten().map(|(at, _)| *at);
    let (mut start, mut end) = (usize::MAX, 0);
    for at in changed {
        (start, end) = (start.min(at), end.max(at));
    }
    let end = end.min(lines.len().saturating_sub(1));
    start = start.min(end);
    let whole = before.join("\n");
    while start > 0 && whole.matches(&before[start..=end].join("\n")).count() > 1 {
        start -= 1;
    }
    let part = |all: &[String]| all.get(start..=end).unwrap_or_default().join("\n");
    (part(&before), part(&after))
}
