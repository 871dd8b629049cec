use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::beneath::{Dir, small_file};
use crate::names::RelPath;

const FILE_LIMIT_BYTES: u64 = 256 << 10;
const LINES_MAX: usize = 5_000;
const LINE_BYTES_MAX: usize = 1024;

/// Patterns that no folder of the tree holds: the user's own for every repository, then the
/// repository's `info/exclude`. Bounded, whatever they were made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excludes(String);

impl Excludes {
    /// Of files, the weakest first.
    pub(crate) fn of(files: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut all = String::new();
        for file in files {
            for line in lines(&String::from_utf8_lossy(&file)) {
                all.push_str(line);
                all.push('\n');
            }
        }
        Self(all)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let fine = |l: &&str| l.len() <= LINE_BYTES_MAX;
    text.lines().take(LINES_MAX).filter(fine)
}

/// The .gitignore files of the folders that a walk is in. Their text is
/// untrusted: bounded, read without following symlinks, and only ever matched.
pub(crate) struct Ignores<'a> {
    excludes: &'a Excludes,
    /// For each level with a file: how long the folder's path is, and its rules.
    stack: Vec<(usize, Gitignore)>,
}

impl<'a> Ignores<'a> {
    pub(crate) fn new(excludes: &'a Excludes) -> Self {
        Self {
            excludes,
            stack: Vec::new(),
        }
    }

    /// Reads the rules of the folder `at`; `true` when there were any, and
    /// [`Ignores::leave`] is owed.
    pub(crate) fn enter(&mut self, dir: &Dir, at: Option<&RelPath>) -> bool {
        let own = small_file(dir, ".gitignore", FILE_LIMIT_BYTES).unwrap_or_default();
        let own = String::from_utf8_lossy(&own);
        // Weaker than the folder's own file, so added first.
        let outside = if at.is_none() {
            self.excludes.text()
        } else {
            ""
        };
        if own.is_empty() && outside.is_empty() {
            return false;
        }
        let mut builder = GitignoreBuilder::new("");
        // What `Excludes` holds is bounded already, file by file.
        for line in outside.lines().chain(lines(&own)) {
            // A line that is no pattern ignores nothing, as in git.
            let _ = builder.add_line(None, line);
        }
        let Ok(rules) = builder.build() else {
            return false;
        };
        self.stack
            .push((at.map_or(0, |p| p.as_str().len() + 1), rules));
        true
    }

    pub(crate) fn leave(&mut self) {
        self.stack.pop();
    }

    /// Is `path`, below all folders entered, ignored? The deepest rule decides.
    pub(crate) fn ignored(&self, path: &RelPath, is_dir: bool) -> bool {
        for (skip, rules) in self.stack.iter().rev() {
            let Some(below) = path.as_str().get(*skip..) else {
                continue;
            };
            let found = rules.matched(Path::new(below), is_dir);
            if !found.is_none() {
                return found.is_ignore();
            }
        }
        false
    }
}
