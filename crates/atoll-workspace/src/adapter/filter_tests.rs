//! Checkouts whose files git keeps otherwise than they stand there: other line endings, LFS.
#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;

use atoll_domain::action::AcceptTo;
use atoll_ports::Workspaces as _;
use atoll_ports::workspace::{Edit, Error};

use super::bench::{Bench, session, write};
use crate::testing::git;

fn read(b: &Bench, name: &str) -> Vec<u8> {
    fs::read(b.w().join(name)).unwrap()
}

const LF: &str = "one\ntwo\nthree\n";
const CRLF: &str = "one\r\ntwo\r\nthree\r\n";

/// A checkout with CRLF in its files and LF in its objects, as `setting` makes git do it.
fn crlf(setting: (&str, &str)) -> Bench {
    let b = Bench::new(&[
        ("text", LF),
        ("gone", LF),
        ("unix", LF),
        ("bin", "a\r\n\0b"),
    ]);
    let w = b.w();
    git(&w, &["init", "-q"]);
    git(&w, &["config", "core.autocrlf", "false"]);
    if setting.0 == ".gitattributes" {
        write(
            &w.join(setting.0),
            &format!("text {0}\ngone {0}\n", setting.1),
        );
    }
    git(&w, &["add", "."]);
    git(&w, &["commit", "-qm", "one"]);
    if setting.0 != ".gitattributes" {
        git(&w, &["config", setting.0, setting.1]);
    }
    for name in ["text", "gone"] {
        fs::remove_file(w.join(name)).unwrap();
        git(&w, &["checkout", "--", name]);
        assert_eq!(read(&b, name), CRLF.as_bytes(), "git itself writes CRLF");
    }
    assert_eq!(git(&w, &["status", "--porcelain"]), "");
    b
}

#[tokio::test]
async fn a_crlf_checkout_gets_a_patch_of_the_changed_lines_with_crlf() {
    for setting in [
        ("core.autocrlf", "true"),
        (".gitattributes", "text eol=crlf"),
    ] {
        let b = crlf(setting);
        let (copy, base) = b.copy(1).await;
        // The box's git sees the copy as the user's sees the checkout.
        assert_eq!(git(&copy, &["status", "--porcelain"]), "", "{setting:?}");
        let edit = Edit::Replace {
            search: "two\n".into(),
            replace: "2\nand a half\n".into(),
            all: false,
        };
        let planned = b.ws.plan_edit(session(1), "text", &edit).unwrap();
        b.write(planned, "text").await.unwrap();
        let planned = b.ws.plan_edit(session(1), "gone", &Edit::Delete).unwrap();
        b.write(planned, "gone").await.unwrap();
        write(&copy.join("new"), LF);
        assert_eq!(git(&copy, &["diff", "--numstat", "text"]), "2\t1\ttext");

        let act = b.proposal(&base, AcceptTo::Files).await;
        assert_eq!(act.paths, ["gone", "new", "text"]);
        let shown = b.ws.diff(b.id, &act.base, &act.tree).await.unwrap();
        let text = shown
            .summary
            .files
            .iter()
            .find(|f| f.path == "text")
            .unwrap();
        assert_eq!((text.added, text.removed), (2, 1));
        b.accept(act.clone()).await.unwrap();
        assert_eq!(read(&b, "text"), b"one\r\n2\r\nand a half\r\nthree\r\n");
        assert_eq!(git(&b.w(), &["diff", "--numstat", "text"]), "2\t1\ttext");
        b.undo(act).await.unwrap();
        assert_eq!(read(&b, "text"), CRLF.as_bytes());
        assert_eq!(git(&b.w(), &["status", "--porcelain"]), "");

        // A branch holds objects, which have LF.
        let act = b.proposal(&base, AcceptTo::Branch("p".into())).await;
        b.accept(act).await.unwrap();
        let changed = git(&b.w(), &["diff", "--no-renames", "--numstat", "main", "p"]);
        assert_eq!(changed, "0\t3\tgone\n3\t0\tnew\n2\t1\ttext");
        assert_eq!(
            git(&b.w(), &["show", "p:text"]),
            "one\n2\nand a half\nthree"
        );
        git(&b.w(), &["fsck", "--strict"]);
    }
}

#[tokio::test]
async fn other_differences_from_head_are_still_the_users_own() {
    let b = crlf(("core.autocrlf", "true"));
    fs::write(b.w().join("text"), "one\r\ntwo!\r\nthree\r\n").unwrap();
    fs::write(b.w().join("bin"), "a\n\0b").unwrap();
    for (name, text) in [("text", "x\r\n"), ("bin", "x\0")] {
        let (copy, base) = b.copy(1).await;
        write(&copy.join(name), text);
        let act = b.proposal(&base, AcceptTo::Branch("p".into())).await;
        assert!(matches!(b.accept(act).await, Err(Error::Conflict(paths)) if paths == [name]));
        b.ws.remove(session(1)).unwrap();
    }
}

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

#[tokio::test]
async fn a_file_behind_a_filter_is_taken_as_it_stands_and_the_filter_never_runs() {
    let b = Bench::new(&[
        ("a", "a\n"),
        ("big.bin", "the real content\n"),
        (
            ".gitattributes",
            "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        ),
    ]);
    let (w, ran) = (b.w(), b.t.path().join("ran"));
    write(&b.t.path().join("pointer"), POINTER);
    let pointer = b.t.path().join("pointer").display().to_string();
    git(&w, &["init", "-q"]);
    let clean = format!("touch {}; cat >/dev/null; cat {pointer}", ran.display());
    let smudge = format!("touch {}; cat", ran.display());
    for (key, value) in [
        ("clean", clean),
        ("smudge", smudge),
        ("required", "true".into()),
    ] {
        git(&w, &["config", &format!("filter.lfs.{key}"), &value]);
    }
    git(&w, &["add", "."]);
    git(&w, &["commit", "-qm", "one"]);
    assert_eq!(
        git(&w, &["cat-file", "blob", "HEAD:big.bin"]),
        POINTER.trim_end()
    );
    fs::remove_file(&ran).unwrap();

    let (copy, base) = b.copy(1).await;
    assert_eq!(
        fs::read(copy.join("big.bin")).unwrap(),
        b"the real content\n"
    );
    // Neither Atoll nor the box's git takes it for changed, and git doesn't put the pointer there.
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
    for words in [&["checkout", "--", "."][..], &["reset", "-q", "--hard"]] {
        git(&copy, words);
    }
    assert_eq!(
        fs::read(copy.join("big.bin")).unwrap(),
        b"the real content\n"
    );
    write(&copy.join("a"), "b\n");
    let act = b.proposal(&base, AcceptTo::Files).await;
    assert_eq!(act.paths, ["a"]);
    let act = b.proposal(&base, AcceptTo::Branch("small".into())).await;
    b.accept(act).await.unwrap();
    assert_eq!(
        git(&w, &["cat-file", "blob", "small:big.bin"]),
        POINTER.trim_end()
    );

    // A change of it is a patch of the content; no commit can be made of that without the filter.
    write(&copy.join("big.bin"), "other content\n");
    let act = b.proposal(&base, AcceptTo::Branch("large".into())).await;
    let refused = b.accept(act).await.unwrap_err().to_string();
    assert!(refused.contains("big.bin is kept by Git LFS"), "{refused}");
    let act = b.proposal(&base, AcceptTo::Files).await;
    assert_eq!(act.paths, ["a", "big.bin"]);
    b.accept(act).await.unwrap();
    assert_eq!(read(&b, "big.bin"), b"other content\n");
    assert!(!ran.exists(), "a filter was run");
}
