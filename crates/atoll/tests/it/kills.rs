//! The node killed at one event after the other of a session: wherever it falls, what was acknowledged is there,
//! the session goes on to the same patch, and the log is whole.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use testkit::provider::{Reply, Script};

use crate::hostile::{ready, until};
use crate::kit::{left, nothing_left};
use crate::scene::{Ran, Scene};

/// The next step after as many results: the same for a session that went on as for one that never stopped.
fn next(request: &Value) -> Reply {
    let messages = request["messages"].as_array().unwrap();
    let results = messages.iter().filter(|m| m["role"] == "tool").count();
    match results {
        0 => Reply::call("read_file", json!({ "path": "sum.txt" })),
        1 => Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        2 => Reply::call("run", json!({ "command": "cat sum.txt" })),
        3 => Reply::call("test", json!({})),
        _ => Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    }
}

/// The last event that is on disk, as another reader of the file sees it.
fn head(db: &Path) -> u64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(db) = Connection::open_with_flags(db, flags) else {
        return 0;
    };
    db.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |r| r.get(0))
        .unwrap_or(0)
}

fn session(scene: &Scene) -> Value {
    let mut list = scene.with_node(&["--json", "session", "list"]);
    Ran::of(list.output().unwrap()).data()[0].clone()
}

/// Kills the node when its log holds `at` events; whether the session was still at work.
fn killed_at(scene: &Scene, at: u64) {
    let db = scene.path().join("atoll/data/log.db");
    let pid = scene.run(&["--json", "status"]).data()["health"]["pid"].to_string();
    let begun = Instant::now();
    while head(&db) < at {
        let patience = begun.elapsed() < Duration::from_secs(60);
        assert!(patience, "the log never came to {at} events");
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    until("no process of it is left", || left(scene).is_empty());
}

#[test]
fn a_node_killed_at_any_event_goes_on_to_the_same_patch() {
    // A session has some sixty events; the first few are the node's own start and what the command waits for.
    let mut cut_off = 0;
    for at in [4, 14, 20, 26, 31, 37, 43, 50, 56] {
        let Some((scene, _server)) = ready(Script::by_function(next)) else {
            return;
        };
        assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
        let words = ["code", "make the test pass", "--repo", "shop", "--detach"];
        let started = scene.run(&words);
        assert_eq!(
            (started.code, started.out.as_str()),
            (0, "s1\n"),
            "{}",
            started.err
        );
        killed_at(&scene, at);
        let found = session(&scene);
        assert_eq!(
            found["ordinal"], "s1",
            "at {at}: what was acknowledged is lost"
        );
        match found["state"].as_str().unwrap() {
            "parked" => {
                cut_off += 1;
                let resumed = scene.run(&["session", "resume", "s1"]);
                assert!(
                    resumed.code == 0 && resumed.out.contains("Patch p1 ready: Fix the sum"),
                    "at {at}, {}: {}{}",
                    resumed.code,
                    resumed.out,
                    resumed.err
                );
            }
            state => assert_eq!((state, &found["end"]), ("idle", &json!("patch")), "at {at}"),
        }
        let patches = scene.run(&["--json", "patch", "list"]).data();
        assert_eq!(patches.as_array().unwrap().len(), 1, "at {at}: {patches}");
        let shown = scene.run(&["patch", "show", "p1"]);
        assert!(
            shown.out.contains("-total=2\n+total=3\n"),
            "at {at}: {}",
            shown.out
        );
        let replay = scene.run(&["log", "replay", "s1"]);
        assert!(
            replay.out.contains("no divergence"),
            "at {at}: {}{}",
            replay.out,
            replay.err
        );
        nothing_left(&scene);
        assert_eq!(scene.run(&["log", "verify"]).code, 0, "at {at}");
    }
    assert!(cut_off >= 3, "only {cut_off} sessions were still at work");
}
