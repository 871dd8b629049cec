//! What a changed file could do once it is outside the box.

use atoll_domain::PatchClass;

use super::runs::runs_outside;
use crate::names::{Mask, RelPath, mask};
use crate::store::Mode;
use crate::store::tree::Difference;
use crate::walk::stays_inside;

/// The class of one change and why, unless it is ordinary. `target`: where a new
/// link leads. `manifest_matters`: it is a manifest, and the change goes beyond text.
pub(super) fn class(
    change: &Difference,
    target: Option<&[u8]>,
    manifest_matters: bool,
) -> (PatchClass, Option<String>) {
    let refused = |why: &str| (PatchClass::Refused, Some(why.to_owned()));
    let Ok(path) = RelPath::parse(&change.path) else {
        return refused("its path is not one that can be written");
    };
    if path.is_git() {
        return refused("it is, or some file systems take it for, a .git folder");
    }
    if path.as_str().contains('\u{fffd}') {
        return refused("its name is not UTF-8");
    }
    let modes = [change.before, change.after].map(|l| l.map(|l| l.mode));
    if modes.contains(&Some(Mode::Gitlink)) {
        return refused("it is another repository's commit");
    }
    if change.after.is_some_and(|l| l.mode == Mode::Link)
        && !target.is_some_and(|t| stays_inside(&path, t))
    {
        return refused("it is a link that leads, or could lead, outside");
    }
    if let Some(why) = runs_outside(&path) {
        return (PatchClass::RunsOutside, Some(why.to_owned()));
    }
    if mask(&path) == Mask::Yes {
        return refused("it is a credential file");
    }
    if manifest_matters {
        return (
            PatchClass::RunsOutside,
            Some("it changes dependencies or how the build runs".to_owned()),
        );
    }
    if modes[1] == Some(Mode::Exec) && modes[0] != Some(Mode::Exec) {
        return (
            PatchClass::RunsOutside,
            Some("it becomes executable".to_owned()),
        );
    }
    (PatchClass::Ordinary, None)
}

/// Does a change of `Cargo.toml` go beyond what is only compiled? Anything that
/// doesn't parse does.
pub(super) fn manifest_matters(path: &str, before: &[u8], after: &[u8]) -> bool {
    if !path.to_lowercase().ends_with("cargo.toml") {
        return false;
    }
    let parse = |c: &[u8]| {
        std::str::from_utf8(c)
            .ok()
            .and_then(|t| t.parse::<toml::Table>().ok())
    };
    let (Some(mut before), Some(mut after)) = (parse(before), parse(after)) else {
        return true;
    };
    for table in [&mut before, &mut after] {
        // What follows is text about the package, or features of its own code.
        for quiet in ["features", "lints", "profile"] {
            table.remove(quiet);
        }
        if let Some(toml::Value::Table(package)) = table.get_mut("package") {
            for quiet in [
                "version",
                "description",
                "authors",
                "license",
                "keywords",
                "categories",
                "readme",
                "repository",
                "homepage",
            ] {
                package.remove(quiet);
            }
        }
    }
    before != after
}

/// Is it a test, by name and place?
pub(super) fn is_test(path: &str) -> bool {
    let lower = path.to_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let stem = name.split('.').next().unwrap_or(name);
    folders.split('/').any(|f| {
        matches!(
            f,
            "tests"
                | "test"
                | "__tests__"
                | "spec"
                | "specs"
                | "testing"
                | "testdata"
                | "e2e"
                | "__snapshots__"
        )
    }) || name.starts_with("test_")
        || name.contains(".test.")
        || name.contains(".spec.")
        || matches!(stem, "tests" | "conftest")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || stem.ends_with("_spec")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Leaf;
    use crate::store::object::{Kind, name_of};

    fn of(
        path: &str,
        before: Option<Mode>,
        after: Option<Mode>,
        target: Option<&str>,
    ) -> PatchClass {
        let id = name_of(Kind::Blob, b"");
        let leaf = |m: Option<Mode>| m.map(|mode| Leaf { mode, id });
        let change = Difference {
            path: path.into(),
            before: leaf(before),
            after: leaf(after),
        };
        class(&change, target.map(str::as_bytes), false).0
    }

    #[test]
    fn what_is_never_let_out() {
        for path in [
            ".git/config",
            "a/.GIT/hooks/x",
            ".g\u{200c}it/x",
            "git~1/x",
            "../x",
            "a/../b",
            "/etc/passwd",
            "a\\.git\\b",
            ".env",
        ] {
            assert_eq!(
                of(path, None, Some(Mode::File), None),
                PatchClass::Refused,
                "{path}"
            );
        }
        assert_eq!(
            of("sub", None, Some(Mode::Gitlink), None),
            PatchClass::Refused
        );
        assert_eq!(
            of("sub", Some(Mode::Gitlink), None, None),
            PatchClass::Refused
        );
        for target in ["/etc/passwd", "../../x", "a/../../x", ".git/config"] {
            assert_eq!(
                of("d/link", None, Some(Mode::Link), Some(target)),
                PatchClass::Refused,
                "{target}"
            );
        }
        assert_eq!(
            of("d/link", None, Some(Mode::Link), Some("../x")),
            PatchClass::Ordinary
        );
    }

    #[test]
    fn what_runs_outside_by_itself() {
        for path in [
            ".github/workflows/ci.yml",
            ".husky/pre-commit",
            "web/package.json",
            "Makefile",
            "makefile",
            "a/build.rs",
            "tests/conftest.py",
            ".cargo/config.toml",
            "rust-toolchain",
            ".npmrc",
            "Cargo.lock",
            "AGENTS.md",
            "sub/CLAUDE.md",
            ".atoll/workspace.toml",
            ".vscode/tasks.json",
            ".devcontainer/devcontainer.json",
            ".envrc",
            "jest.config.js",
            "rules.mk",
            "Dockerfile",
            "requirements-dev.txt",
            ".gitattributes",
            "x.pth",
            ".eslintrc.js",
            // Reports that this list once missed.
            "sub/HEAD",
            "sub/commondir",
            "fixtures/a.git/config",
            "tools/hooks/post-checkout",
            "node_modules/left/index.js",
            ".gdbinit",
            ".proverc",
            "build.ninja",
            ".pylintrc",
            ".Rprofile",
            ".eslintrc.json",
            "Directory.Build.props",
            ".gemini/settings.json",
            ".hg/hgrc",
            // What some file systems, and people, take for such a name.
            "Make\u{200c}file",
            "\u{ff2d}akefile",
            ".v\u{200d}scode/tasks.json",
            "package.j\u{17f}on",
        ] {
            assert_eq!(
                of(path, Some(Mode::File), Some(Mode::File), None),
                PatchClass::RunsOutside,
                "{path}"
            );
        }
        assert_eq!(
            of("run.sh", Some(Mode::File), Some(Mode::Exec), None),
            PatchClass::RunsOutside
        );
        assert_eq!(
            of("run.sh", Some(Mode::Exec), Some(Mode::Exec), None),
            PatchClass::Ordinary
        );
        for path in [
            "src/main.rs",
            "README.md",
            "tests/test_a.py",
            "config.js",
            "builder.rs",
            "docs/github.md",
            "src/config",
            "src/heads.rs",
            "hooks/use_state.ts",
        ] {
            assert_eq!(
                of(path, Some(Mode::File), Some(Mode::File), None),
                PatchClass::Ordinary,
                "{path}"
            );
        }
    }

    #[test]
    fn a_cargo_manifest_is_read() {
        let m = |b: &str, a: &str| manifest_matters("x/Cargo.toml", b.as_bytes(), a.as_bytes());
        assert!(!m(
            "[package]\nversion='1'",
            "[package]\nversion='2'\n[features]\na=[]"
        ));
        assert!(m("[package]", "[package]\nbuild='evil.rs'"));
        assert!(m("[package]", "[dependencies]\nx='1'"));
        assert!(m("[package]", "not toml ["));
        assert!(!manifest_matters("a.toml", b"", b"x=1"));
    }

    #[test]
    fn tests_are_known_by_name() {
        for path in [
            "tests/a.rs",
            "test_x.py",
            "a/x_test.go",
            "x.test.ts",
            "src/__tests__/y.js",
            "src/store/tests.rs",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in ["src/main.rs", "contest.py", "latest/x.py", "src/attest.rs"] {
            assert!(!is_test(path), "{path}");
        }
    }
}
