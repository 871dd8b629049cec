//! What of the caller's environment reaches a job: nothing that wasn't named.

use std::process::Command;

use serde_json::json;
use testkit::provider::{Reply, Script, Server};

use crate::code::project;
use crate::scene::{Ran, Scene};

const SECRET: &str = "hunter2-of-the-caller";

/// Variables that people and machines have set, all with a secret in them.
fn with_secrets(command: &mut Command) -> &mut Command {
    for name in [
        "FOO_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY",
        "SSH_AUTH_SOCK",
        "NODE_ENV",
        "RUST_LOG",
        "TZ",
        "LC_ALL",
        "LANG",
        "LD_LIBRARY_PATH",
        "PYTHONPATH",
        "GIT_AUTHOR_EMAIL",
        "XDG_CONFIG_HOME",
    ] {
        command.env(name, format!("/{SECRET}"));
    }
    // Those that a finder looks at.
    for name in [
        "PIP_INDEX_URL",
        "UV_INDEX_URL",
        "npm_config_registry",
        "GOPROXY",
        "HTTPS_PROXY",
    ] {
        command.env(name, format!("https://me:{SECRET}@mirror.example/"));
    }
    command
}

fn names(out: &str) -> Vec<&str> {
    let mut names: Vec<_> = out
        .lines()
        .filter_map(|l| Some(l.split_once('=')?.0))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_job_has_an_environment_of_its_own() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    // A project of each kind whose finder reads the caller's variables.
    scene.file("shop/requirements.txt", "");
    scene.file("shop/package.json", "{}");
    scene.file("shop/go.mod", "module shop\n");
    scene.file("plain/x", "");
    let exec = |more: &[&str]| {
        let words = [&["exec"], more].concat();
        let mut command = scene.with_node(&words);
        Ran::of(with_secrets(&mut command).output().unwrap())
    };
    // The node was started with all of them set, too.
    let ran = exec(&["--repo", "plain", "--", "env"]);
    let want = [
        "GIT_AUTHOR_EMAIL",
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_NO_LAZY_FETCH",
        "GIT_TERMINAL_PROMPT",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "SHELL",
        "TERM",
        "TMPDIR",
        "USER",
    ];
    assert_eq!(names(&ran.out), want, "{}", ran.err);
    assert!(ran.out.contains("LANG=C.UTF-8\n"), "{}", ran.out);
    let all = "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'";
    let ran = exec(&["--repo", "shop", "--", "sh", "-c", all]);
    assert!(ran.out.contains("PIP_NO_INDEX=1"), "{}{}", ran.out, ran.err);
    assert!(
        !ran.out.contains(SECRET) && !ran.err.contains(SECRET),
        "{}",
        ran.out
    );
}

#[test]
fn what_is_named_is_given_and_nothing_else() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("plain/x", "");
    let exec = |more: &[&str]| {
        let words = [&["exec", "--repo", "plain"], more].concat();
        let mut command = scene.with_node(&words);
        let command = command.env("MINE", "my own").env("FOO_TOKEN", SECRET);
        Ran::of(command.output().unwrap())
    };
    let ran = exec(&[
        "--env",
        "MINE",
        "--env",
        "TZ=Asia/Tokyo",
        "--env",
        "EMPTY=",
        "--",
        "env",
    ]);
    for line in ["MINE=my own", "TZ=Asia/Tokyo", "EMPTY="] {
        assert!(
            ran.out.lines().any(|l| l == line),
            "{line}: {}{}",
            ran.out,
            ran.err
        );
    }
    assert!(
        !ran.out.contains(SECRET) && !ran.err.contains("secret"),
        "{}{}",
        ran.out,
        ran.err
    );
    // A secret that is named on purpose is given, and it is said where else it goes.
    let ran = exec(&["--env", "FOO_TOKEN", "--", "printenv", "FOO_TOKEN"]);
    assert_eq!(ran.out, format!("{SECRET}\n"));
    assert!(
        ran.err.contains("FOO_TOKEN looks like a secret"),
        "{}",
        ran.err
    );
    let ran = exec(&["--env", "UNSET_HERE", "--", "env"]);
    assert!(
        ran.code == 125 && ran.err.contains("it is not set here"),
        "{}{}",
        ran.code,
        ran.err
    );
}

#[test]
fn an_agents_commands_and_tests_see_none_of_it_either() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let server = Server::start(Script::list([
        Reply::call("run", json!({ "command": "env; cat /proc/[0-9]*/environ" })),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "x", "summary": "It says its environment." }),
        ),
    ]));
    project(&scene, &server);
    scene.file("shop/Makefile", "test:\n\tenv\n");
    let mut code = scene.with_node(&["code", "look around", "--repo", "shop"]);
    let ran = Ran::of(
        with_secrets(&mut code)
            .env("MINE_KEY", "k-123")
            .output()
            .unwrap(),
    );
    let told: Vec<String> = server.requests().into_iter().map(|r| r.text).collect();
    let told = told.join("\n");
    assert!(
        told.matches("GIT_COMMITTER_NAME=Atoll").count() >= 2,
        "{}{told}",
        ran.err
    );
    for secret in [SECRET, "k-123"] {
        assert!(!told.contains(secret), "{secret} reached the model");
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret));
    }
}
