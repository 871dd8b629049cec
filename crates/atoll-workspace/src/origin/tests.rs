#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::path::Path;

use super::*;
use crate::store::Mode;
use crate::testing::git;

fn repo(at: &Path) -> Repo {
    match find(&Dir::open(at).unwrap(), at) {
        Found::Repo(r) => r,
        Found::None => panic!("none"),
        Found::Odd(why) => panic!("{why}"),
    }
}

fn made() -> tempfile::TempDir {
    let t = tempfile::tempdir().unwrap();
    git(t.path(), &["init", "-q"]);
    for n in 0..40 {
        let text: String = (0..200)
            .map(|l| format!("line {l} of {}\n", n / 4))
            .collect();
        fs::create_dir_all(t.path().join(format!("d{}", n % 3))).unwrap();
        fs::write(
            t.path().join(format!("d{}/f{n}", n % 3)),
            text + &n.to_string(),
        )
        .unwrap();
    }
    git(t.path(), &["add", "."]);
    git(t.path(), &["commit", "-qm", "one"]);
    t
}

#[test]
fn head_tags_and_objects_are_read_loose_and_packed() {
    let t = made();
    git(t.path(), &["tag", "light"]);
    git(t.path(), &["tag", "-am", "note", "rel/v1"]);
    for packed in [false, true] {
        if packed {
            fs::write(t.path().join("d0/f0"), "two").unwrap();
            git(t.path(), &["commit", "-qam", "two"]);
            git(t.path(), &["tag", "-am", "note", "v2"]);
            git(t.path(), &["gc", "-q", "--aggressive"]);
        }
        let r = repo(t.path());
        let head = r.head();
        assert_eq!(head.branch.as_deref(), Some("main"));
        let commit = head.commit.unwrap();
        assert_eq!(commit.to_string(), git(t.path(), &["rev-parse", "HEAD"]));
        let odb = r.odb(1 << 20).unwrap();
        let tags: Vec<_> = r
            .tags_at(commit, &odb)
            .into_iter()
            .map(|t| t.name)
            .collect();
        assert_eq!(
            tags,
            if packed {
                vec!["v2"]
            } else {
                vec!["light", "rel/v1"]
            }
        );
        let commit = crate::store::object::Commit::decode(
            commit,
            &odb.read_kind(commit, crate::store::object::Kind::Commit)
                .unwrap(),
        )
        .unwrap();
        let flat = crate::store::tree::read(&odb, commit.tree, 1000, &mut Vec::new()).unwrap();
        assert_eq!(flat.len(), 40);
        for (path, leaf) in &flat {
            let content = odb
                .read_kind(leaf.id, crate::store::object::Kind::Blob)
                .unwrap();
            assert_eq!(content, fs::read(t.path().join(path.as_str())).unwrap());
        }
    }
}

#[test]
fn the_index_is_read_in_each_version() {
    let t = made();
    fs::write(t.path().join("run"), "x").unwrap();
    git(t.path(), &["add", "run"]);
    git(t.path(), &["update-index", "--chmod=+x", "run"]);
    fs::write(t.path().join("later"), "x").unwrap();
    git(t.path(), &["add", "-N", "later"]);
    for version in ["2", "3", "4"] {
        git(t.path(), &["update-index", "--index-version", version]);
        let entries = repo(t.path()).index(1000).unwrap();
        let listed: Vec<_> = entries.iter().map(|e| e.path.as_str().to_owned()).collect();
        let expected: Vec<_> = git(t.path(), &["ls-files"])
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, expected, "version {version}");
        assert_eq!(
            entries
                .iter()
                .find(|e| e.path.as_str() == "run")
                .unwrap()
                .mode,
            Mode::Exec
        );
        assert_eq!(repo(t.path()).index(10), None);
    }
}

#[test]
fn a_linked_worktree_is_read_and_a_forged_one_is_not() {
    let t = made();
    let w = tempfile::tempdir().unwrap();
    let wt = w.path().join("wt");
    git(
        t.path(),
        &["worktree", "add", "-q", "-b", "side", wt.to_str().unwrap()],
    );
    let r = repo(&wt);
    assert_eq!(r.head().branch.as_deref(), Some("side"));
    assert!(r.head().commit.is_some());
    assert_eq!(r.index(1000).unwrap().len(), 40);
    // Someone's archive brings a `.git` file that names this user's other repository.
    for target in [t.path().join(".git"), t.path().join(".git/worktrees/wt")] {
        let forged = tempfile::tempdir().unwrap();
        fs::write(
            forged.path().join(".git"),
            format!("gitdir: {}\n", target.display()),
        )
        .unwrap();
        assert!(matches!(
            find(&Dir::open(forged.path()).unwrap(), forged.path()),
            Found::Odd(_)
        ));
    }
}

#[test]
fn odd_repositories_are_said_not_followed() {
    let t = tempfile::tempdir().unwrap();
    let other = made();
    let look = || find(&Dir::open(t.path()).unwrap(), t.path());
    assert!(matches!(look(), Found::None));
    std::os::unix::fs::symlink(other.path().join(".git"), t.path().join(".git")).unwrap();
    assert!(matches!(look(), Found::Odd(_)));
    fs::remove_file(t.path().join(".git")).unwrap();
    fs::create_dir(t.path().join(".git")).unwrap();
    assert!(matches!(look(), Found::Odd(_)));
    // Refs that climb or link out of the repository are not read.
    fs::create_dir_all(t.path().join(".git/objects")).unwrap();
    fs::write(
        t.path().join(".git/HEAD"),
        "ref: refs/heads/../../../secret\n",
    )
    .unwrap();
    assert_eq!(
        repo(t.path()).head(),
        Head {
            branch: None,
            commit: None
        }
    );
    std::os::unix::fs::symlink(other.path().join(".git/refs"), t.path().join(".git/refs")).unwrap();
    fs::write(t.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    assert_eq!(repo(t.path()).head().commit, None);
}
