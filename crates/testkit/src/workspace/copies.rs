//! Snapshots, and the private copies that are made of them.

use atoll_domain::action::Snap;
use atoll_domain::{Act, Body, ClosedHow, Language, TreeId};
use atoll_guard::Stop;
use atoll_ports::sweep::Keep;
use atoll_ports::workspace::{Error, Identified};

use super::Ground;
use super::desk::{Desk, files, link, remove, session, write};
use crate::permits::permit;

pub async fn a_workspace_has_one_id_by_any_of_its_names(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1")]);
    let alias = desk.dir.with_file_name("alias");
    link(&desk.dir, &alias);
    let same = Identified {
        workspace: desk.id,
        root: desk.root.clone(),
        below: String::new(),
    };
    assert_eq!(desk.ws.identify(&alias).unwrap(), same);
    assert_eq!(ground.open().identify(&desk.dir).unwrap(), same);
    let other = desk.dir.with_file_name("other");
    write(&other.join("a"), "1");
    assert_ne!(desk.ws.identify(&other).unwrap().workspace, desk.id);
}

pub async fn what_is_no_folder_is_no_workspace(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1")]);
    let missing = desk.ws.identify(&desk.dir.join("none"));
    assert!(matches!(missing, Err(Error::Missing(_))), "{missing:?}");
    for path in [
        desk.dir.join("a"),
        "/".into(),
        "/proc/self".into(),
        "relative".into(),
    ] {
        let refused = desk.ws.identify(&path);
        assert!(refused.is_err(), "{}: {refused:?}", path.display());
    }
}

pub async fn a_snapshot_is_named_by_its_content(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1"), ("d/b", "22")]);
    let first = desk.snap().await;
    assert_eq!((first.files, first.bytes), (2, 3));
    assert_eq!(desk.snap().await, first);
    write(&desk.dir.join("a"), "2");
    let second = desk.snap().await;
    assert_ne!(second.tree, first.tree);
    write(&desk.dir.join("a"), "1");
    assert_eq!(Desk::again(ground).snap().await.tree, first.tree);
}

pub async fn a_permit_is_closed_once_and_a_late_one_does_nothing(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1")]);
    let act = Snap {
        workspace: desk.id,
        root: desk.root.clone(),
    };
    let late = permit(&desk.guard, act).await;
    let late = desk.ws.snapshot(late, atoll_domain::Tick(u64::MAX)).await;
    assert!(matches!(late, Err(Stop::Expired)));
    desk.snap().await;
    let closed = desk
        .journal
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::Closed(closed) => Some((closed.kind, closed.how)),
            _ => None,
        });
    let want = [
        (Snap::KIND, ClosedHow::Unused),
        (Snap::KIND, ClosedHow::Done),
    ];
    assert_eq!(closed.collect::<Vec<_>>(), want);
}

pub async fn credentials_and_links_outward_stay_outside(ground: &dyn Ground) {
    let desk = Desk::new(
        ground,
        &[("a", "1"), (".env", "KEY=1"), ("conf/id_rsa", "x")],
    );
    link("/etc/passwd".as_ref(), &desk.dir.join("out"));
    let taken = desk.snap().await;
    assert_eq!(taken.masked, [".env", "conf/id_rsa"]);
    assert_eq!(taken.skipped.len(), 1, "{:?}", taken.skipped);
    assert_eq!(taken.skipped[0].0, "out");
    let (copy, _) = desk.copy(1).await;
    let there = files(&copy);
    assert_eq!(there.keys().collect::<Vec<_>>(), ["a"], "{there:?}");
}

pub async fn a_copy_is_the_tree_and_never_the_checkout(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1"), ("d/b", "2")]);
    let (copy, base) = desk.copy(1).await;
    assert_ne!(copy, desk.dir);
    assert_eq!(files(&copy), files(&desk.dir));
    assert_eq!(desk.tree(1).await, base);
    let before = files(&desk.dir);
    write(&copy.join("a"), "changed");
    write(&copy.join("new"), "x");
    remove(&copy.join("d"));
    assert_eq!(files(&desk.dir), before);
    assert_ne!(desk.tree(1).await, base);
    // Nor does the checkout's later life reach the copy.
    write(&desk.dir.join("a"), "mine");
    assert_eq!(files(&copy)["a"], "changed");
}

pub async fn a_copy_outlives_its_process(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1")]);
    let (copy, base) = desk.copy(1).await;
    write(&copy.join("a"), "changed");
    let tree = desk.tree(1).await;
    let note = desk.ws.git_note(session(1)).unwrap();
    desk.ws.rest(session(1));
    assert_eq!(desk.tree(1).await, tree, "read again after a rest");
    drop(desk);
    let desk = Desk::again(ground);
    assert_eq!(desk.tree(1).await, tree);
    assert_eq!(desk.ws.git_note(session(1)).unwrap(), note);
    let patch = desk.ws.diff(desk.id, &base, &tree).await.unwrap();
    assert_eq!(patch.summary.files.len(), 1);
}

pub async fn a_copy_is_brought_to_any_tree_that_was_taken(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1"), ("b", "2")]);
    let (copy, base) = desk.copy(1).await;
    write(&copy.join("a"), "changed");
    remove(&copy.join("b"));
    let turn = desk.tree(1).await;
    write(&copy.join("a"), "later");
    assert_eq!(desk.bring(1, &turn).await, copy, "where it was");
    assert_eq!(
        files(&copy),
        [("a".to_owned(), "changed".to_owned())].into()
    );
    desk.bring(1, &base).await;
    assert_eq!(desk.tree(1).await, base);
    // A fork begins where another stood.
    let fork = desk.bring(2, &turn).await;
    assert_ne!(fork, copy);
    assert_eq!(desk.tree(2).await, turn);
    write(&fork.join("a"), "the fork's");
    assert_eq!(desk.tree(1).await, base);
}

pub async fn a_copy_needs_no_checkout(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1")]);
    let (copy, _) = desk.copy(1).await;
    write(&copy.join("a"), "changed");
    let turn = desk.tree(1).await;
    remove(&desk.dir);
    assert_eq!(desk.tree(1).await, turn);
    let late = desk.bring(2, &turn).await;
    assert_eq!(files(&late)["a"], "changed");
}

pub async fn a_removed_copy_is_gone_and_no_other(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1")]);
    let (copy, base) = desk.copy(1).await;
    desk.bring(2, &base).await;
    desk.ws.remove(session(1)).unwrap();
    desk.ws.remove(session(1)).unwrap();
    assert!(!copy.exists());
    let gone = desk.ws.capture(session(1)).await;
    assert!(matches!(gone, Err(Error::Missing(_))), "{gone:?}");
    assert_eq!(desk.tree(2).await, base);
    // Its trees are still there to begin from.
    desk.bring(1, &base).await;
    assert_eq!(desk.tree(1).await, base);
}

pub async fn a_sweep_takes_what_nobody_keeps(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1"), ("d/b", "2")]);
    let (copy, base) = desk.copy(1).await;
    let other = desk.bring(2, &base).await;
    write(&copy.join("a"), &"changed\n".repeat(1000));
    let turn = desk.tree(1).await;
    let keep = |copies: &[u8], trees: &[&TreeId], young_s| Keep {
        copies: copies.iter().map(|n| session(*n)).collect(),
        trees: [(desk.id, trees.iter().map(|t| (*t).clone()).collect())].into(),
        young_s,
    };
    // What is young stays, and a copy that is at work.
    let none = desk.ws.sweep(keep(&[], &[], 3600)).await.unwrap();
    assert_eq!((none.removed, none.freed_bytes), (0, 0));
    assert!(none.left_bytes > 0);
    desk.ws.sweep(keep(&[], &[&base, &turn], 0)).await.unwrap();
    assert!(copy.exists() && other.exists());
    desk.ws.rest(session(1));
    desk.ws.rest(session(2));
    let swept = desk.ws.sweep(keep(&[2], &[&base], 0)).await.unwrap();
    assert!(swept.removed >= 2 && swept.freed_bytes > 0, "{swept:?}");
    assert!(!copy.exists() && other.exists());
    let gone = desk.ws.diff(desk.id, &base, &turn).await;
    assert!(gone.is_err(), "{gone:?}");
    let again = desk.ws.sweep(keep(&[2], &[&base], 0)).await.unwrap();
    assert_eq!((again.removed, again.left_bytes), (0, swept.left_bytes));
    // What was kept is whole, here and after a restart; what went can be taken again.
    for desk in [&desk, &Desk::again(ground)] {
        desk.ws.remove(session(3)).unwrap();
        let third = desk.bring(3, &base).await;
        assert_eq!(files(&third), files(&desk.dir));
        write(&third.join("a"), &"changed\n".repeat(1000));
        assert_eq!(desk.tree(3).await, turn);
        let patch = desk.ws.diff(desk.id, &base, &turn).await.unwrap();
        assert_eq!(patch.summary.files.len(), 1);
    }
}

pub async fn what_is_found_is_found_by_parsing(ground: &dyn Ground) {
    let desk = Desk::new(
        ground,
        &[
            ("Makefile", "$(shell touch made)\ntest:\n\ttouch made\n"),
            ("AGENTS.md", "Be kind."),
            (".atoll/workspace.toml", "test = \"make check\"\n"),
        ],
    );
    let (copy, base) = desk.copy(1).await;
    let found = desk.ws.detect(session(1), "").unwrap();
    assert_eq!(found.tests[0].cmd, ["make", "test"]);
    assert!(found.languages.contains(&Language::Make));
    assert_eq!(found.guide.as_deref().map(str::trim), Some("Be kind."));
    assert!(
        found.suggested_test.is_some() && found.atoll_hash.is_some(),
        "{found:?}"
    );
    assert_eq!(desk.tree(1).await, base, "nothing was run");
    let before = found.atoll_hash;
    write(
        &copy.join(".atoll/workspace.toml"),
        "test = \"make other\"\n",
    );
    assert_ne!(desk.ws.detect(session(1), "").unwrap().atoll_hash, before);
}
