//! Real projects, mended by recorded replies: fetched at a pinned version, each with a failing test.
//!
//! A recording is the model's replies alone (`replies.ndjson`), played by hand once. What is tried is
//! everything around them: finding and running the tests, the tools, the patch, the log.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::provider::{Script, Server};

use crate::scene::{Ran, Scene};

fn folder(id: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(id)
}

/// The project with its failing test; `None`, said loudly, where it can't be fetched. In CI that fails.
fn fetch(scene: &Scene, id: &str) -> Option<PathBuf> {
    let target = scene.path().join("project");
    let fetched = Command::new("sh")
        .arg(folder(id).join("fetch.sh"))
        .arg(&target)
        .env("WITH_GIT", "1")
        .output();
    let why = match fetched {
        Ok(ran) if ran.status.success() => return Some(target),
        Ok(ran) => String::from_utf8_lossy(&ran.stderr).into_owned(),
        Err(err) => err.to_string(),
    };
    let words = format!(
        "{id} can't be fetched; it wants its language's package client (cargo, pip, npm or go), git, python3 and \
         the network: {why}"
    );
    assert!(std::env::var("CI").is_err(), "{words}");
    eprintln!("SKIPPED: {words}");
    None
}

fn run(scene: &Scene, words: &[&str]) -> Ran {
    let mut command = scene.with_node(words);
    // Toolchains are found where their owner has them.
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "GOPATH", "GOMODCACHE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    Ran::of(command.output().unwrap())
}

fn play(id: &str) {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let Some(project) = fetch(&scene, id) else {
        return;
    };
    let task: Value =
        serde_json::from_str(&std::fs::read_to_string(folder(id).join("task.json")).unwrap())
            .unwrap();
    let replies = std::fs::read_to_string(folder(id).join("replies.ndjson")).unwrap();
    let server = Server::start(Script::parse(&replies).unwrap());
    let config = format!(
        "[model]\ndefault = \"mine/recorded\"\n[providers.mine]\nbase_url = \"{}\"\n\
         models = [{{ name = \"recorded\", context_tokens = 64000, output_tokens_max = 4000 }}]\n",
        server.base_url()
    );
    scene.file("atoll/config/config.toml", &config);
    let repo = project.to_string_lossy().into_owned();
    let text = |name: &str| task[name].as_str().unwrap().to_owned();
    let before = read_all(&project, &task);
    let (prompt, test) = (text("prompt"), text("test_cmd"));
    let ran = run(
        &scene,
        &[
            "code", &prompt, "--repo", &repo, "--test", &test, "--on-ask", "deny",
        ],
    );
    assert_eq!(ran.code, 0, "{id}: {}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("Patch p1 ready"), "{id}: {}", ran.out);
    assert_eq!(
        read_all(&project, &task),
        before,
        "{id}: the files stay as they are until the patch is accepted"
    );
    let patch = run(&scene, &["--json", "patch", "show", "p1"]).data();
    assert_eq!(patch["tests_ok"], true, "{id}: {patch}");
    let accepted = run(&scene, &["patch", "accept", "p1"]);
    assert_eq!(accepted.code, 0, "{id}: {}", accepted.err);
    assert_ne!(
        read_all(&project, &task),
        before,
        "{id}: the patch is in the files"
    );
    let verified = run(&scene, &["log", "verify"]);
    assert_eq!(verified.code, 0, "{id}: {}{}", verified.out, verified.err);
    let replayed = run(&scene, &["log", "replay", "@"]);
    assert!(
        replayed.code == 0 && replayed.out.contains("no divergence"),
        "{id}: {}{}",
        replayed.out,
        replayed.err
    );
}

/// The files that the fix is in.
fn read_all(project: &Path, task: &Value) -> Vec<String> {
    let files = task["fix_files"].as_array().unwrap().iter();
    files
        .map(|f| std::fs::read_to_string(project.join(f.as_str().unwrap())).unwrap())
        .collect()
}

#[test]
fn a_rust_library_without_dependencies() {
    play("rust-indextree");
}

#[test]
fn a_python_library() {
    play("py-sqlparse");
}

#[test]
fn a_python_library_with_dependencies() {
    play("py-marshmallow");
}

#[test]
fn a_javascript_library_with_dependencies() {
    play("js-qs");
}

#[test]
fn a_javascript_library_tested_by_node_itself() {
    play("js-light-my-request");
}

#[test]
fn a_go_library_with_dependencies() {
    play("go-kong");
}

/// The first idea is wrong, and the work is called finished while a test fails.
#[test]
fn a_rust_library_with_dependencies_and_a_wrong_turn() {
    play("rust-cron");
}
