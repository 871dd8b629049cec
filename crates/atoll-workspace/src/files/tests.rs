#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use atoll_domain::Hash;

use super::*;
use crate::beneath::Dir;
use crate::walk::Tracked;

fn made(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
    let t = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = t.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let dir = Dir::open(t.path()).unwrap();
    (t, dir)
}

fn path(p: &str) -> RelPath {
    tool_path(p).unwrap()
}

#[test]
fn reading_numbers_lines_and_says_what_is_left() {
    let text: String = (1..=50).map(|n| format!("line {n}\n")).collect();
    let (_t, dir) = made(&[("a", &text), ("empty", "")]);
    let ask = ReadAsk {
        start_line: 10,
        lines_max: 2,
        ..ReadAsk::default()
    };
    let (shown, hash) = read(&dir, &path("a"), ask).unwrap();
    assert_eq!(shown.text, "    10\tline 10\n    11\tline 11\n");
    assert_eq!(
        shown.more.unwrap(),
        "lines 10 to 11 of 50; read on with start_line 12"
    );
    assert_eq!(hash, Hash::of(text.as_bytes()));
    let small = ReadAsk {
        text_limit_bytes: 40,
        ..ReadAsk::default()
    };
    assert_eq!(
        read(&dir, &path("a"), small)
            .unwrap()
            .0
            .text
            .lines()
            .count(),
        2
    );
    assert!(
        read(
            &dir,
            &path("a"),
            ReadAsk {
                start_line: 51,
                ..ReadAsk::default()
            }
        )
        .is_err()
    );
    assert_eq!(
        read(&dir, &path("empty"), ReadAsk::default())
            .unwrap()
            .0
            .more
            .unwrap(),
        "empty is empty"
    );
}

#[test]
fn reading_refuses_what_is_no_readable_text() {
    let (t, dir) = made(&[
        ("a", "x"),
        ("bin", "a\0b"),
        (".env", "S=1"),
        (".npmrc", "//r/:_authToken=abc"),
        ("d/x", ""),
    ]);
    fs::write(t.path().join("latin"), b"caf\xe9\n").unwrap();
    fs::File::create(t.path().join("huge"))
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    symlink("/etc/passwd", t.path().join("link")).unwrap();
    symlink("/etc", t.path().join("etc")).unwrap();
    let get = |p: &str| tool_path(p).and_then(|p| read(&dir, &p, ReadAsk::default()));
    assert_eq!(
        get("bin").unwrap().0.text,
        "bin is a binary file of 3 bytes"
    );
    assert!(get("latin").unwrap().0.more.unwrap().contains("not UTF-8"));
    assert!(matches!(get(".env"), Err(Error::Masked { .. })));
    assert!(matches!(get(".npmrc"), Err(Error::Masked { .. })));
    assert!(matches!(
        get("link"),
        Err(Error::NotAFile {
            kind: "a symlink",
            ..
        })
    ));
    assert!(matches!(
        get("d"),
        Err(Error::NotAFile {
            kind: "a directory",
            ..
        })
    ));
    assert!(matches!(get("etc/passwd"), Err(Error::Path { .. })));
    assert!(matches!(get("huge"), Err(Error::Limit { .. })));
    assert!(matches!(get("none"), Err(Error::Missing { .. })));
    assert!(matches!(get("a/b"), Err(Error::Missing { .. })));
    for p in ["../a", "/etc/passwd", ".git/config", ".GIT/config", ""] {
        assert!(matches!(get(p), Err(Error::Path { .. })), "{p}");
    }
}

#[test]
fn listing_is_bounded_and_passes_ignored_by() {
    let (_t, dir) = made(&[
        ("a", "12"),
        ("d/b", ""),
        ("d/e/f", ""),
        ("target/x", ""),
        (".gitignore", "target\n"),
        (".env", ""),
    ]);
    let none = Tracked::default();
    let shown = list(&dir, None, ListAsk::default(), &none).unwrap();
    assert_eq!(
        shown.text,
        ".gitignore  7 bytes\na  2 bytes\nd/\nd/b  0 bytes\nd/e/"
    );
    assert_eq!(shown.more.unwrap(), "1 credential files are not shown");
    let from = tool_folder("d/").unwrap();
    let below = list(
        &dir,
        from.as_ref(),
        ListAsk {
            depth: 1,
            names_max: 1,
        },
        &none,
    )
    .unwrap();
    assert_eq!(below.text, "d/b  0 bytes");
    assert!(below.more.unwrap().contains("more than 1 names"));
    assert!(
        list(
            &dir,
            tool_folder("none").unwrap().as_ref(),
            ListAsk::default(),
            &none
        )
        .is_err()
    );
}

#[test]
fn searching_finds_lines_within_bounds() {
    let long = format!("needle {}\n", "x".repeat(1000));
    let many = "needle\n".repeat(80);
    let (_t, dir) = made(&[
        ("src/a.rs", "one\nfn needle() {}\nthree\n"),
        ("b.txt", &long),
        ("bin", "needle\0"),
        ("t/x", "needle"),
        (".gitignore", "t/\n"),
        ("many/m", &many),
        (".env", "needle"),
        ("dots", "a.b\naxb\n"),
    ]);
    let none = Tracked::default();
    let find = |ask: SearchAsk<'_>, from: Option<&str>| {
        search(&dir, from.map(path).as_ref(), ask, &none).unwrap()
    };
    let shown = find(
        SearchAsk {
            glob: Some("*.rs"),
            context: 1,
            ..SearchAsk::of("need.e", false)
        },
        None,
    );
    assert_eq!(
        shown.text,
        "src/a.rs-1- one\nsrc/a.rs:2: fn needle() {}\nsrc/a.rs-3- three\n"
    );
    let shown = find(SearchAsk::of("needle", true), None);
    assert!(shown.text.contains("b.txt:1: needle xxx") && shown.text.contains("more bytes]"));
    assert!(
        !shown.text.contains("t/x") && !shown.text.contains(".env") && !shown.text.contains("bin:")
    );
    assert!(shown.more.unwrap().contains("only the first 50 matches"));
    let shown = find(
        SearchAsk {
            matches_max: 5,
            ..SearchAsk::of("needle", true)
        },
        Some("many"),
    );
    assert_eq!(shown.text.lines().count(), 5);
    assert!(shown.more.unwrap().contains("there are more matches"));
    assert_eq!(
        find(SearchAsk::of("a.b", true), Some("dots")).text,
        "dots:1: a.b\n"
    );
    assert_eq!(
        find(SearchAsk::of("absent", true), None).more.unwrap(),
        "no match in 6 files"
    );
    assert!(matches!(
        search(&dir, None, SearchAsk::of("(", false), &none),
        Err(Error::Pattern(_))
    ));
    assert!(matches!(
        search(&dir, None, SearchAsk::of("(a{1000}){1000}", false), &none),
        Err(Error::Pattern(_))
    ));
}

#[test]
fn writing_needs_what_it_replaces_and_stays_inside() {
    let (t, dir) = made(&[("a", "old"), ("run", "#!"), ("red", "say [redacted: no]")]);
    fs::set_permissions(t.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/tmp", t.path().join("out")).unwrap();
    symlink("a", t.path().join("link")).unwrap();
    let how = |before: Option<&str>| Put {
        before: before.map(|b| Hash::of(b.as_bytes())),
        owner: None,
        file_limit_bytes: 100,
    };
    put(&dir, &path("a"), b"new", how(Some("old"))).unwrap();
    assert!(matches!(
        put(&dir, &path("a"), b"x", how(Some("old"))),
        Err(Error::Stale { .. })
    ));
    assert!(matches!(
        put(&dir, &path("a"), b"x", how(None)),
        Err(Error::Stale { .. })
    ));
    assert!(matches!(
        put(&dir, &path("none"), b"x", how(Some("old"))),
        Err(Error::Stale { .. })
    ));
    put(&dir, &path("new/deep/file"), b"x", how(None)).unwrap();
    put(&dir, &path("run"), b"#!/bin/sh", how(Some("#!"))).unwrap();
    assert_eq!(
        fs::metadata(t.path().join("run"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert!(matches!(
        put(&dir, &path("out/x"), b"x", how(None)),
        Err(Error::Path { .. })
    ));
    assert!(matches!(
        put(&dir, &path("a/x"), b"x", how(None)),
        Err(Error::Path { .. })
    ));
    assert!(matches!(
        put(&dir, &path("link"), b"x", how(None)),
        Err(Error::NotAFile { .. })
    ));
    assert!(matches!(
        put(&dir, &path("b"), b"key = [Redacted:1]", how(None)),
        Err(Error::Placeholder { .. })
    ));
    put(
        &dir,
        &path("red"),
        b"still [redacted: no]",
        how(Some("say [redacted: no]")),
    )
    .unwrap();
    assert!(matches!(
        put(&dir, &path("b"), &[0; 101], how(None)),
        Err(Error::Limit { .. })
    ));
    assert!(matches!(tool_path("sub/.ENV"), Err(Error::Masked { .. })));
    assert_eq!(fs::read(t.path().join("a")).unwrap(), b"new");
    delete(&dir, &path("new/deep/file"), how(Some("x"))).unwrap();
    assert!(!t.path().join("new").exists());
    assert!(matches!(
        delete(&dir, &path("a"), how(None)),
        Err(Error::Stale { .. })
    ));
}
