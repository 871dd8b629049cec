//! Tab: commands, names of models, and files of the folder behind an `@`.

use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::slash;
use atoll_domain::Shown;

/// What is offered at once.
const OFFERED_MAX: usize = 50;
/// Files that are looked at when a name is searched for in the whole folder.
const LOOKED_AT_MAX: usize = 20_000;
const DEPTH_MAX: usize = 12;
/// Folders in which nobody looks for a file to talk about.
const SKIPPED: [&str; 4] = ["node_modules", "target", "__pycache__", "venv"];

/// What can be completed in a conversation.
pub struct Completions {
    /// Where `@path` begins.
    pub root: PathBuf,
    /// Models by name.
    pub models: Vec<String>,
}

/// Where the name of a file behind an `@` begins, if the letters before the cursor are one.
fn named(before: &str) -> Option<usize> {
    let begin = before.rfind(|c: char| c.is_whitespace() || "([{'".contains(c));
    let begin = begin.map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    before[begin..].starts_with('@').then_some(begin + 1)
}

impl Completions {
    fn files(&self, word: &str) -> Vec<String> {
        let (folder, begun) = word.rsplit_once('/').map_or(("", word), |(f, b)| (f, b));
        // What lies outside the folder is not read, and so not offered.
        if folder.split('/').any(|part| part == "..") || word.starts_with('/') {
            return Vec::new();
        }
        let mut found = beside(&self.root.join(folder), begun);
        if !folder.is_empty() {
            found
                .iter_mut()
                .for_each(|name| name.insert_str(0, &format!("{folder}/")));
        }
        if found.is_empty() && folder.is_empty() && !begun.is_empty() {
            found = self.anywhere(begun);
        }
        found.retain(|name| Shown::line(name).as_str() == name.as_str());
        found.truncate(OFFERED_MAX);
        found
    }

    /// Files whose name holds `part`, wherever they lie; the shortest paths first.
    fn anywhere(&self, part: &str) -> Vec<String> {
        let part = part.to_lowercase();
        let (mut folders, mut found, mut seen) = (vec![(0, String::new())], Vec::new(), 0);
        while let Some((depth, folder)) = folders.pop() {
            for (name, is_folder) in entries(&self.root.join(&folder)) {
                seen += 1;
                if seen > LOOKED_AT_MAX {
                    break;
                }
                if name.starts_with('.') || (is_folder && SKIPPED.contains(&name.as_str())) {
                    continue;
                }
                let path = match folder.as_str() {
                    "" => name.clone(),
                    folder => format!("{folder}/{name}"),
                };
                if name.to_lowercase().contains(&part) {
                    found.push(format!("{path}{}", if is_folder { "/" } else { "" }));
                }
                if is_folder && depth < DEPTH_MAX {
                    folders.push((depth + 1, path));
                }
            }
        }
        found.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        found
    }

    fn offered(&self, before: &str) -> (usize, Vec<(String, String)>) {
        if let Some(rest) = before.strip_prefix("/model ") {
            let fits = self.models.iter().filter(|name| name.starts_with(rest));
            return (
                before.len() - rest.len(),
                fits.map(|name| (name.clone(), name.clone())).collect(),
            );
        }
        if before.starts_with('/') && !before.contains(char::is_whitespace) {
            let fits = slash::NAMES.iter().filter(|name| name.starts_with(before));
            return (
                0,
                fits.map(|name| ((*name).to_owned(), format!("{name} ")))
                    .collect(),
            );
        }
        let Some(begin) = named(before) else {
            return (before.len(), Vec::new());
        };
        let quoted = |name: String| match name.contains(char::is_whitespace) {
            true if name.ends_with('/') => format!("\"{name}"),
            true => format!("\"{name}\" "),
            false if name.ends_with('/') => name,
            false => format!("{name} "),
        };
        let word = before[begin..].trim_start_matches('"');
        let files = self.files(word);
        (
            begin,
            files
                .into_iter()
                .map(|name| (name.clone(), quoted(name)))
                .collect(),
        )
    }
}

/// Names in a folder, and whether each is a folder. A folder that can't be read has none.
fn entries(folder: &Path) -> Vec<(String, bool)> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.take(LOOKED_AT_MAX)
        .filter_map(|entry| {
            let is_folder = entry.file_type().ok()?.is_dir();
            Some((entry.file_name().into_string().ok()?, is_folder))
        })
        .collect()
}

/// The names in a folder that begin like this; hidden ones only where the dot is typed.
fn beside(folder: &Path, begun: &str) -> Vec<String> {
    let mut found: Vec<String> = entries(folder)
        .into_iter()
        .filter(|(name, _)| {
            name.starts_with(begun) && (begun.starts_with('.') || !name.starts_with('.'))
        })
        .map(|(name, is_folder)| format!("{name}{}", if is_folder { "/" } else { "" }))
        .collect();
    found.sort();
    found
}

impl Completer for Completions {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (begin, offered) = self.offered(line.get(..pos).unwrap_or(line));
        let pair = |(display, replacement)| Pair {
            display,
            replacement,
        };
        Ok((begin, offered.into_iter().map(pair).collect()))
    }
}

/// A line that ends in a backslash goes on.
impl Validator for Completions {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match ctx.input().ends_with('\\') {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}
impl Hinter for Completions {
    type Hint = String;
}
impl Highlighter for Completions {}
impl Helper for Completions {}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        reason = "a test: it makes files of its own"
    )]
    use super::*;

    fn offered(all: &Completions, before: &str) -> (usize, Vec<String>) {
        let (begin, offered) = all.offered(before);
        (begin, offered.into_iter().map(|(_, text)| text).collect())
    }

    #[test]
    fn commands_models_and_files_are_offered() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "till/total.py",
            "till/.env",
            "a b.txt",
            "node_modules/total.js",
            "x\u{1b}[2J",
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let all = Completions {
            root: dir.path().to_owned(),
            models: vec!["mine/a".into(), "mine/b".into()],
        };
        assert_eq!(offered(&all, "/mo"), (0, vec!["/model ".into()]));
        assert_eq!(offered(&all, "/model mine/").1, ["mine/a", "mine/b"]);
        assert_eq!(offered(&all, "why @ti"), (5, vec!["till/".into()]));
        assert_eq!(offered(&all, "why (@till/").1, ["till/total.py "]);
        assert_eq!(offered(&all, "@till/.e").1, ["till/.env "]);
        // By a part of its name, wherever it lies.
        assert_eq!(offered(&all, "@TOTAL").1, ["till/total.py "]);
        assert_eq!(offered(&all, "@a").1, ["\"a b.txt\" "]);
        for nothing in [
            "", "why", "me@till", "@../", "@/etc/", "@x", "@nothing", "a /mo",
        ] {
            assert!(offered(&all, nothing).1.is_empty(), "{nothing}");
        }
    }
}
