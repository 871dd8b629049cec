//! How jobs end, and that nothing of them is left.

use std::path::Path;
use std::time::{Duration, Instant};

use atoll_domain::{Reason, Tick};
use atoll_guard::Stop;
use atoll_ports::Runner;
use futures::StreamExt;
use testkit::permits;

use crate::kit::{self, finish, modes, run, sh, start};

/// Pids on this machine whose command line holds `mark`.
fn marked(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.bytes().all(|b| b.is_ascii_digit()) {
            let line = std::fs::read(Path::new("/proc").join(&name).join("cmdline"));
            let line = line.unwrap_or_default();
            if line.windows(mark.len()).any(|part| part == mark.as_bytes()) {
                found.push(name);
            }
        }
    }
    found
}

/// Waits until no process with `mark` is left; bounded.
async fn gone(mark: &str) -> bool {
    for _ in 0..500 {
        if marked(mark).is_empty() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Waits until two processes with `mark` run; bounded.
async fn two(mark: &str) -> bool {
    for _ in 0..500 {
        if marked(mark).len() == 2 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn time_is_limited_also_for_a_job_that_ignores_sigterm() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut deaf = sh("trap '' TERM; echo deaf; while :; do sleep 0.1; done");
        deaf.spec.ttl_s = 1;
        let outcome = run(&runner, deaf).await;
        assert_eq!(
            outcome.reason,
            Some(Reason::Timeout),
            "{mode:?} {outcome:?}"
        );
        assert_eq!(
            (outcome.signal, outcome.stdout.as_str()),
            (Some(9), "deaf\n")
        );
        let mut polite = sh("trap 'echo bye; exit 5' TERM; echo hi; while :; do sleep 0.1; done");
        polite.spec.ttl_s = 1;
        let outcome = run(&runner, polite).await;
        assert_eq!(outcome.reason, Some(Reason::Timeout));
        assert_eq!(
            (outcome.exit_code, outcome.stdout.as_str()),
            (Some(5), "hi\nbye\n")
        );
    }
}

#[tokio::test]
async fn a_stopped_job_says_cancelled() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let mut running = start(&runner, sh("echo up; sleep 1000")).await.unwrap();
        running.output.next().await.unwrap();
        running.control.stop();
        let (_, ended) = finish(running).await;
        assert_eq!(ended.outcome.reason, Some(Reason::Cancelled), "{mode:?}");
    }
}

#[tokio::test]
async fn a_daemon_dies_with_its_job() {
    for mode in modes() {
        let mark = format!("40077{}{}", std::process::id() % 1000, mode as u8);
        let runner = kit::runner(mode);
        let script = format!("setsid sleep {mark} >/dev/null 2>&1 & echo left");
        let outcome = run(&runner, sh(&script)).await;
        assert!(outcome.ok, "{mode:?} {outcome:?}");
        assert!(marked(&format!("sleep\0{mark}")).is_empty(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_holds_the_output_does_not_hold_the_job() {
    let runner = kit::runner(modes()[0]);
    let began = Instant::now();
    let outcome = run(&runner, sh("sleep 50 & echo out")).await;
    assert!(outcome.ok && outcome.stdout == "out\n");
    assert!(began.elapsed() < Duration::from_secs(40));
}

#[tokio::test]
async fn dropping_the_runner_ends_its_jobs() {
    for mode in modes() {
        let mark = format!("41077{}{}", std::process::id() % 1000, mode as u8);
        let runner = kit::runner(mode);
        let mut running = start(&runner, sh(&format!("echo up; sleep {mark}")))
            .await
            .unwrap();
        running.output.next().await.unwrap();
        drop(runner);
        let ended = running.end.await;
        assert_eq!(ended.outcome.reason, Some(Reason::Lost), "{mode:?}");
        assert!(gone(&format!("sleep\0{mark}")).await);
    }
}

#[tokio::test]
async fn a_killed_spawner_takes_its_jobs_along() {
    for mode in modes() {
        let mark = format!("42077{}{}", std::process::id() % 1000, mode as u8);
        let runner = kit::runner(mode);
        let mut running = start(&runner, sh(&format!("echo up; sleep {mark}")))
            .await
            .unwrap();
        running.output.next().await.unwrap();
        let pid = rustix::process::Pid::from_raw(runner.spawner_pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let ended = running.end.await;
        assert_eq!(ended.outcome.reason, Some(Reason::Lost), "{mode:?}");
        assert!(gone(&format!("sleep\0{mark}")).await);
        // Its jobs are lost; the next ones get a new spawner.
        // One that was sent while the spawner was dying is refused.
        let mut next = start(&runner, sh("true")).await;
        for _ in 0..100 {
            if next.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            next = start(&runner, sh("true")).await;
        }
        assert!(finish(next.unwrap()).await.1.outcome.ok, "{mode:?}");
        assert_ne!(runner.spawner_pid(), pid.as_raw_nonzero().get() as u32);
    }
}

/// The node of the next test, in a process of its own.
#[tokio::test]
#[ignore = "run by kill_9_of_the_node_leaves_nothing"]
async fn node_to_be_killed() {
    let mark = std::env::var("ATOLL_TEST_MARK").unwrap();
    let mode = if std::env::var("ATOLL_TEST_MODE").unwrap() == "Root" {
        kit::Mode::Root
    } else {
        kit::Mode::User
    };
    let runner = kit::runner(mode);
    let script = format!("trap '' TERM HUP; setsid sleep {mark} & echo up; sleep {mark}");
    let mut running = start(&runner, sh(&script)).await.unwrap();
    running.output.next().await.unwrap();
    println!("spawner {} up", runner.spawner_pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn kill_9_of_the_node_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    for mode in modes() {
        let mark = format!("43077{}{}", std::process::id() % 1000, mode as u8);
        let mut node = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "life::node_to_be_killed",
                "--nocapture",
            ])
            .env("ATOLL_TEST_MARK", &mark)
            .env("ATOLL_TEST_MODE", format!("{mode:?}"))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let line = lines
            .map(Result::unwrap)
            .find(|line| line.contains("spawner "))
            .unwrap();
        let spawner = line
            .split("spawner ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        assert!(two(&format!("sleep\0{mark}")).await, "{mode:?}");
        node.kill().unwrap();
        node.wait().unwrap();
        assert!(gone(&format!("sleep\0{mark}")).await, "{mode:?}");
        for _ in 0..500 {
            if !Path::new("/proc").join(&spawner).exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(
            !Path::new("/proc").join(&spawner).exists(),
            "{mode:?}: the spawner lives"
        );
    }
}

#[tokio::test]
async fn a_permit_that_is_late_starts_nothing() {
    let runner = kit::runner(modes()[0]);
    let (guard, journal) = permits::guard();
    let permit = permits::permit(&guard, sh("true")).await;
    let late = Tick(0).plus_ms(3_600_000);
    assert!(matches!(
        runner.start(permit, late).await,
        Err(Stop::Expired)
    ));
    assert!(format!("{:?}", journal.bodies()).contains("Unused"));
}

#[tokio::test]
async fn many_jobs_at_once_are_kept_apart() {
    for mode in modes() {
        let runner = kit::runner(mode);
        let jobs = (0..12).map(|n| {
            run(
                &runner,
                sh(&format!(
                    "echo {n} > /tmp/x; sleep 0.05; cat /tmp/x; ls /tmp | wc -l"
                )),
            )
        });
        let outcomes = futures::future::join_all(jobs).await;
        for (n, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.stdout, format!("{n}\n1\n"), "{mode:?}");
        }
    }
}
