#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;

use super::*;

fn look(files: &[(&str, &str)]) -> Detected {
    let t = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = t.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    detect(&Dir::open(t.path()).unwrap(), None).unwrap()
}

fn first(files: &[(&str, &str)]) -> String {
    let found = look(files);
    found
        .tests
        .first()
        .map(|t| t.cmd.join(" "))
        .unwrap_or_default()
}

#[test]
fn each_kind_of_project_names_its_test_command() {
    for (files, cmd) in [
        (&[("Cargo.toml", "[package]")][..], "cargo test"),
        (&[("Cargo.toml", "[workspace]")], "cargo test --workspace"),
        (&[("go.mod", "module x")], "go test ./..."),
        (
            &[("package.json", r#"{"scripts":{"test":"jest"}}"#)],
            "npm test",
        ),
        (
            &[
                ("package.json", r#"{"scripts":{"test":"vitest"}}"#),
                ("pnpm-lock.yaml", ""),
            ],
            "pnpm test",
        ),
        (
            &[(
                "package.json",
                r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"},"devDependencies":{"vitest":"1"}}"#,
            )],
            "npx --no-install vitest run",
        ),
        (&[("package.json", "{}"), ("test/a.js", "")], "node --test"),
        (
            &[("package.json", "{}"), ("src/a.test.mjs", "")],
            "node --test",
        ),
        (
            &[("pyproject.toml", "[tool.pytest.ini_options]\n")],
            "python3 -m pytest -q",
        ),
        (
            &[(
                "pyproject.toml",
                "[project.optional-dependencies]\ntest = ['pytest>=7']\n",
            )],
            "python3 -m pytest -q",
        ),
        (&[("setup.cfg", "[tool:pytest]\n")], "python3 -m pytest -q"),
        (
            &[("tox.ini", "[testenv]\ndeps = pytest\n")],
            "python3 -m pytest -q",
        ),
        (
            &[("tests/test_a.py", "def test_a(): pass")],
            "python3 -m pytest -q",
        ),
        (
            &[(
                "tests/test_a.py",
                "import unittest\nclass A(unittest.TestCase): pass",
            )],
            "python3 -m unittest discover -s tests",
        ),
        (&[("test_a.py", "import unittest\n")], "python3 -m unittest"),
        (
            &[("Makefile", "all:\n\t./x test: y\ntest: all\n\tsh t\n")],
            "make test",
        ),
        (&[("Makefile", "check tests: all\n")], "make check"),
        (&[("Makefile", "test := 1\n# test: no\n\ttest: no\n")], ""),
        (
            &[("backend/go.mod", "module x")],
            "go -C backend test ./...",
        ),
        (
            &[("web/package.json", r#"{"devDependencies":{"jest":"1"}}"#)],
            "sh -c cd -- \"$1\" && shift && exec \"$@\" sh web npx --no-install jest",
        ),
        (&[("README.md", "")], ""),
    ] {
        assert_eq!(first(files), cmd, "{files:?}");
    }
}

#[test]
fn several_kinds_are_ordered_by_how_sure_they_are() {
    let found = look(&[
        ("Makefile", "test:\n"),
        ("package.json", r#"{"scripts":{"test":"jest"}}"#),
        ("pyproject.toml", "[tool.pytest.ini_options]"),
        ("Cargo.toml", ""),
    ]);
    let order: Vec<_> = found.tests.iter().map(|t| t.because.as_str()).collect();
    assert_eq!(
        order,
        [
            "Cargo.toml",
            "pyproject.toml: tool.pytest",
            "package.json: scripts.test",
            "Makefile: test"
        ]
    );
    assert_eq!(
        found.languages,
        [
            Language::Rust,
            Language::Python,
            Language::Node,
            Language::Make
        ]
    );
}

#[test]
fn guides_are_text_and_bounded() {
    assert_eq!(
        look(&[("AGENTS.md", "be kind"), ("CLAUDE.md", "x")])
            .guide
            .unwrap(),
        "be kind"
    );
    assert_eq!(look(&[("CLAUDE.md", "x")]).guide.unwrap(), "x");
    let long = "x".repeat(70_000);
    let found = look(&[("AGENTS.md", &long), ("CLAUDE.md", "short")]);
    assert_eq!(
        (found.guide.as_deref(), found.problems.len()),
        (Some("short"), 1)
    );
}

#[test]
fn a_hostile_atoll_folder_is_inert_and_said() {
    let found = look(&[
        (
            ".atoll/workspace.toml",
            "test = ['make', 'x']\n[[mounts]]\nsrc='/opt'\n",
        ),
        (".atoll/policy.cedar", "permit"),
    ]);
    assert_eq!(found.suggested_test.unwrap(), ["make", "x"]);
    assert_eq!(found.suggested_mounts.len(), 1);
    assert!(found.tests.is_empty(), "a suggestion is no test command");
    // Trust is bound to every byte of it.
    let one = look(&[(".atoll/a", "1"), (".atoll/d/b", "2")])
        .atoll_hash
        .unwrap();
    assert_eq!(
        look(&[(".atoll/d/b", "2"), (".atoll/a", "1")])
            .atoll_hash
            .unwrap(),
        one
    );
    for other in [
        &[(".atoll/a", "2"), (".atoll/d/b", "2")][..],
        &[(".atoll/a", "1")],
        &[(".atoll/a", "1"), (".atoll/d/c", "2")],
    ] {
        assert_ne!(look(other).atoll_hash.unwrap(), one);
    }
    let bad = look(&[(".atoll/workspace.toml", "test = 'ok'\npolicy = 'open'\n")]);
    assert_eq!(bad.suggested_test, None);
    assert_eq!(
        bad.problems,
        [
            ".atoll/workspace.toml line 2: `policy` is not a setting; there are test, setup and mounts"
        ]
    );
    // Links are not followed, whatever they lead to.
    let t = tempfile::tempdir().unwrap();
    fs::create_dir(t.path().join(".atoll")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", t.path().join(".atoll/workspace.toml")).unwrap();
    let found = detect(&Dir::open(t.path()).unwrap(), None).unwrap();
    assert_eq!((found.atoll_hash, found.problems.len()), (None, 1));
    let t = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", t.path().join(".atoll")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", t.path().join("AGENTS.md")).unwrap();
    let found = detect(&Dir::open(t.path()).unwrap(), None).unwrap();
    assert_eq!(
        (found.atoll_hash, found.guide, found.problems.len()),
        (None, None, 1)
    );
}

#[test]
fn manifests_that_do_not_parse_are_no_test_command() {
    assert_eq!(first(&[("package.json", "{")]), "");
    assert_eq!(first(&[("package.json", r#"{"scripts":[]}"#)]), "");
    assert_eq!(first(&[("pyproject.toml", "[[[")]), "");
    assert_eq!(first(&[("Cargo.toml", "[[[")]), "cargo test");
}

#[test]
fn the_folder_that_was_named_comes_first() {
    let at = |files: &[(&str, &str)], below: &str| {
        let t = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = t.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let below = RelPath::parse(below).unwrap();
        let found = detect(&Dir::open(t.path()).unwrap(), Some(&below)).unwrap();
        let first = found.tests.first().map(|t| t.cmd.join(" "));
        (first.unwrap_or_default(), found.project, found.guide)
    };
    let files = [
        ("Cargo.toml", "[workspace]"),
        ("crates/one/Cargo.toml", "[package]"),
        ("crates/two/x", ""),
        ("py/pytest.ini", ""),
        ("py/AGENTS.md", "of py"),
        ("py/src/deep/x", ""),
        ("AGENTS.md", "of all"),
    ];
    let all = Some("of all".to_owned());
    let one = "cargo test --manifest-path crates/one/Cargo.toml";
    // A member of the root's own workspace shares its folders.
    assert_eq!(
        at(&files, "crates/one"),
        (one.into(), String::new(), all.clone())
    );
    // A folder without a manifest, and one that isn't there, leave the root's.
    for below in ["crates/two", "none"] {
        let want = ("cargo test --workspace".into(), String::new(), all.clone());
        assert_eq!(at(&files, below), want, "{below}");
    }
    // A project of another kind is one of its own.
    let cd = "sh -c cd -- \"$1\" && shift && exec \"$@\" sh py python3 -m pytest -q";
    let of_py = Some("of py".to_owned());
    for below in ["py/src/deep", "py/src"] {
        let want = (cd.into(), "py".into(), of_py.clone());
        assert_eq!(at(&files, below), want, "{below}: the nearest above it");
    }
    // The root's own tests are no project of theirs; without a project at the root they are one.
    let tests = ("tests/test_a.py", "def test_a(): pass");
    let whole = ("python3 -m pytest -q".into(), String::new(), None);
    assert_eq!(at(&[("setup.py", ""), tests], "tests"), whole);
    assert_eq!(at(&[("x", ""), tests], "tests").1, "");
    let two = [("go.mod", "module x"), ("py/tests/test_a.py", tests.1)];
    assert_eq!(at(&two, "py").1, "py");
    assert_eq!(at(&files, "py"), (cd.into(), "py".into(), of_py));
}
