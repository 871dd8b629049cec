#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use atoll_domain::action::{Accept, AcceptTo, ReadOp, Snap};
use atoll_domain::{Act, Body, ClosedHow, Hash, PatchClass, Tick};
use atoll_guard::Stop;
use atoll_ports::Workspaces as _;
use atoll_ports::workspace::{Edit, Error, Identified, Planned};
use testkit::permits::permit;

use super::bench::{Bench, session, write};
use super::*;
use crate::testing::git;

fn replace(search: &str, replace: &str) -> Edit {
    Edit::Replace {
        search: search.into(),
        replace: replace.into(),
        all: false,
    }
}

fn whole(content: &str) -> Edit {
    Edit::Whole {
        content: content.into(),
    }
}

#[tokio::test]
async fn from_checkout_to_accepted_patch_and_back() {
    let b = Bench::new(&[
        ("src/a.py", "def f():\n    return 1\n"),
        ("tests/test_a.py", "def test_f(): pass\n"),
    ]);
    git(&b.w(), &["init", "-q"]);
    git(&b.w(), &["add", "."]);
    git(&b.w(), &["commit", "-qm", "one"]);
    write(&b.w().join("untracked"), "dirty");
    let (copy, base) = b.copy(1).await;
    assert_eq!(b.ws.git_note(session(1)).unwrap(), None);
    assert_eq!(git(&copy, &["log", "--format=%s"]), "one");
    assert_eq!(
        b.ws.detect(session(1), "").unwrap().tests[0].cmd.join(" "),
        "python3 -m pytest -q"
    );
    let text = b
        .read(ReadOp::Read {
            path: "src/a.py".into(),
            start_line: None,
            lines_max: None,
        })
        .await
        .unwrap();
    assert_eq!(text, "     1\tdef f():\n     2\t    return 1\n");
    let planned =
        b.ws.plan_edit(session(1), "src/a.py", &replace("return 1", "return 2"))
            .unwrap();
    assert_eq!((planned.added, planned.removed), (1, 1));
    assert!(planned.diff.contains("-    return 1\n+    return 2\n"));
    assert_eq!(
        b.write(planned, "src/a.py").await.unwrap(),
        Hash::of(b"def f():\n    return 2\n")
    );
    let planned =
        b.ws.plan_edit(session(1), "new/file", &whole("x\n"))
            .unwrap();
    assert_eq!(planned.before, None);
    b.write(planned, "new/file").await.unwrap();
    let planned =
        b.ws.plan_edit(session(1), "untracked", &Edit::Delete)
            .unwrap();
    b.write(planned, "untracked").await.unwrap();
    assert_eq!(
        fs::read_to_string(b.w().join("src/a.py")).unwrap(),
        "def f():\n    return 1\n",
        "untouched until accept"
    );

    let act = b.proposal(&base, AcceptTo::Files).await;
    assert_eq!(act.paths, ["new/file", "src/a.py", "untracked"]);
    assert_eq!(act.class, PatchClass::Ordinary);
    assert_eq!(b.accept(act.clone()).await.unwrap().paths, act.paths);
    assert_eq!(
        git(&b.w(), &["status", "--porcelain"]),
        " M src/a.py\n?? new/"
    );
    b.undo(act).await.unwrap();
    assert_eq!(b.snap().await.tree, base);
}

#[tokio::test]
async fn a_patch_comes_onto_a_branch_and_off_it() {
    let b = Bench::new(&[("a", "1\n")]);
    git(&b.w(), &["init", "-q"]);
    git(&b.w(), &["add", "."]);
    git(&b.w(), &["commit", "-qm", "one"]);
    write(&b.w().join("untracked"), "dirty");
    let (copy, base) = b.copy(1).await;
    write(&copy.join("a"), "2\n");
    fs::remove_file(copy.join("untracked")).unwrap();
    let act = b.proposal(&base, AcceptTo::Branch("atoll/p1".into())).await;
    // `untracked` isn't in HEAD, so it can't be removed from it.
    assert!(matches!(b.accept(act).await, Err(Error::Conflict(paths)) if paths == ["untracked"]));
    write(&copy.join("untracked"), "dirty");
    let act = b.proposal(&base, AcceptTo::Branch("atoll/p1".into())).await;
    let commit = b.accept(act.clone()).await.unwrap().commit.unwrap();
    assert_eq!(git(&b.w(), &["rev-parse", "atoll/p1"]), commit);
    // As after a crash before anybody was told: it is done, not in its own way.
    assert_eq!(b.accept(act.clone()).await.unwrap().commit, Some(commit));
    assert_eq!(
        git(&b.w(), &["show", "-s", "--format=%B", "atoll/p1"]),
        "Mend it\n\nAtoll-Patch: p1"
    );
    b.undo(act).await.unwrap();
    assert_eq!(git(&b.w(), &["branch", "--list", "atoll/*"]), "");
}

#[tokio::test]
async fn a_copy_is_resumed_undone_and_forked() {
    let b = Bench::new(&[("a", "1"), (".gitignore", "out\n"), ("b", "2")]);
    let (copy, base) = b.copy(1).await;
    write(&copy.join("a"), "changed");
    write(&copy.join("out/ignored"), "x");
    let turn = b.ws.capture(session(1)).await.unwrap().tree;
    write(&copy.join("b"), "later");
    // A new process: nothing in memory.
    let ws = Workspaces::open(Options::new(b.t.path().join("data"))).unwrap();
    let again = ws
        .checkout(session(1), b.id, &b.root, &turn, None)
        .await
        .unwrap();
    assert_eq!(Path::new(&again.host), copy);
    assert_eq!(fs::read_to_string(copy.join("b")).unwrap(), "2");
    assert_eq!(fs::read_to_string(copy.join("a")).unwrap(), "changed");
    assert!(
        copy.join("out/ignored").exists(),
        "what is ignored is no part of the tree"
    );
    ws.checkout(session(1), b.id, &b.root, &base, None)
        .await
        .unwrap();
    assert_eq!(ws.capture(session(1)).await.unwrap().tree, base);
    let fork = ws
        .checkout(session(2), b.id, &b.root, &turn, None)
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(Path::new(&fork.host).join("a")).unwrap(),
        "changed"
    );
    // Also when the checkout is gone.
    fs::remove_dir_all(b.w()).unwrap();
    let late = ws
        .checkout(session(3), b.id, &b.root, &turn, None)
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(Path::new(&late.host).join("a")).unwrap(),
        "changed"
    );
    ws.remove(session(1)).unwrap();
    ws.remove(session(1)).unwrap();
    assert!(!copy.exists());
    assert!(matches!(
        ws.capture(session(1)).await,
        Err(Error::Missing(_))
    ));
}

#[tokio::test]
async fn a_copy_that_a_job_turned_hostile_is_made_anew() {
    let b = Bench::new(&[("d/a", "1"), ("b", "2")]);
    let (copy, base) = b.copy(1).await;
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir_all(copy.join("d")).unwrap();
    symlink(outside.path(), copy.join("d")).unwrap();
    fs::remove_dir_all(copy.join(".git")).unwrap();
    let again =
        b.ws.checkout(session(1), b.id, &b.root, &base, None)
            .await
            .unwrap();
    assert_eq!(
        fs::read_to_string(Path::new(&again.host).join("d/a")).unwrap(),
        "1"
    );
    assert_eq!(b.ws.capture(session(1)).await.unwrap().tree, base);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn hostile_tool_calls_get_typed_errors_and_change_nothing() {
    let b = Bench::new(&[("a", "text"), (".env", "KEY=1"), ("bin", "a\0b")]);
    let (copy, base) = b.copy(1).await;
    fs::write(copy.join("latin"), b"caf\xe9").unwrap();
    symlink("/etc", copy.join("etc")).unwrap();
    for path in [
        "../w/a",
        "/etc/passwd",
        ".git/config",
        ".GIT/hooks/x",
        "git~1/x",
        "",
        "etc/passwd",
        "a/../../x",
    ] {
        let op = ReadOp::Read {
            path: path.into(),
            start_line: None,
            lines_max: None,
        };
        assert!(
            matches!(b.read(op).await, Err(Error::Forbidden { .. })),
            "{path}"
        );
        assert!(
            matches!(
                b.ws.plan_edit(session(1), path, &whole("x")),
                Err(Error::Forbidden { .. })
            ),
            "{path}"
        );
        let act = Planned {
            before: None,
            content: Some(b"x".to_vec()),
            added: 0,
            removed: 0,
            diff: String::new(),
            tolerated: vec![],
        };
        assert!(
            matches!(b.write(act, path).await, Err(Error::Forbidden { .. })),
            "{path}"
        );
    }
    assert!(matches!(
        b.ws.plan_edit(session(1), ".env", &whole("x")),
        Err(Error::Masked(_))
    ));
    assert!(matches!(
        b.ws.plan_edit(session(1), "none", &replace("a", "b")),
        Err(Error::Missing(_))
    ));
    assert!(matches!(
        b.ws.plan_edit(session(1), "latin", &replace("caf", "x")),
        Err(Error::Edit(_))
    ));
    assert!(matches!(
        b.ws.plan_edit(session(1), "a", &replace("nope", "x")),
        Err(Error::Edit(_))
    ));
    let hidden = "key = [redacted:k1]";
    assert!(matches!(
        b.ws.plan_edit(session(1), "a", &whole(hidden)),
        Err(Error::Forbidden { .. })
    ));
    let sly = Planned {
        before: Some(Hash::of(b"text")),
        content: Some(hidden.into()),
        added: 1,
        removed: 1,
        diff: String::new(),
        tolerated: vec![],
    };
    assert!(matches!(
        b.write(sly, "a").await,
        Err(Error::Forbidden { .. })
    ));
    // What was planned is no longer what is there.
    let planned = b.ws.plan_edit(session(1), "a", &whole("new")).unwrap();
    write(&copy.join("a"), "meanwhile");
    assert!(matches!(
        b.write(planned, "a").await,
        Err(Error::Conflict(_))
    ));
    let bad = ReadOp::Search {
        pattern: "(".into(),
        literal: false,
        path: None,
        glob: None,
        context: None,
    };
    assert!(matches!(b.read(bad).await, Err(Error::Invalid(_))));
    write(&copy.join("a"), "text");
    fs::remove_file(copy.join("latin")).unwrap();
    assert_eq!(b.ws.capture(session(1)).await.unwrap().tree, base);
}

#[tokio::test]
async fn credentials_are_in_no_copy_and_said() {
    let b = Bench::new(&[
        ("a", "x"),
        (".env", "KEY=secret"),
        ("conf/id_rsa", "secret"),
    ]);
    symlink("/etc/passwd", b.w().join("out")).unwrap();
    let taken = b.snap().await;
    assert_eq!(taken.masked, [".env", "conf/id_rsa"]);
    assert_eq!(
        taken.skipped,
        [(
            "out".to_owned(),
            "it is a link that leads outside".to_owned()
        )]
    );
    let (copy, _) = b.copy(1).await;
    assert!(!copy.join(".env").exists() && !copy.join("conf").exists());
}

#[tokio::test]
async fn what_is_accepted_is_what_was_shown() {
    let b = Bench::new(&[("a", "x")]);
    let (copy, base) = b.copy(1).await;
    write(&copy.join("a"), "y");
    write(&copy.join(".github/workflows/ci.yml"), "on: push");
    let act = b.proposal(&base, AcceptTo::Files).await;
    assert_eq!(act.class, PatchClass::RunsOutside);
    let lesser = Accept {
        class: PatchClass::Ordinary,
        ..act.clone()
    };
    assert!(matches!(b.accept(lesser).await, Err(Error::Refused(_))));
    let fewer = Accept {
        paths: vec!["a".into()],
        ..act.clone()
    };
    assert!(matches!(b.accept(fewer).await, Err(Error::Refused(_))));
    let elsewhere = Accept {
        root: b.t.path().display().to_string(),
        ..act.clone()
    };
    assert!(b.accept(elsewhere).await.is_err());
    assert!(!b.w().join(".github").exists());
    write(&b.w().join("a"), "mine");
    assert!(matches!(b.accept(act).await, Err(Error::Conflict(paths)) if paths == ["a"]));
    assert!(!b.w().join(".github").exists());
    assert_eq!(b.ws.recover().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_permit_spent_late_does_nothing_and_an_effect_is_closed_once() {
    let b = Bench::new(&[("a", "x")]);
    let act = Snap {
        workspace: b.id,
        root: b.root.clone(),
    };
    let late =
        b.ws.snapshot(permit(&b.guard, act).await, Tick(u64::MAX))
            .await;
    assert!(matches!(late, Err(Stop::Expired)));
    b.snap().await;
    let how: Vec<_> = b
        .journal
        .bodies()
        .into_iter()
        .filter_map(|body| {
            if let Body::Closed(c) = body {
                Some((c.kind, c.how))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(
        how,
        [
            (Snap::KIND, ClosedHow::Unused),
            (Snap::KIND, ClosedHow::Done)
        ]
    );
}

#[test]
fn what_cannot_be_a_workspace_is_refused() {
    let b = Bench::new(&[("a", "x")]);
    let data = b.t.path().join("data");
    for path in [
        "/",
        "/etc",
        "/usr/lib",
        "/proc/self",
        "/dev",
        b.t.path().to_str().unwrap(),
        data.to_str().unwrap(),
    ] {
        assert!(
            matches!(b.ws.identify(Path::new(path)), Err(Error::Forbidden { .. })),
            "{path}"
        );
    }
    assert!(matches!(
        b.ws.identify(&b.w().join("a")),
        Err(Error::Forbidden { .. })
    ));
    assert!(matches!(
        b.ws.identify(&b.w().join("none")),
        Err(Error::Missing(_))
    ));
    symlink(b.w(), b.t.path().join("alias")).unwrap();
    assert_eq!(
        b.ws.identify(&b.t.path().join("alias")).unwrap(),
        Identified {
            workspace: b.id,
            root: b.root.clone(),
            below: String::new()
        }
    );
}
