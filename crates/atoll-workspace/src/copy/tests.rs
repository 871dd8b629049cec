#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::origin::{AutoCrlf, Found, find};
use crate::store::tree;
use crate::testing::git;
use crate::walk::{Limits, Options, Snapshot, Tracked, snapshot};

const LIMIT: u64 = 64 << 20;

struct Bench {
    t: tempfile::TempDir,
    store: Store,
    cache: StatCache,
    owner: Option<Owner>,
}

impl Bench {
    fn new() -> Self {
        let t = tempfile::tempdir().unwrap();
        fs::create_dir(t.path().join("w")).unwrap();
        fs::create_dir(t.path().join("c")).unwrap();
        let store = Store::open(&t.path().join("r"), LIMIT).unwrap();
        let cache = StatCache::load(&t.path().join("stat"));
        Self {
            t,
            store,
            cache,
            owner: None,
        }
    }

    fn w(&self) -> PathBuf {
        self.t.path().join("w")
    }

    fn c(&self) -> PathBuf {
        self.t.path().join("c")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.w().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn take(&mut self, at: &Path) -> Snapshot {
        let dir = Dir::open(at).unwrap();
        let tracked = match find(&dir, at) {
            Found::Repo(r) => r.tracked(1000),
            _ => Tracked::default(),
        };
        let options = Options {
            limits: Limits::default(),
            ignores: true,
            tracked: &tracked,
        };
        snapshot(&dir, options, &self.store, &mut self.cache).unwrap()
    }

    /// A copy of the checkout with its private `.git`; the note.
    fn copy(&mut self) -> (Snapshot, Option<String>) {
        let taken = self.take(&self.w());
        let source = Dir::open(&self.w()).unwrap();
        let into = Dir::open(&self.c()).unwrap();
        let making = Making {
            store: &self.store,
            source: Some(&source),
            owner: self.owner,
        };
        materialise(&making, &taken.flat, &into, &mut self.cache).unwrap();
        let found = find(&source, &self.w());
        let repo = match &found {
            Found::Repo(r) => Some(r),
            _ => None,
        };
        let how = Private {
            repo,
            autocrlf: AutoCrlf::False,
            store: &self.store,
            base: taken.tree,
            flat: &taken.flat,
            owner: self.owner,
            object_limit_bytes: LIMIT,
            at_s: 1_700_000_000,
        };
        let note = private_git(&how, &into).unwrap();
        (taken, note)
    }
}

#[test]
fn a_copy_has_content_modes_links_and_times() {
    let mut b = Bench::new();
    b.write("a", "one");
    b.write("d/run", "#!");
    b.write("big", vec![7; 300 << 10]);
    fs::set_permissions(b.w().join("d/run"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("../a", b.w().join("d/link")).unwrap();
    let when = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789);
    for p in ["a", "d/run", "big"] {
        fs::File::open(b.w().join(p))
            .unwrap()
            .set_modified(when)
            .unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    let (taken, note) = b.copy();
    assert!(note.unwrap().contains("no git repository"));
    assert_eq!(
        fs::metadata(b.c().join("d/run"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o755
    );
    assert_eq!(
        fs::read_link(b.c().join("d/link")).unwrap(),
        Path::new("../a")
    );
    for p in ["a", "d/run", "big"] {
        let meta = fs::metadata(b.c().join(p)).unwrap();
        assert_eq!(
            (meta.mtime(), meta.mtime_nsec()),
            (1_600_000_000, 123_456_789),
            "{p}"
        );
        assert_eq!(
            fs::read(b.c().join(p)).unwrap(),
            fs::read(b.w().join(p)).unwrap()
        );
    }
    let c = b.c();
    assert_eq!(b.take(&c).tree, taken.tree);
    assert_eq!(git(&b.c(), &["status", "--porcelain"]), "");
    assert_eq!(
        git(&b.c(), &["log", "--format=%an %at %s"]),
        "Atoll 1700000000 The workspace as it was found"
    );
}

#[test]
fn a_copy_is_brought_back_by_touching_what_differs() {
    let mut b = Bench::new();
    for p in ["same", "edited", "removed/x", "becomes-folder"] {
        b.write(p, p);
    }
    let (taken, _) = b.copy();
    let c = b.c();
    let inode = fs::metadata(c.join("same")).unwrap().ino();
    fs::write(c.join("edited"), "hostile").unwrap();
    fs::remove_dir_all(c.join("removed")).unwrap();
    fs::write(c.join("added"), "x").unwrap();
    fs::remove_file(c.join("becomes-folder")).unwrap();
    fs::create_dir(c.join("becomes-folder")).unwrap();
    fs::write(c.join("becomes-folder/y"), "x").unwrap();
    let now = b.take(&c).tree;
    let into = Dir::open(&c).unwrap();
    let making = Making {
        store: &b.store,
        source: None,
        owner: None,
    };
    assert_eq!(restore(&making, &into, now, taken.tree).unwrap(), 5);
    assert_eq!(b.take(&c).tree, taken.tree);
    assert_eq!(fs::metadata(c.join("same")).unwrap().ino(), inode);
    // A hostile link where a folder was is not followed.
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir_all(c.join("removed")).unwrap();
    symlink(outside.path(), c.join("removed")).unwrap();
    let now = b.take(&c).tree;
    let making = Making {
        store: &b.store,
        source: None,
        owner: None,
    };
    assert!(restore(&making, &into, now, taken.tree).is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn the_private_git_describes_shows_status_and_commits() {
    let mut b = Bench::new();
    let w = b.w();
    git(&w, &["init", "-q"]);
    for n in 0..20 {
        b.write(&format!("d{}/f{n}", n % 3), format!("{n}\n").repeat(50));
    }
    git(&w, &["add", "."]);
    git(&w, &["commit", "-qm", "one"]);
    b.write("d0/f0", "two");
    git(&w, &["commit", "-qam", "two"]);
    git(&w, &["tag", "-am", "x", "v1.2"]);
    git(&w, &["tag", "light"]);
    git(&w, &["gc", "-q"]);
    b.write("d1/f1", "dirty");
    b.write("untracked", "u");
    let (_, note) = b.copy();
    assert_eq!(note, None);
    let c = b.c();
    for args in [
        &["rev-parse", "HEAD"][..],
        &["describe"],
        &["status", "--porcelain", "--branch"],
        &["tag"],
        &["diff"],
        &["symbolic-ref", "HEAD"],
        &["cat-file", "-p", "HEAD"],
    ] {
        assert_eq!(git(&c, args), git(&w, args), "{args:?}");
    }
    assert_eq!(git(&c, &["rev-list", "--count", "HEAD"]), "1");
    git(&c, &["fsck", "--strict"]);
    git(&c, &["commit", "-qam", "in the box"]);
    assert_eq!(git(&c, &["describe"]).split('-').next(), Some("v1.2"));
    assert_eq!(git(&w, &["log", "-1", "--format=%s"]), "two");
}

#[test]
fn masked_files_are_in_neither_tree_nor_history() {
    let mut b = Bench::new();
    let w = b.w();
    git(&w, &["init", "-q"]);
    b.write("a", "x");
    b.write("sub/.env", "TOKEN=supersecret");
    b.write(".npmrc", "//r/:_authToken=supersecret");
    git(&w, &["add", "-f", "."]);
    git(&w, &["commit", "-qm", "one"]);
    git(&w, &["tag", "-am", "x", "v1"]);
    let (taken, note) = b.copy();
    assert!(note.unwrap().contains("leaves out 2 files"));
    assert_eq!(taken.omitted.masked.len(), 2);
    let c = b.c();
    assert_eq!(git(&c, &["ls-files"]), "a");
    assert_eq!(git(&c, &["describe"]), "v1");
    assert_eq!(git(&c, &["status", "--porcelain"]), "");
    git(&c, &["fsck", "--strict"]);
    let dump = git(&c, &["cat-file", "--batch-all-objects", "--batch"]);
    assert!(
        dump.contains("one") && !dump.contains("supersecret"),
        "{dump}"
    );
}

/// Every way that a repository's data can make git run something. Atoll runs no
/// git there; this shows that reading and copying it leaves all of it behind.
#[test]
fn a_repository_full_of_traps_springs_none() {
    let mut b = Bench::new();
    let w = b.w();
    git(&w, &["init", "-q"]);
    b.write("a.txt", "x");
    b.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    git(&w, &["add", "."]);
    git(&w, &["commit", "-qm", "one"]);
    let canary = b.t.path().join("canary");
    let run = format!("touch {}; cat", canary.display());
    let config = format!(
        "[core]\n\trepositoryformatversion = 1\n\tfsmonitor = {run}\n\tsshCommand = {run}\n\tpager = {run}\n\teditor = {run}\n\
         \thooksPath = .git/hooks\n\tworktree = /\n\tgitProxy = {run}\n\taskPass = {run}\n\talternateRefsCommand = {run}\n\
         [filter \"evil\"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n\trequired = true\n\
         [diff]\n\texternal = {run}\n[diff \"evil\"]\n\tcommand = {run}\n\ttextconv = {run}\n[merge \"evil\"]\n\tdriver = {run}\n\
         [remote \"origin\"]\n\turl = ext::{run}\n\tpromisor = true\n\tpartialclonefilter = blob:none\n\tuploadpack = {run}\n\tvcs = evil\n\
         [extensions]\n\tpartialClone = origin\n\tworktreeConfig = true\n[submodule \"s\"]\n\tupdate = !{run}\n\turl = ext::{run}\n\
         [credential]\n\thelper = !{run}\n[gpg]\n\tprogram = {run}\n[commit]\n\tgpgSign = true\n[alias]\n\tstatus = !{run}\n\
         [include]\n\tpath = {}\n[protocol]\n\tallow = always\n[sequence]\n\teditor = {run}\n[interactive]\n\tdiffFilter = {run}\n",
        b.t.path().join("more-config").display()
    );
    fs::write(w.join(".git/config"), config).unwrap();
    for hook in [
        "pre-commit",
        "post-checkout",
        "post-index-change",
        "fsmonitor-watchman",
        "reference-transaction",
        "pre-auto-gc",
    ] {
        let path = w.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{run}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir_all(w.join(".git/objects/info")).unwrap();
    fs::write(w.join(".git/objects/info/alternates"), "/\n").unwrap();
    // A nested bare repository and a nested checkout with traps of their own.
    fs::create_dir_all(w.join("bare/objects")).unwrap();
    fs::create_dir_all(w.join("bare/refs")).unwrap();
    b.write("bare/HEAD", "ref: refs/heads/main\n");
    b.write(
        "bare/config",
        format!("[core]\n\tfsmonitor = {run}\n\tbare = true\n"),
    );
    b.write(
        "nested/.git/config",
        format!("[core]\n\tfsmonitor = {run}\n"),
    );
    b.write("nested/file", "x");
    let (taken, note) = b.copy();
    assert_eq!(note, None);
    let c = b.c();
    assert_eq!(
        fs::read_to_string(c.join(".git/config"))
            .unwrap()
            .matches("evil")
            .count(),
        0
    );
    assert!(!c.join(".git/hooks").exists() && !c.join("nested/.git").exists());
    assert!(!c.join(".git/objects/info/alternates").exists());
    assert!(
        taken
            .omitted
            .skipped
            .iter()
            .any(|(p, _)| p == "nested/.git")
    );
    assert_eq!(git(&c, &["log", "--format=%s"]), "one");
    assert_eq!(git(&c, &["status", "--porcelain"]), "?? bare/\n?? nested/");
    assert!(!canary.exists(), "something was run");
}

#[test]
fn a_damaged_or_foreign_repository_degrades_to_made_up_history() {
    for spoil in 0..4 {
        let mut b = Bench::new();
        let w = b.w();
        git(&w, &["init", "-q"]);
        b.write("a", "committed and since changed");
        if spoil != 0 {
            git(&w, &["add", "."]);
            git(&w, &["commit", "-qm", "one"]);
        }
        b.write("a", "x");
        match spoil {
            1 => fs::remove_dir_all(w.join(".git/objects"))
                .and_then(|()| fs::create_dir(w.join(".git/objects")))
                .unwrap(),
            2 => {
                // One blob is missing, as in a partial clone.
                let id = git(&w, &["rev-parse", "HEAD:a"]);
                fs::remove_file(w.join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
            }
            3 => fs::write(w.join(".git/HEAD"), "0123456789abcdef".repeat(4)).unwrap(),
            _ => {}
        }
        let (_, note) = b.copy();
        assert!(
            note.unwrap()
                .starts_with("git history in the box is made up"),
            "{spoil}"
        );
        assert_eq!(git(&b.c(), &["status", "--porcelain"]), "", "{spoil}");
        git(&b.c(), &["fsck", "--strict"]);
    }
}

#[test]
fn removing_a_copy_follows_no_link_and_minds_no_permissions() {
    let t = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("keep"), "x").unwrap();
    let locked = t.path().join("c/locked/in");
    fs::create_dir_all(&locked).unwrap();
    fs::write(locked.join("f"), "x").unwrap();
    symlink(outside.path(), t.path().join("c/out")).unwrap();
    fs::set_permissions(locked.parent().unwrap(), fs::Permissions::from_mode(0o000)).unwrap();
    let parent = Dir::open(t.path()).unwrap();
    remove_tree(&parent, "c").unwrap();
    remove_tree(&parent, "c").unwrap();
    assert!(!t.path().join("c").exists() && outside.path().join("keep").exists());
}

#[test]
fn a_very_deep_and_a_very_wide_folder_are_removed() {
    let t = tempfile::tempdir().unwrap();
    let parent = Dir::open(t.path()).unwrap();
    let mut at = parent.sub(None).unwrap();
    for n in 0..1500 {
        let folder = RelPath::parse(&format!("d{}/x", n % 2)).unwrap();
        at = at.parent_made(&folder, None).unwrap();
        at.new_file(b"file", 0o600).unwrap();
    }
    for n in 0..12_000 {
        let name = format!("wide{n}");
        at.symlink(b"/", name.as_bytes()).unwrap();
    }
    drop(at);
    remove_tree(&parent, "d0").unwrap();
    assert_eq!(fs::read_dir(t.path()).unwrap().count(), 0);
}

#[test]
fn as_root_everything_belongs_to_the_owner_it_was_made_for() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let mut b = Bench::new();
    let w = b.w();
    git(&w, &["init", "-q"]);
    b.write("d/e/f", "x");
    b.write("big", vec![7; 300 << 10]);
    symlink("big", b.w().join("link")).unwrap();
    git(&w, &["add", "."]);
    git(&w, &["commit", "-qm", "one"]);
    let (uid, gid) = (54_321, 54_322);
    b.owner = Some(Owner { uid, gid });
    b.copy();
    let mut open = vec![b.c()];
    let mut seen = 0;
    while let Some(at) = open.pop() {
        let meta = at.symlink_metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (uid, gid), "{}", at.display());
        seen += 1;
        if meta.is_dir() {
            open.extend(fs::read_dir(at).unwrap().map(|e| e.unwrap().path()));
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_tree_read_back_equals_what_was_taken() {
    let mut b = Bench::new();
    b.write("x/y/z", "1");
    let w = b.w();
    let taken = b.take(&w);
    assert_eq!(
        tree::read(b.store.odb(), taken.tree, 100, &mut Vec::new()).unwrap(),
        taken.flat
    );
}
