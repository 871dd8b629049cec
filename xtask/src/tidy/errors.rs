//! Each error code has its page under its own title, and each page its code.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FOLDER: &str = "docs/errors/";
/// The one list of codes: `NAME = 412, 3, "title";`.
const TABLE: &str = "crates/atoll-api/src/codes.rs";
/// What a person needs to know, in this order.
const PARTS: [&str; 3] = ["## What happened", "## What it changed", "## What to do"];

const WHY_PAGE: &str =
    "`atoll explain CODE` prints its page: an error without one leaves a person alone with it";
const WHY_SOURCE: &str =
    "a page that no error leads to is out of date: delete it, or mend the code that lost it";
const WHY_PARTS: &str = "a page says what happened, what it changed and what to do, in that order, under the title that the error itself prints";
const WHY_TABLE: &str = "codes come from the one list in atoll-api, so that none means two things";
const WHY_UNUSED: &str = "a code that nothing raises promises an error that can't happen";

static CODE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bATL-([0-9]{4})\b"));
static ENTRY: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?m)^\s*([A-Z][A-Z0-9_]*) = ([0-9]{1,4}), [0-9]+, "([^"]*)";"#));

struct Entry {
    constant: String,
    title: String,
    place: String,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let table = table(tree);
    for (code, entry) in &table {
        match tree.text(&format!("{FOLDER}{code}.md")) {
            Some(text) => page(code, &entry.title, text, &mut found),
            None => {
                let what = format!("{code} has no page {FOLDER}{code}.md");
                found.push(Finding::fail(&entry.place, what, WHY_PAGE));
            }
        }
    }
    for file in tree.files() {
        let code = page_code(&file.path);
        if code.is_some_and(|code| !table.contains_key(code)) {
            found.push(Finding::fail(
                &file.path,
                "is the page of no code",
                WHY_SOURCE,
            ));
        }
    }
    strays(tree, &table, &mut found);
    unused(tree, &table, &mut found);
    found
}

/// The list of codes by their printed form, `ATL-0412`.
fn table(tree: &Tree) -> BTreeMap<String, Entry> {
    let text = tree.text(TABLE).unwrap_or_default();
    let entry = |found: regex::Captures<'_>| {
        let number: u16 = found[2].parse().ok()?;
        let entry = Entry {
            constant: found[1].to_owned(),
            title: found[3].to_owned(),
            place: format!("{TABLE}:{}", line_of(text, found.get(1)?.start())),
        };
        Some((format!("ATL-{number:04}"), entry))
    };
    ENTRY.captures_iter(text).filter_map(entry).collect()
}

/// Codes written out in the product that the list doesn't hold.
fn strays(tree: &Tree, table: &BTreeMap<String, Entry>, found: &mut Vec<Finding>) {
    for (file, rust) in tree.product() {
        if !file.path.starts_with("crates/") {
            continue;
        }
        for hit in CODE.find_iter(&rust.spoken) {
            if !table.contains_key(hit.as_str()) {
                let place = format!("{}:{}", file.path, line_of(&rust.spoken, hit.start()));
                let what = format!("{} is not in {TABLE}", hit.as_str());
                found.push(Finding::fail(place, what, WHY_TABLE));
            }
        }
    }
}

fn unused(tree: &Tree, table: &BTreeMap<String, Entry>, found: &mut Vec<Finding>) {
    for (code, entry) in table {
        let name = regex(&format!(r"\b{}\b", entry.constant));
        let mut elsewhere = tree.product().filter(|(file, _)| file.path != TABLE);
        if !elsewhere.any(|(_, rust)| name.is_match(&rust.product)) {
            let what = format!("nothing raises {code} ({})", entry.constant);
            found.push(Finding::warn(&entry.place, what, WHY_UNUSED));
        }
    }
}

fn page_code(path: &str) -> Option<&str> {
    let code = path.strip_prefix(FOLDER)?.strip_suffix(".md")?;
    (CODE.find(code)?.as_str() == code).then_some(code)
}

fn page(code: &str, title: &str, text: &str, found: &mut Vec<Finding>) {
    let path = format!("{FOLDER}{code}.md");
    let wanted = format!("# {code}: {title}");
    if text.lines().next() != Some(wanted.as_str()) {
        let what = format!("doesn't begin with {wanted:?}");
        found.push(Finding::fail(&path, what, WHY_PARTS));
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut from = 0;
    for part in PARTS {
        let at = lines[from..].iter().position(|line| *line == part);
        let said = at.is_some_and(|at| {
            let body = lines[from + at + 1..].iter();
            body.take_while(|line| !line.starts_with("## "))
                .any(|line| !line.trim().is_empty())
        });
        match at {
            Some(at) if said => from += at + 1,
            _ => found.push(Finding::fail(&path, format!("lacks {part:?}"), WHY_PARTS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLE, check};
    use crate::tidy::testing::{failures, warnings};

    const PAGE: &str = "# ATL-0412: too weak\n\n## What happened\n\na\n\n## What it changed\n\nb\n\n## What to do\n\nc\n";
    const LIST: (&str, &str) = (
        TABLE,
        "codes! {\n    SANDBOX_WEAK = 412, 3, \"too weak\";\n}",
    );
    const USER: (&str, &str) = (
        "crates/atoll-node/src/a.rs",
        "fn f() -> Code { codes::SANDBOX_WEAK }\nconst C: &str = \"ATL-0412\";",
    );

    #[test]
    fn a_code_with_its_page_and_its_user_passes() {
        let page = ("docs/errors/ATL-0412.md", PAGE);
        let files = [LIST, USER, page, ("docs/errors/README.md", "x")];
        assert_eq!(failures(check, &files), [""; 0]);
        assert_eq!(warnings(check, &files), [""; 0]);
        assert_eq!(warnings(check, &[LIST, page]).len(), 1, "nothing raises it");
    }

    #[test]
    fn each_needs_the_other() {
        let lonely = failures(check, &[LIST]);
        let said = format!("{TABLE}:2: ATL-0412 has no page docs/errors/ATL-0412.md");
        assert_eq!(lonely, [said]);
        let page = ("docs/errors/ATL-0413.md", PAGE);
        assert_eq!(
            failures(check, &[page]),
            ["docs/errors/ATL-0413.md: is the page of no code"]
        );
        let stray = failures(check, &[USER]);
        assert_eq!(stray, [format!("{}:2: ATL-0412 is not in {TABLE}", USER.0)]);
    }

    #[test]
    fn a_page_has_its_title_and_its_parts_in_order_and_filled() {
        for (from, to) in [
            ("## What it changed\n\nb\n\n", ""),
            ("\n\nc\n", "\n"),
            ("# ATL-0412: ", "# ATL-0413: "),
            ("too weak", "something else"),
            (
                "## What happened\n\na\n\n## What it changed",
                "## What it changed\n\na\n\n## What happened",
            ),
        ] {
            let page = PAGE.replace(from, to);
            let found = failures(check, &[LIST, USER, ("docs/errors/ATL-0412.md", &page)]);
            assert!(!found.is_empty(), "{page}");
        }
    }
}
