//! What a verdict costs: `cargo run --release -p atoll-policy --example judge_cost`.
//!
//! Prints microseconds per verdict for each kind of question under `careful`, and with a workspace's
//! rules beside it; then what reading all rules costs.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use atoll_domain::action::{FileRead, Job, ReadOp};
use atoll_domain::*;
use atoll_guard::{PolicyEngine, Question};
use atoll_policy::{Engine, Source};

const ROUNDS: u32 = 20_000;
const ROOT: &str = "/home/ana/shop";

fn main() {
    let begun = Instant::now();
    let engine = Engine::new(&[]).expect("the profiles are sound");
    println!(
        "first engine     {:8.2} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    let begun = Instant::now();
    let again = Engine::new(&[]).expect("the profiles are sound");
    println!(
        "another engine   {:8.2} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    drop(again);
    let rules = r#"@id("a") @why("no") forbid (principal, action == Action::"run", resource) when { context.program == "curl" };"#;
    let narrowed = engine
        .with_workspace(ROOT, &[Source::new("policy.cedar", rules)])
        .expect("the rule is sound");
    measure("read", &engine, &read());
    measure("run", &engine, &run(&["pytest", "-q"]));
    measure("run, 200 words", &engine, &run(&["word"; 200]));
    measure("run, narrowed", &narrowed, &run(&["pytest", "-q"]));
}

fn measure<A: Act>(what: &str, engine: &Engine, act: &A) {
    let actor = Actor::ai("coder");
    let mut facts = Facts::of(Role::Agent, "careful");
    facts.workspace = Some(ROOT.into());
    let action = act.canonical();
    let question = Question {
        actor: &actor,
        kind: A::KIND,
        action: &action,
        facts: &facts,
    };
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let verdict = engine.judge(black_box(&question));
        assert!(verdict.is_ok_and(|v| !v.rules.is_empty()));
    }
    let us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("{what:16} {us:8.2} us");
}

fn read() -> FileRead {
    FileRead {
        session: SessionId::new(Ms(1), [1; 10]),
        op: ReadOp::Read {
            path: "src/main.rs".into(),
            start_line: None,
            lines_max: None,
        },
    }
}

fn run(cmd: &[&str]) -> Job {
    Job {
        spec: JobSpec {
            id: JobId::new(Ms(2), [2; 10]),
            runner: RunnerKind::Process,
            language: None,
            image: None,
            cmd: cmd.iter().map(|word| (*word).to_owned()).collect(),
            stdin: false,
            tty: None,
            env: BTreeMap::new(),
            workdir: ROOT.into(),
            mounts: Vec::new(),
            limits: Limits::default(),
            ttl_s: 600,
            network: Network::None,
            secrets: Vec::new(),
            artifacts: Vec::new(),
            snapshot: None,
        },
        purpose: Purpose::Run,
        session: None,
        copy: None,
        exe: None,
    }
}
