//! Letting work out of a copy, and taking it back.

use atoll_domain::PatchClass;
use atoll_domain::action::Accept;
use atoll_ports::workspace::Error;

use super::Ground;
use super::desk::{Desk, files, remove, write};

const FILES: [(&str, &str); 3] = [("a", "1\n"), ("d/b", "2\n"), ("gone", "3\n")];

/// A copy with one file changed, one new, one gone.
async fn changed(desk: &Desk) -> Accept {
    let (copy, base) = desk.copy(1).await;
    write(&copy.join("a"), "one\n");
    write(&copy.join("new/c"), "4\n");
    remove(&copy.join("gone"));
    desk.proposal(1, &base).await
}

pub async fn a_patch_tells_all_that_differs(ground: &dyn Ground) {
    let desk = Desk::new(ground, &FILES);
    let act = changed(&desk).await;
    assert_eq!(act.paths, ["a", "gone", "new/c"]);
    assert_eq!(act.class, PatchClass::Ordinary);
    let patch = desk.ws.diff(desk.id, &act.base, &act.tree).await.unwrap();
    assert_eq!(
        (&patch.summary.base, &patch.summary.tree),
        (&act.base, &act.tree)
    );
    for line in ["-1", "+one", "-3", "+4"] {
        assert!(
            patch.diff.lines().any(|l| l == line),
            "{line}: {}",
            patch.diff
        );
    }
    let none = desk.ws.diff(desk.id, &act.base, &act.base).await.unwrap();
    assert_eq!((none.summary.files.len(), none.diff.as_str()), (0, ""));
}

pub async fn a_patch_is_let_out_whole(ground: &dyn Ground) {
    let desk = Desk::new(ground, &FILES);
    let act = changed(&desk).await;
    // What the patch doesn't touch may have changed.
    write(&desk.dir.join("d/b"), "mine\n");
    let applied = desk.accept(act.clone()).await.unwrap();
    assert_eq!((applied.paths, applied.commit), (act.paths, None));
    let want = [("a", "one\n"), ("d/b", "mine\n"), ("new/c", "4\n")];
    let want = want.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(files(&desk.dir), want.into());
}

pub async fn a_patch_that_overlaps_changes_nothing(ground: &dyn Ground) {
    for (path, text) in [("a", "mine\n"), ("new/c", "mine\n"), ("gone", "mine\n")] {
        let desk = Desk::new(ground, &FILES);
        let act = changed(&desk).await;
        write(&desk.dir.join(path), text);
        let before = files(&desk.dir);
        let refused = desk.accept(act).await;
        let named = matches!(&refused, Err(Error::Conflict(paths)) if paths == &[path]);
        assert!(named, "{path}: {refused:?}");
        assert_eq!(files(&desk.dir), before);
        remove(&desk.dir);
        desk.ws.remove(super::desk::session(1)).unwrap();
    }
}

pub async fn a_patch_is_what_was_shown(ground: &dyn Ground) {
    let desk = Desk::new(ground, &FILES);
    let (copy, base) = desk.copy(1).await;
    write(&copy.join("a"), "one\n");
    write(&copy.join(".github/workflows/ci.yml"), "on: push\n");
    let act = desk.proposal(1, &base).await;
    assert_eq!(act.class, PatchClass::RunsOutside);
    let before = files(&desk.dir);
    let lesser = Accept {
        class: PatchClass::Ordinary,
        ..act.clone()
    };
    let fewer = Accept {
        paths: vec!["a".into()],
        ..act.clone()
    };
    for other in [lesser, fewer] {
        let refused = desk.accept(other).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    let elsewhere = Accept {
        root: desk.dir.parent().unwrap().display().to_string(),
        ..act.clone()
    };
    assert!(desk.accept(elsewhere).await.is_err());
    assert_eq!(files(&desk.dir), before);
    desk.accept(act).await.unwrap();
}

pub async fn a_patch_is_taken_back_whole(ground: &dyn Ground) {
    let desk = Desk::new(ground, &FILES);
    let before = files(&desk.dir);
    let act = changed(&desk).await;
    desk.accept(act.clone()).await.unwrap();
    drop(desk);
    let desk = Desk::again(ground);
    write(&desk.dir.join("new/c"), "mine\n");
    let with_mine = files(&desk.dir);
    let refused = desk.undo(&act).await;
    let named = matches!(&refused, Err(Error::Conflict(paths)) if paths == &["new/c"]);
    assert!(named, "{refused:?}");
    assert_eq!(files(&desk.dir), with_mine);
    write(&desk.dir.join("new/c"), "4\n");
    assert_eq!(desk.undo(&act).await.unwrap().paths, act.paths);
    assert_eq!(files(&desk.dir), before);
}

pub async fn nothing_interrupted_is_nothing_to_say(ground: &dyn Ground) {
    let desk = Desk::new(ground, &FILES);
    let act = changed(&desk).await;
    desk.accept(act).await.unwrap();
    let again = Desk::again(ground);
    assert_eq!(again.ws.recover().unwrap(), Vec::<String>::new());
}
