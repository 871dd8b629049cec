use proptest::prelude::*;

use super::*;

fn swap<'a>(search: &'a str, replace: &'a str) -> Edit<'a> {
    Edit::Replace {
        search,
        replace,
        all: false,
    }
}

fn ok(text: &str, edit: &Edit<'_>) -> (String, Vec<String>) {
    let a = apply(text, edit).unwrap();
    (a.text, a.tolerated)
}

const FILE: &str = "fn a() {\n    let x = 1;\n    x\n}\n\nfn b() {\n    let x = 2;\n    x\n}\n";

#[test]
fn an_exact_place_is_replaced() {
    let (text, said) = ok(FILE, &swap("let x = 1;", "let x = 10;"));
    assert_eq!(text, FILE.replace("= 1;", "= 10;"));
    assert!(said.is_empty());
}

#[test]
fn two_places_are_named_and_neither_is_taken() {
    let e = apply(FILE, &swap("    x\n}", "    y\n}")).unwrap_err();
    assert_eq!(
        e,
        Error::Ambiguous {
            what: "the search text".into(),
            lines: vec![3, 8]
        }
    );
    assert_eq!(
        apply("aaa", &swap("aa", "b")).unwrap_err(),
        Error::Ambiguous {
            what: "the search text".into(),
            lines: vec![1, 1]
        }
    );
    let (text, _) = ok(
        FILE,
        &Edit::Replace {
            search: "    x\n",
            replace: "    y\n",
            all: true,
        },
    );
    assert_eq!(text.matches("    y\n").count(), 2);
    // Loosely, too: both fit once indentation is ignored.
    let e = apply(FILE, &swap("  x\n}", "  y\n}")).unwrap_err();
    assert!(matches!(
        e,
        Error::NotFound { .. } | Error::Ambiguous { .. }
    ));
    let e = apply(
        "if a:\n    go()\n    stop()\nelse:\n  go()\n  stop()\n",
        &swap("go()\nstop()\n", "x()\n"),
    )
    .unwrap_err();
    assert_eq!(
        e,
        Error::Ambiguous {
            what: "the search text".into(),
            lines: vec![2, 5]
        }
    );
}

#[test]
fn trailing_space_and_endings_are_tolerated() {
    let (text, said) = ok("a  \nb\t\nc\n", &swap("a\nb\n", "a\nB\n"));
    assert_eq!(text, "a  \nB\nc\n", "the shared line keeps its own text");
    assert_eq!(said, ["trailing white space differed"]);
    let (text, said) = ok("a\r\nb\r\nc\r\n", &swap("a\nb\n", "a\nx\ny\n"));
    assert_eq!(
        (text.as_str(), said[0].as_str()),
        ("a\r\nx\r\ny\r\nc\r\n", "line endings differed")
    );
    let (text, _) = ok("a\nb\nc\n", &swap("a\r\nb\r\n", "a\r\nx\r\n"));
    assert_eq!(text, "a\nx\nc\n");
    // Mixed endings: each line keeps its own.
    let (text, _) = ok("a\r\nb\nc\nd\n", &swap("a\nb\n", "a\nx\n"));
    assert_eq!(text, "a\r\nx\nc\nd\n");
    let (text, _) = ok("a \nb", &swap("a\nb", "a\nx"));
    assert_eq!(text, "a \nx", "no newline is added at the end");
}

#[test]
fn a_shift_of_indentation_is_carried_over() {
    let file = "class A:\n    def f(self):\n        if x:\n            return 1\n";
    let (text, said) = ok(
        file,
        &swap("if x:\n    return 1", "if x:\n    y = 2\n    return y"),
    );
    assert_eq!(
        text,
        "class A:\n    def f(self):\n        if x:\n            y = 2\n            return y\n"
    );
    assert_eq!(said.len(), 1);
    let (text, _) = ok(
        "\tif x {\n\t\ty()\n\t}\n",
        &swap("if x {\n\ty()\n}", "if x {\n\tz()\n}\nw()"),
    );
    assert_eq!(text, "\tif x {\n\t\tz()\n\t}\n\tw()\n");
    // The needle is deeper than the file; a new line is shallower than the needle.
    let (text, _) = ok("a\n  b\n", &swap("    a\n      b\n", "    a\n  c\n"));
    assert_eq!(text, "a\nc\n");
    // A shift that isn't uniform is another text.
    assert!(matches!(
        apply(
            "if x:\n    a()\n    b()\n",
            &swap("if x:\n  a()\n    b()", "z")
        ),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn pasted_line_numbers_and_quotes_are_tolerated() {
    for pasted in [
        "     2\t    let x = 1;\n     3\t    x\n",
        "2|    let x = 1;\n3|    x",
        "2:     let x = 1;\n3:     x",
    ] {
        let (text, said) = ok(FILE, &swap(pasted, "    let x = 7;\n    x"));
        assert_eq!(text, FILE.replace("= 1;", "= 7;"), "{pasted}");
        assert!(said.contains(&"line numbers in the search text were ignored".to_owned()));
    }
    let (text, _) = ok(
        "say(\"it's\")\nend\n",
        &swap("say(“it’s”)", "say(“it’s so”)"),
    );
    assert_eq!(text, "say(\"it's so\")\nend\n");
    let (text, _) = ok(
        "say(“it’s”)\nlast\n",
        &swap("say(\"it's\")\nlast", "say(\"it's\")\nnew\nlast"),
    );
    assert_eq!(
        text, "say(“it’s”)\nnew\nlast\n",
        "the file's own typography stays"
    );
}

#[test]
fn what_is_not_there_is_shown_nearest() {
    let e = apply(FILE, &swap("fn b() {\n    let x = 3;\n", "")).unwrap_err();
    let Error::NotFound { nearest, .. } = &e else {
        panic!("{e:?}")
    };
    assert!(nearest.contains("     7\t    let x = 2;"), "{nearest}");
    let e = apply(FILE, &swap("let y = one_and_two;", "let x = 1;")).unwrap_err();
    assert!(matches!(e, Error::NotFound { already: true, .. }));
    assert!(matches!(
        apply("", &swap("x", "y")),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        apply("x", &swap(" \n", "y")),
        Err(Error::Malformed(_))
    ));
    assert_eq!(apply("x", &swap("x", "x")), Err(Error::NoChange));
}

#[test]
fn a_whole_file_keeps_its_endings_and_mark() {
    let (text, _) = ok("\u{feff}a\r\nb\r\n", &Edit::Whole("a\nc\n"));
    assert_eq!(text, "\u{feff}a\r\nc\r\n");
    assert_eq!(apply("a", &Edit::Whole("a")), Err(Error::NoChange));
}

#[test]
fn a_diff_applies_with_wrong_numbers_and_some_wrong_context() {
    let diff = "--- a/x\n+++ b/x\n@@ -77,9 +1,2 @@ fn b()\n fn b() {\n-    let x = 2;\n+    let x = 20;\n     x\n";
    assert_eq!(ok(FILE, &Edit::Diff(diff)).0, FILE.replace("= 2;", "= 20;"));
    let fuzzy = "@@ @@\n WRONG\n fn b() {\n-    let x = 2;\n+    let x = 20;\n     x\n WRONG TOO\n";
    let (text, said) = ok(FILE, &Edit::Diff(fuzzy));
    assert_eq!(text, FILE.replace("= 2;", "= 20;"));
    assert_eq!(said, ["hunk 1: some context lines at its edges differed"]);
    let e = apply(FILE, &Edit::Diff("@@ -99,2 +99,2 @@\n-    x\n+    y\n }\n")).unwrap_err();
    assert_eq!(
        e,
        Error::Ambiguous {
            what: "hunk 1".into(),
            lines: vec![3, 8]
        }
    );
    // The header states which, and counts right.
    let (text, _) = ok(FILE, &Edit::Diff("@@ -8,2 +8,2 @@\n-    x\n+    y\n }\n"));
    assert!(
        text.ends_with("let x = 2;\n    y\n}\n")
            && text.starts_with("fn a() {\n    let x = 1;\n    x\n")
    );
}

#[test]
fn odd_diffs_are_refused_or_read() {
    for bad in [
        "",
        "hello",
        "@@ -1 +1 @@\n a\n",
        "@@ -1 +1 @@\nnot a diff line\n",
        "--- a\n+++ b\n@@ @@\n-x\n--- c\n+++ d\n@@ @@\n-y\n",
    ] {
        assert!(
            matches!(apply("x\ny\n", &Edit::Diff(bad)), Err(Error::Malformed(_))),
            "{bad:?}"
        );
    }
    assert_eq!(
        ok(
            "",
            &Edit::Diff("--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n")
        )
        .0,
        "a\nb\n"
    );
    assert!(matches!(
        apply("x\n", &Edit::Diff("@@ @@\n+a\n")),
        Err(Error::Malformed(_))
    ));
    assert_eq!(
        ok(
            "a\nb",
            &Edit::Diff("@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n")
        )
        .0,
        "a\nc\n"
    );
    assert_eq!(
        ok(
            "a\nb\n",
            &Edit::Diff("@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n")
        )
        .0,
        "a\nc"
    );
    assert_eq!(
        ok("a\r\nb\r\n", &Edit::Diff("@@ -1,2 +1,2 @@\n a\n-b\n+c\n")).0,
        "a\r\nc\r\n"
    );
    assert_eq!(
        ok(
            "a\n-- b\nc\n",
            &Edit::Diff("```diff\n@@ -1,3 +1,3 @@\n a\n--- b\n+++ c\n c\n```")
        )
        .1
        .len(),
        0
    );
}

fn diff_of(old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header("a/x", "b/x")
        .to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_generated_diff_gives_the_target(old in "([a-c ]{0,3}\n){0,30}[a-c]{0,2}", new in "([a-c ]{0,3}\n){0,30}[a-c]{0,2}") {
        prop_assume!(old != new);
        prop_assert_eq!(apply(&old, &Edit::Diff(&diff_of(&old, &new))).map(|a| a.text), Ok(new));
    }

    #[test]
    fn a_diff_with_moved_numbers_gives_the_target_or_an_error(
        keep in proptest::collection::vec(any::<bool>(), 5..40), by in 0_usize..50,
    ) {
        let old: String = (0..keep.len()).map(|n| format!("line {n}\n")).collect();
        let new: String = keep.iter().enumerate().map(|(n, k)| if *k { format!("line {n}\n") } else { format!("new {n}\n") }).collect();
        prop_assume!(old != new);
        let moved: String = diff_of(&old, &new).lines().map(|l| match l.strip_prefix("@@ -") {
            Some(rest) => {
                let (start, rest) = rest.split_once([',', ' ']).unwrap();
                format!("@@ -{},{rest}\n", start.parse::<usize>().unwrap() + by)
            }
            None => format!("{l}\n"),
        }).collect();
        prop_assert_eq!(apply(&old, &Edit::Diff(&moved)).map(|a| a.text), Ok(new));
    }

    #[test]
    fn a_repeated_block_is_never_chosen(block in "[a-z]{3,8}\n[a-z]{3,8}\n", gap in "(#[0-9]{1,3}\n){1,5}", pad in 0_usize..3) {
        let text = format!("{gap}{block}{gap}{block}{gap}");
        // Also with trailing blanks and a shift: looser levels see both as well.
        let search: String = block.lines().map(|l| format!("{}{l}{}\n", " ".repeat(pad), " ".repeat(pad))).collect();
        let found = apply(&text, &swap(&search, "zzz\n"));
        let first = gap.lines().count() + 1;
        let second = first + 2 + gap.lines().count();
        prop_assert_eq!(found, Err(Error::Ambiguous { what: "the search text".into(), lines: vec![first, second] }));
    }

    #[test]
    fn any_line_may_be_stated(start in prop_oneof![Just(0), Just(u64::MAX), Just(i64::MAX as u64), any::<u64>()], count in 0u64..3, blank in any::<bool>()) {
        let line = if blank { "" } else { "a" };
        let diff = format!("@@ -{start},{count} +1 @@\n-{line}\n+b\n");
        for text in ["", "\n", "a\n", "a\n\na\n"] {
            let _ = apply(text, &Edit::Diff(&diff));
        }
    }

    #[test]
    fn nothing_panics(text in ".{0,60}", a in ".{0,30}", b in ".{0,30}", diff in "(@@ -[0-9],[0-9] \\+1 @@\n)?([ +-][ab\u{3000}]{0,3}\n){0,8}") {
        let _ = apply(&text, &swap(&a, &b));
        let _ = apply(&text, &Edit::Diff(&diff));
        let _ = apply("a\nb\n\u{3000}a\n", &Edit::Diff(&diff));
        let _ = apply("\u{3000} a\n \u{3000}b\n", &swap(&a, &b));
    }
}
