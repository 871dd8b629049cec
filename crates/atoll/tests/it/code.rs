//! A task from words to an accepted patch, with a scripted model.

use std::process::Stdio;

use serde_json::json;
use testkit::provider::{Reply, Script, Server};

use crate::scene::{Ran, Scene};

pub fn project(scene: &Scene, server: &Server) {
    scene.file("shop/Makefile", "test:\n\tgrep -q total=3 sum.txt\n");
    scene.file("shop/sum.txt", "total=2\n");
    let config = format!(
        "[model]\ndefault = \"mine/scripted\"\n[providers.mine]\nbase_url = \"{}\"\nkey_env = \"MINE_KEY\"\nmodels = [{{ name = \"scripted\", context_tokens = 32000 }}]\n",
        server.base_url()
    );
    scene.file("atoll/config/config.toml", &config);
}

pub fn mend() -> Script {
    Script::list([
        Reply::call("read_file", json!({ "path": "sum.txt" })),
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    ])
}

#[test]
fn a_task_becomes_a_patch_that_is_let_out_and_taken_back() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let server = Server::start(mend());
    project(&scene, &server);
    let mut code = scene.with_node(&["code", "make the test pass", "--repo", "shop"]);
    let ran = Ran::of(code.env("MINE_KEY", "k-123").output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("Patch p1 ready: Fix the sum")
            && ran.out.contains("Your files are unchanged."),
        "{}",
        ran.out
    );
    for line in [
        "test    make test: failed",
        "read    sum.txt",
        "edit    sum.txt",
        "+1 -1",
        "test    make test: passed",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    let sum = || std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    assert_eq!(sum(), "total=2\n");
    assert_eq!(
        server
            .requests()
            .iter()
            .filter(|r| r
                .headers
                .get("authorization")
                .is_some_and(|a| a == "Bearer k-123"))
            .count(),
        4
    );
    let ran = scene.run(&["patch", "show", "@"]);
    assert!(ran.out.contains("-total=2\n+total=3\n"), "{}", ran.out);
    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0);
    assert_eq!(sum(), "total=3\n");
    let again = scene.run(&["patch", "accept", "p1"]);
    assert!(
        again.code == 7 && again.err.contains("ATL-0504"),
        "{}",
        again.err
    );
    assert_eq!(scene.run(&["patch", "undo", "p1"]).code, 0);
    assert_eq!(sum(), "total=2\n");
    scene.file("shop/sum.txt", "mine now\n");
    let overlap = scene.run(&["patch", "accept", "p1"]);
    assert!(
        overlap.code == 7 && overlap.err.contains("ATL-0502") && overlap.err.contains("sum.txt"),
        "{}",
        overlap.err
    );
    assert_eq!(sum(), "mine now\n");
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(
        replay.code == 0 && replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
    let all = scene.run(&["log", "export", "--contents"]);
    assert!(!all.out.contains("k-123"), "a provider's key is in the log");
}

#[test]
fn json_ends_with_a_result_and_a_failed_provider_with_its_code() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let server = Server::start(Script::list([Reply {
        status: Some(401),
        error: Some("no\u{1b}[2J".into()),
        ..Reply::default()
    }]));
    project(&scene, &server);
    let mut code = scene.with_node(&["code", "--json", "-", "--repo", "shop"]);
    code.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = code.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"mend it\n").unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 6, "{}{}", ran.out, ran.err);
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines[0]["kind"], "started");
    assert!(
        lines[1..lines.len() - 1]
            .iter()
            .all(|l| l["kind"] == "update" && l["v"] == 1)
    );
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["kind"], &last["data"]["exit"], &last["data"]["end"]),
        (&"result".into(), &6.into(), &"unreachable".into())
    );
    let mut text = scene.atoll(&["session", "show", "s1"]);
    let shown = Ran::of(text.output().unwrap());
    assert!(
        shown.code == 0 && !shown.out.contains('\u{1b}'),
        "{:?}",
        shown.out
    );
}
