//! `docs/profiles.md` is what the profiles really say. `UPDATE_DOCS=1 cargo test -p atoll-policy` writes it anew.
#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fmt::Write;

use atoll_domain::*;
use atoll_policy::Profile;

use crate::cases::*;

const BEGIN: &str = "<!-- begin: written by the test of the profiles -->\n";
const END: &str = "<!-- end -->\n";

type Row = (&'static str, Case);

fn looking() -> Vec<Row> {
    vec![
        ("snapshot: of a checkout", Case::of(&snapshot())),
        (
            "read: a file of the private copy",
            Case::of(&read("src/main.rs")),
        ),
        (
            "read: search in the private copy",
            Case::of(&search("total")),
        ),
        (
            "read: as a viewer",
            Case::of(&read("src/main.rs")).by(Actor::human("guest"), Role::Viewer),
        ),
    ]
}

fn working() -> Vec<Row> {
    let network = network_run(&["registry.example.org:443"]);
    let mut fetch = network.clone();
    let cache = "/home/ana/.cache/atoll/fetched/npm";
    fetch.spec.mounts.push(mount(MountKind::Bind, cache, false));
    let mut given = test_run();
    given.spec.secrets = vec![JobSecret::of("deploy_key".parse().unwrap())];
    let mut writable = test_run();
    writable
        .spec
        .mounts
        .push(mount(MountKind::Bind, "/home/ana/out", false));
    let exec = run(Purpose::Exec, &["make", "report"]);
    vec![
        (
            "write: a file of the private copy",
            Case::of(&write("src/main.rs")),
        ),
        ("run: tests, no network", Case::of(&test_run())),
        (
            "run: an agent's command, no network",
            Case::of(&run(Purpose::Run, &["ls", "-l"])),
        ),
        (
            "run: a person's `exec`, no network",
            Case::of(&exec).owner(),
        ),
        (
            "run: git on plain data, for the node",
            Case::of(&run(Purpose::Git, &["git", "diff"])).by(Actor::system(), Role::Owner),
        ),
        (
            "run: fetching dependencies into Atoll's cache, one host",
            Case::of(&fetch),
        ),
        (
            "run: a person's `exec` with a host",
            Case::of(&network).owner(),
        ),
        ("run: with a secret", Case::of(&given)),
        (
            "run: a person's `exec` with a secret",
            Case::of(&given).owner(),
        ),
        (
            "run: with a folder of this machine, writable",
            Case::of(&writable),
        ),
        (
            "run: outside the box in another way",
            Case::of(&test_run()).facts(|f| f.in_box = false),
        ),
        (
            "run: where the sandbox is weaker than configured",
            Case::of(&test_run()).facts(|f| f.sandbox_ok = false),
        ),
        (
            "run: as a worker, no network",
            Case::of(&test_run()).by(Actor::system(), Role::Worker),
        ),
        (
            "run: as a viewer",
            Case::of(&test_run()).by(Actor::human("guest"), Role::Viewer),
        ),
        ("stdin: to a running job", Case::of(&stdin())),
    ]
}

fn calling() -> Vec<Row> {
    let granted = |case: Case| case.facts(|f| f.provider_granted = true);
    vec![
        (
            "call: a model on this machine, free",
            Case::of(&call(false, false)),
        ),
        (
            "call: a model on this machine, priced",
            Case::of(&call(false, true)),
        ),
        (
            "call: a model elsewhere, free",
            Case::of(&call(true, false)),
        ),
        (
            "call: a model elsewhere, priced",
            Case::of(&call(true, true)),
        ),
        (
            "call: a model elsewhere, priced, granted by `--max-cost`",
            granted(Case::of(&call(true, true))),
        ),
        (
            "call: a model on this machine, free, as a viewer",
            Case::of(&call(false, false)).by(Actor::human("guest"), Role::Viewer),
        ),
    ]
}

fn secrets() -> Vec<Row> {
    let guest = || Actor::human("guest");
    vec![
        (
            "secret: for a person's own job",
            Case::of(&secret(None)).owner(),
        ),
        ("secret: for an agent's job", Case::of(&secret(None))),
        (
            "secret: a configured provider's key, in an agent's session",
            Case::of(&secret(Some("acme"))),
        ),
        (
            "secret: for a viewer's job",
            Case::of(&secret(None)).by(guest(), Role::Viewer),
        ),
        (
            "secret: a configured provider's key, as a viewer",
            Case::of(&secret(Some("acme"))).by(guest(), Role::Viewer),
        ),
    ]
}

fn leaving() -> Vec<Row> {
    let ordinary = Case::of(&accept(PatchClass::Ordinary, &["till/total.py"]));
    let outside = Case::of(&accept(PatchClass::RunsOutside, &["Makefile"]));
    let refused = Case::of(&accept(PatchClass::Refused, &[".git/config"]));
    vec![
        (
            "accept: an ordinary patch, by its owner",
            ordinary.clone().owner(),
        ),
        (
            "accept: an ordinary patch, by an operator",
            ordinary.clone().by(Actor::human("bo"), Role::Operator),
        ),
        (
            "accept: an ordinary patch, by a viewer",
            ordinary.clone().by(Actor::human("guest"), Role::Viewer),
        ),
        ("accept: an ordinary patch, by an agent", ordinary.clone()),
        (
            "accept: an ordinary patch, by the node",
            ordinary.by(Actor::system(), Role::Owner),
        ),
        (
            "accept: a patch that runs outside, by its owner",
            outside.clone().owner(),
        ),
        ("accept: a patch that runs outside, by an agent", outside),
        ("accept: a refused patch, by its owner", refused.owner()),
        (
            "undo: an accepted patch, by its owner",
            Case::of(&undo()).owner(),
        ),
        ("undo: an accepted patch, by an agent", Case::of(&undo())),
    ]
}

fn table() -> String {
    let engine = engine().clone();
    let mut out = String::new();
    let sections = [
        ("Looking", looking()),
        ("Working", working()),
        ("Calling a model", calling()),
        ("Using a secret", secrets()),
        ("Leaving the box", leaving()),
    ];
    for (title, rows) in sections {
        let _ = writeln!(
            out,
            "### {title}\n\n| action | read-only | careful | open |\n|---|---|---|---|"
        );
        for (what, case) in rows {
            let cells = Profile::ALL.map(|profile| cell(&case.clone().under(profile), &engine));
            let _ = writeln!(out, "| {what} | {} |", cells.join(" | "));
        }
        out.push('\n');
    }
    out
}

/// The verdict, and the rules behind what isn't an allow.
fn cell(case: &Case, engine: &atoll_policy::Engine) -> String {
    let verdict = case.judge(engine).unwrap();
    let word = word(verdict.decision);
    if word == "allow" {
        return word.into();
    }
    let rules: Vec<String> = verdict
        .rule_ids()
        .iter()
        .map(|id| format!("`{id}`"))
        .collect();
    format!("**{word}** {}", rules.join(", "))
}

#[test]
fn the_page_says_what_the_profiles_do() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/profiles.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("the page has a place for the table");
    let (written, tail) = rest.split_once(END).expect("the table has an end");
    let real = format!("\n{}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{real}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        written, real,
        "run UPDATE_DOCS=1 cargo test -p atoll-policy, and read the difference"
    );
}

/// Each kind of action has at least one row.
#[test]
fn the_page_speaks_of_every_action() {
    let rows = [looking(), working(), calling(), secrets(), leaving()].concat();
    for kind in Kind::ALL {
        assert!(rows.iter().any(|(_, case)| case.kind == kind), "{kind:?}");
    }
    for (what, case) in rows {
        assert!(what.starts_with(case.kind.name()), "{what}");
    }
}
