//! A test that is left out says why.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::sync::LazyLock;

const WHY: &str = "a silent #[ignore] is a test that nobody misses: write #[ignore = \"what it needs\"], or delete it";

static BARE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"#\[\s*ignore\s*\]|#\[\s*cfg_attr\([^\]]*,\s*ignore\s*\)\s*\]|\bignore\s*=\s*\x22\s*\x22",
    )
});

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        for hit in BARE.find_iter(&rust.code) {
            // The insides of strings are blanks here: only the text itself
            // tells an empty reason from a given one.
            let given = file.text.as_deref().unwrap_or_default();
            let said = given.get(hit.range()).unwrap_or_default();
            let reason = said
                .split('"')
                .nth(1)
                .is_some_and(|why| !why.trim().is_empty());
            if !reason {
                let place = format!("{}:{}", file.path, line_of(&rust.code, hit.start()));
                found.push(Finding::fail(place, "ignores a test without a reason", WHY));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::failures;

    #[test]
    fn a_reason_is_enough_and_nothing_less() {
        let path = "crates/a/tests/it/main.rs";
        let good = "#[test]\n#[ignore = \"needs two machines\"]\nfn t() {}\n// #[ignore]\nuse ignore::Walk;";
        assert_eq!(failures(check, &[(path, good)]), [""; 0]);
        for bad in [
            "#[ignore]",
            "#[cfg_attr(unix, ignore)]",
            "#[ignore = \"  \"]",
            "#[ignore = \"\"]",
        ] {
            let text = format!("#[test]\n{bad}\nfn t() {{}}");
            let found = failures(check, &[(path, &text)]);
            assert_eq!(
                found,
                [format!("{path}:2: ignores a test without a reason")],
                "{bad}"
            );
        }
    }
}
