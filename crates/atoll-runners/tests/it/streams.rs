//! Input, terminals, output.

use atoll_domain::action::Stdin;
use atoll_domain::{Reason, Tick, Tty};
use atoll_guard::{End, Live, Stop};
use atoll_ports::runner::{Running, Stream};
use futures::StreamExt;

use crate::kit::{self, finish, job, modes, run, sh, start};

/// Feeds a running job.
async fn feed(running: &Running, bytes: &[u8]) -> Result<Live<Stdin>, Stop> {
    let act = Stdin {
        job: running.live.act().spec.id,
        bytes: bytes.to_vec(),
    };
    let permit = running.live.sub(act).await.unwrap();
    running.control.stdin(permit, Tick(1)).await
}

#[tokio::test]
async fn input_reaches_the_job_and_can_be_closed() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut cat = job(&["cat"]);
        cat.spec.stdin = true;
        let running = start(&runner, cat).await.unwrap();
        // More than a pipe holds, so that it waits for the job to read.
        let long = vec![b'x'; 300_000];
        for bytes in [b"one\n".as_slice(), &long, b""] {
            feed(&running, bytes).await.unwrap().finish(End::done());
        }
        assert!(matches!(
            feed(&running, b"late").await,
            Err(Stop::Unable(_))
        ));
        let (all, ended) = finish(running).await;
        assert!(ended.outcome.ok, "{:?}", ended.outcome);
        assert_eq!(all.len(), 4 + long.len());
    }
}

#[tokio::test]
async fn without_stdin_it_is_closed_and_empty() {
    for mode in modes() {
        let outcome = run(&kit::runner(mode), sh("wc -c; read x || echo end")).await;
        assert_eq!(outcome.stdout, "0\nend\n", "{mode:?}");
    }
}

#[tokio::test]
async fn a_terminal_has_a_size_that_changes_and_is_the_jobs_own() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let script = "test -t 0 && test -t 1 && test -t 2 && tty; stty size; \
                      trap 'stty size; exit 3' WINCH; echo ready; \
                      echo can-open > /dev/tty; while :; do read line; done";
        let mut shell = sh(script);
        shell.spec.stdin = true;
        shell.spec.tty = Some(Tty { cols: 91, rows: 17 });
        let mut running = start(&runner, shell).await.unwrap();
        let mut seen = String::new();
        while let Some(chunk) = running.output.next().await {
            assert_eq!(chunk.stream, Stream::Out);
            seen.push_str(&String::from_utf8_lossy(&chunk.bytes));
            if seen.contains("can-open\r\n") && !seen.contains("33 44") {
                running.control.resize(44, 33);
                feed(&running, b"wake\n").await.unwrap().finish(End::done());
            }
        }
        let outcome = running.end.await.outcome;
        running.live.finish(End::done());
        assert!(
            seen.starts_with("/dev/pts/0\r\n17 91\r\nready\r\n"),
            "{mode:?} {seen:?}"
        );
        assert!(seen.contains("33 44\r\n"), "{mode:?} {seen:?}");
        assert_eq!(outcome.exit_code, Some(3));
        assert_eq!(outcome.stderr, "");
    }
}

#[tokio::test]
async fn long_output_is_kept_head_and_tail() {
    let mode = modes()[0];
    let runner = kit::runner(mode);
    let mut long = sh("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last");
    long.spec.limits.output_bytes = 100_000;
    let running = start(&runner, long).await.unwrap();
    let (streamed, ended) = finish(running).await;
    let outcome = ended.outcome;
    assert!(outcome.ok && outcome.truncated, "{:?}", outcome.reason);
    assert!(outcome.stdout.starts_with("first\nxxx") && outcome.stdout.ends_with("xxx\nlast\n"));
    assert!(outcome.stdout.contains("bytes were dropped here"));
    assert!(outcome.stdout.len() < 101_000);
    // What streams is bounded too, to a chunk.
    assert!(streamed.len() <= 100_000 + (64 << 10), "{}", streamed.len());
}

#[tokio::test]
async fn a_reader_that_stops_reading_stops_the_jobs_writes() {
    let mode = modes()[0];
    let runner = kit::runner(mode);
    let mut long = sh("head -c 20000000 /dev/zero; echo done >&2");
    long.spec.limits.output_bytes = 64 << 20;
    let mut running = start(&runner, long).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let mut bytes = 0;
    let mut done_at = None;
    while let Some(chunk) = running.output.next().await {
        assert!(chunk.bytes.len() <= 64 << 10);
        if chunk.stream == Stream::Err {
            done_at = Some(bytes);
        } else {
            bytes += chunk.bytes.len();
        }
    }
    let outcome = running.end.await.outcome;
    running.live.finish(End::done());
    assert!(outcome.ok);
    assert_eq!(bytes, 20_000_000);
    // It could not be done before most was read: what lies between is bounded.
    assert!(done_at.unwrap() > 15_000_000, "{done_at:?}");
}

#[tokio::test]
async fn an_output_bomb_is_ended() {
    let mode = modes()[0];
    let runner = kit::runner(mode);
    let mut bomb = job(&["yes"]);
    bomb.spec.limits.output_bytes = 10_000;
    let outcome = run(&runner, bomb).await;
    assert_eq!(outcome.reason, Some(Reason::Output), "{:?}", outcome.detail);
    assert!(outcome.stdout.len() < 11_000 && outcome.truncated);
}
