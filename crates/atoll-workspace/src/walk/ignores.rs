use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::beneath::{Dir, small_file};
use crate::names::RelPath;

const FILE_LIMIT_BYTES: u64 = 256 << 10;
const LINES_MAX: usize = 5_000;
const LINE_BYTES_MAX: usize = 1024;

/// The .gitignore files of the folders that a walk is in. Their text is
/// untrusted: bounded, read without following symlinks, and only ever matched.
#[derive(Default)]
pub(crate) struct Ignores {
    /// For each level with a file: how long the folder's path is, and its rules.
    stack: Vec<(usize, Gitignore)>,
}

impl Ignores {
    /// Reads the rules of the folder `at`; `true` when there were any, and
    /// [`Ignores::leave`] is owed.
    pub(crate) fn enter(&mut self, dir: &Dir, at: Option<&RelPath>) -> bool {
        let mut texts = Vec::new();
        if at.is_none() {
            // Weaker than the folder's own file, so added first.
            texts.extend(small_file(dir, ".git/info/exclude", FILE_LIMIT_BYTES));
        }
        texts.extend(small_file(dir, ".gitignore", FILE_LIMIT_BYTES));
        if texts.is_empty() {
            return false;
        }
        let mut builder = GitignoreBuilder::new("");
        for text in &texts {
            for line in String::from_utf8_lossy(text)
                .lines()
                .take(LINES_MAX)
                .filter(|l| l.len() <= LINE_BYTES_MAX)
            {
                // A line that is no pattern ignores nothing, as in git.
                let _ = builder.add_line(None, line);
            }
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
