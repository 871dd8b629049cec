use super::{parse_counts, parse_skipped};
use proptest::prelude::*;

fn both(passed: u64, failed: u64) -> (Option<u64>, Option<u64>) {
    (Some(passed), Some(failed))
}

#[test]
fn cargo_adds_its_binaries_up() {
    let text = "
running 2 tests
test a ... ok
test b ... FAILED

failures:

---- b stdout ----
thread 'b' panicked at src/lib.rs:9:5: 3 passed; 7 failed
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests till
test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.42s
";
    assert_eq!(parse_counts(text), both(5, 1));
    let broken = "error[E0308]: mismatched types\nerror: could not compile `till` (lib test) due to 1 previous error\n";
    assert_eq!(parse_counts(broken), (None, None));
    let nextest = "     Summary [   0.123s] 5 tests run: 4 passed, 1 failed, 2 skipped\n";
    assert_eq!(parse_counts(nextest), both(4, 1));
}

#[test]
fn pytest_long_and_quiet() {
    let long = "
=================================== FAILURES ===================================
E       assert 3 in [1, 2]
=========================== short test summary info ============================
FAILED tests/test_total.py::test_rounding - assert 3 == 4
========================= 1 failed, 8 passed in 0.12s ==========================
";
    assert_eq!(parse_counts(long), both(8, 1));
    assert_eq!(parse_counts("9 passed in 0.03s\n"), both(9, 0));
    assert_eq!(
        parse_counts(
            "\u{1b}[31m\u{1b}[1m2 failed\u{1b}[0m, \u{1b}[32m3 passed\u{1b}[0m, 1 warning\u{1b}[31m in 0.05s\u{1b}[0m\n"
        ),
        both(3, 2)
    );
    assert_eq!(parse_counts("=== 1 error in 0.08s ===\n"), both(0, 1));
    assert_eq!(
        parse_counts("=== 2 failed, 300 passed, 4 skipped in 75.31s (0:01:15) ===\n"),
        both(300, 2)
    );
    assert_eq!(parse_counts("no tests ran in 0.01s\n"), both(0, 0));
    assert_eq!(parse_counts("I found 3 passed in the log\n"), (None, None));
}

#[test]
fn unittest_counts_what_is_left() {
    let failed = "..F\n----------------------------------------------------------------------\nRan 3 tests in 0.001s\n\nFAILED (failures=1)\n";
    assert_eq!(parse_counts(failed), both(2, 1));
    assert_eq!(
        parse_counts("Ran 5 tests in 0.001s\n\nOK (skipped=2)\n"),
        both(3, 0)
    );
    assert_eq!(
        parse_counts("Ran 1 test in 0.000s\n\nFAILED (errors=1)\n"),
        both(0, 1)
    );
}

#[test]
fn go_with_and_without_names() {
    let quiet = "ok  \texample.com/till\t0.004s\n?   \texample.com/till/cmd\t[no test files]\n";
    assert_eq!(parse_counts(quiet), (None, Some(0)));
    let failed = "--- FAIL: TestTotal (0.00s)\n    till_test.go:9: got 3, want 4\nFAIL\nFAIL\texample.com/till\t0.003s\nok  \texample.com/x\t0.1s\nFAIL\n";
    assert_eq!(parse_counts(failed), (None, Some(1)));
    let unbuilt = "# example.com/till\n./till.go:3:1: syntax error\nFAIL\texample.com/till [build failed]\nFAIL\n";
    assert_eq!(parse_counts(unbuilt), (None, Some(1)));
    let named = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n--- FAIL: TestB (0.00s)\nFAIL\nFAIL\texample.com/till\t0.003s\n";
    assert_eq!(parse_counts(named), both(1, 1));
}

#[test]
fn node_in_both_reporters() {
    let tap = "TAP version 13\n# tests 4\n# suites 0\n# pass 3\n# fail 1\n# cancelled 0\n";
    assert_eq!(parse_counts(tap), both(3, 1));
    let spec = "✔ adds (0.5ms)\nℹ tests 2\nℹ pass 2\nℹ fail 0\nℹ duration_ms 44.2\n";
    assert_eq!(parse_counts(spec), both(2, 0));
}

#[test]
fn jest_vitest_and_mocha() {
    let jest = "Test Suites: 1 failed, 1 passed, 2 total\nTests:       1 failed, 2 passed, 3 total\nSnapshots:   0 total\nTime:        0.5 s\n";
    assert_eq!(parse_counts(jest), both(2, 1));
    let vitest = " Test Files  1 failed | 1 passed (2)\n      Tests  1 failed | 5 passed (6)\n   Start at  10:00:00\n";
    assert_eq!(parse_counts(vitest), both(5, 1));
    assert_eq!(parse_counts("      Tests  7 passed (7)\n"), both(7, 0));
    let mocha = "  till\n    ✓ adds\n\n  3 passing (12ms)\n  1 failing\n";
    assert_eq!(parse_counts(mocha), both(3, 1));
}

#[test]
fn ctest_and_silence() {
    let ctest =
        "90% tests passed, 1 tests failed out of 10\n\nTotal Test time (real) =   0.02 sec\n";
    assert_eq!(parse_counts(ctest), both(9, 1));
    assert_eq!(
        parse_counts("make: Nothing to be done for 'test'.\n"),
        (None, None)
    );
    assert_eq!(parse_counts(""), (None, None));
}

#[test]
fn skipped_tests_are_counted_where_the_output_says_so() {
    for (output, skipped) in [
        (
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured;\ntest result: ok. 1 passed; 0 failed; 2 ignored;\n",
            Some(3),
        ),
        (
            "=== 2 failed, 300 passed, 4 skipped in 75.31s (0:01:15) ===\n",
            Some(4),
        ),
        ("9 passed in 0.03s\n", None),
        ("Ran 5 tests in 0.001s\n\nOK (skipped=2)\n", Some(2)),
        ("# pass 3\n# fail 1\n# skipped 6\n", Some(6)),
        (
            "Tests:       1 failed, 5 skipped, 2 passed, 8 total\n",
            Some(5),
        ),
        (
            "      Tests  1 failed | 5 passed | 2 skipped (8)\n",
            Some(2),
        ),
        (
            "--- PASS: TestA (0.00s)\n--- SKIP: TestB (0.00s)\n",
            Some(1),
        ),
        ("I skipped 3 lines\n", None),
    ] {
        assert_eq!(parse_skipped(output), skipped, "{output}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), number in any::<u64>()) {
        let _ = parse_counts(&text);
        let _ = parse_counts(&format!("test result: ok. {number} passed; {number} failed;\ntest result: ok. {number} passed;"));
        let _ = parse_counts(&format!("Ran {number} tests in 1s\nFAILED (failures={number}, errors={number})\n"));
        let _ = parse_counts(&format!("{number} failed, {number} errors in 1s\n{number}% tests passed, {number} tests failed out of 3"));
    }
}
