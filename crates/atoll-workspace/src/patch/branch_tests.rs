#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::beneath::Dir;
use crate::error::{Error, Result};
use crate::origin::{Found, Repo, find};
use crate::store::{ObjectId, StatCache, Store};
use crate::testing::git;
use crate::walk::{Limits, Options, Tracked, snapshot};

struct Bench {
    t: tempfile::TempDir,
    store: Store,
}

impl Bench {
    /// A committed checkout `w`; files `.env` and `odd name` among its own.
    fn new() -> Self {
        let t = tempfile::tempdir().unwrap();
        let store = Store::open(&t.path().join("r"), 1 << 20).unwrap();
        let w = t.path().join("w");
        fs::create_dir_all(w.join("d")).unwrap();
        git(&w, &["init", "-q"]);
        for p in ["a", "d/b", "d/gone", ".env", "mine"] {
            fs::write(w.join(p), p).unwrap();
        }
        git(&w, &["add", "-f", "."]);
        git(&w, &["commit", "-qm", "one"]);
        Self { t, store }
    }

    fn w(&self) -> PathBuf {
        self.t.path().join("w")
    }

    fn take(&self, at: &Path) -> ObjectId {
        let options = Options {
            limits: Limits::default(),
            ignores: true,
            tracked: &Tracked::default(),
        };
        let mut cache = StatCache::load(&self.t.path().join("none"));
        snapshot(&Dir::open(at).unwrap(), options, &self.store, &mut cache)
            .unwrap()
            .tree
    }

    /// The patch from the checkout as it is to one with `edit` done to it.
    fn patch(&self, edit: impl FnOnce(&Path)) -> (ObjectId, ObjectId, Vec<String>) {
        let c = self.t.path().join("c");
        fs::create_dir_all(c.join("d")).unwrap();
        for p in ["a", "d/b", "d/gone", "mine"] {
            fs::copy(self.w().join(p), c.join(p)).unwrap();
        }
        let base = self.take(&self.w());
        edit(&c);
        let tree = self.take(&c);
        let paths = patch(&self.store, base, tree)
            .unwrap()
            .0
            .files
            .into_iter()
            .map(|f| f.path)
            .collect();
        (base, tree, paths)
    }

    fn repo(&self) -> Repo {
        match find(&Dir::open(&self.w()).unwrap(), &self.w()) {
            Found::Repo(r) => r,
            _ => panic!("no repository"),
        }
    }

    fn branch(
        &self,
        name: &str,
        (base, tree, paths): &(ObjectId, ObjectId, Vec<String>),
    ) -> Result<ObjectId> {
        let how = Branch {
            repo: &self.repo(),
            store: &self.store,
            name,
            message: "mend it",
            author: ("Atoll", "atoll@localhost"),
            at_s: 1_700_000_000,
            file_limit_bytes: 1 << 20,
        };
        branch(&how, *base, *tree, paths, &mut |_| Ok(()))
    }
}

fn edit(c: &Path) {
    fs::write(c.join("a"), "A").unwrap();
    fs::create_dir_all(c.join("new")).unwrap();
    fs::write(c.join("new/n"), "n").unwrap();
    fs::remove_file(c.join("d/gone")).unwrap();
}

#[test]
fn a_branch_holds_head_and_the_patch_and_nothing_else() {
    for packed in [false, true] {
        let b = Bench::new();
        let w = b.w();
        if packed {
            git(&w, &["gc", "-q"]);
        }
        // Uncommitted work elsewhere stays the user's own.
        fs::write(w.join("mine"), "uncommitted").unwrap();
        let patch = b.patch(edit);
        let before = git(&w, &["status", "--porcelain"]);
        let id = b.branch("atoll/p1", &patch).unwrap();
        assert_eq!(git(&w, &["rev-parse", "atoll/p1"]), id.to_string());
        assert_eq!(
            git(&w, &["rev-parse", "atoll/p1^"]),
            git(&w, &["rev-parse", "main"])
        );
        let changed = git(&w, &["diff", "--name-status", "main", "atoll/p1"]);
        assert_eq!(changed, "M\ta\nD\td/gone\nA\tnew/n");
        assert_eq!(
            git(&w, &["show", "-s", "--format=%an|%at|%s", "atoll/p1"]),
            "Atoll|1700000000|mend it"
        );
        assert_eq!(git(&w, &["show", "atoll/p1:.env"]), ".env");
        assert_eq!(git(&w, &["status", "--porcelain"]), before);
        assert_eq!(git(&w, &["symbolic-ref", "HEAD"]), "refs/heads/main");
        git(&w, &["fsck", "--strict"]);
        unbranch(&b.repo(), "atoll/p1", id).unwrap();
        assert_eq!(git(&w, &["branch", "--list", "atoll/p1"]), "");
    }
}

#[test]
fn names_that_are_taken_or_odd_are_refused() {
    let b = Bench::new();
    let w = b.w();
    git(&w, &["branch", "packed/one"]);
    git(&w, &["pack-refs", "--all"]);
    git(&w, &["branch", "loose"]);
    let patch = b.patch(edit);
    let objects = git(&w, &["count-objects"]);
    for name in [
        "main",
        "loose",
        "packed/one",
        "packed",
        "loose/x",
        "packed/one/y",
        "../../config",
        "-d",
        "a..b",
        "x.lock",
    ] {
        assert!(
            matches!(b.branch(name, &patch), Err(Error::Branch { .. })),
            "{name}"
        );
    }
    assert_eq!(git(&w, &["count-objects"]), objects, "nothing was written");
    let id = b.branch("mine", &patch).unwrap();
    git(&w, &["branch", "-f", "mine", "main"]);
    assert!(matches!(
        unbranch(&b.repo(), "mine", id),
        Err(Error::Branch { .. })
    ));
    assert!(matches!(
        unbranch(&b.repo(), "main", id),
        Err(Error::Branch { .. })
    ));
}

#[test]
fn a_patch_over_uncommitted_changes_is_refused_by_name() {
    let b = Bench::new();
    fs::write(b.w().join("a"), "uncommitted").unwrap();
    let patch = b.patch(edit);
    match b.branch("x", &patch) {
        Err(Error::Overlap { paths }) => assert_eq!(paths, ["a"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_from_a_linked_worktree_lands_in_its_repository() {
    let b = Bench::new();
    let patch = b.patch(edit);
    let wt = b.t.path().join("wt");
    git(
        &b.w(),
        &["worktree", "add", "-q", "-b", "side", wt.to_str().unwrap()],
    );
    let repo = match find(&Dir::open(&wt).unwrap(), &wt) {
        Found::Repo(r) => r,
        _ => panic!("no repository"),
    };
    let how = Branch {
        repo: &repo,
        store: &b.store,
        name: "from-wt",
        message: "m",
        author: ("A", "a@b"),
        at_s: 0,
        file_limit_bytes: 1 << 20,
    };
    let id = branch(&how, patch.0, patch.1, &patch.2, &mut |_| Ok(())).unwrap();
    assert_eq!(git(&b.w(), &["rev-parse", "from-wt"]), id.to_string());
}

#[test]
fn undo_removes_a_branch_however_git_keeps_it_and_nothing_beside_it() {
    for how in ["loose", "packed", "both"] {
        let b = Bench::new();
        let w = b.w();
        let patch = b.patch(edit);
        git(&w, &["branch", "atoll/p10"]);
        git(&w, &["tag", "-am", "note", "atoll/p1"]);
        let id = b.branch("atoll/p1", &patch).unwrap();
        if how != "loose" {
            git(&w, &["pack-refs", "--all"]);
        }
        if how == "both" {
            fs::create_dir_all(w.join(".git/refs/heads/atoll")).unwrap();
            fs::write(w.join(".git/refs/heads/atoll/p1"), format!("{id}\n")).unwrap();
        }
        let others = || git(&w, &["for-each-ref", "--format=%(refname) %(objectname)"]);
        let before = others();
        unbranch(&b.repo(), "atoll/p1", id).unwrap();
        let gone = format!("refs/heads/atoll/p1 {id}");
        let want: Vec<&str> = before.lines().filter(|l| *l != gone).collect();
        assert_eq!(want.len() + 1, before.lines().count());
        assert_eq!(others(), want.join("\n"), "{how}");
        // Once more is no error, and git itself finds nothing to complain of.
        unbranch(&b.repo(), "atoll/p1", id).unwrap();
        git(&w, &["fsck", "--strict"]);
        git(&w, &["branch", "atoll/p1"]);
        assert!(!w.join(".git/packed-refs.lock").exists());
    }
}

#[test]
fn empty_folders_of_a_removed_branch_go_too() {
    let b = Bench::new();
    let patch = b.patch(edit);
    let id = b.branch("deep/er/p1", &patch).unwrap();
    unbranch(&b.repo(), "deep/er/p1", id).unwrap();
    assert!(!b.w().join(".git/refs/heads/deep").exists());
    // So that the folder's name can be a branch's.
    git(&b.w(), &["branch", "deep"]);
}

#[test]
fn a_branch_that_somebody_works_on_is_never_removed() {
    let b = Bench::new();
    let (w, patch) = (b.w(), b.patch(edit));
    let id = b.branch("p1", &patch).unwrap();
    let refused = |why: &str| match unbranch(&b.repo(), "p1", id) {
        Err(Error::Branch {
            why: said, todo, ..
        }) => {
            assert!(said.contains(why) && !todo.is_empty(), "{said}");
            assert_eq!(git(&w, &["rev-parse", "p1"]).len(), 40);
            assert!(!w.join(".git/refs/heads/p1.lock").exists());
        }
        other => panic!("{why}: {other:?}"),
    };
    // In a linked worktree, in one that is amid a rebase or bisection, and here.
    let wt = b.t.path().join("wt");
    git(&w, &["worktree", "add", "-q", wt.to_str().unwrap(), "p1"]);
    refused(wt.to_str().unwrap());
    git(&wt, &["bisect", "start"]);
    git(&wt, &["checkout", "-q", "--detach"]);
    refused("checked out");
    git(&wt, &["bisect", "reset"]);
    git(&wt, &["checkout", "-q", "--detach"]);
    fs::create_dir(w.join(".git/worktrees/wt/rebase-merge")).unwrap();
    fs::write(
        w.join(".git/worktrees/wt/rebase-merge/head-name"),
        "refs/heads/p1\n",
    )
    .unwrap();
    refused("checked out");
    git(&w, &["worktree", "remove", "--force", wt.to_str().unwrap()]);
    git(&w, &["checkout", "-q", "-f", "p1"]);
    refused("checked out");
    git(&w, &["checkout", "-q", "main"]);
    // Moved on, and a name for another branch.
    git(&w, &["branch", "-f", "p1", "main"]);
    refused("moved on");
    git(&w, &["symbolic-ref", "refs/heads/p1", "refs/heads/main"]);
    refused("moved on");
    git(&w, &["symbolic-ref", "-d", "refs/heads/p1"]);
    git(&w, &["branch", "p1", &id.to_string()]);
    // Another git process has it.
    fs::write(w.join(".git/refs/heads/p1.lock"), "").unwrap();
    let held = unbranch(&b.repo(), "p1", id);
    assert!(matches!(held, Err(Error::Branch { .. })), "{held:?}");
    fs::remove_file(w.join(".git/refs/heads/p1.lock")).unwrap();
    git(&w, &["pack-refs", "--all"]);
    fs::write(w.join(".git/packed-refs.lock"), "").unwrap();
    let held = unbranch(&b.repo(), "p1", id);
    assert!(matches!(held, Err(Error::Branch { .. })), "{held:?}");
    assert_eq!(git(&w, &["rev-parse", "p1"]), id.to_string());
    fs::remove_file(w.join(".git/packed-refs.lock")).unwrap();
    unbranch(&b.repo(), "p1", id).unwrap();
}
