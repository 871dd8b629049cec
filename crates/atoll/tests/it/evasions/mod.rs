//! Evasions from public reports, each carried out for real: without a box, where it must take effect, and in a box,
//! where nothing outside may notice. `docs/security/evasions.md` says what is counted.

mod bare;
mod boxed;
mod corpus;
mod network;
mod outside;
mod pristine;
mod report;
mod world;

use std::process::Command;

/// Entries of the corpus that can be proven to work without a box: it doesn't shrink unnoticed.
const PROVEN_MIN: usize = 600;

#[test]
fn the_corpus_is_in_order() {
    let all = corpus::read();
    let faults = corpus::faults(&all);
    assert!(faults.is_empty(), "{faults:#?}");
    let counted = all.iter().filter(|entry| entry.unproven.is_empty());
    assert!(counted.count() >= PROVEN_MIN, "{}", all.len());
}

/// In a process of its own: a caller's environment holds a secret.
#[test]
fn no_evasion_takes_effect_outside_the_box() {
    if !crate::scene::Scene::new().sandboxed() {
        return;
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "evasions::the_whole_corpus",
            "--nocapture",
        ])
        .env(world::VARIABLE, world::ENVIRONMENT)
        .output()
        .unwrap();
    let words = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success(), "{words}");
    // The counts are of interest also where all is well.
    for line in words.lines().filter(|line| line.starts_with("evasions: ")) {
        println!("{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
#[ignore = "run by no_evasion_takes_effect_outside_the_box, with a secret in the environment"]
async fn the_whole_corpus() {
    let only = std::env::var("ATOLL_TEST_ONLY").unwrap_or_default();
    let all: Vec<corpus::Entry> = corpus::read()
        .into_iter()
        .filter(|entry| entry.id.starts_with(&only))
        .collect();
    let report = outside::everything(all).await;
    report.tell();
    report.judge(only.is_empty());
}
