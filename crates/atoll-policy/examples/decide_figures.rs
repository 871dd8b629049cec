//! Verdicts with a hundred rules, as one line of JSON:
//! `cargo run --release -p atoll-policy --example decide_figures -- [ROUNDS]`.
//!
//! - `sliced_us`: a verdict, from the question to the rules that decided, the mean over questions of all kinds.
//! - `whole_us`: the same where Cedar gets every rule there is, in turns with it in the same run.
//! - `equal`: 1 if both said the same, with the same rules, to every question.
// A measurement that can't go on may panic.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

#[path = "made/rules.rs"]
mod made;

use std::hint::black_box;
use std::time::{Duration, Instant};

use atoll_domain::{Actor, Canonical, Facts, Kind, Role};
use atoll_guard::{PolicyEngine, Question};
use atoll_policy::{Engine, Source};
use serde_json::{Value, json};

use made::RULES;

const ROOT: &str = "/home/ana/shop";
/// With those of `careful`.
const RULES_IN_ALL: usize = 100;

fn rules(own: usize) -> Source {
    let rule = |n: usize| {
        let (scope, condition) = RULES[n % RULES.len()];
        let condition = condition.replace('N', &n.to_string());
        let why = "a rule of the measurement";
        format!(
            "@id(\"my.r{n}\") @why(\"{why}\") forbid (principal, {scope}, resource) when {{ {condition} }};\n"
        )
    };
    Source::new("hundred.cedar", (0..own).map(rule).collect::<String>())
}

/// One action of each kind, in the form in which the log has it.
fn actions() -> Vec<(Kind, Canonical)> {
    let limits = serde_json::to_value(atoll_domain::Limits::default()).unwrap();
    let run = json!({
        "job": "x", "runner": "process", "purpose": "run", "session": null, "cmd": ["pytest", "-q", "tests/unit"],
        "exe": null, "env": [], "workdir": ROOT, "copy": null, "mounts": [], "limits": limits, "ttl_s": 600,
        "stdin": false, "tty": false, "network": "none", "secrets": [], "artifacts": [], "snapshot": null,
    });
    let all: [(Kind, Value); 9] = [
        (Kind::Snapshot, json!({ "workspace": "w", "root": ROOT })),
        (Kind::Read, json!({ "op": "read", "path": "src/main.rs" })),
        (
            Kind::Write,
            json!({ "path": "src/main.rs", "before": "sha256:0", "after": "sha256:1", "bytes": 900 }),
        ),
        (Kind::Run, run),
        (Kind::Stdin, json!({ "job": "x", "bytes": 4 })),
        (
            Kind::Call,
            json!({
                "provider": "local", "model": "coder", "endpoint": "127.0.0.1:11434", "remote": false,
                "price": null, "output_tokens_max": 4096,
            }),
        ),
        (
            Kind::Secret,
            json!({ "session": null, "name": "deploy-key", "for": { "provider": "lab" } }),
        ),
        (
            Kind::Accept,
            json!({ "root": ROOT, "paths": ["src/main.rs"], "class": "ordinary", "to": "files" }),
        ),
        (
            Kind::Undo,
            json!({ "root": ROOT, "paths": ["src/main.rs"], "to": "files" }),
        ),
    ];
    all.into_iter()
        .map(|(kind, value)| (kind, Canonical::of(kind, &value)))
        .collect()
}

fn main() {
    let rounds: u32 = std::env::args().nth(1).map_or(2000, |n| n.parse().unwrap());
    let careful = Engine::new(&[]).unwrap();
    let careful = careful.rules(atoll_policy::Profile::Careful).len();
    let sliced = Engine::new(&[rules(RULES_IN_ALL - careful)]).unwrap();
    let whole = sliced.unsliced().unwrap();
    let count = sliced.rules(atoll_policy::Profile::Careful).len();
    assert_eq!(count, RULES_IN_ALL, "a hundred rules");
    let (agent, person) = (Actor::ai("coder"), Actor::human("ana"));
    let mut facts = Facts::of(Role::Agent, "careful");
    facts.workspace = Some(ROOT.into());
    let owned = Facts {
        role: Role::Owner,
        ..facts.clone()
    };
    let actions = actions();
    let questions: Vec<Question<'_>> = actions
        .iter()
        .map(|(kind, action)| match kind {
            Kind::Accept | Kind::Undo => Question {
                actor: &person,
                kind: *kind,
                action,
                facts: &owned,
            },
            _ => Question {
                actor: &agent,
                kind: *kind,
                action,
                facts: &facts,
            },
        })
        .collect();
    let equal = questions.iter().all(|q| {
        let (one, other) = (sliced.judge(q).unwrap(), whole.judge(q).unwrap());
        one == other
    });
    let time = |engine: &Engine| {
        let begun = Instant::now();
        for question in &questions {
            black_box(engine.judge(black_box(question)).unwrap());
        }
        begun.elapsed()
    };
    // In turns, so that a neighbour's load falls on both.
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        ours += time(&sliced);
        theirs += time(&whole);
    }
    let us = |all: Duration| all.as_secs_f64() * 1e6 / f64::from(rounds) / questions.len() as f64;
    println!(
        "{}",
        json!({ "sliced_us": us(ours), "whole_us": us(theirs), "equal": u8::from(equal), "rules": count })
    );
}
