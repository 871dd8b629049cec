//! What an auditor does with a node's log: keeps checkpoints, gets an export, and checks it on another machine, by
//! the binary and by the implementation that shares no code with it.

use std::path::Path;
use std::process::Command;

use crate::hostile::until;
use crate::scene::{Ran, Scene};

pub fn node(scene: &Scene, words: &[&str]) -> Ran {
    Ran::of(scene.with_node(words).output().unwrap())
}

/// The other implementation.
pub fn python(words: &[&str]) -> Ran {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit/verify.py");
    let mut python = Command::new("python3");
    Ran::of(python.arg(script).args(words).output().unwrap())
}

/// Both say the same.
#[track_caller]
pub fn both(scene: &Scene, words: &[&str], code: i32, said: &str) {
    let here = scene.run(&[&["log", "verify", "--from"], words].concat());
    assert_eq!(here.code, code, "{}{}", here.out, here.err);
    assert!(here.out.contains(said), "{}", here.out);
    let there = python(words);
    assert_eq!(there.code, code, "{}{}", there.out, there.err);
    assert!(there.out.contains(said), "{}", there.out);
}

#[test]
fn a_sessions_export_is_proven_on_another_machine() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let exec = |word: &str| {
        let ran = node(&scene, &["exec", "--repo", "w", "--", "echo", word]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    };
    exec("one");
    let kept = node(&scene, &["log", "checkpoint"]);
    let root = kept.out.lines().next().unwrap().to_owned();
    let kept = scene.file("kept.notes", &kept.out);
    let kept = kept.to_str().unwrap();
    exec("two");

    let words = [
        "log",
        "export",
        "--session",
        "s2",
        "--contents",
        "--since",
        kept,
    ];
    let export = node(&scene, &words);
    assert_eq!(export.code, 0, "{}", export.err);
    let file = scene.file("s2.ndjson", &export.out);
    let file = file.to_str().unwrap();
    // Elsewhere: nothing of the node is there.
    let other = Scene::new();
    both(
        &other,
        &[file, "--root", &root, "--checkpoint", kept],
        0,
        "Intact: a part of a log",
    );
    let stranger = root.replacen("z6Mk", "z6Mm", 1);
    let refused = other.run(&["log", "verify", "--from", file, "--root", &stranger]);
    assert_ne!(refused.code, 0);
    let found = other.run(&["--json", "log", "verify", file, "--checkpoint", kept]);
    assert_eq!(
        (
            found.data()["compared"].as_u64(),
            found.data()["kept"].as_u64()
        ),
        (Some(1), Some(1))
    );

    let edited = export.out.replacen("\"ExecStarted\"", "\"ExecStartee\"", 1);
    assert_ne!(edited, export.out);
    let edited = scene.file("edited.ndjson", &edited);
    both(
        &other,
        &[edited.to_str().unwrap()],
        8,
        "NOT intact: first at line",
    );
    // A checkpoint of a story that this log never had.
    let text = std::fs::read_to_string(kept).unwrap();
    let root_line = text.lines().nth(2).unwrap();
    let mut forged = root_line.to_owned();
    forged.replace_range(0..1, if forged.starts_with('A') { "B" } else { "A" });
    let forged = scene.file("forged.notes", &text.replacen(root_line, &forged, 1));
    both(
        &other,
        &[file, "--checkpoint", forged.to_str().unwrap()],
        8,
        "the log was rewritten",
    );
    let whole = node(&scene, &["log", "export"]);
    let whole = scene.file("whole.ndjson", &whole.out);
    both(
        &other,
        &[
            whole.to_str().unwrap(),
            "--root",
            &root,
            "--checkpoint",
            kept,
        ],
        0,
        "Intact: a whole log",
    );
}

#[test]
fn a_witness_keeps_each_checkpoint_and_finds_a_cut() {
    let scene = Scene::new();
    let witness = scene.path().join("stick/atoll.notes");
    std::fs::create_dir(scene.path().join("stick")).unwrap();
    let set = scene.run(&["config", "set", "log.witness", witness.to_str().unwrap()]);
    assert_eq!(set.code, 0, "{}", set.err);
    for _ in 0..2 {
        assert_eq!(node(&scene, &["up"]).code, 0);
        assert_eq!(scene.run(&["down"]).code, 0);
    }
    let text = std::fs::read_to_string(&witness).unwrap();
    let notes = atoll_log::note::each(&text);
    assert!(notes.len() >= 2, "{text}");
    let ran = scene.run(&["log", "verify"]);
    let fit = format!("{} kept elsewhere fit", notes.len());
    assert!(
        ran.code == 0 && ran.out.contains(&fit),
        "{}{}",
        ran.out,
        ran.err
    );

    // Whoever cuts the log so that it is sound in itself doesn't reach the stick.
    let db = rusqlite::Connection::open(scene.path().join("atoll/data/log.db")).unwrap();
    db.execute_batch(
        "DELETE FROM events WHERE seq > 3;
         UPDATE log SET seq = 3, checkpoint = 0, hash = (SELECT hash FROM events WHERE seq = 3)",
    )
    .unwrap();
    drop(db);
    let ran = scene.run(&["log", "verify"]);
    assert!(
        ran.code == 8 && ran.out.contains("truncated"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_witness_that_is_away_is_said_and_holds_nothing_up() {
    let scene = Scene::new();
    let away = scene.path().join("nowhere/atoll.notes");
    scene.run(&["config", "set", "log.witness", away.to_str().unwrap()]);
    assert_eq!(node(&scene, &["up"]).code, 0);
    until("the node says it", || {
        let status = scene.run(&["status"]).out;
        status.contains("NOT kept in") && status.contains("No such file")
    });
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    std::fs::create_dir(Path::new(&away).parent().unwrap()).unwrap();
    assert_eq!(scene.run(&["down"]).code, 0);
    let text = std::fs::read_to_string(&away).unwrap();
    assert!(
        !atoll_log::note::each(&text).is_empty(),
        "it caught up: {text}"
    );
}

/// The numbers of the events that a mirror's file holds, in order, and what its beginnings say.
fn mirrored(path: &Path) -> (Vec<u64>, Vec<u64>) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|err| panic!("{err}: {line}"))
    });
    let (mut events, mut begun) = (Vec::new(), Vec::new());
    for line in lines {
        events.extend(line["seq"].as_u64());
        begun.extend(line["mirror"]["from"].as_u64());
    }
    (events, begun)
}

#[test]
fn a_mirror_has_each_event_once_over_restarts_and_rotation() {
    let scene = Scene::new();
    let path = scene.path().join("out/log.ndjson");
    scene.run(&["config", "set", "log.mirror", path.to_str().unwrap()]);
    // It is away at first: nothing waits for it, and it is said.
    assert_eq!(node(&scene, &["up"]).code, 0);
    until("the node says it", || {
        let status = scene.run(&["status"]).out;
        status.contains("NOT written to") && status.contains("No such file")
    });
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(scene.run(&["down"]).code, 0);
    let (first, begun) = mirrored(&path);
    assert!(first.len() > 2, "it caught up: {first:?}");
    assert_eq!(first, (1..=first.len() as u64).collect::<Vec<_>>());
    assert_eq!(begun, [1]);

    assert_eq!(node(&scene, &["up"]).code, 0);
    until("the new ones are there", || {
        mirrored(&path).0.len() > first.len()
    });
    // Somebody rotates it while the node runs, and once more while none does.
    let moved = |n: u64| {
        let to = scene.path().join(format!("out/log.{n}"));
        std::fs::rename(&path, &to).unwrap();
        mirrored(&to)
    };
    let second = moved(1);
    assert_eq!(scene.run(&["down"]).code, 0);
    let third = moved(2);
    assert_eq!(node(&scene, &["up"]).code, 0);
    assert_eq!(scene.run(&["down"]).code, 0);
    let fourth = mirrored(&path);
    let all = [second.0.clone(), third.0.clone(), fourth.0.clone()].concat();
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!((third.1, fourth.1), (vec![third.0[0]], vec![fourth.0[0]]));

    // Together they are the log, and prove themselves like an export of it.
    let mut text = String::new();
    for file in ["out/log.1", "out/log.2", "out/log.ndjson"] {
        let part = std::fs::read_to_string(scene.path().join(file)).unwrap();
        let events = part.lines().filter(|l| !l.starts_with("{\"mirror\""));
        text.extend(events.map(|l| format!("{l}\n")));
    }
    let whole = scene.file("whole.ndjson", &text);
    both(&scene, &[whole.to_str().unwrap()], 0, "Intact: a whole log");
}
