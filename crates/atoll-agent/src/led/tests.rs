use super::*;

#[test]
fn the_files_that_a_test_is_about_are_found() {
    let listing = "README.md  120 bytes\ntests/\ntests/test_total.py  900 bytes\ntill/\ntill/__init__.py  0 bytes\ntill/other.py  30 bytes\ntill/total.py  400 bytes";
    let output = "FAIL: test_cents (test_total.Total)\n  File \"tests/test_total.py\", line 3, in test_cents\n    self.assertEqual(total([1.0], 19), 1.19)\nAssertionError: 1.2 != 1.19";
    assert_eq!(look::named(output, listing), ["tests/test_total.py"]);
    let test = "from till.total import total\n";
    assert_eq!(look::followed(test, listing, &[]), ["till/total.py"]);
    assert_eq!(look::followed(test, listing, &["till/total.py"]), [""; 0]);
    assert!(
        look::is_test("tests/a.py") && look::is_test("a_test.go") && look::is_test("x.spec.ts")
    );
    assert!(!look::is_test("till/latest.py"));
}

#[test]
fn only_code_that_stands_once_is_offered() {
    let text = "     1\tdef a(x):\n     2\t    # why\n     3\t    y = x\n     4\t    return y\n     5\t\n     6\tdef b(x):\n     7\t    y = x\n";
    let file = Shown::new("a.py", text);
    assert_eq!(file.lines[2], "    y = x");
    let whole = 0..file.lines.len();
    let files = [file];
    assert_eq!(
        look::offered(&files, &[whole]),
        ["def a(x):", "return y", "def b(x):"]
    );
    assert_eq!(look::find(&files, " return y "), Some((0, 3)));
    assert_eq!(look::find(&files, "y = x"), None);
}

#[test]
fn an_edit_takes_the_one_before_it_back() {
    let lines: Vec<String> = ["a", "  b", "  c", "a", "  b", "d"]
        .map(str::to_owned)
        .into();
    let (search, replace) = look::block(&lines, None, Some((2, "  C".into())));
    assert_eq!((search.as_str(), replace.as_str()), ("  c", "  C"));
    let (search, replace) = look::block(&lines, Some((2, "  C".into())), Some((4, "  B".into())));
    assert_eq!(
        (search.as_str(), replace.as_str()),
        ("  C\na\n  b", "  c\na\n  B")
    );
    // "  b" stands twice: the line before tells which.
    let (search, replace) = look::block(&lines, None, Some((4, "  B".into())));
    assert_eq!(
        (search.as_str(), replace.as_str()),
        ("  c\na\n  b", "  c\na\n  B")
    );
    assert_eq!(look::indented("    return x", "return y"), "    return y");
    assert_eq!(look::indented("  x", "a\n  b\nc"), "  a\n  b\n  c");
}

#[test]
fn a_reply_is_read_tolerantly_and_nonsense_is_none() {
    let of = |text: &str| form::understood(text);
    let line = Some(form::Said::Line {
        wrong: "a".into(),
        right: "b".into(),
    });
    assert_eq!(
        of("Sure:\n```json\n{\"wrong\": \"a\", \"right\": \"b\"}\n```"),
        line
    );
    for bad in [
        "",
        "{",
        "}{",
        "{}",
        r#"{"wrong": "", "right": "x"}"#,
        r#"{"wrong": 1, "right": "x"}"#,
        r#"{"line": "a", "replace": "b"}"#,
        "no",
    ] {
        assert_eq!(of(bad), None, "{bad}");
    }
}

#[test]
fn a_part_of_a_line_is_replaced_where_it_stands_for_itself() {
    let line = "    return round(x1 + tax(x1, 10.5), 1) // 1";
    assert_eq!(
        form::parts(line),
        ["round", "x1", "+", "tax", "10.5", "1", "//"]
    );
    let files = [Shown::new("a.py", line)];
    let change = |part: &str, by: &str| {
        let said = form::Said::Part {
            line: line.trim().into(),
            part: part.into(),
            by: by.into(),
        };
        said.change(&files).map(|(.., now)| now)
    };
    let now = change("1", " 2 ").unwrap();
    assert_eq!(now, "    return round(x1 + tax(x1, 10.5), 2) // 1");
    assert_eq!(change("x", "y"), None);
    assert_eq!(change("gone", "y"), None);
}

#[test]
fn what_was_tried_is_kept_out_of_the_form() {
    let lines = ["return a".to_owned()];
    let tried = [("return a".to_owned(), "a".to_owned(), "b".to_owned())];
    let schema = form::part(&lines, &tried);
    let by = &schema["anyOf"][0]["properties"]["by"];
    assert_eq!(by["not"]["enum"], serde_json::json!(["", "a", "b"]));
    let many: Vec<String> = (0..100).map(|i| format!("f{i}(a, b, {i})")).collect();
    let ways = form::part(&many, &tried)["anyOf"].as_array().unwrap().len();
    assert_eq!(ways, 100);
}

#[test]
fn what_the_tests_say_is_told_without_their_frame() {
    let output = "......F..\n======\nFAIL: test_cents (t.Total)\n------\nTraceback (most recent call last):\n  File \"tests/t.py\", line 3\n    self.assertEqual(total(1), 2)\nAssertionError: 1 != 2\n\n------\nRan 9 tests in 0.001s\n\nFAILED (failures=1)\n";
    let told = look::telling(output, 1500);
    assert!(
        told.starts_with("FAIL: test_cents") && told.ends_with("AssertionError: 1 != 2"),
        "{told}"
    );
}
