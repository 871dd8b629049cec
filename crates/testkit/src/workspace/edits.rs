//! What an agent may do with the files of its copy.

use atoll_domain::Hash;
use atoll_domain::action::ReadOp;
use atoll_ports::workspace::{Edit, Error, Planned};

use super::Ground;
use super::desk::{Desk, files, link, remove, replace, session, whole, write};

pub async fn what_is_read_says_how_to_read_on(ground: &dyn Ground) {
    let text: String = (1..=9).map(|n| format!("line {n}\n")).collect();
    let desk = Desk::new(ground, &[("a", &text), ("d/b", "a needle\n")]);
    desk.copy(1).await;
    let part = |start_line, lines_max| ReadOp::Read {
        path: "a".into(),
        start_line,
        lines_max,
    };
    let whole = desk.read(1, part(None, None)).await.unwrap();
    assert_eq!(whole.hash, Some(Hash::of(text.as_bytes())));
    assert_eq!(whole.text.lines().count(), 9);
    assert_eq!(whole.more, None);
    let some = desk.read(1, part(Some(3), Some(2))).await.unwrap();
    let numbered: Vec<&str> = some.text.lines().map(str::trim).collect();
    assert_eq!(numbered, ["3\tline 3", "4\tline 4"]);
    assert!(some.more.is_some_and(|more| more.contains('5')));
    assert_eq!(some.hash, whole.hash, "of the whole file");
    let list = ReadOp::List {
        path: String::new(),
        depth: Some(3),
    };
    let list = desk.read(1, list).await.unwrap().text;
    assert!(list.contains('a') && list.contains('b'), "{list}");
    let search = |pattern: &str, literal| ReadOp::Search {
        pattern: pattern.into(),
        literal,
        path: None,
        glob: None,
        context: None,
    };
    let hits = desk.read(1, search("nee.le", false)).await.unwrap().text;
    assert!(hits.contains("d/b") && hits.contains("needle"), "{hits}");
    let none = desk.read(1, search("nee.le", true)).await.unwrap().text;
    assert!(!none.contains("d/b"), "{none}");
    let bad = desk.read(1, search("(", false)).await;
    assert!(matches!(bad, Err(Error::Invalid(_))), "{bad:?}");
    let missing = desk.lines(1, "none").await;
    assert!(matches!(missing, Err(Error::Missing(_))), "{missing:?}");
}

pub async fn a_plan_writes_nothing_and_a_write_is_what_was_planned(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "one\ntwo\n"), ("b", "x\n"), ("c", "y\n")]);
    let (copy, base) = desk.copy(1).await;
    let planned = desk
        .ws
        .plan_edit(session(1), "a", &replace("two", "three"))
        .unwrap();
    assert_eq!(planned.before, Some(Hash::of(b"one\ntwo\n")));
    assert_eq!((planned.added, planned.removed), (1, 1));
    assert!(planned.diff.contains("-two") && planned.diff.contains("+three"));
    assert_eq!(desk.tree(1).await, base, "a plan writes nothing");
    let written = desk.write(1, "a", planned).await.unwrap();
    assert_eq!(written, Hash::of(b"one\nthree\n"));
    desk.edit(1, "new/file", &whole("new\n")).await.unwrap();
    desk.edit(1, "b", &Edit::Delete).await.unwrap();
    let diff = "--- a/c\n+++ b/c\n@@ -1 +1,2 @@\n y\n+z\n".into();
    desk.edit(1, "c", &Edit::Diff { diff }).await.unwrap();
    let want = [
        ("a", "one\nthree\n"),
        ("c", "y\nz\n"),
        ("new/file", "new\n"),
    ];
    let want = want.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(files(&copy), want.into());
    for (path, edit) in [("a", replace("nope", "x")), ("c", replace("none", ""))] {
        let no = desk.ws.plan_edit(session(1), path, &edit);
        assert!(matches!(no, Err(Error::Edit(_))), "{no:?}");
    }
    write(&copy.join("twice"), "x\nx\n");
    let two = desk.ws.plan_edit(session(1), "twice", &replace("x", "y"));
    assert!(matches!(two, Err(Error::Edit(_))), "two places: {two:?}");
    let missing = desk.ws.plan_edit(session(1), "none", &Edit::Delete);
    assert!(matches!(missing, Err(Error::Missing(_))), "{missing:?}");
}

pub async fn what_changed_meanwhile_is_not_written_over(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1"), ("b", "2")]);
    let (copy, _) = desk.copy(1).await;
    let plan = |path, edit: &Edit| desk.ws.plan_edit(session(1), path, edit).unwrap();
    let (over, new, gone) = (
        plan("a", &whole("mine")),
        plan("new", &whole("mine")),
        plan("b", &Edit::Delete),
    );
    for name in ["a", "b", "new"] {
        write(&copy.join(name), "meanwhile");
    }
    for (path, planned) in [("a", over), ("new", new), ("b", gone)] {
        let refused = desk.write(1, path, planned).await;
        let named = matches!(&refused, Err(Error::Conflict(paths)) if paths == &[path]);
        assert!(named, "{path}: {refused:?}");
    }
    assert!(files(&copy).values().all(|text| text == "meanwhile"));
}

pub async fn no_path_leads_out(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("a", "1"), (".env", "KEY=1")]);
    let (copy, base) = desk.copy(1).await;
    let before = files(&desk.dir);
    for path in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "",
        ".git/config",
        ".GIT/hooks/x",
        "d/.git/config",
        "a\0b",
    ] {
        let forbidden = |what: &str, error: Option<Error>| {
            let fine = matches!(&error, Some(Error::Forbidden { .. }));
            assert!(fine, "{what} {path:?}: {error:?}");
        };
        forbidden("read", desk.lines(1, path).await.err());
        let plan = desk.ws.plan_edit(session(1), path, &whole("x"));
        forbidden("plan", plan.err());
        forbidden("write", desk.write(1, path, sly()).await.err());
    }
    let masked = desk.ws.plan_edit(session(1), ".env", &whole("x"));
    assert!(matches!(masked, Err(Error::Masked(_))), "{masked:?}");
    assert!(desk.write(1, ".env", sly()).await.is_err());
    assert_eq!(desk.tree(1).await, base);
    assert_eq!(files(&desk.dir), before);
    for beside in [copy.with_file_name("x"), desk.dir.with_file_name("x")] {
        assert!(!beside.exists(), "{}", beside.display());
    }
}

/// A write that nobody planned.
fn sly() -> Planned {
    Planned {
        before: None,
        content: Some(b"x".to_vec()),
        added: 1,
        removed: 0,
        diff: String::new(),
        tolerated: Vec::new(),
    }
}

pub async fn no_link_is_followed(ground: &dyn Ground) {
    let desk = Desk::new(ground, &[("d/a", "1"), ("b", "2")]);
    let (copy, base) = desk.copy(1).await;
    let outside = desk.dir.with_file_name("outside");
    write(&outside.join("secret"), "s");
    link(&outside, &copy.join("way"));
    remove(&copy.join("d"));
    link(&outside, &copy.join("d"));
    let read = desk.lines(1, "way/secret").await;
    assert!(matches!(read, Err(Error::Forbidden { .. })), "{read:?}");
    assert!(desk.write(1, "way/new", sly()).await.is_err());
    assert!(desk.write(1, "d/a", sly()).await.is_err());
    let list = ReadOp::List {
        path: String::new(),
        depth: Some(4),
    };
    let list = desk.read(1, list).await.unwrap().text;
    assert!(!list.contains("secret"), "{list}");
    let search = ReadOp::Search {
        pattern: "s".into(),
        literal: true,
        path: None,
        glob: None,
        context: None,
    };
    let hits = desk.read(1, search).await.unwrap().text;
    assert!(!hits.contains("secret"), "{hits}");
    // Nor when the copy is brought back to what it was.
    desk.bring(1, &base).await;
    assert_eq!(desk.tree(1).await, base);
    assert_eq!(
        files(&outside),
        [("secret".to_owned(), "s".to_owned())].into()
    );
}
