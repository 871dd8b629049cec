//! `patch edit`: a person's editor on a patch, and the patch that takes its place.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::hostile::{code, ready};
use crate::scene::{Ran, Scene};

/// A patch that changes `sum.txt`, adds a file, and a link that leads out.
fn patched() -> Option<Scene> {
    let script = Script::list([
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call("edit", json!({ "path": "new.txt", "content": "new\n" })),
        Reply::call(
            "run",
            json!({ "command": "ln -s ../../outside.txt link.txt" }),
        ),
        Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    ]);
    let (scene, _server) = ready(script)?;
    scene.file("outside.txt", "outside\n");
    let ran = code(&scene, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    Some(scene)
}

/// The patch edited by a shell script in place of an editor.
fn edit(scene: &Scene, patch: &str, script: &str) -> Ran {
    let path = scene.file("editor.sh", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut atoll = scene.atoll(&["patch", "edit", patch]);
    Ran::of(atoll.env("EDITOR", path).output().unwrap())
}

#[test]
fn an_edited_patch_takes_the_others_place_and_says_that_its_tests_were_not_run() {
    let Some(scene) = patched() else { return };
    let same = edit(&scene, "p1", "true");
    assert!(
        same.code == 0 && same.out.contains("Nothing was changed; p1 stays"),
        "{}{}",
        same.out,
        same.err
    );
    // The editor gets plain files alone, and starts where the person is.
    let names = scene.path().join("names");
    let script = format!(
        "pwd > {0}; for f; do basename \"$f\" >> {0}; case $f in */sum.txt) sed -i s/total=3/total=33/ \"$f\";; *) rm \"$f\";; esac; done",
        names.display()
    );
    let ran = edit(&scene, "p1", &script);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("Patch p2 ready") && ran.out.contains("made of p1 by hand"),
        "{}",
        ran.out
    );
    let given = std::fs::read_to_string(names).unwrap();
    let mut given: Vec<&str> = given.lines().collect();
    let here = scene.path().canonicalize().unwrap();
    assert_eq!(given.remove(0), here.to_str().unwrap());
    given.sort_unstable();
    assert_eq!(given, ["new.txt", "sum.txt"]);
    let two = scene.run(&["--json", "patch", "show", "p2"]).data();
    assert_eq!(
        (&two["tests_ok"], &two["record"]["after"]),
        (&json!(null), &json!(null))
    );
    let diff = two["diff"].as_str().unwrap();
    assert!(
        diff.contains("+total=33") && !diff.contains("new.txt"),
        "{diff}"
    );
    let one = scene.run(&["--json", "patch", "show", "p1"]).data();
    assert_eq!(one["state"], "superseded");
    for words in [
        &["patch", "accept", "p1"][..],
        &["patch", "edit", "p1"],
        &["patch", "reject", "p1"],
    ] {
        let ran = scene.run(words);
        assert!(
            ran.code == 7 && ran.err.contains("superseded"),
            "{words:?} {}",
            ran.err
        );
    }
    // It can be edited again, and the projections come out the same.
    let third = edit(
        &scene,
        "p2",
        "for f; do case $f in */sum.txt) echo total=3 > \"$f\";; esac; done",
    );
    assert!(
        third.code == 0 && third.out.contains("Patch p3 ready"),
        "{}{}",
        third.out,
        third.err
    );
    let list = || scene.run(&["--json", "patch", "list"]).data();
    let before = list();
    assert_eq!(scene.run(&["log", "rebuild"]).code, 0);
    assert_eq!(list(), before);
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    let outside = std::fs::read_to_string(scene.path().join("outside.txt")).unwrap();
    assert_eq!(outside, "outside\n");
    let sum = std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    assert_eq!(sum, "total=2\n", "nothing was accepted");
}

#[test]
fn an_editor_that_fails_leaves_the_patch_alone() {
    let Some(scene) = patched() else { return };
    let failed = edit(&scene, "p1", "for f; do echo x > \"$f\"; done; exit 1");
    assert!(
        failed.code == 2 && failed.err.contains("ended with an error"),
        "{}",
        failed.err
    );
    let mut none = scene.atoll(&["patch", "edit", "p1"]);
    let none = Ran::of(none.env("EDITOR", "/no/such/editor").output().unwrap());
    assert!(
        none.code == 2 && none.err.contains("/no/such/editor"),
        "{}",
        none.err
    );
    let all = scene.run(&["--json", "patch", "list"]).data();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(all[0]["state"], "proposed");
    let copies = std::fs::read_dir(scene.path().join("atoll/data/workspaces/copies")).unwrap();
    assert_eq!(copies.count(), 1, "the session's own");
}

#[test]
fn garbage_and_a_patch_that_went_meanwhile_harm_nothing() {
    let Some(scene) = patched() else { return };
    // No text any more: it is taken as what it is, and told to be no text.
    let binary = "for f; do case $f in */sum.txt) printf 'total=3\\n\\000\\377\\033[2J' > \"$f\";; esac; done";
    let ran = edit(&scene, "p1", binary);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let shown = scene.run(&["patch", "show", "p2"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    crate::kit::plain("a patch of garbage", &shown.out);
    // Turned down by somebody else while the editor was open: nothing comes of the edit, and it says where it lies.
    let late = "for f; do case $f in */new.txt) echo mine > \"$f\";; esac; done; atoll patch reject p2 > /dev/null";
    let ran = edit(&scene, "p2", late);
    assert_eq!(ran.code, 7, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("rejected") && ran.err.contains("your edits are in"),
        "{}",
        ran.err
    );
    let all = scene.run(&["--json", "patch", "list"]).data();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
}
