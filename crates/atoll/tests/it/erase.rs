//! `log erase`: what was said is gone from the disk, and the chain still holds.

use std::path::Path;

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::hostile::{code, ready};
use crate::scene::Scene;

/// Words that stand in the prompt, in a file's diff and in the title; nowhere else on the machine.
const NAMES: [&str; 3] = ["Quillfeather", "total=30301", "Blomquistson"];

fn patched() -> Option<Scene> {
    let script = Script::list([
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=30301" }),
        ),
        Reply::call(
            "finish",
            json!({ "title": "For Blomquistson", "summary": "It was 2.", "solved": false }),
        ),
    ]);
    let (scene, _server) = ready(script)?;
    let ran = code(&scene, &["what Quillfeather wants"]);
    assert_ne!(ran.code, 0, "two prompts are no command line");
    let words = [
        "code",
        "what Quillfeather wants",
        "--repo",
        "shop",
        "--on-ask",
        "deny",
    ];
    let ran = scene.with_node(&words).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "the agent gives up");
    Some(scene)
}

/// Whether a file below `folder` holds `needle`.
fn on_disk(folder: &Path, needle: &str) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => on_disk(&path, needle),
            kind if kind.is_file() => std::fs::read(&path)
                .unwrap()
                .windows(needle.len())
                .any(|w| w == needle.as_bytes()),
            _ => false,
        }
    })
}

#[test]
fn a_sessions_words_are_gone_and_the_log_verifies() {
    let Some(scene) = patched() else { return };
    let data = scene.path().join("atoll/data");
    assert!(
        on_disk(&data, NAMES[0]) && on_disk(&data, NAMES[1]),
        "the test looks in the right place"
    );

    let asked = scene.run(&["log", "erase", "s1", "--why", "end of contract"]);
    assert_eq!(asked.code, 2, "{}", asked.out);
    assert!(asked.err.contains("say --yes"), "{}", asked.err);
    let none = scene.run(&["log", "erase", "s1", "--why", " ", "--yes"]);
    assert_eq!(none.code, 2, "{}", none.out);

    let erased = scene.run(&[
        "--json",
        "log",
        "erase",
        "s1",
        "--why",
        "end of contract",
        "--yes",
    ]);
    assert_eq!(erased.code, 0, "{}", erased.err);
    assert!(
        erased.data()["contents"].as_u64().unwrap() > 5,
        "{}",
        erased.out
    );
    let again = scene.run(&["log", "erase", "s1", "--why", "again", "--yes"]);
    assert!(
        again.out.contains("Nothing is left to erase"),
        "{}",
        again.out
    );

    let shown = scene.run(&["log", "show", "s1"]);
    assert!(
        shown.code == 0 && shown.out.contains("erased"),
        "{}",
        shown.out
    );
    for words in [
        &["session", "show", "s1"][..],
        &["session", "list"],
        &["log", "tail", "-n", "200"],
        &["log", "export", "--contents"],
    ] {
        let ran = scene.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        for name in NAMES {
            assert!(!ran.out.contains(name), "{words:?}: {}", ran.out);
        }
    }
    let resumed = scene.run(&["session", "resume", "s1", "go on"]);
    assert!(
        resumed.code == 7 && resumed.err.contains("erased"),
        "{}: {}",
        resumed.code,
        resumed.err
    );
    let verified = scene.run(&["--json", "log", "verify"]).data();
    assert_eq!(verified["bad"], json!(null));
    assert!(verified["erased"].as_u64().unwrap() > 5, "{verified}");
    assert_eq!(scene.run(&["session", "delete", "s1"]).code, 0);
    assert_eq!(scene.run(&["down"]).code, 0);
    for name in ["log.db", "log.db-wal", "blobs"] {
        let path = data.join(name);
        for needle in NAMES {
            let there = match path.is_dir() {
                true => on_disk(&path, needle),
                false => std::fs::read(&path)
                    .is_ok_and(|b| b.windows(needle.len()).any(|w| w == needle.as_bytes())),
            };
            assert!(!there, "{needle} is still in {name}");
        }
    }
}

#[test]
fn one_field_of_one_event_is_erased_and_nothing_else() {
    let Some(scene) = patched() else { return };
    let events = scene.run(&["--json", "log", "show", "s1"]).data();
    let prompt = events
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["type"] == "PromptSent")
        .unwrap();
    let seq = prompt["seq"].to_string();
    let wrong = scene.run(&[
        "log", "erase", &seq, "--field", "nothing", "--why", "x", "--yes",
    ]);
    assert!(
        wrong.code == 2 && wrong.err.contains("holds: text"),
        "{}",
        wrong.err
    );
    let erased = scene.run(&[
        "--json", "log", "erase", &seq, "--field", "text", "--why", "x", "--yes",
    ]);
    assert_eq!(erased.data()["contents"], 1);
    let after = scene.run(&["--json", "log", "show", "s1"]).data();
    let words = |events: &serde_json::Value| -> usize {
        let all = events.as_array().unwrap();
        all.iter()
            .map(|e| e["words"].as_object().unwrap().len())
            .sum()
    };
    assert_eq!(words(&after), words(&events) - 1);
    for (what, code) in [("0", 2), ("99999", 2), ("s9", 2), ("p1", 2), ("../x", 2)] {
        let ran = scene.run(&["log", "erase", what, "--why", "x", "--yes"]);
        assert_eq!(ran.code, code, "{what}: {}{}", ran.out, ran.err);
    }
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
}
