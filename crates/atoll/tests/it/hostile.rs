//! What must hold when the model, the repository or the machine is against it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::provider::{Reply, Script, Server};

use crate::code::{mend, project};
use crate::scene::{Ran, Scene};

/// A home with a project and a model, or nothing where there is no sandbox.
pub fn ready(script: Script) -> Option<(Scene, Server)> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    let server = Server::start(script);
    project(&scene, &server);
    Some((scene, server))
}

pub fn code(scene: &Scene, words: &[&str]) -> Ran {
    let all = [
        &[
            "code",
            "make the test pass",
            "--repo",
            "shop",
            "--on-ask",
            "deny",
        ],
        words,
    ]
    .concat();
    Ran::of(scene.with_node(&all).output().unwrap())
}

pub fn alive(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
    lines
        .map(|l| String::from_utf8_lossy(&l).replace('\0', " "))
        .any(|l| l.ends_with(&format!("sleep {argument} ")))
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it never came to be: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_node_loses_nothing_and_the_session_goes_on() {
    let script = Script::list([
        Reply::call("run", json!({ "command": "sleep 4.07315" })),
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let words = ["code", "make the test pass", "--repo", "shop", "--detach"];
    let started = Ran::of(scene.with_node(&words).output().unwrap());
    assert_eq!(started.code, 0, "{}{}", started.out, started.err);
    until("the job runs", || alive("4.07315"));
    let pid = scene.run(&["--json", "status"]).data()["health"]["pid"].to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status()
        .unwrap();
    assert!(killed.success());
    until("no job outlives its node", || !alive("4.07315"));
    let listed = Ran::of(
        scene
            .with_node(&["--json", "session", "list"])
            .output()
            .unwrap(),
    )
    .data();
    assert_eq!(listed[0]["state"], "parked", "{listed}");
    let resumed = scene.run(&["session", "resume", "s1"]);
    assert_eq!(resumed.code, 0, "{}{}", resumed.out, resumed.err);
    assert!(
        resumed.out.contains("Patch p1 ready: Fix the sum"),
        "{}",
        resumed.out
    );
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(
        replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
}

#[test]
fn a_model_that_loops_is_stopped() {
    let script = Script::by_function(|_| Reply::call("read_file", json!({ "path": "sum.txt" })));
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let ran = code(&scene, &["--max-steps", "40"]);
    assert!(
        [1, 5].contains(&ran.code),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    assert!(ran.out.contains("No patch: "), "{}", ran.out);
    assert!(server.requests().len() < 40, "it was seen before the limit");
}

#[test]
fn hostile_calls_reach_nothing_and_end_in_words() {
    let calls = [
        ("read_file", json!({ "path": "../../../../etc/passwd" })),
        ("read_file", json!({ "path": "/etc/passwd" })),
        (
            "edit",
            json!({ "path": ".git/config", "content": "[core]\n\tfsmonitor = x\n" }),
        ),
        (
            "edit",
            json!({ "path": ".GIT/hooks/pre-commit", "content": "x" }),
        ),
        ("edit", json!({ "path": "../out.txt", "content": "x" })),
        ("teleport", json!({ "to": "\u{1b}[2J" })),
        (
            "run",
            json!({ "command": "cat /etc/shadow; ls /root/.ssh; echo ok" }),
        ),
    ];
    let calls = calls.map(|(name, arguments)| (name.to_owned(), arguments));
    let script = Script::list([
        Reply::calls(calls),
        Reply::call(
            "finish",
            json!({ "title": "no", "summary": "can't", "solved": false }),
        ),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let ran = code(&scene, &[]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(
        !ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'),
        "{:?}{:?}",
        ran.out,
        ran.err
    );
    let sent: String = server.requests().iter().map(|r| r.text.clone()).collect();
    assert!(
        !sent.contains("root:x:0:0:root:/root:/bin/bash") && !sent.contains("root:$"),
        "a host's file was sent"
    );
    assert!(!scene.path().join("out.txt").exists());
}

#[test]
fn no_secret_of_the_tree_reaches_the_provider() {
    let script = Script::list([
        Reply::calls([
            ("read_file".to_owned(), json!({ "path": ".env" })),
            ("read_file".to_owned(), json!({ "path": "notes.txt" })),
            ("run".to_owned(), json!({ "command": "cat .env notes.txt" })),
        ]),
        Reply::call(
            "finish",
            json!({ "title": "no", "summary": "can't", "solved": false }),
        ),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let (masked, pasted) = ("hunter2-0123456789abcdef", "AKIAIOSFODNN7EXAMPLQ");
    scene.file("shop/.env", &format!("PASSWORD={masked}\n"));
    scene.file("shop/notes.txt", &format!("the key is {pasted}\n"));
    let ran = code(&scene, &[]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(server.requests().len() >= 2);
    for request in server.requests() {
        assert!(
            !request.text.contains(masked) && !request.text.contains(pasted),
            "{}",
            request.text
        );
    }
}

#[test]
fn a_repositorys_own_git_settings_never_run() {
    let Some((scene, _server)) = ready(mend()) else {
        return;
    };
    let canary = scene.path().join("canary");
    let touch = format!("touch {}", canary.display());
    let script = scene.file("trap.sh", &format!("#!/bin/sh\n{touch}\n"));
    let trap = script.display().to_string();
    assert!(
        std::process::Command::new("chmod")
            .args(["+x", &trap])
            .status()
            .unwrap()
            .success()
    );
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        command
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(words);
        let ran = command
            .current_dir(scene.path().join("shop"))
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "one"]);
    let config = format!(
        "[core]\n\tfsmonitor = {trap}\n\thooksPath = {}\n\tsshCommand = {trap}\n\teditor = {trap}\n\tpager = {trap}\n\
         [filter \"x\"]\n\tclean = {trap}\n\tsmudge = {trap}\n\tprocess = {trap}\n[diff]\n\texternal = {trap}\n\
         [merge \"x\"]\n\tdriver = {trap}\n[alias]\n\tstatus = !{trap}\n[include]\n\tpath = {trap}\n\
         [remote \"o\"]\n\turl = ssh://x/y\n\tpromisor = true\n\tuploadpack = {trap}\n[extensions]\n\tpartialClone = o\n",
        scene.path().display()
    );
    let file = scene.path().join("shop/.git/config");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before + &config).unwrap();
    scene.file("shop/.gitattributes", "* filter=x diff=x merge=x\n");
    for hook in [
        "post-checkout",
        "pre-commit",
        "post-index-change",
        "reference-transaction",
    ] {
        scene.file(
            &format!("shop/.git/hooks/{hook}"),
            &format!("#!/bin/sh\n{touch}\n"),
        );
    }
    let ran = code(&scene, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0);
    assert_eq!(scene.run(&["patch", "undo", "p1"]).code, 0);
    assert!(
        !canary.exists(),
        "something of the repository ran on the host"
    );
}

#[test]
fn what_runs_outside_by_itself_is_confirmed_apart() {
    let script = Script::list([
        Reply::call(
            "edit",
            json!({ "path": "Makefile", "content": "test:\n\ttrue\n" }),
        ),
        Reply::call("finish", json!({ "title": "Skip it", "summary": "No." })),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let ran = code(&scene, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let makefile = || std::fs::read_to_string(scene.path().join("shop/Makefile")).unwrap();
    let before = makefile();
    let refused = scene.run(&["patch", "accept", "p1"]);
    assert!(
        refused.code == 4 && refused.err.contains("ATL-0505") && refused.err.contains("Makefile"),
        "{}",
        refused.err
    );
    assert_eq!(makefile(), before);
    assert_eq!(
        scene
            .run(&["patch", "accept", "p1", "--confirm-runs-outside"])
            .code,
        0
    );
    assert_ne!(makefile(), before);
}

#[test]
fn a_second_node_on_one_data_directory_is_refused() {
    let scene = Scene::new();
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    let second = scene.run(&["up", "--foreground"]);
    assert!(
        second.code == 7 && second.err.contains("ATL-0604"),
        "{}: {}",
        second.code,
        second.err
    );
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
}

#[test]
fn a_gate_waits_for_a_person_and_is_answered_once() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("shop/a.txt", "a\n");
    let words = [
        "exec",
        "--repo",
        "shop",
        "--on-ask",
        "wait",
        "--net",
        "example.org:443",
        "--",
        "true",
    ];
    let mut asking = scene.with_node(&words).spawn().unwrap();
    let open = || scene.run(&["--json", "gate", "list"]);
    until("the gate is open", || {
        let listed = open();
        listed.code == 0 && listed.data().as_array().is_some_and(|g| g.len() == 1)
    });
    assert!(
        open().data()[0]["question"]["place"]
            .as_str()
            .unwrap()
            .contains("example.org:443")
    );
    assert_eq!(scene.run(&["gate", "answer", "g1", "no"]).code, 0);
    assert_eq!(asking.wait().unwrap().code(), Some(126));
    let again = scene.run(&["gate", "answer", "g1", "once"]);
    assert!(
        again.code == 7 && again.err.contains("ATL-0303"),
        "{}: {}",
        again.code,
        again.err
    );
}

#[test]
fn words_that_mean_nothing_change_nothing() {
    let scene = Scene::new();
    let folder = |p: &str| Path::new(&scene.path()).join(p);
    std::fs::create_dir_all(folder("empty")).unwrap();
    for (words, code, says) in [
        (vec!["code", "  ", "--repo", "empty"], 2, "ATL-0105"),
        (vec!["code", "x", "--repo", "nowhere"], 2, "ATL-0501"),
        (vec!["session", "show", "s99"], 2, "ATL-0102"),
        (vec!["patch", "accept", "../p1"], 2, "ATL-0102"),
        (vec!["gate", "answer", "g7", "once"], 2, "ATL-0102"),
        (vec!["exec", "--repo", "empty"], 125, "ATL-0101"),
    ] {
        let ran = Ran::of(scene.with_node(&words).output().unwrap());
        assert!(
            ran.code == code && ran.err.contains(says),
            "{words:?}: {}: {}",
            ran.code,
            ran.err
        );
    }
}

/// A crate in `lib/` whose lock file names another of this name, which is nowhere.
pub fn lacking(scene: &Scene, name: &str) {
    scene.file(
        "lib/Cargo.toml",
        &format!("[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n{name} = \"=9.9.9\"\n[workspace]\n"),
    );
    scene.file("lib/src/lib.rs", "#[test]\nfn t() {}\n");
    let source =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let source = source.lines().find(|l| l.starts_with("source = ")).unwrap();
    let sum = "0".repeat(64);
    scene.file(
        "lib/Cargo.lock",
        &format!(
            "version = 4\n\n[[package]]\nname = \"lib\"\nversion = \"0.1.0\"\ndependencies = [\n \"{name}\",\n]\n\n\
             [[package]]\nname = \"{name}\"\nversion = \"9.9.9\"\n{source}\nchecksum = \"{sum}\"\n"
        ),
    );
}

#[test]
fn fetching_dependencies_asks_first_and_a_no_is_taken() {
    let script = Script::by_function(|_| Reply::text("Nothing to do."));
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    lacking(&scene, "no-such-crate-here");
    let words = ["code", "look", "--repo", "lib", "--on-ask", "wait"];
    let mut command = scene.with_node(&words);
    command.env("HOME", std::env::var_os("HOME").unwrap());
    let mut asking = command.spawn().unwrap();
    until("the gate is open", || {
        let listed = scene.run(&["--json", "gate", "list"]);
        listed.code == 0 && listed.data().as_array().is_some_and(|g| g.len() == 1)
    });
    let gate = scene.run(&["--json", "gate", "show", "g1"]).data();
    assert_eq!(gate["question"]["what"], "cargo fetch --locked", "{gate}");
    assert_eq!(scene.run(&["gate", "answer", "g1", "no"]).code, 0);
    let ended = asking.wait().unwrap();
    assert!(ended.code().is_some_and(|code| code <= 1), "{ended}");
    assert_eq!(scene.run(&["log", "replay", "s1"]).code, 0);
}
