//! The log's figures, measured in one run, as one line of JSON:
//! `cargo run --release -p atoll-store --example log_figures -- DIR [SECONDS]`.
//!
//! - `synced_ratio`: rows per second of 16 closed-loop writers that each wait for
//!   the disk, against 16 rows in a bare synced commit of SQLite.
//! - `in_flight_per_s`: events per second with 256 appends in flight.
//! - `verify_per_s`: events per second of verifying the chain.
// A measurement that can't go on may panic.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atoll_domain::{Commitment, Draft, ExecOutput, JobId, Ms};
use atoll_guard::{Entry, Journal as _};
use atoll_ports::Log as _;
use atoll_ports::log::Export;
use atoll_store::{Options, Store};

/// One event as jobs write most of them.
fn entry(n: u64) -> Entry {
    let body = ExecOutput {
        job: JobId::new(Ms(n), [1; 10]),
        stream: 1,
        chunk: Commitment::of(&[2; 32], &n.to_be_bytes()),
    };
    Entry::plain(Draft::node(body.into()))
}

/// Commits of 16 rows per second, each synced, of rows as long as an event's.
fn bare(dir: &Path, time: Duration, row_bytes: usize) -> f64 {
    let db = rusqlite::Connection::open(dir.join("bare.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (seq INTEGER PRIMARY KEY, b BLOB);")
        .unwrap();
    let row = vec![b'x'; row_bytes];
    let (start, mut commits) = (Instant::now(), 0u32);
    while start.elapsed() < time {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..16 {
            db.prepare_cached("INSERT INTO t (b) VALUES (?1)")
                .unwrap()
                .execute([&row])
                .unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
        commits += 1;
    }
    f64::from(commits) / start.elapsed().as_secs_f64()
}

/// Appends per second of `writers` that each wait for their answer.
async fn closed_loop(store: &Arc<Store>, writers: u64, sync: bool, time: Duration) -> f64 {
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|w| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = 0u64;
                while start.elapsed() < time {
                    store.append(entry(w), sync).await.unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    total as f64 / start.elapsed().as_secs_f64()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("a directory on the disk to measure");
    let time = Duration::from_secs(args.next().map_or(3, |s| s.parse().unwrap()));
    let dir = tempfile::tempdir_in(dir).unwrap();
    let store = Arc::new(Store::open(Options::new(dir.path().join("data"))).unwrap());
    closed_loop(&store, 16, true, time / 4).await;
    let (mut events, mut bytes) = (0, 0);
    let mut count = |line: &[u8]| {
        (events, bytes) = (events + 1, bytes + line.len());
        Ok(())
    };
    store.export(&Export::default(), &mut count).unwrap();
    let row_bytes = bytes / events.max(1);
    // In turns, because a disk's speed drifts.
    let (mut commits, mut synced) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let bare_dir = tempfile::tempdir_in(dir.path()).unwrap();
        commits.push(bare(bare_dir.path(), time / 4, row_bytes));
        synced.push(closed_loop(&store, 16, true, time / 4).await);
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let in_flight = closed_loop(&store, 256, true, time).await;
    let unsynced = closed_loop(&store, 1, false, time / 2).await;
    let start = Instant::now();
    let verified = store.reader().verify(None, &[], false).unwrap();
    let took = start.elapsed().as_secs_f64();
    assert_eq!(verified.bad, None);
    println!(
        "{{\"bare_commits_per_s\":{:.0},\"synced_per_s\":{:.0},\"synced_ratio\":{:.2},\"in_flight_per_s\":{:.0},\
         \"unsynced_append_us\":{:.0},\"events\":{},\"event_bytes\":{row_bytes},\"verify_per_s\":{:.0}}}",
        mean(&commits),
        mean(&synced),
        mean(&synced) / (16.0 * mean(&commits)),
        in_flight,
        1e6 / unsynced,
        verified.events,
        verified.events as f64 / took,
    );
}
