//! The papers a project has, and links between them that lead somewhere.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const PAPERS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "LICENSE",
];

const WHY_PAPER: &str = "people look for it by this name before they look for anything else";
const WHY_LINK: &str = "a link that leads nowhere costs its reader's trust in the rest";

static LINK: LazyLock<Regex> = LazyLock::new(|| regex(r"\]\(([^)\s]+)\)"));

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for paper in PAPERS {
        if tree.text(paper).is_none_or(|text| text.trim().is_empty()) {
            found.push(Finding::fail(paper, "is missing or empty", WHY_PAPER));
        }
    }
    let folders: BTreeSet<&str> = tree
        .files()
        .iter()
        .flat_map(|file| file.path.match_indices('/').map(|(at, _)| &file.path[..at]))
        .collect();
    for (file, text) in tree.texts() {
        if !file.path.ends_with(".md") || tree.is_test(&file.path) {
            continue;
        }
        let bare = without_code(text);
        for link in LINK.captures_iter(&bare) {
            let goal = link[1].split('#').next().unwrap_or_default();
            if goal.is_empty() || goal.contains(':') {
                continue;
            }
            let full = resolve(&file.path, goal);
            if !tree.has(&full) && !folders.contains(full.as_str()) {
                let at = link.get(0).map_or(0, |whole| whole.start());
                let place = format!("{}:{}", file.path, line_of(&bare, at));
                found.push(Finding::fail(place, format!("links to {goal}"), WHY_LINK));
            }
        }
    }
    found
}

/// The text with its fenced blocks emptied: what is in them is no link.
fn without_code(text: &str) -> String {
    let mut inside = false;
    let mut bare = String::with_capacity(text.len());
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !inside && !fence {
            bare.push_str(line);
        }
        inside ^= fence;
        bare.push('\n');
    }
    bare
}

/// A relative link as a path from the root.
fn resolve(from: &str, goal: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in goal.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::failures;

    fn papers() -> Vec<(&'static str, &'static str)> {
        PAPERS.into_iter().map(|paper| (paper, "text")).collect()
    }

    #[test]
    fn all_papers_and_good_links_pass() {
        let mut files = papers();
        files.push((
            "docs/errors/ATL-0001.md",
            "[up](../../README.md#top) [all](.) [web](https://example.org)",
        ));
        files.push((
            "docs/a.md",
            "[folder](errors/)\n```\n[code](nowhere)\n```\n[here](#part)",
        ));
        assert_eq!(failures(check, &files), [""; 0]);
    }

    #[test]
    fn a_missing_paper_and_a_dead_link_are_refused() {
        for missing in PAPERS {
            let files: Vec<_> = papers()
                .into_iter()
                .filter(|(name, _)| *name != missing)
                .collect();
            assert_eq!(
                failures(check, &files),
                [format!("{missing}: is missing or empty")]
            );
        }
        let mut files = papers();
        files.push(("docs/a.md", "\n[gone](b.md)"));
        assert_eq!(failures(check, &files), ["docs/a.md:2: links to b.md"]);
    }
}
