//! What a changed file could do once it is outside the box.

use atoll_domain::PatchClass;

use crate::names::{Mask, RelPath, mask};
use crate::store::Mode;
use crate::store::tree::Difference;
use crate::walk::stays_inside;

/// Folders whose files are run, or read as instructions, by something outside.
const FOLDERS: [(&str, &str); 26] = [
    (".atoll", "it is Atoll's own configuration"),
    (".husky", "git hooks run it"),
    (".githooks", "git hooks run it"),
    (".git-hooks", "git hooks run it"),
    (".lefthook", "git hooks run it"),
    (".github", "CI runs it"),
    (".gitlab", "CI runs it"),
    (".circleci", "CI runs it"),
    (".buildkite", "CI runs it"),
    (".forgejo", "CI runs it"),
    (".gitea", "CI runs it"),
    (".woodpecker", "CI runs it"),
    (".teamcity", "CI runs it"),
    (".vscode", "editors run its tasks"),
    (".idea", "editors run its tasks"),
    (".zed", "editors run its tasks"),
    (".fleet", "editors run its tasks"),
    (".devcontainer", "editors build and run it"),
    (".cargo", "cargo takes commands from it"),
    (".yarn", "yarn runs it"),
    (".mvn", "maven runs it"),
    (".claude", "agents take it as instructions"),
    (".cursor", "agents take it as instructions"),
    (".continue", "agents take it as instructions"),
    (".roo", "agents take it as instructions"),
    (".clinerules", "agents take it as instructions"),
];

const CI: &str = "CI runs it";
const BUILD: &str = "build tools run it";
const TESTS: &str = "test runners load it";
const SHELL: &str = "shells and environment managers run it";
const AGENTS: &str = "agents take it as instructions";
const HOOKS: &str = "git hooks run it";
const DEPENDENCIES: &str = "it decides which dependencies are fetched and run";
const EDITOR: &str = "editors run it";
const GIT: &str = "git acts on it";
const CONTAINER: &str = "container tools build and run it";

/// Names, in lower case.
const NAMES: [(&str, &str); 100] = [
    (".gitlab-ci.yml", CI),
    (".travis.yml", CI),
    ("appveyor.yml", CI),
    (".appveyor.yml", CI),
    ("jenkinsfile", CI),
    (".drone.yml", CI),
    (".cirrus.yml", CI),
    (".woodpecker.yml", CI),
    ("bitbucket-pipelines.yml", CI),
    ("cloudbuild.yaml", CI),
    ("cloudbuild.yml", CI),
    (".pre-commit-config.yaml", HOOKS),
    ("lefthook.yml", HOOKS),
    ("lefthook.yaml", HOOKS),
    ("lefthook.toml", HOOKS),
    (".gitattributes", GIT),
    (".gitmodules", GIT),
    (".lfsconfig", GIT),
    (".devcontainer.json", EDITOR),
    (".exrc", EDITOR),
    (".nvimrc", EDITOR),
    (".nvim.lua", EDITOR),
    (".vimrc", EDITOR),
    (".dir-locals.el", EDITOR),
    (".gitpod.yml", EDITOR),
    (".replit", EDITOR),
    (".envrc", SHELL),
    ("mise.toml", SHELL),
    (".mise.toml", SHELL),
    (".tool-versions", SHELL),
    ("devbox.json", SHELL),
    ("flake.nix", SHELL),
    ("shell.nix", SHELL),
    ("default.nix", SHELL),
    ("makefile", BUILD),
    ("gnumakefile", BUILD),
    ("justfile", BUILD),
    (".justfile", BUILD),
    ("taskfile.yml", BUILD),
    ("taskfile.yaml", BUILD),
    ("rakefile", BUILD),
    ("cmakelists.txt", BUILD),
    ("configure", BUILD),
    ("configure.ac", BUILD),
    ("meson.build", BUILD),
    ("sconstruct", BUILD),
    ("build.rs", BUILD),
    ("rust-toolchain", BUILD),
    ("rust-toolchain.toml", BUILD),
    ("build.gradle", BUILD),
    ("build.gradle.kts", BUILD),
    ("settings.gradle", BUILD),
    ("settings.gradle.kts", BUILD),
    ("gradle.properties", BUILD),
    ("gradlew", BUILD),
    ("mvnw", BUILD),
    ("pom.xml", BUILD),
    ("build.sbt", BUILD),
    ("build", BUILD),
    ("build.bazel", BUILD),
    ("workspace", BUILD),
    ("workspace.bazel", BUILD),
    ("module.bazel", BUILD),
    (".bazelrc", BUILD),
    ("package.json", BUILD),
    ("setup.py", BUILD),
    ("setup.cfg", BUILD),
    ("pyproject.toml", BUILD),
    ("noxfile.py", BUILD),
    ("tasks.py", BUILD),
    ("conftest.py", TESTS),
    ("pytest.ini", TESTS),
    ("tox.ini", TESTS),
    ("sitecustomize.py", TESTS),
    ("usercustomize.py", TESTS),
    ("dockerfile", CONTAINER),
    ("containerfile", CONTAINER),
    ("vagrantfile", CONTAINER),
    ("tiltfile", CONTAINER),
    (".npmrc", DEPENDENCIES),
    (".yarnrc", DEPENDENCIES),
    (".yarnrc.yml", DEPENDENCIES),
    (".pnpmfile.cjs", DEPENDENCIES),
    ("pnpm-workspace.yaml", DEPENDENCIES),
    ("bunfig.toml", DEPENDENCIES),
    ("cargo.lock", DEPENDENCIES),
    ("package-lock.json", DEPENDENCIES),
    ("npm-shrinkwrap.json", DEPENDENCIES),
    ("yarn.lock", DEPENDENCIES),
    ("pnpm-lock.yaml", DEPENDENCIES),
    ("bun.lock", DEPENDENCIES),
    ("poetry.lock", DEPENDENCIES),
    ("pipfile", DEPENDENCIES),
    ("pipfile.lock", DEPENDENCIES),
    ("uv.lock", DEPENDENCIES),
    ("go.mod", DEPENDENCIES),
    ("go.sum", DEPENDENCIES),
    ("go.work", DEPENDENCIES),
    (".mcp.json", AGENTS),
    (".cursorrules", AGENTS),
];

const INSTRUCTIONS: [&str; 8] = [
    "agents.md",
    "agents.override.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    "copilot-instructions.md",
    ".windsurfrules",
    ".goosehints",
];

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

fn runs_outside(path: &RelPath) -> Option<&'static str> {
    let lower = path.as_str().to_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let in_folder = folders
        .split('/')
        .find_map(|f| FOLDERS.iter().find(|(n, _)| *n == f));
    if let Some((_, why)) = in_folder {
        return Some(why);
    }
    if let Some((_, why)) = NAMES.iter().find(|(n, _)| *n == name) {
        return Some(why);
    }
    if INSTRUCTIONS.contains(&name) || name.starts_with(".aider") {
        return Some(AGENTS);
    }
    by_form(name)
}

fn by_form(name: &str) -> Option<&'static str> {
    let config_of_code = ["js", "cjs", "mjs", "ts", "cts", "mts"].iter().any(|e| {
        name.ends_with(&format!(".config.{e}"))
            || (name.starts_with('.') && name.ends_with(&format!("rc.{e}")))
    });
    if config_of_code {
        return Some("build and test tools run it");
    }
    match name.rsplit_once('.') {
        Some((_, "mk" | "cmake" | "gradle" | "bzl" | "nix")) => Some(BUILD),
        Some((_, "code-workspace")) => Some(EDITOR),
        Some((_, "pth")) => Some("the Python interpreter runs it"),
        Some((stem, "yml" | "yaml")) if stem.starts_with("azure-pipelines") => Some(CI),
        Some((stem, "yml" | "yaml"))
            if stem.starts_with("docker-compose") || stem.starts_with("compose") =>
        {
            Some(CONTAINER)
        }
        Some((stem, "txt" | "in"))
            if stem.starts_with("requirements") || stem.starts_with("constraints") =>
        {
            Some(DEPENDENCIES)
        }
        _ if name.starts_with("dockerfile.") => Some(CONTAINER),
        _ => None,
    }
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
