//! Pages of `docs/` run: each `console` block is typed and its output compared; a
//! `pane` block is a terminal as it is seen, and its `> ` lines are typed.
//!
//! `$` lines are typed in a folder of the page's own; `? 2` is the exit code expected (0 if
//! absent); `[..]` in a line stands for anything, a line of `...` for any lines.

use serde_json::json;
use testkit::provider::{Reply, Script, Server};

use crate::chats::say;
use crate::hostile::{ready, until};
use crate::keys::{Typist, pane, seen};
use crate::scene::{Ran, Scene};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

struct Step {
    line: usize,
    command: String,
    code: i32,
    expected: Vec<String>,
}

/// The lines of the page's first block of this kind.
fn block(text: &str, kind: &str) -> Vec<String> {
    let begin = format!("```{kind}");
    let lines = text.lines().skip_while(|line| *line != begin).skip(1);
    let lines = lines.take_while(|line| *line != "```");
    lines.map(|line| line.trim_end().to_owned()).collect()
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

pub fn fits(pattern: &str, line: &str) -> bool {
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

pub fn all_fit(expected: &[String], lines: &[&str]) -> bool {
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
#[track_caller]
fn run_page(name: &str, scene: &Scene, steps_min: usize, node: bool) {
    let steps = steps(&page(name));
    let count = steps.len();
    assert!(
        count >= steps_min,
        "{name} has lost its transcripts: {count}"
    );
    assert_eq!(differing(name, scene, steps, node), "");
}

/// Types each step, with a node that other commands find or without any; where the page is not what comes out.
fn differing(page: &str, scene: &Scene, steps: Vec<Step>, node: bool) -> String {
    let mut wrong = Vec::new();
    for step in steps {
        let both = format!("{{ {}; }} 2>&1", step.command);
        let mut shell = scene.ready("/bin/sh", &["-c", &both]);
        if node {
            shell.env_remove("ATOLL_NO_AUTOSTART");
        }
        let ran = Ran::of(shell.output().unwrap());
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
    wrong.join("\n")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{DOCS}/{name}")).unwrap()
}

#[test]
fn the_page_on_grants_says_what_tokens_do() {
    let scene = Scene::new();
    scene.file("shop/a.txt", "a\n");
    run_page("grants.md", &scene, 12, true);
}

#[test]
fn the_page_on_conversations_says_what_is_answered() {
    let script = Script::list([
        Reply::call("read_file", json!({ "path": "sum.txt" })),
        say("The sum is **2**: it stands in `sum.txt`."),
        say("The test wants 3."),
        say("Nobody says."),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    run_page("chat.md", &scene, 4, true);
}

#[test]
fn the_page_on_conversations_shows_what_is_seen() {
    let script = Script::list([
        Reply {
            content: Some("I'll mend it.".into()),
            ..Reply::call(
                "edit",
                json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
            )
        },
        say("The sum is 3 now, as the test wants it."),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let shown = block(&page("chat.md"), "pane");
    let line = format!(
        "stty cols 60; exec {} chat --repo shop",
        env!("CARGO_BIN_EXE_atoll")
    );
    let Some(mut typist) = Typist::on(&scene, "xterm", &line) else {
        return;
    };
    let typed = shown.iter().filter_map(|line| line.strip_prefix("> "));
    for (turn, words) in typed.enumerate() {
        until("the line can be typed", || {
            let seen = seen(&scene);
            seen.ends_with("\u{1b}[?2026l") && seen.matches("\u{1b}[?2026l").count() > turn
        });
        let before = seen(&scene).len();
        typist.types(&format!("{words}\r"));
        until("it is heard", || {
            seen(&scene).len() > before + words.len() + 8
        });
    }
    until("it ends", || typist.child.try_wait().unwrap().is_some());
    let pane = pane(&scene, 60);
    let end = pane.find("\nScript done").unwrap_or(pane.len());
    let lines: Vec<&str> = pane[..end].trim_end().lines().map(str::trim_end).collect();
    assert!(
        all_fit(&shown, &lines),
        "docs/chat.md shows another conversation:\n{pane}"
    );
}

#[test]
fn the_page_says_what_the_binary_says() {
    run_page("cli.md", &Scene::new(), 15, false);
}

#[test]
fn the_page_on_the_guard_goes_from_a_question_to_a_rule() {
    let scene = Scene::new();
    if scene.sandboxed() {
        run_page("guard.md", &scene, 18, true);
    }
}

#[test]
fn the_page_of_models_does_too() {
    let scene = Scene::new();
    testkit::gguf::model().write(scene.path(), "mine");
    scene.file("notes.gguf", "a text with a wrong name");
    run_page("models.md", &scene, 6, false);
}

#[test]
fn the_page_of_secrets_does_too() {
    let scene = Scene::new();
    if scene.sandboxed() {
        run_page("secrets.md", &scene, 7, true);
    }
}

#[test]
fn patterns_are_strict() {
    assert!(fits("a [..] c", "a b c") && !fits("a [..] c", "a b d") && !fits("abc", "abcd"));
    let lines = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert!(all_fit(&lines(&["a", "...", "z"]), &["a", "b", "c", "z"]));
    assert!(!all_fit(&lines(&["a", "..."]), &["b"]) && !all_fit(&lines(&["a"]), &["a", "b"]));
}

#[test]
fn the_page_on_labels_says_what_they_are() {
    let notes = || Reply::call("read_file", json!({ "path": "notes.md" }));
    let write = json!({ "path": "notes.md", "content": "the sum is 2\n" });
    let server = Server::start(Script::list([
        notes(),
        say("They say mine."),
        Reply::call("edit", write),
        say("Noted."),
        notes(),
        say("They say 2."),
    ]));
    let other = Server::start(Script::list([]));
    let Some(scene) = crate::injected::shop(&server, &other) else {
        return;
    };
    scene.file("shop/notes.md", "mine\n");
    run_page("labels.md", &scene, 9, true);
}
