//! A log that was changed behind the node's back, through the binary: the line is named, nothing is
//! gone on with in silence, and nothing panics.

use std::path::PathBuf;
use std::sync::Arc;

use atoll_domain::{Commitment, Draft, FeedbackNote, Ms};
use atoll_guard::{Entry, Journal};
use atoll_ports::Log;
use rusqlite::{Connection, params};
use testkit::provider::Server;

use crate::code::{mend, project};
use crate::scene::{Ran, Scene};

/// After a session of a scripted model, with the node down.
struct After {
    scene: Scene,
    // The configuration names it.
    _server: Server,
}

/// `None` where there is no sandbox.
fn after_a_session() -> Option<After> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    let server = Server::start(mend());
    project(&scene, &server);
    let words = ["code", "make the test pass", "--repo", "shop"];
    let ran = Ran::of(scene.with_node(&words).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(scene.run(&["down"]).code, 0);
    let after = After {
        scene,
        _server: server,
    };
    let ran = after.scene.run(&["log", "verify"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    Some(after)
}

impl After {
    fn path(&self) -> PathBuf {
        self.scene.path().join("atoll/data/log.db")
    }
    fn db(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
    fn number(&self, query: &str) -> u64 {
        self.db().query_row(query, [], |r| r.get(0)).unwrap()
    }
    /// The event of the first edit.
    fn edit(&self) -> u64 {
        self.number(
            "SELECT min(seq) FROM events WHERE kind = 'ToolCall' AND instr(bytes, CAST('read_file' AS BLOB))",
        )
    }
    /// `log verify` without a node names `seq` and ends with 8.
    #[track_caller]
    fn bad_at(&self, seq: u64, why: &str) {
        let ran = self.scene.run(&["log", "verify"]);
        let line = format!("NOT intact: first at event {seq}.");
        assert!(
            ran.code == 8 && ran.out.contains(&line) && ran.out.contains(why),
            "{}: {}{}",
            ran.code,
            ran.out,
            ran.err
        );
        let found = self.scene.run(&["--json", "log", "verify"]);
        assert_eq!(found.code, 8);
        assert_eq!(found.data()["bad"][0], seq);
    }
    /// A command that needs a node gets none, and is told why.
    #[track_caller]
    fn no_node(&self, why: &str) {
        for words in [&["status"][..], &["up", "--foreground"]] {
            let ran = Ran::of(self.scene.with_node(words).output().unwrap());
            assert!(
                ran.code == 8
                    && ran.err.contains("ATL-0601")
                    && ran.err.contains(why)
                    && ran.err.contains("atoll log verify")
                    && !ran.err.contains("panicked"),
                "{words:?} {}: {}{}",
                ran.code,
                ran.out,
                ran.err
            );
        }
    }
}

fn bare(n: u8) -> Entry {
    let text = Commitment::of(&[7; 32], &[n]);
    Entry::plain(Draft::node(FeedbackNote { text }.into()))
}

#[test]
fn an_edited_event_is_named_and_no_node_goes_on_from_it() {
    let Some(after) = after_a_session() else {
        return;
    };
    let seq = after.edit();
    let db = after.db();
    let mut bytes: Vec<u8> = db
        .query_row("SELECT bytes FROM events WHERE seq = ?1", [seq], |r| {
            r.get(0)
        })
        .unwrap();
    let at = bytes.windows(9).position(|w| w == b"read_file").unwrap();
    bytes[at..at + 9].copy_from_slice(b"read_fIle");
    let change = "UPDATE events SET bytes = ?2 WHERE seq = ?1";
    db.execute(change, params![seq, bytes]).unwrap();
    after.bad_at(seq, "it was edited");
    after.no_node(&format!("at event {seq}: it was edited"));
    // Its hash was made to fit: then it is the next that no longer follows.
    let hash = atoll_domain::Hash::of(&bytes);
    let change = "UPDATE events SET hash = ?2 WHERE seq = ?1";
    db.execute(change, params![seq, hash.0]).unwrap();
    after.bad_at(seq + 1, "does not follow from the event before it");
    after.no_node(&format!("at event {}", seq + 1));
    // No more than the column by which it is found.
    let place = after_a_session().unwrap();
    let seq = place.edit();
    let change = "UPDATE events SET session = NULL WHERE seq = ?1";
    place.db().execute(change, [seq]).unwrap();
    place.bad_at(seq, "another session");
}

#[test]
fn an_edited_content_is_named_and_does_not_speak() {
    let Some(after) = after_a_session() else {
        return;
    };
    // The words of the first prompt.
    let text: Vec<u8> = after
        .db()
        .query_row("SELECT prompt FROM sessions", [], |r| r.get(0))
        .unwrap();
    let changed = after
        .db()
        .execute(
            "UPDATE content SET bytes = CAST('make the test fail' AS BLOB) WHERE h = ?1",
            [&text[..32]],
        )
        .unwrap();
    assert_eq!(changed, 1);
    let seq = after.number("SELECT min(seq) FROM events WHERE kind = 'PromptSent'");
    after.bad_at(seq, "content does not match its commitment");
    // The node starts, since the chain holds; it never shows or uses the words.
    let shown = Ran::of(
        after
            .scene
            .with_node(&["session", "show", "s1"])
            .output()
            .unwrap(),
    );
    assert!(
        !shown.out.contains("make the test fail") && !shown.err.contains("panicked"),
        "{}{}",
        shown.out,
        shown.err
    );
    let replayed = after.scene.run(&["log", "replay", "s1"]);
    assert!(
        replayed.code == 8 && !replayed.out.contains("no divergence"),
        "{}: {}{}",
        replayed.code,
        replayed.out,
        replayed.err
    );
    let ran = after.scene.run(&["log", "verify"]);
    assert_eq!(ran.code, 8, "beside the node, too: {}", ran.out);
    let export = after.scene.run(&["log", "export", "--contents"]);
    assert!(!export.out.contains("make the test fail"));
}

#[tokio::test]
async fn cut_off_and_swapped_events_are_named() {
    let Some(after) = after_a_session() else {
        return;
    };
    let (db, seq) = (after.db(), after.edit());
    db.execute_batch(&format!(
        "UPDATE events SET seq = -1 WHERE seq = {seq};
         UPDATE events SET seq = {seq} WHERE seq = {seq} + 1;
         UPDATE events SET seq = {seq} + 1 WHERE seq = -1;"
    ))
    .unwrap();
    after.bad_at(seq, "are missing before it");
    after.no_node(&format!("at event {seq}"));

    let after = after_a_session().unwrap();
    let data = after.scene.path().join("atoll/data");
    let store = atoll_store::Store::open(atoll_store::Options::new(&data)).unwrap();
    store.append(bare(1), true).await.unwrap();
    store.checkpoint().await.unwrap();
    let note = store.verify().unwrap().note.unwrap();
    drop(store);
    let last = after.number("SELECT max(seq) FROM events");
    let cut = "DELETE FROM events WHERE seq > ?1";
    after.db().execute(cut, [last - 3]).unwrap();
    after.bad_at(last - 2, "truncated");
    after.no_node("its last events are missing");
    // Whoever cuts it so that it is sound in itself is found by a checkpoint that was kept.
    let sound = "UPDATE log SET seq = (SELECT max(seq) FROM events), checkpoint = 0,
         hash = (SELECT hash FROM events ORDER BY seq DESC LIMIT 1)";
    after.db().execute_batch(sound).unwrap();
    let whole = after.scene.run(&["log", "verify"]);
    assert_eq!(whole.code, 0, "{}", whole.out);
    let kept = after.scene.file("kept.txt", &note);
    let words = ["log", "verify", "--checkpoint", kept.to_str().unwrap()];
    let ran = after.scene.run(&words);
    assert!(
        ran.code == 8 && ran.out.contains("truncated"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(data.join("keys/epoch.key").exists());
    // A log that is gone is not begun anew beside the key of the old one.
    after
        .db()
        .execute_batch("DELETE FROM events; DELETE FROM log;")
        .unwrap();
    after.no_node("holds no log");
    std::fs::remove_file(after.path()).unwrap();
    after.no_node("holds no log");
}

#[test]
fn a_garbled_file_is_refused_in_words() {
    let Some(after) = after_a_session() else {
        return;
    };
    let whole = std::fs::read(after.path()).unwrap();
    let page = 4096;
    assert!(whole.len() > 8 * page);
    let mut header = whole.clone();
    header[..64].fill(0xa5);
    let mut cut = whole.clone();
    cut.truncate(whole.len() / 2 + 100);
    let mut versions = whole.clone();
    // The schema's root: every table is found through it.
    versions[100..108].fill(0xff);
    for (what, bytes) in [("header", header), ("cut", cut), ("schema", versions)] {
        std::fs::write(after.path(), bytes).unwrap();
        let ran = after.scene.run(&["log", "verify"]);
        assert!(
            ran.code == 8 && !ran.err.contains("panicked"),
            "{what} {}: {}{}",
            ran.code,
            ran.out,
            ran.err
        );
        let ran = Ran::of(after.scene.with_node(&["status"]).output().unwrap());
        assert!(
            ran.code == 8 && ran.err.contains("ATL-0601") && !ran.err.contains("panicked"),
            "{what} {}: {}{}",
            ran.code,
            ran.out,
            ran.err
        );
    }
    // Any page: what hits the log is found, and nothing panics.
    let (mut found, pages) = (0, whole.len() / page);
    for n in (1..pages).step_by(5) {
        let mut garbled = whole.clone();
        for byte in &mut garbled[n * page..n * page + 256] {
            *byte ^= 0x5a;
        }
        std::fs::write(after.path(), garbled).unwrap();
        let ran = after.scene.run(&["log", "verify"]);
        assert!(
            [0, 8].contains(&ran.code) && !ran.err.contains("panicked"),
            "page {n}, {}: {}{}",
            ran.code,
            ran.out,
            ran.err
        );
        found += u32::from(ran.code == 8);
    }
    assert!(found > 0, "of {pages} pages none was of the log");
}

#[tokio::test]
async fn a_clock_that_is_set_back_is_said_and_changes_no_order() {
    let Some(after) = after_a_session() else {
        return;
    };
    let last = after.number("SELECT max(seq) FROM events");
    let then = after.number("SELECT ts FROM log") - 3_600_000;
    let options = atoll_store::Options {
        clock: Arc::new(move || Ms(then)),
        ..atoll_store::Options::new(after.scene.path().join("atoll/data"))
    };
    let store = atoll_store::Store::open(options).unwrap();
    for n in 1..=3 {
        let done = store.append(bare(n), true).await.unwrap();
        assert_eq!((done.seq, done.ts), (last + u64::from(n), Ms(then)));
    }
    drop(store);
    let ran = after.scene.run(&["log", "verify"]);
    assert!(
        ran.code == 0 && ran.out.contains("was set back once"),
        "{}{}",
        ran.out,
        ran.err
    );
    // The node goes on behind it.
    let ran = Ran::of(after.scene.with_node(&["log", "verify"]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = Ran::of(after.scene.with_node(&["status"]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let tail = after
        .scene
        .run(&["--json", "log", "tail", "-n", "5"])
        .data();
    let seqs: Vec<u64> = tail
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["seq"].as_u64().or(e["event"]["seq"].as_u64()).unwrap())
        .collect();
    assert!(seqs.windows(2).all(|w| w[1] == w[0] + 1), "{seqs:?}");
    assert!(seqs.last() > Some(&(last + 3)), "{seqs:?}");
    let list = after.scene.run(&["--json", "patch", "list"]).data();
    assert_eq!(list[0]["ordinal"], "p1", "{list}");
}
