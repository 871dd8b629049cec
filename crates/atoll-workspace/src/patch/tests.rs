#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use atoll_domain::{Change, PatchClass};

use super::*;
use crate::beneath::Dir;
use crate::error::{Error, Result};
use crate::store::{ObjectId, StatCache, Store};
use crate::walk::{Limits, Options, Tracked, snapshot};

/// A checkout `w`, a copy `c` that is edited, and a store.
struct Bench {
    t: tempfile::TempDir,
    store: Store,
    journal: Journal,
}

const LIMIT: u64 = 1 << 20;

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let t = tempfile::tempdir().unwrap();
        let store = Store::open(&t.path().join("r"), LIMIT).unwrap();
        let journal = Journal::open(&t.path().join("j")).unwrap();
        for side in ["w", "c"] {
            fs::create_dir(t.path().join(side)).unwrap();
            for (path, content) in files {
                write(&t.path().join(side).join(path), content);
            }
        }
        Self { t, store, journal }
    }

    fn w(&self) -> PathBuf {
        self.t.path().join("w")
    }

    fn c(&self) -> PathBuf {
        self.t.path().join("c")
    }

    fn take(&self, at: &Path) -> ObjectId {
        let mut cache = StatCache::load(&self.t.path().join("none"));
        let options = Options {
            limits: Limits::default(),
            ignores: true,
            tracked: &Tracked::default(),
        };
        snapshot(&Dir::open(at).unwrap(), options, &self.store, &mut cache)
            .unwrap()
            .tree
    }

    fn trees(&self) -> (ObjectId, ObjectId, Vec<String>) {
        let (base, tree) = (self.take(&self.w()), self.take(&self.c()));
        let paths = patch(&self.store, base, tree)
            .unwrap()
            .0
            .files
            .into_iter()
            .map(|f| f.path)
            .collect();
        (base, tree, paths)
    }

    fn with<T>(&self, run: impl FnOnce(&Into<'_>) -> T) -> T {
        let root = Dir::open(&self.w()).unwrap();
        run(&Into {
            root: &root,
            root_path: &self.w(),
            store: &self.store,
            journal: &self.journal,
            file_limit_bytes: LIMIT,
        })
    }

    fn accept(
        &self,
        (base, tree, paths): &(ObjectId, ObjectId, Vec<String>),
    ) -> Result<Vec<String>> {
        self.with(|into| accept(into, *base, *tree, paths, &mut |_| {}))
    }

    fn undo(&self, (base, tree, paths): &(ObjectId, ObjectId, Vec<String>)) -> Result<Vec<String>> {
        self.with(|into| undo(into, *base, *tree, paths, &mut |_| {}))
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Every file with its permission bits and content.
fn dump(at: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut out = Vec::new();
    let mut open = vec![at.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            let meta = entry.symlink_metadata().unwrap();
            let name = entry.strip_prefix(at).unwrap().display().to_string();
            if meta.is_dir() {
                open.push(entry);
            } else if meta.is_symlink() {
                out.push((
                    name,
                    0,
                    fs::read_link(&entry).unwrap().display().to_string().into(),
                ));
            } else {
                out.push((
                    name,
                    meta.permissions().mode() & 0o7777,
                    fs::read(&entry).unwrap(),
                ));
            }
        }
    }
    out.sort();
    out
}

fn edited() -> Bench {
    let b = Bench::new(&[
        ("a", "one\n"),
        ("d/b", "two\n"),
        ("gone/x", "three\n"),
        ("tofolder", "f"),
        ("tofile/y", "g"),
        ("run", "r"),
    ]);
    fs::set_permissions(b.w().join("a"), fs::Permissions::from_mode(0o640)).unwrap();
    write(&b.c().join("a"), "ONE\n");
    write(&b.c().join("new/deep/n"), "new\n");
    fs::remove_dir_all(b.c().join("gone")).unwrap();
    fs::remove_file(b.c().join("tofolder")).unwrap();
    write(&b.c().join("tofolder/z"), "z");
    fs::remove_dir_all(b.c().join("tofile")).unwrap();
    write(&b.c().join("tofile"), "now a file");
    fs::set_permissions(b.c().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("a", b.c().join("link")).unwrap();
    b
}

#[test]
fn a_patch_names_each_change_and_shows_it() {
    let b = edited();
    write(&b.c().join("tests/test_a.py"), "x");
    fs::write(b.c().join("bin"), b"a\0b").unwrap();
    let (base, tree, _) = b.trees();
    let (summary, diff) = patch(&b.store, base, tree).unwrap();
    let of = |p: &str| summary.files.iter().find(|f| f.path == p).unwrap();
    assert_eq!(
        (of("a").change, of("a").added, of("a").removed),
        (Change::Modified, 1, 1)
    );
    assert_eq!(
        (of("run").change, of("run").class),
        (Change::Mode, PatchClass::RunsOutside)
    );
    assert_eq!(
        (of("gone/x").change, of("new/deep/n").change),
        (Change::Deleted, Change::Added)
    );
    assert!(of("bin").binary && of("tests/test_a.py").is_test && !of("a").is_test);
    assert_eq!(summary.class, PatchClass::RunsOutside);
    assert!(
        diff.contains("diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+ONE\n"),
        "{diff}"
    );
    assert!(diff.contains("new file mode 100644\nBinary files /dev/null and b/bin differ"));
    assert!(diff.contains("old mode 100644\nnew mode 100755\n"));
    assert!(diff.contains("deleted file mode 100644\n--- a/gone/x\n+++ /dev/null\n"));
}

#[test]
fn accept_writes_all_and_undo_takes_all_back() {
    let b = edited();
    let before = dump(&b.w());
    let trees = b.trees();
    let paths = b.accept(&trees).unwrap();
    assert_eq!(paths, trees.2);
    assert_eq!(b.take(&b.w()), trees.1);
    assert_eq!(
        fs::metadata(b.w().join("a")).unwrap().permissions().mode() & 0o777,
        0o640,
        "bits are kept"
    );
    assert!(!b.w().join("gone").exists());
    b.undo(&trees).unwrap();
    assert_eq!(dump(&b.w()), before);
    assert!(!b.w().join("new").exists());
}

#[test]
fn overlap_is_named_and_nothing_is_changed() {
    let b = edited();
    let trees = b.trees();
    write(&b.w().join("a"), "mine\n");
    write(&b.w().join("new/deep/n"), "mine too\n");
    write(&b.w().join("tofile/untracked"), "mine");
    write(&b.w().join("d/b"), "not part of the patch");
    let before = dump(&b.w());
    match b.accept(&trees) {
        Err(Error::Overlap { paths }) => assert_eq!(paths, ["a", "new/deep/n", "tofile"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(dump(&b.w()), before);
    // The same for undo.
    let b = edited();
    let trees = b.trees();
    b.accept(&trees).unwrap();
    write(&b.w().join("a"), "changed since\n");
    let before = dump(&b.w());
    match b.undo(&trees) {
        Err(Error::Overlap { paths }) => assert_eq!(paths, ["a"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(dump(&b.w()), before);
}

#[test]
fn a_crash_at_any_step_is_taken_back_or_complete() {
    let steps = edited().trees().2.len();
    for crash_at in 0..=steps {
        let b = edited();
        let before = dump(&b.w());
        let trees = b.trees();
        let crashed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            b.with(|into| {
                accept(into, trees.0, trees.1, &trees.2, &mut |n| {
                    if n == crash_at {
                        std::panic::resume_unwind(Box::new("crash"));
                    }
                })
            })
        }));
        assert!(crashed.is_err());
        // A temporary file that was never renamed.
        fs::write(
            b.w()
                .join("d")
                .join(format!("{}x", crate::beneath::TEMP_PREFIX)),
            "half",
        )
        .unwrap();
        fs::write(
            b.w().join(format!("{}x", crate::beneath::TEMP_PREFIX)),
            "half",
        )
        .unwrap();
        assert!(
            matches!(
                b.accept(&trees),
                Err(Error::Pending | Error::Overlap { .. })
            ),
            "step {crash_at}"
        );
        let said = recover(&b.journal, &b.store, LIMIT).unwrap().unwrap();
        fs::remove_file(
            b.w()
                .join("d")
                .join(format!("{}x", crate::beneath::TEMP_PREFIX)),
        )
        .unwrap();
        if crash_at == steps {
            assert!(said.contains("was complete"), "{said}");
            assert_eq!(b.take(&b.w()), trees.1);
        } else {
            assert!(said.contains("taken back"), "{said}");
            assert_eq!(dump(&b.w()), before, "step {crash_at}");
            b.accept(&trees).unwrap();
        }
        assert_eq!(recover(&b.journal, &b.store, LIMIT).unwrap(), None);
    }
}

#[test]
fn recovery_leaves_what_somebody_changed_since() {
    let b = edited();
    let trees = b.trees();
    let last = trees.2.len() - 1;
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        b.with(|into| {
            accept(into, trees.0, trees.1, &trees.2, &mut |n| {
                if n == last {
                    std::panic::resume_unwind(Box::new("crash"));
                }
            })
        })
    }));
    write(&b.w().join("a"), "mine\n");
    let said = recover(&b.journal, &b.store, LIMIT).unwrap().unwrap();
    assert!(said.ends_with("since they changed meanwhile: a"), "{said}");
    assert_eq!(fs::read(b.w().join("a")).unwrap(), b"mine\n");
    assert!(b.w().join("gone/x").exists());
}

#[test]
fn a_change_during_accept_takes_the_rest_back() {
    let b = edited();
    let before = dump(&b.w());
    let trees = b.trees();
    let at = b.w().join("run");
    let failed = b.with(|into| {
        accept(into, trees.0, trees.1, &trees.2, &mut |n| {
            if n == trees.2.len() - 3 {
                fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
            }
        })
    });
    assert!(matches!(failed, Err(Error::Overlap { paths }) if paths == ["run"]));
    fs::set_permissions(&at, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(dump(&b.w()), before);
}

#[test]
fn links_that_lead_out_by_way_of_the_checkout_are_refused() {
    let b = Bench::new(&[("a", "x")]);
    symlink("/etc", b.w().join("out")).unwrap();
    symlink("out/passwd", b.c().join("sly")).unwrap();
    let trees = b.trees();
    assert!(matches!(b.accept(&trees), Err(Error::Refused { .. })));
    // A folder of the patch is a link outside in the checkout.
    let b = Bench::new(&[("a", "x")]);
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), b.w().join("dir")).unwrap();
    write(&b.c().join("dir/file"), "x");
    assert!(matches!(b.accept(&b.trees()), Err(Error::Overlap { .. })));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn only_what_was_shown_is_accepted() {
    let b = edited();
    let (base, tree, mut paths) = b.trees();
    paths.pop();
    assert!(matches!(
        b.accept(&(base, tree, paths)),
        Err(Error::Refused { .. })
    ));
}
