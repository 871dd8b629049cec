//! Jobs that are given secrets: in their own environment, and nowhere else.

use atoll_domain::{JobSecret, Reason, Tick, Tty};
use atoll_guard::Stop;
use atoll_ports::Runner;
use atoll_ports::runner::{Ended, Given, Running};
use atoll_runners::ProcessRunner;
use testkit::permits;

use crate::kit::*;

const VALUE: &str = "s3cr3t-Value/with+chars \"x\"";

fn named(text: &str) -> JobSecret {
    text.parse().unwrap()
}

fn given(text: &str, value: &str) -> Given {
    Given {
        secret: named(text),
        value: testkit::vault::value(value),
    }
}

async fn start_with(
    runner: &ProcessRunner,
    mut job: atoll_domain::action::Job,
    given: Vec<Given>,
) -> Result<Running, Stop> {
    job.spec.secrets = given.iter().map(|g| g.secret.clone()).collect();
    let (guard, _) = permits::guard();
    let permit = permits::permit(&guard, job).await;
    runner.start_with(permit, given, Tick(1)).await
}

async fn run_with(
    runner: &ProcessRunner,
    job: atoll_domain::action::Job,
    given: Vec<Given>,
) -> (String, Ended) {
    let (all, ended) = finish(start_with(runner, job, given).await.unwrap()).await;
    (String::from_utf8(all).unwrap(), ended)
}

/// The command finds its secrets by their variables, and what it writes of them is masked in the stream and in what is
/// kept, however it is cut and spelt.
#[tokio::test]
async fn a_job_finds_its_secrets_and_nobody_sees_them() {
    for mode in modes() {
        let runner = runner(mode);
        let script = "test \"$KEY\" = 's3cr3t-Value/with+chars \"x\"' && test \"$OTHER_ONE\" = second && echo both;
            echo \"$KEY\"; printf %s \"$KEY\" | base64; printf '%s' \"user:$KEY\" | base64 | tr -d '\\n';
            printf %s \"$KEY\" | od -An -tx1 | tr -d ' \\n'; echo;
            printf %s \"$KEY\" | fold -w1 | while IFS= read -r c || test -n \"$c\"; do printf %s \"$c\"; sleep 0.002; done; echo;
            echo \"err $OTHER_ONE $KEY\" >&2";
        let secrets = || vec![given("key", VALUE), given("other.one", "second")];
        let (all, ended) = run_with(&runner, sh(script), secrets()).await;
        let o = ended.outcome;
        assert!(
            o.ok && o.stdout.starts_with("both\n[secret:key]\n[secret:key]"),
            "{mode:?} {o:?}"
        );
        assert_eq!(o.stderr, "err [secret:other.one] [secret:key]\n");
        for text in [&all, &o.stdout, &o.stderr] {
            for part in [VALUE, "czNjcjN0", "7333637233", "s3cr3t", "second"] {
                assert!(!text.contains(part), "{mode:?} {part}: {text}");
            }
        }
        assert_eq!(o.stdout.matches("[secret:key]").count(), 5, "{}", o.stdout);
    }
}

/// On a terminal too, with its line ends.
#[tokio::test]
async fn a_terminals_output_is_masked() {
    let runner = runner(modes()[0]);
    let mut job = sh("printf '%s' \"$PEM\"; echo; printf '%s' \"$PEM\" | head -c 40");
    job.spec.tty = Some(Tty { cols: 80, rows: 24 });
    let pem = "-----BEGIN K-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END K-----";
    let (all, ended) = run_with(&runner, job, vec![given("pem", pem)]).await;
    assert!(ended.outcome.ok, "{ended:?}");
    assert!(all.starts_with("[secret:pem]\r\n[secret:pem]"), "{all}");
}

/// What a job inherits of the box, and what stands in other processes, has nothing of them.
#[tokio::test]
async fn no_other_process_has_them() {
    let runner = runner(modes()[0]);
    let job = sh("echo up; sleep 30");
    let running = start_with(&runner, job, vec![given("key", VALUE)])
        .await
        .unwrap();
    let mut running = running;
    let first = futures::StreamExt::next(&mut running.output).await;
    assert_eq!(first.unwrap().bytes, b"up\n");
    let (mut seen, mut own) = (0, 0);
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let holds = |file: &str| {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            bytes.windows(VALUE.len()).any(|w| w == VALUE.as_bytes())
        };
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        seen += 1;
        assert!(!holds("cmdline"), "{pid}");
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if holds("environ") {
            assert!(
                ["sh\n", "sleep\n", "dash\n"].contains(&comm.as_str()),
                "{pid} {comm}"
            );
            own += 1;
        }
    }
    // Who may not look into the job's processes finds none.
    assert!(seen > 2 && own <= 2, "{seen} {own}");
    running.control.stop();
    let (_, ended) = finish(running).await;
    assert_eq!(ended.outcome.reason, Some(Reason::Cancelled));
    // The next job, of the same spawner, is born without.
    let o = run(
        &runner,
        sh("env; cat /proc/self/environ; ls -l /proc/self/fd"),
    )
    .await;
    assert!(
        o.ok && !o.stdout.contains("KEY") && !o.stdout.contains("s3cr3t"),
        "{o:?}"
    );
    assert!(!o.stdout.contains("memfd"), "{o:?}");
}

/// A kept file that quotes one would carry it into the log.
#[tokio::test]
async fn a_file_that_quotes_one_is_not_kept() {
    let runner = runner(modes()[0]);
    let dir = folder();
    let mut job = sh(
        "echo \"$KEY\" > quotes.txt; printf %s \"$KEY\" | base64 > spelt.txt; echo fine > fine.txt",
    );
    copy(&mut job, dir.path(), owner(&runner, modes()[0]));
    job.spec.artifacts = vec!["*.txt".into()];
    let (_, ended) = run_with(&runner, job, vec![given("key", VALUE)]).await;
    let kept: Vec<&str> = ended
        .kept
        .iter()
        .map(|k| k.artifact.path.as_str())
        .collect();
    assert_eq!(kept, ["fine.txt"]);
    let hint = ended.outcome.detail.unwrap().hint.unwrap();
    assert!(hint.contains("quotes a secret"), "{hint}");
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused() {
    let runner = runner(modes()[0]);
    let (guard, journal) = permits::guard();
    let refused = |job, given| async {
        let permit = permits::permit(&guard, job).await;
        runner.start_with(permit, given, Tick(1)).await.err()
    };
    let mut job = sh("true");
    job.spec.secrets = vec![named("key")];
    let unable = |stop: Option<Stop>| matches!(stop, Some(Stop::Unable(_)));
    assert!(
        unable(refused(job.clone(), Vec::new()).await),
        "named and not given"
    );
    assert!(unable(
        refused(job.clone(), vec![given("other", "v")]).await
    ));
    assert!(unable(
        refused(job.clone(), vec![given("key=OTHER", "v")]).await
    ));
    assert!(
        unable(refused(sh("true"), vec![given("key", "v")]).await),
        "given and not named"
    );
    job.spec.env.insert("KEY".into(), "x".into());
    assert!(
        unable(refused(job, vec![given("key", "v")]).await),
        "set already"
    );
    let said = format!("{:?}", journal.drafts());
    assert!(!said.contains("\"v\""), "{said}");
}
