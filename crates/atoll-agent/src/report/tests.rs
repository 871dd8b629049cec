use super::{digest, failing, readable};
use crate::counts::parse_counts;
use proptest::prelude::*;

/// A real output, what a reader must find in it at any length, the failing tests, and the counts.
struct Sample {
    name: &'static str,
    output: &'static str,
    needles: &'static [&'static str],
    failing: Option<&'static str>,
    counts: (Option<u64>, Option<u64>),
}

macro_rules! sample {
    ($name:literal, $needles:expr, $failing:expr, $counts:expr) => {
        Sample {
            name: $name,
            output: include_str!(concat!("../../tests/outputs/", $name, ".txt")),
            needles: &$needles,
            failing: $failing,
            counts: $counts,
        }
    };
}

const SAMPLES: &[Sample] = &[
    sample!(
        "cargo",
        [
            "half of 7 is rounded up",
            "  left: 3",
            "ParseIntError",
            "2 failed"
        ],
        Some("rounds_half_up, reads_a_price"),
        (Some(114), Some(2))
    ),
    sample!(
        "cargo-build",
        ["error[E0599]: no method named `len`", "--> src/lib.rs:5:43"],
        None,
        (None, None)
    ),
    sample!(
        "pytest",
        [
            "E       assert 1 == 1.5",
            "could not convert string to float",
            "2 failed, 118 passed"
        ],
        Some("tests/test_till_03.py::test_rounding, tests/test_till_05.py::test_comma"),
        (Some(118), Some(2))
    ),
    sample!(
        "pytest-collect",
        ["No module named 'tilll'", "1 error in"],
        Some("tests/test_uni.py"),
        (Some(0), Some(1))
    ),
    sample!(
        "unittest",
        [
            "KeyError: 'price'",
            "AssertionError: 1 != 2",
            "FAILED (failures=1, errors=1)"
        ],
        Some("test_b, test_a"),
        (Some(1), Some(2))
    ),
    sample!(
        "node-tap",
        [
            "1 !== 1.5",
            "test/till2.test.js:12:3",
            "not a price: 12,5",
            "# fail 2"
        ],
        Some("keeps the cents, reads a comma"),
        (Some(70), Some(2))
    ),
    sample!(
        "node-spec",
        [
            "1 !== 1.5",
            "test/till2.test.js:12:3",
            "not a price: 12,5",
            "ℹ fail 2"
        ],
        Some("keeps the cents, reads a comma"),
        (Some(70), Some(2))
    ),
    sample!(
        "jest",
        ["Expected: 1.5", "not a price: 12,5", "2 failed, 46 passed"],
        Some("till 2 › reads a comma, till 1 › keeps the cents"),
        (Some(46), Some(2))
    ),
    sample!(
        "vitest",
        [
            "expected 1 to deeply equal 1.5",
            "not a price: 12,5",
            "2 failed | 46 passed"
        ],
        Some(
            "vitest/till1.test.js > till 1 > keeps the cents, vitest/till2.test.js > till 2 > reads a comma"
        ),
        (Some(46), Some(2))
    ),
    sample!(
        "mocha",
        ["1 !== 1.5", "TypeError: not a price: 12,5", "2 failing"],
        Some("till 1 keeps the cents, till 2 reads a comma"),
        (Some(46), Some(2))
    ),
    sample!(
        "go",
        [
            "money_test.go:46: Half(7) = 3, want 4",
            "FAIL\texample.com/till/money"
        ],
        Some("TestRoundsUp, TestRoundsUp/odd"),
        (None, Some(1))
    ),
    sample!(
        "go-v",
        [
            "money_test.go:46: Half(7) = 3, want 4",
            "FAIL\texample.com/till/money"
        ],
        Some("TestRoundsUp, TestRoundsUp/odd"),
        (Some(48), Some(1))
    ),
    sample!(
        "go-json",
        [
            "money_test.go:46: Half(7) = 3, want 4",
            "FAIL\texample.com/till/money"
        ],
        Some("TestRoundsUp/odd, TestRoundsUp"),
        (Some(48), Some(1))
    ),
    sample!(
        "go-build",
        ["money/b.go:2:28: cannot use", "[build failed]"],
        None,
        (None, Some(1))
    ),
    sample!(
        "go-panic",
        [
            "assignment to entry in nil map",
            "p_test.go:3",
            "FAIL\texample.com/till/money"
        ],
        Some("TestRoundsUp, TestRoundsUp/odd, TestBoom"),
        (None, Some(2))
    ),
    sample!(
        "tape-crash",
        [
            "TypeError: str.replace is not a function",
            "/srv/till/lib/parse.js:32\n",
            "# interprets numeric entities in a comma list"
        ],
        None,
        (None, None)
    ),
    sample!(
        "make-go",
        [
            "Half(7) = 3, want 4",
            "make: *** [Makefile:3: test] Error 1"
        ],
        Some("TestRoundsUp, TestRoundsUp/odd"),
        (None, Some(1))
    ),
];

#[test]
fn real_outputs_are_read() {
    for sample in SAMPLES {
        let text = readable(sample.output);
        assert_eq!(failing(&text).as_deref(), sample.failing, "{}", sample.name);
        assert_eq!(
            parse_counts(sample.output),
            sample.counts,
            "{}",
            sample.name
        );
    }
}

#[test]
fn failures_stay_in_little_room() {
    for sample in SAMPLES {
        let text = readable(sample.output);
        let cut = digest(&text, 60, 2400);
        for needle in sample.needles {
            assert!(cut.contains(needle), "{}: {needle} in\n{cut}", sample.name);
        }
        assert!(
            cut.len() <= 2400 && cut.lines().count() <= 60,
            "{}",
            sample.name
        );
        // What was cut once is cut again without losing them.
        let again = digest(&cut, 50, 1900);
        let first = sample.needles[0];
        assert!(
            again.contains(first),
            "{}: {first} in\n{again}",
            sample.name
        );
    }
}

#[test]
fn failures_are_found_in_the_midst_of_noise() {
    let noise = |tag: &str| -> String {
        (0..4000)
            .map(|n| format!("{tag} step {n} of the build went by\n"))
            .collect()
    };
    for sample in SAMPLES {
        let text = readable(sample.output);
        let long = format!("{}{text}\n{}", noise("first"), noise("then"));
        let cut = digest(&long, 120, 5000);
        for needle in sample.needles {
            assert!(cut.contains(needle), "{}: {needle} in\n{cut}", sample.name);
        }
        assert!(cut.starts_with("first step 0 of"), "{}", sample.name);
        assert!(
            cut.ends_with("then step 3999 of the build went by"),
            "{}",
            sample.name
        );
    }
}

#[test]
fn many_failures_leave_room_for_the_first() {
    let mut text = String::from("running 900 tests\n");
    for n in 0..900 {
        text.push_str(&format!("test tests::number_{n:03} ... FAILED\n"));
    }
    text.push_str("\nfailures:\n");
    for n in 0..900 {
        text.push_str(&format!("\n---- tests::number_{n:03} stdout ----\nthread 'x' panicked at src/lib.rs:{n}:1:\nassertion failed: sum is {n}\n"));
    }
    text.push_str("\ntest result: FAILED. 0 passed; 900 failed; 0 ignored\n");
    let cut = digest(&text, 60, 3000);
    assert!(cut.contains("assertion failed: sum is 0\n"), "{cut}");
    assert!(cut.contains("assertion failed: sum is 1\n"), "{cut}");
    assert!(cut.ends_with("0 passed; 900 failed; 0 ignored"), "{cut}");
    assert_eq!(failing(&text).unwrap().split(", ").count(), 8);
    assert!(failing(&text).unwrap().ends_with(" and 892 more"));
}

#[test]
fn nextest_is_read() {
    let text = "    Starting 3 tests across 1 binary
        PASS [   0.004s] till tests::adds
        FAIL [   0.005s] till tests::halves
  stdout ───

    running 1 test
    test tests::halves ... FAILED

    thread 'tests::halves' panicked at src/lib.rs:9:5:
    assertion `left == right` failed

        PASS [   0.006s] till tests::parses
────────────
     Summary [   0.007s] 3 tests run: 2 passed, 1 failed, 0 skipped
        FAIL [   0.005s] till tests::halves
error: test run failed
";
    assert_eq!(failing(text).as_deref(), Some("till tests::halves"));
    let long = format!(
        "{}{text}",
        "        PASS [   0.001s] till tests::other\n".repeat(500)
    );
    let cut = digest(&long, 20, 1500);
    for needle in [
        "panicked at src/lib.rs:9:5",
        "2 passed, 1 failed",
        "error: test run failed",
    ] {
        assert!(cut.contains(needle), "{needle} in\n{cut}");
    }
}

#[test]
fn what_no_format_knows_is_judged_by_its_words() {
    let mut text: String = (0..500).map(|n| format!("compiling unit {n}\n")).collect();
    text.push_str("unit.c:12:3: error: expected ';'\n   12 |   return x\n      |   ^\n");
    text.extend((0..500).map(|n| format!("linking part {n}, 0 errors\n")));
    text.push_str("stopped\n");
    let cut = digest(&text, 40, 2000);
    assert!(
        cut.contains("unit.c:12:3: error: expected ';'\n   12 |   return x"),
        "{cut}"
    );
    assert!(
        cut.starts_with("compiling unit 0\n") && cut.ends_with("\nstopped"),
        "{cut}"
    );
    assert_eq!(failing(&text), None);
}

#[test]
fn a_short_output_stays_as_it_is() {
    assert_eq!(digest("a\nb\n\n", 5, 100), "a\nb");
    assert_eq!(digest("", 5, 100), "");
    let long = "x".repeat(5000);
    let cut = digest(&long, 10, 300);
    assert!(cut.len() <= 300 && cut.contains("bytes left out"), "{cut}");
}

#[test]
fn hostile_outputs_are_read_in_time() {
    // Each would take hours if blocks were looked through again for each of their lines.
    for line in [
        "error: x",
        "warning: x",
        "--- FAIL: T",
        "panic: x",
        "  1) a",
        "not ok 1 - x",
        "___ x ___",
        "# x.go:",
        "FAIL: x",
        " FAIL  x",
        "  ● x",
        "---- x ----",
        "test at x",
    ] {
        let text = format!("{line}\n").repeat(20_000);
        let cut = digest(&text, 100, 4000);
        assert!(cut.len() <= 4000, "{line}");
    }
}

/// Pieces of the formats, and of anything, in any order.
fn any_output() -> impl Strategy<Value = String> {
    let pieces: Vec<String> = SAMPLES
        .iter()
        .flat_map(|s| s.output.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let line = prop_oneof![prop::sample::select(pieces), any::<String>()];
    prop::collection::vec(line, 0..80).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn it_stays_within_its_bounds_and_keeps_the_last_line(
        text in any_output(), lines in 0usize..60, bytes in 0usize..3000,
    ) {
        let cut = digest(&text, lines, bytes);
        prop_assert!(cut.len() <= bytes, "{} > {bytes}", cut.len());
        prop_assert!(bytes < 200 || cut.lines().count() <= lines.max(1));
        prop_assert_eq!(&cut, &digest(&text, lines, bytes));
        let last = text.trim_end().lines().last().unwrap_or_default();
        let tail: String = last.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
        if bytes >= tail.len() {
            prop_assert!(cut.ends_with(&tail), "{tail:?} in {cut:?}");
        }
        let _ = failing(&readable(&text));
    }

    #[test]
    fn nothing_is_made_up(text in any_output()) {
        let cut = digest(&text, 20, 2000);
        let whole: Vec<&str> = text.lines().collect();
        for line in cut.lines().filter(|line| !line.contains(" left out …]")) {
            prop_assert!(whole.iter().any(|w| w.trim_end() == line.trim_end()), "{line:?}");
        }
    }
}
