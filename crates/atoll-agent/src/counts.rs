//! How many tests passed and failed, read from a test runner's output.

/// Passed and failed, where the output says so. Known: cargo and nextest, pytest and unittest, go,
/// `node --test` and TAP, jest, vitest, mocha, ctest. Several summaries of one kind are added up.
pub fn parse_counts(output: &str) -> (Option<u64>, Option<u64>) {
    let clean = crate::report::readable(output);
    let found = [
        nextest,
        cargo,
        vitest_jest,
        node,
        mocha,
        pytest,
        unittest,
        ctest,
        go,
    ]
    .iter()
    .find_map(|read| {
        let counts = read(&clean);
        (counts != (None, None)).then_some(counts)
    });
    found.unwrap_or((None, None))
}

/// How many tests were skipped or ignored, where the output says so. It is asked of outputs that
/// [`parse_counts`] knows.
pub fn parse_skipped(output: &str) -> Option<u64> {
    let text = crate::report::readable(output);
    let mut sum: Option<u64> = None;
    let mut add = |n: u64| sum = Some(sum.unwrap_or(0).saturating_add(n));
    for line in text.lines() {
        let inner = line.trim().trim_matches('=').trim();
        let starred = line
            .strip_prefix("# skipped ")
            .or_else(|| line.strip_prefix("\u{2139} skipped "));
        if let Some(n) = starred {
            n.trim().parse().into_iter().for_each(&mut add);
        } else if inner.starts_with("test result: ") {
            before(inner, "ignored").into_iter().for_each(&mut add);
        } else if line.trim_start().starts_with("--- SKIP: ") {
            add(1);
        } else if inner.starts_with("OK (") || inner.starts_with("FAILED (") {
            after(inner, "skipped=").into_iter().for_each(&mut add);
        } else if ["Tests:", "Tests  ", "Summary ["]
            .iter()
            .any(|w| inner.starts_with(w))
            || pytest_line(inner).is_some()
        {
            before(inner, "skipped").into_iter().for_each(&mut add);
        }
    }
    sum
}

type Counts = (Option<u64>, Option<u64>);

#[derive(Default)]
struct Sum {
    seen: bool,
    passed: u64,
    failed: u64,
}

impl Sum {
    fn add(&mut self, passed: u64, failed: u64) {
        self.seen = true;
        self.passed = self.passed.saturating_add(passed);
        self.failed = self.failed.saturating_add(failed);
    }
    fn done(self) -> Counts {
        if self.seen {
            (Some(self.passed), Some(self.failed))
        } else {
            (None, None)
        }
    }
}

/// The number directly before `word`: `3` in `3 passed;`.
fn before(line: &str, word: &str) -> Option<u64> {
    let mut last = None;
    for token in line.split([' ', ',', ';', '|', '(', ')', '\t']) {
        if token.is_empty() {
            continue;
        }
        if token == word {
            return last;
        }
        last = token.parse().ok();
    }
    None
}

/// The number directly after `word`, which ends with `=` or is a token of its own.
fn after(line: &str, word: &str) -> Option<u64> {
    let rest = &line[line.find(word)? + word.len()..];
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

fn cargo(text: &str) -> Counts {
    let mut sum = Sum::default();
    for line in text.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("test result: ")
            && let Some(passed) = before(rest.split_once(". ").map_or(rest, |r| r.1), "passed")
        {
            sum.add(passed, before(rest, "failed").unwrap_or(0));
        }
    }
    if !sum.seen && text.contains("error: could not compile") {
        return (None, None);
    }
    sum.done()
}

fn nextest(text: &str) -> Counts {
    let mut sum = Sum::default();
    for line in text.lines() {
        if line.trim_start().starts_with("Summary [") && line.contains(" run:") {
            let rest = line.split_once(" run:").map_or("", |r| r.1);
            sum.add(
                before(rest, "passed").unwrap_or(0),
                before(rest, "failed").unwrap_or(0),
            );
        }
    }
    sum.done()
}

fn vitest_jest(text: &str) -> Counts {
    let mut sum = Sum::default();
    for line in text.lines() {
        let line = line.trim_start();
        let Some(rest) = line
            .strip_prefix("Tests:")
            .or_else(|| line.strip_prefix("Tests "))
        else {
            continue;
        };
        let (passed, failed) = (before(rest, "passed"), before(rest, "failed"));
        if passed.is_some() || failed.is_some() {
            sum.add(passed.unwrap_or(0), failed.unwrap_or(0));
        }
    }
    sum.done()
}

fn node(text: &str) -> Counts {
    let value = |word: &str| -> Option<u64> {
        text.lines().rev().find_map(|line| {
            let rest = line
                .strip_prefix("# ")
                .or_else(|| line.strip_prefix("\u{2139} "))?;
            rest.strip_prefix(word)?.trim().parse().ok()
        })
    };
    match (value("pass "), value("fail ")) {
        (None, None) => (None, None),
        (passed, failed) => (passed.or(Some(0)), failed.or(Some(0))),
    }
}

fn mocha(text: &str) -> Counts {
    let value = |word: &str| {
        text.lines().rev().find_map(|line| {
            let mut tokens = line.split_whitespace();
            let number = tokens.next()?.parse().ok()?;
            (tokens.next()? == word).then_some(number)
        })
    };
    match (value("passing"), value("failing")) {
        (None, None) => (None, None),
        (passed, failed) => (passed.or(Some(0)), failed.or(Some(0))),
    }
}

/// The counts of `== 1 failed, 8 passed in 0.12s ==`, and of the same without the bars under -q.
fn pytest_line(line: &str) -> Option<&str> {
    let line = line.trim_matches(|c| c == '=' || c == ' ');
    let (counts, time) = line.rsplit_once(" in ")?;
    let timed = time
        .split_whitespace()
        .next()
        .is_some_and(|t| t.ends_with('s') && t.starts_with(|c: char| c.is_ascii_digit()));
    let known = [
        "passed",
        "failed",
        "error",
        "errors",
        "skipped",
        "deselected",
        "xfailed",
    ];
    let counted = known.iter().any(|word| before(counts, word).is_some());
    (timed && (counted || counts.starts_with("no tests ran"))).then_some(counts)
}

fn pytest(text: &str) -> Counts {
    let summary = text.lines().rev().find_map(pytest_line);
    let Some(line) = summary else {
        return (None, None);
    };
    let sum_of = |words: &[&str]| {
        let each = words.iter().filter_map(|w| before(line, w));
        each.fold(0u64, u64::saturating_add)
    };
    (
        Some(sum_of(&["passed"])),
        Some(sum_of(&["failed", "error", "errors"])),
    )
}

fn unittest(text: &str) -> Counts {
    let mut sum = Sum::default();
    let mut ran = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Ran ")
            && let Some(count) = before(rest, "tests").or_else(|| before(rest, "test"))
        {
            ran = Some(count);
        } else if let Some(total) = ran {
            let failed = if line.starts_with("FAILED (") {
                let part = |w| after(line, w).unwrap_or(0);
                // "unexpected successes" are failures too.
                part("failures=")
                    .saturating_add(part("errors="))
                    .saturating_add(part("unexpected successes="))
            } else if line == "OK" || line.starts_with("OK (") {
                0
            } else {
                continue;
            };
            let skipped = after(line, "skipped=").unwrap_or(0);
            sum.add(total.saturating_sub(failed).saturating_sub(skipped), failed);
            ran = None;
        }
    }
    sum.done()
}

fn ctest(text: &str) -> Counts {
    text.lines()
        .rev()
        .find_map(|line| {
            let (_, rest) = line.split_once("% tests passed, ")?;
            let failed = before(rest, "tests")?;
            let total = after(rest, "out of ")?;
            Some((Some(total.saturating_sub(failed)), Some(failed)))
        })
        .unwrap_or((None, None))
}

/// Without `-v` go says nothing of tests that pass: then only failures are counted, and a package that
/// doesn't build is one. A test with subtests (`TestA/b`) is one test.
fn go(text: &str) -> Counts {
    let (mut ok, mut broken, mut failed, mut passed) = (0u64, 0u64, 0u64, 0u64);
    for line in text.lines() {
        if line.starts_with("ok  \t") {
            ok += 1;
        } else if line.starts_with("FAIL\t") {
            broken += 1;
        } else if let Some(name) = line.strip_prefix("--- FAIL: ") {
            failed += u64::from(!name.contains('/'));
        } else if let Some(name) = line.strip_prefix("--- PASS: ") {
            passed += u64::from(!name.contains('/'));
        }
    }
    if ok + broken + failed + passed == 0 {
        return (None, None);
    }
    let failed = if broken > 0 {
        failed.max(broken)
    } else {
        failed
    };
    ((passed > 0).then_some(passed), Some(failed))
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
