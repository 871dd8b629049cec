//! Where a workspace is, and what of its surroundings counts.

use serde_json::json;
use testkit::provider::{Reply, Script, Server};

use crate::code::project;
use crate::scene::{Ran, Scene};

/// A repository with a project of the same kind at its root and below it, in `web`.
fn ready() -> Option<(Scene, Server, String)> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    let server = Server::start(Script::list([
        Reply::call(
            "edit",
            json!({ "path": "web/sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix it", "summary": "It was 2." }),
        ),
    ]));
    project(&scene, &server);
    scene.file("shop/web/Makefile", "test:\n\tgrep -q total=3 sum.txt\n");
    scene.file("shop/web/sum.txt", "total=2\n");
    scene.file("shop/web/src/x", "x\n");
    scene.file("shop/.atoll/workspace.toml", "");
    scene.file(".config/git/ignore", "*.swp\n");
    scene.file("shop/web/x.swp", "x");
    scene.git("shop", &["init", "-q"]);
    scene.git("shop", &["add", "."]);
    scene.git("shop", &["commit", "-qm", "first words"]);
    let root = scene.path().canonicalize().unwrap().join("shop");
    let root = root.to_str().unwrap().to_owned();
    Some((scene, server, root))
}

#[test]
fn a_command_runs_in_the_folder_that_was_named() {
    let Some((scene, _server, root)) = ready() else {
        return;
    };
    let script =
        "pwd; ls; git log --format=%s; git status --porcelain; echo a > kept; echo b > made.swp";
    let words = [
        "exec",
        "--artifact",
        "kept",
        "--save",
        "out",
        "--",
        "sh",
        "-c",
        script,
    ];
    for (named, at) in [(&["--repo", "shop/web"][..], "."), (&[], "shop/web")] {
        let words = [&words[..1], named, &words[1..]].concat();
        let mut exec = scene.with_node(&words);
        let ran = Ran::of(exec.current_dir(scene.path().join(at)).output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        // In the folder that was named, with the history and without what the user ignores everywhere.
        let want = format!("{root}/web\nMakefile\nsrc\nsum.txt\nfirst words\n");
        assert_eq!(ran.out, want);
        let note = format!("web/ is part of {root}, which is the workspace");
        assert!(ran.err.contains(&note), "{}", ran.err);
        std::fs::remove_file(scene.path().join(at).join("out/kept")).unwrap();
    }
    let mut deeper = scene.with_node(&["exec", "--repo", ".", "--", "pwd"]);
    let ran = Ran::of(
        deeper
            .current_dir(scene.path().join("shop/web/src"))
            .output()
            .unwrap(),
    );
    assert_eq!(ran.out, format!("{root}/web/src\n"), "{}", ran.err);
}

#[test]
fn a_folder_of_a_repository_is_worked_in_as_a_part_of_it() {
    let Some((scene, server, root)) = ready() else {
        return;
    };
    let mut code = scene.with_node(&["code", "make the test pass", "--repo", "shop/web"]);
    let ran = Ran::of(code.env("MINE_KEY", "k").output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    for line in [
        "make -C web test: failed",
        "make -C web test: passed",
        "note    .atoll/ of this workspace is inert",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    let told = &server.requests()[0].text;
    assert!(told.contains("the person works in web/ of it"), "{told}");
    assert_eq!(scene.run(&["patch", "accept", "@"]).code, 0);
    assert_eq!(
        scene.git("shop", &["status", "--porcelain"]),
        " M web/sum.txt\n"
    );
    // Who vouches for the folder vouches for the workspace.
    let data = scene.run(&["--json", "config", "trust", "shop/web"]).data();
    assert_eq!(data["path"], root);
    assert_eq!(
        scene.run(&["config", "trust", "shop/web", "--remove"]).code,
        0
    );
    assert!(!scene.run(&["config", "show"]).out.contains("trust "));
}

/// A patch `p1` that is on the branch `fix/sum`; what accepting it printed.
fn on_a_branch() -> Option<(Scene, Ran)> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    let server = Server::start(crate::code::mend());
    project(&scene, &server);
    scene.git("shop", &["init", "-q"]);
    scene.git("shop", &["add", "."]);
    scene.git("shop", &["commit", "-qm", "one"]);
    let mut code = scene.with_node(&["code", "make the test pass", "--repo", "shop"]);
    let ran = Ran::of(code.env("MINE_KEY", "k").output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let ran = scene.run(&["patch", "accept", "p1", "--branch", "fix/sum"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    Some((scene, ran))
}

#[test]
fn a_branch_says_what_it_is_and_where_it_comes_from() {
    let Some((scene, accepted)) = on_a_branch() else {
        return;
    };
    assert!(
        accepted.out.contains("atoll patch undo p1"),
        "{}",
        accepted.out
    );
    let said = scene.git(
        "shop",
        &[
            "log",
            "-1",
            "--format=%s%n%(trailers:key=Atoll-Patch,key=Atoll-Session)",
            "fix/sum",
        ],
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "Fix the sum");
    assert!(
        lines[1].starts_with("Atoll-Patch: p1 ") && lines[2].starts_with("Atoll-Session: s1 "),
        "{said}"
    );
    let shown = scene.run(&["patch", "show", "p1"]);
    assert!(
        shown
            .out
            .starts_with("Patch p1 accepted onto branch fix/sum: Fix the sum"),
        "{}",
        shown.out
    );
}

#[test]
fn a_patch_on_a_branch_is_taken_back_unless_somebody_built_on_it() {
    let Some((scene, _accepted)) = on_a_branch() else {
        return;
    };
    let undo = || scene.run(&["patch", "undo", "p1"]);
    // In use, and moved on: refused by name, and still there.
    scene.git("shop", &["checkout", "-q", "fix/sum"]);
    let ran = undo();
    assert!(
        ran.code == 7 && ran.err.contains("ATL-0507") && ran.err.contains("checked out"),
        "{}",
        ran.err
    );
    scene.git("shop", &["commit", "-q", "--allow-empty", "-m", "more"]);
    scene.git("shop", &["checkout", "-q", "main"]);
    let ran = undo();
    assert!(ran.code == 7 && ran.err.contains("moved on"), "{}", ran.err);
    scene.git("shop", &["branch", "-f", "fix/sum", "fix/sum^"]);

    let ran = undo();
    assert!(
        ran.code == 0 && ran.out.contains("branch fix/sum is removed"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(
        scene.git("shop", &["branch", "--format=%(refname:short)"]),
        "main\n"
    );
    assert_eq!(undo().code, 7);
    // What was undone can be let out again, elsewhere, and that is what undo takes back then.
    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0);
    assert_eq!(
        scene.git("shop", &["status", "--porcelain"]),
        " M sum.txt\n"
    );
    assert!(undo().out.contains("out of your files"));
    assert_eq!(scene.git("shop", &["status", "--porcelain"]), "");
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    assert_eq!(scene.run(&["log", "rebuild"]).code, 0);
}

#[test]
fn a_project_of_its_own_kind_is_tested_in_its_folder() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let server = Server::start(Script::list([
        Reply::call(
            "edit",
            json!({ "path": "py/sums.py", "search": "2", "replace": "3" }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix it", "summary": "It was 2." }),
        ),
    ]));
    project(&scene, &server);
    scene.file("shop/py/sums.py", "TOTAL = 2\n");
    let test = "import unittest\nimport sums\n\nclass A(unittest.TestCase):\n    def test_total(self):\n        self.assertEqual(sums.TOTAL, 3)\n";
    scene.file("shop/py/tests/test_sums.py", test);
    scene.git("shop", &["init", "-q"]);
    let mut code = scene.with_node(&["code", "make the test pass"]);
    let code = code.current_dir(scene.path().join("shop/py"));
    let ran = Ran::of(code.env("MINE_KEY", "k").output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("1 passed"), "{}{}", ran.out, ran.err);
    let detail = scene.run(&["--json", "patch", "show", "@"]).data();
    assert_eq!(detail["record"]["before"]["failed"], 1, "{detail}");
}
