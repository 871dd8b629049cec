//! What changes between a question and its answer, and answers that come late or twice.

use std::path::{Path, PathBuf};

use crate::hostile::until;
use crate::kit::nothing_left;
use crate::moments::{Watched, listed};
use crate::scene::{Ran, Scene};

/// A command that asks before it runs, and prints what the script says.
const ASKING: [&str; 9] = [
    "exec",
    "--repo",
    "w",
    "--on-ask",
    "wait",
    "--net",
    "example.org:443",
    "--",
    "./script.sh",
];

fn gates(scene: &Scene) -> Vec<serde_json::Value> {
    let ran = scene.run(&["--json", "gate", "list"]);
    match ran.code {
        0 => ran.data().as_array().unwrap().clone(),
        _ => Vec::new(),
    }
}

/// A scene whose script says `asked`, its command at a gate.
fn at_a_gate() -> Option<(Scene, Watched)> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    script(&scene.file("w/script.sh", ""), "asked");
    let exec = Watched::start(&scene, &ASKING);
    until("the gate is open", || gates(&scene).len() == 1);
    Some((scene, exec))
}

fn script(path: &Path, says: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\necho {says}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Every file of that name below a folder.
fn below(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(below(&entry.path(), name));
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn what_was_asked_is_what_runs_whatever_the_checkout_says_by_now() {
    let Some((scene, exec)) = at_a_gate() else {
        return;
    };
    script(&scene.path().join("w/script.sh"), "swapped");
    assert_eq!(scene.run(&["gate", "answer", "g1", "once"]).code, 0);
    let ended = exec.end();
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "asked\n"),
        "{}",
        ended.err
    );
    nothing_left(&scene);
}

#[test]
fn a_script_swapped_in_the_copy_is_not_run() {
    let Some((scene, exec)) = at_a_gate() else {
        return;
    };
    let asked = gates(&scene)[0]["question"]["detail"].to_string();
    assert!(
        asked.contains("its copy (tree "),
        "what it is bound to: {asked}"
    );
    let copies = below(&scene.path().join("atoll/data"), "script.sh");
    assert_eq!(copies.len(), 1, "{copies:?}");
    script(&copies[0], "swapped");
    assert_eq!(scene.run(&["gate", "answer", "g1", "once"]).code, 0);
    let ended = exec.end();
    assert!(
        ended.code == 125 && ended.out.is_empty() && ended.err.contains("changed"),
        "{}: {}{}",
        ended.code,
        ended.out,
        ended.err
    );
    until("it is over", || listed(&scene)["state"] == "closed");
    nothing_left(&scene);
}

#[test]
fn one_answer_is_for_one_run() {
    let Some((scene, exec)) = at_a_gate() else {
        return;
    };
    assert_eq!(scene.run(&["gate", "answer", "g1", "once"]).code, 0);
    assert_eq!(exec.end().code, 0);
    let again = Watched::start(&scene, &ASKING);
    until("it asks again", || gates(&scene).len() == 1);
    assert_eq!(gates(&scene)[0]["ordinal"], "g2");
    // The old answer can't be given again, nor to another gate.
    let late = scene.run(&["gate", "answer", "g1", "once"]);
    assert!(
        late.code == 7 && late.err.contains("ATL-0303"),
        "{}",
        late.err
    );
    assert_eq!(gates(&scene).len(), 1);
    assert_eq!(scene.run(&["gate", "answer", "g2", "no"]).code, 0);
    assert_eq!(again.end().code, 126);
    nothing_left(&scene);
}

#[test]
fn a_gate_that_ran_out_allows_nothing() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("atoll/config/config.toml", "[limits]\ngate_ttl_s = 10\n");
    script(&scene.file("w/script.sh", ""), "asked");
    let exec = Watched::start(&scene, &ASKING);
    until("the gate is open", || gates(&scene).len() == 1);
    until("it runs out", || gates(&scene).is_empty());
    let late = scene.run(&["gate", "answer", "g1", "once"]);
    assert!(
        late.code == 7 && late.err.contains("ATL-0303"),
        "{}: {}",
        late.code,
        late.err
    );
    let ended = exec.end();
    assert!(
        [125, 126].contains(&ended.code) && ended.out.is_empty(),
        "{}: {}{}",
        ended.code,
        ended.out,
        ended.err
    );
    let shown = Ran::of(scene.atoll(&["gate", "show", "g1"]).output().unwrap());
    assert!(shown.out.contains("expired"), "{}", shown.out);
    nothing_left(&scene);
}
