//! Secrets that a model gets under placeholders: the same in all of a session, put back for a person's eyes alone.

use serde_json::{Value, json};
use testkit::provider::{Reply, Script};

use crate::hostile::ready;
use crate::kit::nothing_left;
use crate::moments::kill_node;
use crate::scene::{Ran, Scene};

/// A key of a well-known kind, made here.
fn key(n: u8) -> String {
    format!("ghp_{n}{}", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAbCd")
}

/// The placeholders in a text, in order.
fn marks(text: &str) -> Vec<String> {
    let begins = text.match_indices("[redacted:").map(|(at, _)| &text[at..]);
    begins
        .filter_map(|rest| Some(rest[..=rest.find(']')?].to_owned()))
        .collect()
}

/// Reads the notes, then speaks of the last secret that it was told of.
fn speaks_of_it(request: &Value) -> Reply {
    let told = request["messages"].to_string();
    match marks(&told).last() {
        None => Reply::call("read_file", json!({ "path": "notes.txt" })),
        Some(mark) => Reply::text(format!("The key is {mark}, [sic] and {mark} again.")),
    }
}

fn chat(scene: &Scene, words: &[&str]) -> Ran {
    let ran = Ran::of(
        scene
            .with_node(&[&["chat"], words].concat())
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

#[test]
fn a_person_reads_the_secret_that_the_model_speaks_of_by_its_placeholder() {
    let Some((scene, server)) = ready(Script::by_function(speaks_of_it)) else {
        return;
    };
    let (mine, other) = (key(1), key(2));
    scene.file(
        "shop/notes.txt",
        &format!("key {mine}\nother {other}\nonce more {mine}\n"),
    );
    let ran = chat(&scene, &["what is the key?", "--repo", "shop"]);
    assert_eq!(
        ran.out.trim(),
        format!("The key is {mine}, [sic] and {mine} again.")
    );
    // The model saw two names for two keys, and neither of them.
    let asked = server.requests().last().unwrap().text.clone();
    assert!(!asked.contains(&mine) && !asked.contains(&other), "{asked}");
    let seen = marks(&asked);
    assert!(
        seen.len() == 3 && seen[0] == seen[2] && seen[0] != seen[1],
        "{seen:?}"
    );
    assert!(seen[0].starts_with("[redacted:github#"), "{seen:?}");
    // The log has what the model said; only who looks is shown more.
    let log = scene.run(&["--json", "log", "show", "s1"]).out;
    assert!(log.contains(&format!("The key is {}", seen[0])));
    // After a crash the same names stand for the same keys.
    kill_node(&scene);
    let again = chat(&scene, &["and now?", "-c", "--repo", "shop"]);
    assert!(again.out.contains(&mine), "{again:?}");
    let asked = server.requests().last().unwrap().text.clone();
    assert!(
        asked.contains("and now?") && !asked.contains(&mine),
        "{asked}"
    );
    assert!(
        marks(&asked).iter().all(|mark| seen.contains(mark)),
        "{seen:?} {asked}"
    );
    // In another session they have other names.
    chat(&scene, &["what is the key?", "--repo", "shop"]);
    let asked = server.requests().last().unwrap().text.clone();
    let others = marks(&asked);
    assert!(
        !others.is_empty() && others.iter().all(|mark| !seen.contains(mark)),
        "{others:?}"
    );
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    nothing_left(&scene);
}

#[test]
fn no_edit_writes_a_placeholder_and_no_command_gets_the_secret_behind_it() {
    let edits = |request: &Value| {
        let told = request["messages"].to_string();
        let results = told.matches("\"role\":\"tool\"").count();
        match (marks(&told).last(), results) {
            (None, _) => Reply::call("read_file", json!({ "path": "notes.txt" })),
            (Some(mark), 1) => Reply::call(
                "edit",
                json!({ "path": "sum.txt", "search": "total=2", "replace": format!("total={mark}") }),
            ),
            (Some(mark), 2) => Reply::call(
                "run",
                json!({ "command": format!("echo {mark} > out.txt; cat out.txt") }),
            ),
            (Some(_), _) => Reply::text("It can't be done."),
        }
    };
    let Some((scene, server)) = ready(Script::by_function(edits)) else {
        return;
    };
    let secret = key(3);
    scene.file("shop/notes.txt", &format!("key {secret}\n"));
    chat(&scene, &["put the key into the sum", "--repo", "shop"]);
    let asked = server.requests().last().unwrap().text.clone();
    assert!(!asked.contains(&secret), "{asked}");
    assert!(
        asked.contains("placeholder"),
        "the edit was refused: {asked}"
    );
    let patch = scene.run(&["patch", "list"]).out;
    assert!(!patch.contains("sum.txt"), "{patch}");
    let log = scene.run(&["--json", "log", "show", "s1"]).data();
    let chunks = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["type"] == "ExecOutput");
    let said: Vec<String> = chunks.map(|e| e["words"]["chunk"].to_string()).collect();
    assert!(
        said.iter().any(|c| c.contains("[redacted:github#")),
        "{said:?}"
    );
    assert!(said.iter().all(|c| !c.contains(&secret)), "{said:?}");
}

#[test]
fn personal_data_goes_or_stays_as_its_owner_says() {
    let script = || {
        Script::by_function(|request: &Value| {
            let told = request["messages"].to_string();
            match told.contains("\"role\":\"tool\"") {
                false => Reply::call("read_file", json!({ "path": "notes.txt" })),
                true => Reply::text("Read."),
            }
        })
    };
    for (emails, there) in [("false", true), ("true", false)] {
        let Some((scene, server)) = ready(script()) else {
            return;
        };
        scene.file("shop/notes.txt", "ask ana.silva@acme-shop.io\n");
        assert_eq!(
            scene.run(&["config", "set", "redact.emails", emails]).code,
            0
        );
        chat(&scene, &["whom do I ask?", "--repo", "shop"]);
        let asked = server.requests().last().unwrap().text.clone();
        assert_eq!(asked.contains("ana.silva@acme-shop.io"), there, "{asked}");
        assert_eq!(asked.contains("[redacted:email#"), !there, "{asked}");
    }
}
