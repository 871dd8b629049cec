//! `docs/cli.md` and `docs/models.md` run: each `console` block is typed and its output compared.
//!
//! `$` lines are typed in a folder of the page's own, with no node; `? 2` is the exit code expected (0 if
//! absent); `[..]` in a line stands for anything, a line of `...` for any lines.

use crate::scene::{Ran, Scene};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

struct Step {
    line: usize,
    command: String,
    code: i32,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (i, line) in text.lines().enumerate() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (
                line.strip_prefix("$ "),
                line.strip_prefix("? "),
                steps.last_mut(),
            ) {
                (Some(command), ..) => steps.push(Step {
                    line: i + 1,
                    command: command.into(),
                    code: 0,
                    expected: Vec::new(),
                }),
                (_, Some(code), Some(step)) => step.code = code.parse().unwrap(),
                (_, _, Some(step)) => step.expected.push(line.trim_end().into()),
                _ => panic!("line {}: output before any command", i + 1),
            },
        }
    }
    steps
}

fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        if i + 1 == parts.len() {
            return rest.len() >= part.len() && rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

fn all_fit(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|n| all_fit(rest, &lines[n..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(l, more)| fits(first, l) && all_fit(rest, more)),
    }
}

/// Types what stands in a page, in `scene`, and compares what comes.
fn run_page(page: &str, scene: &Scene, steps_min: usize) {
    let text = std::fs::read_to_string(format!("{DOCS}/{page}")).unwrap();
    let steps = steps(&text);
    let count = steps.len();
    assert!(
        count >= steps_min,
        "{page} has lost its transcripts: {count}"
    );
    let mut wrong = Vec::new();
    for step in steps {
        let both = format!("{} 2>&1", step.command);
        let ran = Ran::of(scene.ready("/bin/sh", &["-c", &both]).output().unwrap());
        let place = scene.path().display().to_string();
        let out = ran.out.replace(&place, "~");
        let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
        if ran.code != step.code || !all_fit(&step.expected, &lines) {
            let expected = step.expected.join("\n");
            wrong.push(format!(
                "docs/{page}:{}: $ {}\n--- the page, exit {}\n{expected}\n--- the binary, exit {}\n{out}",
                step.line, step.command, step.code, ran.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_says_what_the_binary_says() {
    run_page("cli.md", &Scene::new(), 15);
}

#[test]
fn the_page_of_models_does_too() {
    let scene = Scene::new();
    testkit::gguf::model().write(scene.path(), "mine");
    scene.file("notes.gguf", "a text with a wrong name");
    run_page("models.md", &scene, 6);
}

#[test]
fn patterns_are_strict() {
    assert!(fits("a [..] c", "a b c") && !fits("a [..] c", "a b d") && !fits("abc", "abcd"));
    let lines = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert!(all_fit(&lines(&["a", "...", "z"]), &["a", "b", "c", "z"]));
    assert!(!all_fit(&lines(&["a", "..."]), &["b"]) && !all_fit(&lines(&["a"]), &["a", "b"]));
}
