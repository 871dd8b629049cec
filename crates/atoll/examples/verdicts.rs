//! What past verdicts take to judge again and to explain, through the whole binary, as one line of JSON:
//! `cargo run --release -p atoll --example verdicts -- ATOLL COUNT`.
//!
//! ATOLL is the binary. A log with COUNT verdicts of one session is made, four in five of them of an agent's usual
//! work, and 81 rules beside a profile's 19.
//!
//! - `simulate_per_s`: verdicts per second of `policy simulate NEW.cedar --since all`, from its start to its end.
//! - `why_per_s`: the same of `policy why s1`, which is bounded to 10,000.
//! - `differ`: how many would differ; 0 would mean that nothing was looked at.
// A measurement that can't go on may panic.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement"
)]

#[path = "../../atoll-policy/examples/made/rules.rs"]
mod made;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use atoll_domain::{
    Actor, Again, Body, Budget, Canonical, Cost, Draft, Facts, Granted, Hash, Kind, Limits, Ms,
    PermitId, PolicyDenied, Role, Sealer, SessionId, SessionOpened, WorkspaceId,
};
use atoll_guard::Entry;
use atoll_ports::Log as _;
use atoll_store::{Options, Store, SystemEntropy};
use serde_json::{Value, json};

use made::RULES;

const ROOT: &str = "/home/ana/shop";
const AT_ONCE: usize = 200;

fn action(n: usize) -> Canonical {
    let limits = serde_json::to_value(Limits::default()).unwrap();
    let run = |cmd: Value, network: Value| {
        json!({
            "job": "x", "runner": "process", "purpose": "run", "session": null, "cmd": cmd, "exe": null, "env": [],
            "workdir": ROOT, "copy": null, "mounts": [], "limits": limits, "ttl_s": 600, "stdin": false, "tty": false,
            "network": network, "secrets": [], "artifacts": [], "snapshot": null,
        })
    };
    let (kind, value) = match n % 10 {
        0..=3 => (
            Kind::Read,
            json!({ "op": "read", "path": format!("src/file{n}.rs") }),
        ),
        4 | 5 => (
            Kind::Write,
            json!({ "path": format!("src/file{n}.rs"), "before": null, "after": "sha256:1", "bytes": n }),
        ),
        6 => (
            Kind::Run,
            run(
                json!(["sh", "-c", "grep -rn total . | sort | head -20"]),
                json!("none"),
            ),
        ),
        7 => (
            Kind::Run,
            run(
                json!(["pytest", "-q", format!("tests/test_{n}.py")]),
                json!("none"),
            ),
        ),
        8 => (
            Kind::Call,
            json!({
                "provider": "local", "model": "coder", "endpoint": "127.0.0.1:11434", "remote": false, "price": null,
                "output_tokens_max": 4096,
            }),
        ),
        _ => (
            Kind::Run,
            run(
                json!(["curl", "-O", "x"]),
                json!({ "allow": ["a.example.org:443"] }),
            ),
        ),
    };
    Canonical::of(kind, &value)
}

fn kind(n: usize) -> Kind {
    [
        Kind::Read,
        Kind::Read,
        Kind::Read,
        Kind::Read,
        Kind::Write,
        Kind::Write,
        Kind::Run,
        Kind::Run,
        Kind::Call,
        Kind::Run,
    ][n % 10]
}

fn verdict(session: SessionId, n: usize) -> Entry {
    let entropy = SystemEntropy;
    let mut sealer = Sealer::new(&entropy);
    let mut facts = Facts::of(Role::Agent, "careful");
    facts.workspace = Some(ROOT.into());
    let bytes = action(n).bytes;
    let (action, facts) = (sealer.bytes(bytes), sealer.json(&facts));
    let (kind, policy) = (kind(n), Hash::ZERO);
    let body: Body = match n % 10 {
        9 => PolicyDenied {
            kind,
            action,
            facts,
            rules: vec!["careful.network".into()],
            policy,
            verdict: "ask".into(),
        }
        .into(),
        _ => Granted {
            permit: PermitId::new(Ms(n as u64), [1; 10]),
            parent: None,
            kind,
            key: None,
            again: Again::Free,
            action,
            facts,
            rules: vec!["careful.look".into()],
            policy,
            reserve: Cost::ZERO,
            gate: None,
            grant: None,
        }
        .into(),
    };
    Entry::plain(Draft::session(session, Actor::ai("coder"), body).with(sealer.into_sides()))
}

fn opened(session: SessionId) -> Entry {
    let entropy = SystemEntropy;
    let mut sealer = Sealer::new(&entropy);
    let body = SessionOpened {
        id: session,
        mode: "code".into(),
        workspace: WorkspaceId::derive(&[ROOT.as_bytes()]),
        root: sealer.text(ROOT),
        revision: "1".into(),
        prompt: Hash::ZERO,
        tools: Hash::ZERO,
        provider: "local".into(),
        model: sealer.text("coder"),
        profile: "careful".into(),
        budget: Budget::default(),
        steps_max: 60,
        config: sealer.text("{}"),
        grant: None,
    };
    Entry::plain(
        Draft::session(session, Actor::human("ana"), body.into()).with(sealer.into_sides()),
    )
}

/// 80 rules that say nothing to any of it, and one that does.
fn rules() -> String {
    let quiet = (0..80).map(|n| {
        let (scope, condition) = RULES[n % RULES.len()];
        let condition = condition.replace('N', &n.to_string());
        format!("@id(\"my.r{n}\") @why(\"no\") forbid (principal, {scope}, resource) when {{ {condition} }};\n")
    });
    let loud = "@id(\"my.curl\") @why(\"no\") forbid (principal, action == Action::\"run\", resource) when { context.program == \"curl\" };\n";
    quiet.chain([loud.to_owned()]).collect()
}

async fn log(home: &Path, count: usize) {
    let store = Store::open(Options::new(home.join("data"))).unwrap();
    let session = SessionId::new(Ms(1), [1; 10]);
    store
        .append_all(vec![opened(session)], false)
        .await
        .unwrap();
    for begin in (0..count).step_by(AT_ONCE) {
        let some = (begin..count.min(begin + AT_ONCE)).map(|n| verdict(session, n));
        store.append_all(some.collect(), false).await.unwrap();
    }
}

/// The best of three: what disturbs only slows.
fn timed(atoll: &str, home: &Path, words: &[&str]) -> (f64, Value) {
    let mut best = f64::MAX;
    let mut found = Value::Null;
    for _ in 0..3 {
        let begun = Instant::now();
        let ran = Command::new(atoll)
            .args(words)
            .env("ATOLL_HOME", home)
            .env("ATOLL_NO_AUTOSTART", "1")
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        best = best.min(begun.elapsed().as_secs_f64());
        assert!(ran.status.success());
        found = serde_json::from_slice::<Value>(&ran.stdout).unwrap()["data"].take();
    }
    (best, found)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [atoll, count] = args.as_slice() else {
        panic!("verdicts ATOLL COUNT");
    };
    let count: usize = count.parse().unwrap();
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(log(home.path(), count));
    let new = home.path().join("new.cedar");
    std::fs::write(&new, rules()).unwrap();
    let new = new.to_str().unwrap();
    let words = ["--json", "policy", "simulate", new, "--since", "all"];
    let (simulate_s, found) = timed(atoll, home.path(), &words);
    let judged = found["found"]["judged"].as_u64().unwrap();
    assert_eq!(judged, count as u64, "{found}");
    let (why_s, told) = timed(atoll, home.path(), &["--json", "policy", "why", "s1"]);
    let told = told.as_array().unwrap().len();
    println!(
        "{}",
        json!({
            "simulate_per_s": judged as f64 / simulate_s, "why_per_s": told as f64 / why_s,
            "differ": found["found"]["differ"],
        })
    );
}
