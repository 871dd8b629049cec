//! Room sizes: files, functions and faces stay small enough to be read.

use super::Finding;
use crate::rust_text::RustText;
use crate::tree::{File, Tree};

const FILE_LINES_GOOD: usize = 500;
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_GOOD: usize = 70;
const FUNCTION_LINES_MAX: usize = 100;
const FACE_LINES_MAX: usize = 80;
const SCRIPT_LINES_MAX: usize = 300;

const WHY_FILE: &str = "a room is read in one sitting; split it by the nouns it holds";
const WHY_FUNCTION: &str = "a function does one thing; name its parts";
const WHY_FACE: &str =
    "lib.rs is a face: mod lines and re-exports, so that a crate's door is seen at a glance";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let lines = rust.code.lines().count();
        measure(
            &file.path,
            lines,
            "",
            FILE_LINES_GOOD,
            FILE_LINES_MAX,
            WHY_FILE,
            &mut found,
        );
        for function in RustText::functions(&rust.code) {
            let place = format!("{}:{}", file.path, function.first);
            let lines = function.last + 1 - function.first;
            let name = format!("fn {} ", function.name);
            let (good, max) = (FUNCTION_LINES_GOOD, FUNCTION_LINES_MAX);
            measure(&place, lines, &name, good, max, WHY_FUNCTION, &mut found);
        }
        if file.path.ends_with("src/lib.rs") {
            face(file, rust, lines, &mut found);
        }
    }
    for (file, text) in tree.texts() {
        let script = file.path == "dev" || file.path.starts_with("dev.d/");
        let lines = text.lines().count();
        if script && lines > SCRIPT_LINES_MAX {
            found.push(Finding::fail(
                &file.path,
                format!("has {lines} lines"),
                WHY_FILE,
            ));
        }
    }
    found
}

fn measure(
    place: &str,
    lines: usize,
    name: &str,
    good: usize,
    max: usize,
    why: &'static str,
    found: &mut Vec<Finding>,
) {
    if lines > max {
        let what = format!("{name}has {lines} lines, {max} at most ({good} is the aim)");
        found.push(Finding::fail(place, what, why));
    } else if lines > good {
        let what = format!("{name}has {lines} lines, {good} is the aim");
        found.push(Finding::warn(place, what, why));
    }
}

fn face(file: &File, rust: &RustText, lines: usize, found: &mut Vec<Finding>) {
    if lines > FACE_LINES_MAX {
        let what = format!("has {lines} lines, {FACE_LINES_MAX} at most");
        found.push(Finding::fail(&file.path, what, WHY_FACE));
    }
    for function in RustText::functions(&rust.product) {
        let place = format!("{}:{}", file.path, function.first);
        found.push(Finding::fail(
            place,
            format!("holds fn {}", function.name),
            WHY_FACE,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{failures, warnings};

    fn lines(count: usize) -> String {
        "// a line\n".repeat(count)
    }

    fn function(count: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    one();\n".repeat(count - 2))
    }

    #[test]
    fn small_rooms_pass() {
        let files = [
            ("crates/a/src/one.rs", lines(500)),
            ("crates/a/src/two.rs", function(70)),
            (
                "crates/a/src/lib.rs",
                "mod one;\npub use one::One;\n".to_owned(),
            ),
            ("dev", lines(300)),
        ];
        let files: Vec<_> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
        assert_eq!(failures(check, &files), [""; 0]);
        assert_eq!(warnings(check, &files), [""; 0]);
    }

    #[test]
    fn large_ones_are_mentioned_and_huge_ones_refused() {
        for (text, mentioned, refused) in [
            (lines(501), 1, 0),
            (lines(600), 1, 0),
            (lines(601), 0, 1),
            (function(71), 1, 0),
            (function(100), 1, 0),
            (function(101), 0, 1),
        ] {
            let files = [("crates/a/src/one.rs", text.as_str())];
            assert_eq!(warnings(check, &files).len(), mentioned);
            assert_eq!(failures(check, &files).len(), refused);
        }
    }

    #[test]
    fn a_face_holds_no_code_and_a_script_ends() {
        let path = "crates/a/src/lib.rs";
        assert_eq!(failures(check, &[(path, "pub fn f() {}")]).len(), 1);
        assert_eq!(failures(check, &[(path, &lines(81))]).len(), 1);
        let with_tests = "mod a;\n#[cfg(test)]\nmod tests { #[test] fn t() {} }";
        assert_eq!(failures(check, &[(path, with_tests)]), [""; 0]);
        assert_eq!(failures(check, &[("dev.d/x.sh", &lines(301))]).len(), 1);
    }
}
