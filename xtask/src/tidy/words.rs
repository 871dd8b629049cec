//! Words that have no place in the tree: unfinished work, package registries'
//! host names, paths of somebody's machine.

use super::Finding;
use crate::rust_text::{line_of, regex};
use crate::tree::Tree;
use regex::Regex;
use std::sync::LazyLock;

const WHY_UNFINISHED: &str =
    "what isn't finished is left out, or is an issue; a marker in the tree is neither";
const WHY_REGISTRY: &str = "hosts of package registries are configuration: people use mirrors, and what nobody set the installed tool names (docs/decisions/0008)";
const WHY_MACHINE: &str = "a path of one machine works on no other";

// Written in pieces, so that this file passes its own check.
static UNFINISHED: LazyLock<Regex> =
    LazyLock::new(|| regex(concat!(r"\bto", r"do!|\bunimple", r"mented!")));
static MARKER: LazyLock<Regex> = LazyLock::new(|| regex(concat!(r"\bFIX", r"ME\b")));
static REGISTRY: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"\bcrates\.",
        r"io\b|\bpy",
        r"pi\.org\b|\bpython",
        r"hosted\.org\b",
        r"|\bnpm",
        r"js\.(?:org|com)\b|\bproxy\.go",
        r"lang\.org\b|\bsum\.go",
        r"lang\.org\b",
        r"|\brubygems\.",
        r"org\b",
    ))
});
static MACHINE: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r#"(?:^|[\s"'`(=:])(?:/wo"#,
        r"rk/|/root/\.(?:cargo|rustup|local|config)|/Users/\w)"
    ))
});

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, text) in tree.texts() {
        let path = &file.path;
        if path.ends_with(".lock") || path.ends_with("package-lock.json") || path == "LICENSE" {
            continue;
        }
        look(
            path,
            text,
            &MARKER,
            "an unfinished place",
            WHY_UNFINISHED,
            &mut found,
        );
        look(
            path,
            text,
            &REGISTRY,
            "a registry's host",
            WHY_REGISTRY,
            &mut found,
        );
        match &file.rust {
            Some(rust) => {
                look(
                    path,
                    &rust.code,
                    &UNFINISHED,
                    "unfinished code",
                    WHY_UNFINISHED,
                    &mut found,
                );
                if !tree.is_test(path) {
                    look(
                        path,
                        &rust.spoken,
                        &MACHINE,
                        "a machine's path",
                        WHY_MACHINE,
                        &mut found,
                    );
                }
            }
            None if !tree.is_test(path) => {
                look(
                    path,
                    text,
                    &MACHINE,
                    "a machine's path",
                    WHY_MACHINE,
                    &mut found,
                );
            }
            None => {}
        }
    }
    found
}

fn look(
    path: &str,
    text: &str,
    pattern: &Regex,
    name: &str,
    why: &'static str,
    found: &mut Vec<Finding>,
) {
    for hit in pattern.find_iter(text) {
        let place = format!("{path}:{}", line_of(text, hit.end().saturating_sub(1)));
        let word = hit.as_str().trim();
        found.push(Finding::fail(place, format!("{name}, {word:?}"), why));
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::failures;

    #[test]
    fn ordinary_text_passes() {
        let files = [
            (
                "crates/a/src/one.rs",
                "// what to do! at /workspace/x\nconst A: &str = \"todo: /homework/\";",
            ),
            (
                "docs/a.md",
                "See https://example.org/crates and registry.example.",
            ),
            ("Cargo.lock", concat!("source = \"crates.", "io\"")),
            (
                "crates/a/tests/it/main.rs",
                concat!("const P: &str = \"/wo", "rk/x\";"),
            ),
        ];
        assert_eq!(failures(check, &files), [""; 0]);
    }

    #[test]
    fn each_word_is_refused_with_its_line() {
        for text in [
            concat!("\nfn f() { to", "do!() }"),
            concat!("\nfn f() { unimple", "mented!() }"),
            concat!("\n// FIX", "ME later"),
            concat!("\nconst R: &str = \"https://registry.npm", "js.org/\";"),
            concat!("\nconst R: &str = \"index.crates.", "io\";"),
            concat!("\nconst P: &str = \"/wo", "rk/main\";"),
            concat!("\nconst P: &str = \"/root/.car", "go/bin\";"),
        ] {
            let found = failures(check, &[("crates/a/src/one.rs", text)]);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].starts_with("crates/a/src/one.rs:2: "), "{found:?}");
        }
        let page = concat!("run it in /wo", "rk/main");
        assert_eq!(failures(check, &[("docs/a.md", page)]).len(), 1);
    }
}
