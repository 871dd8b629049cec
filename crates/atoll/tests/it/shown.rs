//! Control characters in every place that is shown: what the model, the repository, a person's own words and
//! the rules say reaches nobody's terminal as it is, in a pipe, on a terminal, or in JSON.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::hostile::{ready, until};
use crate::kit::plain;
use crate::moments::{Watched, listed};
use crate::scene::{Ran, Scene};

/// Clears a screen, sets a title, moves up, colours by C1, turns text around, hides letters, rings.
const BAD: &str = "x\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[5A\u{9b}31m\u{202e}drow\u{2066}\u{200b}\u{feff}\r\u{8}\u{0}\u{7f}y";

/// A person's words can't hold a NUL: the system would end them there.
fn said() -> String {
    BAD.replace('\0', "")
}

fn script() -> Script {
    let name = said();
    Script::list([
        Reply {
            content: Some(format!("I will {BAD} look.")),
            reasoning: Some(BAD.into()),
            ..Reply::calls([
                ("read_file".to_owned(), json!({ "path": BAD })),
                ("search".to_owned(), json!({ "pattern": name })),
                (BAD.to_owned(), json!({ BAD: BAD })),
                (
                    "run".to_owned(),
                    json!({ "command": format!("printf '%s\\033[2J\\233\\007' '{name}'; ls; echo {name}") }),
                ),
                (
                    "edit".to_owned(),
                    json!({ "path": format!("new-{name}.txt"), "content": format!("{name}\nx\n") }),
                ),
                (
                    "edit".to_owned(),
                    json!({ "path": "sum.txt", "search": "total=2", "replace": format!("total=3 {name}") }),
                ),
            ])
        },
        Reply::call("test", json!({})),
        Reply::call("finish", json!({ "title": name, "summary": name })),
    ])
}

/// The words in all their ways of being shown.
#[track_caller]
fn all_plain(scene: &Scene, words: &[&str]) {
    for prefix in [&[][..], &["--json"]] {
        let words = [prefix, words].concat();
        let ran = scene.run(&words);
        assert!(
            !ran.out.is_empty() && !ran.err.contains("panicked"),
            "{words:?} {}: {}",
            ran.code,
            ran.err
        );
        plain(&format!("{words:?}"), &ran.out);
        plain(&format!("{words:?}"), &ran.err);
    }
    on_a_terminal(scene, words);
}

/// On a terminal of its own, without colour: its lines end in CR LF, and nothing else moves anything.
#[track_caller]
fn on_a_terminal(scene: &Scene, words: &[&str]) {
    let Some(script) = ["/usr/bin/script", "/bin/script"]
        .into_iter()
        .find(|p| Path::new(p).exists())
    else {
        eprintln!("SKIPPED: there is no `script` here; util-linux has it");
        return;
    };
    let line = format!("{} {}", env!("CARGO_BIN_EXE_atoll"), words.join(" "));
    let mut command: Command = scene.ready(script, &["-qec", &line, "/dev/null"]);
    command
        .env("NO_COLOR", "1")
        .env("TERM", "dumb")
        .env("SHELL", "/bin/sh")
        .env("PAGER", "cat");
    let ran = Ran::of(command.output().unwrap());
    plain(
        &format!("{words:?} on a terminal"),
        &ran.out.replace("\r\n", "\n"),
    );
}

#[test]
fn no_words_of_others_reach_a_terminal_as_they_are() {
    let Some((scene, _server)) = ready(script()) else {
        return;
    };
    let shop = scene.path().join("shop");
    std::fs::write(shop.join(said()), format!("{BAD}\n")).unwrap();
    std::fs::write(shop.join("AGENTS.md"), format!("Do {BAD}\n")).unwrap();
    std::fs::write(
        shop.join("Makefile"),
        "test:\n\t@printf 'FAILED \\033[2J \\233 \\342\\200\\256x\\n'; grep -q total=3 sum.txt\n",
    )
    .unwrap();
    let task = format!("make {} pass", said());
    for json in [true, false] {
        let mut words = vec!["code", &task, "--repo", "shop", "--on-ask", "deny"];
        if json {
            words.push("--json");
        }
        let ran = Ran::of(scene.with_node(&words).output().unwrap());
        assert_eq!(ran.code, if json { 0 } else { 6 }, "{}{}", ran.out, ran.err);
        plain("the session", &ran.out);
        plain("the session", &ran.err);
    }
    for words in [
        &["patch", "show", "p1"][..],
        &["patch", "list"],
        &["session", "list"],
        &["session", "show", "s1"],
        &["log", "tail", "-n", "200"],
        &["status"],
        &["policy", "show"],
    ] {
        all_plain(&scene, words);
    }
    let events = scene.run(&["--json", "log", "tail", "-n", "200"]).data();
    for event in events.as_array().unwrap() {
        let seq = event["seq"].as_u64().or(event["event"]["seq"].as_u64());
        let seq = seq.unwrap().to_string();
        for words in [&["log", "show", &seq][..], &["--json", "log", "show", &seq]] {
            let ran = scene.run(words);
            assert_eq!(ran.code, 0, "{words:?} {}", ran.err);
            plain(&format!("event {seq}"), &ran.out);
        }
    }
    let words = [
        "exec",
        "-T",
        "--repo",
        "shop",
        "--",
        "printf",
        "'\\033[2J\\233\\007'",
    ];
    on_a_terminal(&scene, &words);
    // What is refused quotes what it refuses.
    for words in [
        &["patch", "show", &said()][..],
        &["session", "resume", &said()],
        &["gate", "show", &said()],
        &["model", "test", &said()],
        &["config", "get", &said()],
        &["config", "set", &said(), &said()],
        &["config", "set", "policy.profile", &said()],
        &["explain", &said()],
        &["log", "verify", &said()],
        &["code", "x", "--repo", &said()],
        &["code", "x", "--max-cost", &said()],
        &["exec", "--env", &said(), "--", "true"],
        &["--json", "session", "show", &said()],
    ] {
        let ran = scene.run(words);
        assert_ne!(ran.code, 0, "{words:?}");
        plain(&format!("{words:?}"), &ran.err);
        plain(&format!("{words:?}"), &ran.out);
    }
}

#[test]
fn a_gate_and_its_rules_are_shown_plainly() {
    let Some((scene, _server)) = ready(Script::list([])) else {
        return;
    };
    // The owner's own rule, with words from elsewhere pasted into it.
    let why = "careful\u{202e}\u{9b}31m\u{200b}";
    let rule = format!(
        "@id(\"my.net\")\n@verdict(\"ask\")\n@why(\"{why}\")\npermit (principal, action == Action::\"run\", resource);\n"
    );
    let file = scene.file("atoll/config/policy/mine.cedar", &rule);
    for words in [
        &["policy", "check"][..],
        &["policy", "show"],
        &["--json", "policy", "show"],
    ] {
        let ran = scene.run(words);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == 2 && all.contains("not one plain line"), "{all}");
        plain("a refused rule", &all);
    }
    std::fs::remove_file(file).unwrap();
    let script = format!("echo {}", said());
    let words = [
        "exec",
        "--repo",
        "shop",
        "--on-ask",
        "wait",
        "--net",
        "example.org:443",
        "--",
        "sh",
        "-c",
        &script,
        &said(),
    ];
    let exec = Watched::start(&scene, &words);
    let gates = || scene.run(&["--json", "gate", "list"]);
    until("the gate is open", || {
        let ran = gates();
        ran.code == 0 && ran.data().as_array().is_some_and(|g| g.len() == 1)
    });
    for words in [
        &["gate", "list"][..],
        &["gate", "show", "g1"],
        &["status"],
        &["session", "show", "s1"],
    ] {
        all_plain(&scene, words);
    }
    let no = scene.run(&["gate", "answer", "g1", "no", "--why", &said()]);
    assert_eq!(no.code, 0, "{}", no.err);
    plain("an answer", &no.out);
    let ended = exec.end();
    assert_eq!(ended.code, 126, "{}", ended.err);
    plain("exec", &ended.err);
    until("it is over", || listed(&scene)["state"] == "closed");
    all_plain(&scene, &["gate", "show", "g1"]);
    all_plain(&scene, &["log", "tail", "-n", "50"]);
}
