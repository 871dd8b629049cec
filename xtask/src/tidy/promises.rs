//! Each promise of the threat model names the tests that hold it, and each of them is there.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const PAGE: &str = "docs/security/threat-model.md";

const WHY_TEST: &str = "a promise of security that no test holds is a hope: name the test that fails when it is broken";
const WHY_PAGE: &str =
    "who decides whether to rely on this looks for what is promised against whom";

static TEST_FN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\bfn\s+([a-z][a-z0-9_]*)\s*(?:<[^>]*>)?\("));
static NAMED: LazyLock<Regex> = LazyLock::new(|| regex(r"`([a-z][a-z0-9_]*)`"));

pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PAGE) else {
        return vec![Finding::fail(PAGE, "is missing", WHY_PAGE)];
    };
    let tests = tests(tree);
    let mut found = Vec::new();
    let (mut at, mut promises) = (0, false);
    for line in text.split_inclusive('\n') {
        let place = || format!("{PAGE}:{}", line_of(text, at));
        match cells(line).as_slice() {
            [] => promises = false,
            [.., last] if *last == "held by" => promises = true,
            [first, ..] if first.starts_with("--") => {}
            [.., last] if promises => named(last, &tests, place(), &mut found),
            _ => {}
        }
        at += line.len();
    }
    found
}

/// The cells of a table's row; none where it isn't one.
fn cells(line: &str) -> Vec<&str> {
    let row = line
        .trim()
        .strip_prefix('|')
        .and_then(|l| l.strip_suffix('|'));
    row.map_or_else(Vec::new, |row| row.split('|').map(str::trim).collect())
}

/// The functions of all tests.
fn tests(tree: &Tree) -> BTreeSet<&str> {
    let all = tree.texts().filter(|(file, text)| {
        file.path.ends_with(".rs") && (tree.is_test(&file.path) || text.contains("#[test]"))
    });
    all.flat_map(|(_, text)| TEST_FN.captures_iter(text))
        .filter_map(|found| Some(found.get(1)?.as_str()))
        .collect()
}

fn named(cell: &str, tests: &BTreeSet<&str>, place: String, found: &mut Vec<Finding>) {
    let names: Vec<&str> = NAMED
        .captures_iter(cell)
        .filter_map(|name| Some(name.get(1)?.as_str()))
        .collect();
    if names.is_empty() {
        found.push(Finding::fail(&place, "names no test", WHY_TEST));
    }
    for name in names.into_iter().filter(|name| !tests.contains(name)) {
        let what = format!("names the test {name}, which isn't there");
        found.push(Finding::fail(&place, what, WHY_TEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: (&str, &str) = (
        "crates/a/tests/it/box.rs",
        "#[test]\nfn a_job_sees_nothing() {}\n",
    );

    fn whats(page: &str) -> Vec<String> {
        let tree = Tree::of(&[TEST, (PAGE, page)]);
        check(&tree)
            .into_iter()
            .map(|f| f.place + " " + &f.what)
            .collect()
    }

    #[test]
    fn a_promise_names_tests_that_are_there() {
        let page = "# T\n\n| promise | held by |\n|---|---|\n| none sees | `a_job_sees_nothing` |\n\n| a | b |\n|---|---|\n| c | `d` |\n";
        assert_eq!(whats(page), [""; 0]);
        let page = page.replace(
            "`a_job_sees_nothing`",
            "`a_job_sees_all`, `a_job_sees_nothing`",
        );
        assert_eq!(
            whats(&page),
            [format!(
                "{PAGE}:5 names the test a_job_sees_all, which isn't there"
            )]
        );
        let page = page.replace("`a_job_sees_all`, `a_job_sees_nothing`", "some test");
        assert_eq!(whats(&page), [format!("{PAGE}:5 names no test")]);
        assert_eq!(check(&Tree::of(&[TEST])).len(), 1, "the page is missed");
    }
}
