//! Which files something outside runs, or takes as instructions, by itself: by name and place alone.

use crate::names::{RelPath, fold};

/// Folders whose files are run, or read as instructions, by something outside.
const FOLDERS: [(&str, &str); 41] = [
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
    (".codex", "agents take it as instructions"),
    (".gemini", "agents take it as instructions"),
    (".kiro", "agents take it as instructions"),
    (".windsurf", "agents take it as instructions"),
    (".opencode", "agents take it as instructions"),
    (".vim", "editors run it"),
    (".vs", "editors run its tasks"),
    (".helix", "editors start what it names"),
    (".run", "editors run it"),
    (".hg", "mercurial runs its hooks"),
    (".ctags.d", "it makes a program read and write files"),
    ("node_modules", "it takes a dependency's place"),
    (".venv", "it takes a dependency's place"),
    ("site-packages", "it takes a dependency's place"),
    (".ipython", "the Python interpreter runs it"),
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
const DEBUGGER: &str = "debuggers run it";
const START: &str = "an interpreter runs it when it starts";
const TOOLS: &str = "checkers and formatters load what it names";

/// Names, in lower case.
const NAMES: [(&str, &str); 149] = [
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
    ("opencode.json", AGENTS),
    (".gdbinit", DEBUGGER),
    (".lldbinit", DEBUGGER),
    (".rprofile", START),
    (".renviron", START),
    (".irbrc", START),
    (".pryrc", START),
    (".octaverc", START),
    (".ycm_extra_conf.py", EDITOR),
    (".lvimrc", EDITOR),
    (".local.vimrc", EDITOR),
    (".lazy.lua", EDITOR),
    (".dir-locals-2.el", EDITOR),
    (".pylintrc", TOOLS),
    ("pylintrc", TOOLS),
    (".flake8", TOOLS),
    ("mypy.ini", TOOLS),
    (".mypy.ini", TOOLS),
    (".coveragerc", TOOLS),
    (".eslintrc", TOOLS),
    (".babelrc", TOOLS),
    (".prettierrc", TOOLS),
    (".stylelintrc", TOOLS),
    (".mocharc", TOOLS),
    (".sequelizerc", TOOLS),
    (".rubocop.yml", TOOLS),
    (".rspec", TESTS),
    (".proverc", TESTS),
    (".jvmopts", BUILD),
    (".sbtopts", BUILD),
    ("build.ninja", BUILD),
    ("build.zig", BUILD),
    ("build.xml", BUILD),
    ("wscript", BUILD),
    ("setup.hs", BUILD),
    ("dune", BUILD),
    ("snakefile", BUILD),
    ("dodo.py", BUILD),
    ("fabfile.py", BUILD),
    ("conanfile.py", BUILD),
    ("mix.exs", BUILD),
    ("rebar.config", BUILD),
    ("package.swift", BUILD),
    ("gemfile", DEPENDENCIES),
    ("gemfile.lock", DEPENDENCIES),
    ("composer.json", BUILD),
    ("composer.lock", DEPENDENCIES),
    ("podfile", DEPENDENCIES),
    ("deno.json", BUILD),
];

/// What git runs where `core.hooksPath` says so; `update` is left out, since too much else has that name.
const GIT_HOOKS: [&str; 22] = [
    "applypatch-msg",
    "pre-applypatch",
    "post-applypatch",
    "pre-commit",
    "pre-merge-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-rebase",
    "post-checkout",
    "post-merge",
    "pre-push",
    "pre-receive",
    "proc-receive",
    "post-receive",
    "post-update",
    "reference-transaction",
    "push-to-checkout",
    "pre-auto-gc",
    "post-rewrite",
    "sendemail-validate",
    "post-index-change",
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

/// Why something outside would run it, if anything would. In any case and Unicode form: some file systems, and who
/// reads a list of names, take one for the other.
pub(super) fn runs_outside(path: &RelPath) -> Option<&'static str> {
    let parts: Vec<String> = path.components().map(fold).collect();
    let (name, folders) = parts.split_last()?;
    let in_folder = folders
        .iter()
        .find_map(|f| FOLDERS.iter().find(|(n, _)| n == f));
    if let Some((_, why)) = in_folder {
        return Some(why);
    }
    if let Some((_, why)) = NAMES.iter().find(|(n, _)| n == name) {
        return Some(why);
    }
    if INSTRUCTIONS.contains(&name.as_str()) || name.starts_with(".aider") {
        return Some(AGENTS);
    }
    if GIT_HOOKS.contains(&name.as_str()) {
        return Some(HOOKS);
    }
    if of_a_repository(folders, name) {
        return Some("git takes its folder for a repository");
    }
    by_form(name)
}

/// A folder with a `HEAD` is a repository to git, whatever its name, and its settings and hooks run programs. What
/// stands beside a `HEAD` that was there before is known by where such things stand.
fn of_a_repository(folders: &[String], name: &str) -> bool {
    let inside = folders.iter().any(|f| f.ends_with(".git"));
    matches!(name, "head" | "commondir" | "config.worktree") || inside
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
        Some((_, "mk" | "cmake" | "gradle" | "bzl" | "nix" | "ninja")) => Some(BUILD),
        Some((
            _,
            "csproj" | "vbproj" | "fsproj" | "vcxproj" | "props" | "targets" | "sln" | "gemspec",
        )) => Some(BUILD),
        Some((_, "code-workspace" | "sublime-project")) => Some(EDITOR),
        // Settings of a tool in whatever language of data: they name modules that it loads.
        Some((
            ".eslintrc" | ".babelrc" | ".prettierrc" | ".stylelintrc" | ".mocharc",
            "json" | "yml" | "yaml",
        )) => Some(TOOLS),
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
