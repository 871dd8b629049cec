//! A writer that is killed in the middle, by running this binary again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use atoll_guard::Journal as _;
use atoll_ports::Log as _;
use atoll_ports::log::Filter;
use atoll_store::{Options, Pace, Store};

use crate::made::{NEVER, Place, SMALL, bare, granted, note, permit};

const DIR: &str = "ATOLL_TEST_CRASH_DIR";

/// Not a test by itself: what the killed process runs.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let pace = Pace {
        events: 50,
        ..NEVER
    };
    let store = Arc::new(
        Store::open(Options {
            room: SMALL,
            pace,
            ..Options::new(dir)
        })
        .unwrap(),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let writers: Vec<_> = (0..4u64)
            .map(|w| {
                let store = store.clone();
                tokio::spawn(async move {
                    for i in 0..u64::MAX {
                        let synced = i % 3 != 0;
                        let large =
                            vec![w as u8; if i % 16 == 7 { 70_000 } else { 10 } + i as usize];
                        let entry = if i % 2 == 0 { bare(i) } else { note(&large).0 };
                        let at = store.append(entry, synced).await.unwrap();
                        if synced {
                            writeln!(std::io::stdout(), "ack {} {}", at.seq, at.id).unwrap();
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// Lets the child write in `dir` until it has acknowledged `acks` events, kills
/// it, and returns what it had acknowledged.
fn write_and_kill(dir: &std::path::Path, acks: usize) -> Vec<(u64, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_that_writes_until_it_is_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut found = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while found.len() < acks {
        let line = lines
            .next()
            .expect("the child goes on until it is killed")
            .unwrap();
        found.extend(ack(&line));
    }
    child.kill().unwrap();
    // What stands in the pipe was acknowledged as well.
    found.extend(lines.map_while(Result::ok).filter_map(|l| ack(&l)));
    child.wait().unwrap();
    found
}

fn ack(line: &str) -> Option<(u64, String)> {
    let mut words = line.split_once("ack ")?.1.split(' ');
    let seq = words.next()?.parse().ok()?;
    let id = words.next().filter(|id| id.len() == 40)?;
    Some((seq, id.to_owned()))
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let place = Place::new();
    for round in 1..=4 {
        let acked = write_and_kill(&place.path(), 40 * round);
        let store = place.open();
        for (seq, id) in &acked {
            let event = store.event(&id.parse().unwrap()).unwrap();
            assert_eq!(event.map(|e| e.seq), Some(*seq), "round {round}: {id}");
        }
        let verified = store.verify().unwrap();
        assert_eq!(verified.bad, None, "round {round}");
        let events = store.events(0, 10_000, &Filter::default()).unwrap();
        assert_eq!(events.len() as u64, verified.events.min(10_000));
        let before = store.reader().dump().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(store.rebuild()).unwrap();
        assert_eq!(store.reader().dump().unwrap(), before);
    }
}

#[tokio::test]
async fn closing_needs_no_runtime_and_ends_with_the_store() {
    let place = Place::new();
    let store = place.open();
    store
        .append(granted(None, permit(1), Default::default(), None), true)
        .await
        .unwrap();
    store.close(crate::made::closed(
        None,
        permit(1),
        Default::default(),
        b"{}",
    ));
    drop(store);
    assert_eq!(place.open().open_permits().unwrap(), []);
}
