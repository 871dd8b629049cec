//! Each error code that the product can print has its page, and each page its code.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FOLDER: &str = "docs/errors/";
/// What a person needs to know, in this order.
const PARTS: [&str; 3] = ["## What happened", "## What it changed", "## What to do"];

const WHY_PAGE: &str =
    "`atoll explain CODE` prints its page: an error without one leaves a person alone with it";
const WHY_SOURCE: &str =
    "a page that no error leads to is out of date: delete it, or mend the code that lost it";
const WHY_PARTS: &str = "a page says what happened, what it changed and what to do, in that order";

static CODE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bATL-([0-9]{4})\b"));

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut used = BTreeMap::new();
    for (file, rust) in tree.product() {
        if !file.path.starts_with("crates/") {
            continue;
        }
        for hit in CODE.find_iter(&rust.spoken) {
            let place = format!("{}:{}", file.path, line_of(&rust.spoken, hit.start()));
            used.entry(hit.as_str().to_owned()).or_insert(place);
        }
    }
    for (code, place) in &used {
        if !tree.has(&format!("{FOLDER}{code}.md")) {
            let what = format!("{code} has no page {FOLDER}{code}.md");
            found.push(Finding::fail(place, what, WHY_PAGE));
        }
    }
    for (file, text) in tree.texts() {
        let Some(code) = page_code(&file.path) else {
            continue;
        };
        if !used.contains_key(code) {
            found.push(Finding::fail(
                &file.path,
                format!("nothing prints {code}"),
                WHY_SOURCE,
            ));
        }
        page(code, &file.path, text, &mut found);
    }
    found
}

fn page_code(path: &str) -> Option<&str> {
    let code = path.strip_prefix(FOLDER)?.strip_suffix(".md")?;
    (CODE.find(code)?.as_str() == code).then_some(code)
}

fn page(code: &str, path: &str, text: &str, found: &mut Vec<Finding>) {
    let title = text.lines().next().unwrap_or_default();
    if !title.starts_with(&format!("# {code}: ")) {
        let what = format!("doesn't begin with `# {code}: ` and a sentence");
        found.push(Finding::fail(path, what, WHY_PARTS));
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut from = 0;
    for part in PARTS {
        let at = lines[from..].iter().position(|line| *line == part);
        let said = at.is_some_and(|at| {
            let body = lines[from + at + 1..]
                .iter()
                .take_while(|l| !l.starts_with("## "));
            body.into_iter().any(|line| !line.trim().is_empty())
        });
        match at {
            Some(at) if said => from += at + 1,
            _ => found.push(Finding::fail(path, format!("lacks {part:?}"), WHY_PARTS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::failures;

    const PAGE: &str = "# ATL-0412: too weak\n\n## What happened\n\na\n\n## What it changed\n\nb\n\n## What to do\n\nc\n";
    const SOURCE: (&str, &str) = ("crates/a/src/one.rs", "const C: &str = \"ATL-0412\";");

    #[test]
    fn a_code_with_its_page_passes() {
        let files = [
            SOURCE,
            ("docs/errors/ATL-0412.md", PAGE),
            ("docs/errors/README.md", "x"),
        ];
        assert_eq!(failures(check, &files), [""; 0]);
    }

    #[test]
    fn each_needs_the_other() {
        let found = failures(check, &[SOURCE]);
        assert_eq!(
            found,
            ["crates/a/src/one.rs:1: ATL-0412 has no page docs/errors/ATL-0412.md"]
        );
        let found = failures(check, &[("docs/errors/ATL-0412.md", PAGE)]);
        assert_eq!(found, ["docs/errors/ATL-0412.md: nothing prints ATL-0412"]);
        let comment = ("crates/a/src/one.rs", "// ATL-0412");
        assert_eq!(
            failures(check, &[comment, ("docs/errors/ATL-0412.md", PAGE)]).len(),
            1
        );
    }

    #[test]
    fn a_page_has_its_parts_in_order_and_filled() {
        for (from, to) in [
            ("## What it changed\n\nb\n\n", ""),
            ("\n\nc\n", "\n"),
            ("# ATL-0412: ", "# ATL-0413: "),
            (
                "## What happened\n\na\n\n## What it changed",
                "## What it changed\n\na\n\n## What happened",
            ),
        ] {
            let page = PAGE.replace(from, to);
            let found = failures(check, &[SOURCE, ("docs/errors/ATL-0412.md", &page)]);
            assert!(!found.is_empty(), "{page}");
        }
    }
}
