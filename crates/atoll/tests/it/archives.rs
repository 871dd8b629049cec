//! Old events put away as segments: by order and by the node itself, and checked where the node is not.

use std::path::{Path, PathBuf};

use crate::hostile::until;
use crate::proofs::{both, node};
use crate::scene::Scene;

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn segments_of_a_node_are_proven_in_a_row_on_another_machine() {
    let scene = Scene::new();
    let refused = node(&scene, &["log", "archive"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("log.archive"), "{}", refused.err);
    assert_eq!(scene.run(&["down"]).code, 0);

    let dir = scene.path().join("archive");
    std::fs::create_dir(&dir).unwrap();
    let archive = dir.to_str().unwrap();
    scene.run(&["config", "set", "log.archive", archive]);
    let young = node(&scene, &["log", "archive", "--older", "1h"]);
    assert!(
        young.code == 0 && young.out.contains("Nothing is old enough"),
        "{}{}",
        young.out,
        young.err
    );
    let mut kept = String::new();
    for n in 1..=3 {
        let ran = node(&scene, &["--json", "log", "archive", "--all"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(!ran.data()["segments"].as_array().unwrap().is_empty());
        assert_eq!(segments(&dir).len(), n, "{}", ran.out);
        let notes = node(&scene, &["log", "checkpoint"]).out;
        kept = format!("{kept}{notes}\n");
        // A stop and a start are new events.
        assert_eq!(scene.run(&["down"]).code, 0);
    }
    let root = kept.lines().next().unwrap().to_owned();
    let kept = scene.file("kept.notes", &kept);
    let kept = kept.to_str().unwrap();
    assert_eq!(scene.run(&["log", "verify"]).code, 0, "the log has all");

    let other = Scene::new();
    let against = [archive, "--root", &root, "--checkpoint", kept];
    both(
        &other,
        &against,
        0,
        "Intact: 3 segments of a log, from event 1 to",
    );
    let paths = segments(&dir);
    let words: Vec<&str> = paths.iter().map(|p| p.to_str().unwrap()).collect();
    both(
        &other,
        &[words[1]],
        0,
        "Intact: a segment of a log, from event",
    );
    both(
        &other,
        &[words[2], words[1]],
        0,
        "Intact: 2 segments of a log",
    );
    let found = other.run(&["--json", "log", "verify", archive, "--checkpoint", kept]);
    assert_eq!(found.data()["compared"].as_u64(), Some(3), "{}", found.out);
    both(&other, &[words[0], words[2]], 8, "are missing before it");
    let found = other.run(&["--json", "log", "verify", words[0], words[2]]);
    let missing = &found.data()["missing"];
    assert_eq!(missing.as_array().map(Vec::len), Some(1), "{}", found.out);

    bent_files(&other, &paths);
}

/// Cut, with something behind it, or no segment: alone and in a row.
fn bent_files(other: &Scene, paths: &[PathBuf]) {
    let first = paths[0].to_str().unwrap();
    let bytes = std::fs::read(&paths[1]).unwrap();
    let bent = other.path().join("bent");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for bytes in [
        &bytes[..bytes.len() - 9],
        &[bytes.as_slice(), &bytes].concat(),
        &[bytes.as_slice(), b"\0"].concat(),
        &flipped,
        b"",
    ] {
        std::fs::write(&bent, bytes).unwrap();
        let bent = bent.to_str().unwrap();
        both(other, &[bent], 8, "NOT intact: first at line");
        both(other, &[first, bent], 8, "NOT intact: first at line");
    }
}

#[test]
fn an_archive_that_is_away_is_said_and_then_catches_up() {
    let scene = Scene::new();
    let dir = scene.path().join("archive");
    scene.run(&["config", "set", "log.archive", dir.to_str().unwrap()]);
    scene.run(&["config", "set", "log.archive_after_days", "0"]);
    scene.run(&["config", "set", "limits.sweep_s", "1"]);
    assert_eq!(node(&scene, &["up"]).code, 0);
    until("the node says it", || {
        let status = scene.run(&["status"]).out;
        status.contains("NOT put into") && status.contains("No such file")
    });
    let refused = node(&scene, &["log", "archive"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    std::fs::create_dir(&dir).unwrap();
    assert_eq!(node(&scene, &["log", "checkpoint"]).code, 0);
    until("it is there", || !segments(&dir).is_empty());
    until("the node says so", || {
        scene.run(&["status"]).out.contains("events up to")
    });
    assert_eq!(scene.run(&["down"]).code, 0);
    both(&scene, &[dir.to_str().unwrap()], 0, "Intact: ");
}
