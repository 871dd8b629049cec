#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use atoll_domain::action::Snap;
use atoll_ports::Workspaces as _;
use atoll_ports::workspace::{Identified, Snapped};
use testkit::permits::{guard, permit};

use super::bench::{NOW, session, write};
use super::*;
use crate::testing::git;

/// A home with a repository in `r`, beside which nothing is.
struct Place {
    t: tempfile::TempDir,
    ws: Workspaces,
}

impl Place {
    fn new() -> Self {
        let t = tempfile::tempdir().unwrap();
        let home = t.path().canonicalize().unwrap().join("home");
        for (path, text) in [
            ("r/.gitignore", "/scratch/\n/kept/\n"),
            ("r/a", "a"),
            ("r/sub/deep/b", "b"),
            ("r/scratch/c", "c"),
            ("r/kept/d", "d"),
        ] {
            write(&home.join(path), text);
        }
        let r = home.join("r");
        git(&r, &["init", "-q"]);
        git(&r, &["add", "."]);
        git(&r, &["add", "-f", "kept/d"]);
        git(&r, &["commit", "-qm", "one"]);
        let options = Options {
            home: Some(home),
            ..Options::new(t.path().join("data"))
        };
        let ws = Workspaces::open(options).unwrap();
        Self { t, ws }
    }

    fn home(&self) -> PathBuf {
        self.t.path().canonicalize().unwrap().join("home")
    }

    /// Root and below of the folder, the root relative to the home.
    fn of(&self, place: &str) -> (String, String) {
        let Identified {
            workspace,
            root,
            below,
        } = self.ws.identify(&self.home().join(place)).unwrap();
        let again = self.ws.identify(Path::new(&root)).unwrap();
        assert_eq!((again.workspace, again.below.as_str()), (workspace, ""));
        let root = Path::new(&root).strip_prefix(self.home()).unwrap();
        (root.to_str().unwrap().to_owned(), below)
    }

    fn is(&self, place: &str, root: &str, below: &str) {
        assert_eq!(self.of(place), (root.into(), below.into()), "{place}");
    }

    async fn snap(&self, place: &str) -> (Identified, Snapped) {
        let found = self.ws.identify(&self.home().join(place)).unwrap();
        let act = Snap {
            workspace: found.workspace,
            root: found.root.clone(),
        };
        let (guard, _journal) = guard();
        let taken = self.ws.snapshot(permit(&guard, act).await, NOW).await;
        let (live, taken) = taken.unwrap();
        live.finish(atoll_guard::End::done());
        (found, taken.unwrap())
    }

    /// A copy of the workspace of `place`, and the branch that was found.
    async fn copy(&self, n: u8, place: &str) -> (PathBuf, Option<String>) {
        let (found, taken) = self.snap(place).await;
        let made = self
            .ws
            .checkout(session(n), found.workspace, &found.root, &taken.tree, None)
            .await
            .unwrap();
        assert_eq!(self.ws.git_note(session(n)).unwrap(), None, "{place}");
        (PathBuf::from(made.host), taken.head)
    }
}

#[test]
fn the_repository_around_a_folder_is_its_workspace() {
    let p = Place::new();
    p.is("r", "r", "");
    p.is("r/sub", "r", "sub");
    p.is("r/sub/deep", "r", "sub/deep");
    // What the repository ignores whole is something of its own, unless it tracks a file in it.
    p.is("r/scratch", "r/scratch", "");
    p.is("r/kept", "r", "kept");
    // A repository within one is its own, and so is a folder whose owner configured it.
    write(&p.home().join("r/sub/inner/x"), "x");
    git(&p.home().join("r/sub/inner"), &["init", "-q"]);
    p.is("r/sub/inner", "r/sub/inner", "");
    write(&p.home().join("r/sub/deep/.atoll/workspace.toml"), "");
    p.is("r/sub/deep", "r/sub/deep", "");
    write(&p.home().join("r/sub/deep/more/y"), "y");
    p.is("r/sub/deep/more", "r/sub/deep", "more");
    // What no repository can be opened from is not followed.
    write(&p.home().join("odd/.git/HEAD"), "");
    write(&p.home().join("odd/sub/x"), "x");
    p.is("odd/sub", "odd/sub", "");
    std::os::unix::fs::symlink(p.home().join("r"), p.home().join("link")).unwrap();
    p.is("link/sub", "r", "sub");
}

#[test]
fn neither_the_home_nor_what_is_above_it_is_a_workspace_by_accident() {
    let p = Place::new();
    write(&p.home().join("plain/x"), "x");
    git(&p.home(), &["init", "-q"]);
    p.is("plain", "plain", "");
    fs::rename(p.home().join(".git"), p.t.path().join(".git")).unwrap();
    p.is("plain", "plain", "");
    // Named, the home is taken at its word.
    git(&p.home(), &["init", "-q"]);
    p.is("", "", "");
}

#[test]
fn a_stranger_s_repository_above_is_not_followed() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can make files of somebody else
    }
    for theirs in [".git", ""] {
        let p = Place::new();
        p.is("r/sub", "r", "sub");
        std::os::unix::fs::chown(p.home().join("r").join(theirs), Some(54_321), None).unwrap();
        p.is("r/sub", "r/sub", "");
    }
}

#[tokio::test]
async fn worktrees_and_submodules_are_workspaces_with_their_history() {
    let p = Place::new();
    let (home, r) = (p.home(), p.home().join("r"));
    git(&r, &["worktree", "add", "-qb", "side", "../wt"]);
    write(&home.join("lib/l"), "l");
    git(&home.join("lib"), &["init", "-q"]);
    git(&home.join("lib"), &["add", "."]);
    git(&home.join("lib"), &["commit", "-qm", "of lib"]);
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
    ];
    git(&r, &[&add[..], &["../lib", "ext/lib"]].concat());
    write(&r.join("ext/lib/in/x"), "x");
    p.is("wt/sub", "wt", "sub");
    p.is("r/ext/lib", "r/ext/lib", "");
    p.is("r/ext/lib/in", "r/ext/lib", "in");
    p.is("r/ext", "r", "ext");

    let (copy, head) = p.copy(1, "wt/sub").await;
    assert_eq!(head.as_deref(), Some("side"));
    assert_eq!(git(&copy, &["log", "--format=%s"]), "one");
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
    let (copy, head) = p.copy(2, "r/ext/lib/in").await;
    assert_eq!(head.as_deref(), Some("main"));
    assert_eq!(git(&copy, &["log", "--format=%s"]), "of lib");
    assert_eq!(git(&copy, &["status", "--porcelain"]), "?? in/");
    // The git folder may lie anywhere, if it names this checkout in return.
    let aside = home.join("aside.git");
    let at = home.join("put");
    fs::create_dir(&at).unwrap();
    git(
        &at,
        &["init", "-q", "--separate-git-dir", aside.to_str().unwrap()],
    );
    write(&at.join("z"), "z");
    git(&at, &["add", "."]);
    git(&at, &["commit", "-qm", "aside"]);
    git(&at, &["config", "core.worktree", at.to_str().unwrap()]);
    let (copy, _) = p.copy(3, "put").await;
    assert_eq!(git(&copy, &["log", "--format=%s"]), "aside");
    // Another folder that claims the same one is not believed.
    write(
        &home.join("forged/.git"),
        &format!("gitdir: {}\n", aside.display()),
    );
    let (_, taken) = p.snap("forged").await;
    assert_eq!(taken.head, None);
    assert!(taken.skipped[0].1.contains("does not name it in return"));
    // From the repository around it, its files are taken and its git folder is not, which is said.
    let (_, taken) = p.snap("r").await;
    assert!(
        taken.skipped.iter().any(|(path, _)| path == "ext/lib/.git"),
        "{taken:?}"
    );
}

#[tokio::test]
async fn what_the_user_ignores_everywhere_is_neither_taken_nor_brought_back() {
    let p = Place::new();
    write(&p.home().join(".config/git/ignore"), "*.swp\n!b.swp\n/a\n");
    write(&p.home().join("r/.git/info/exclude"), "*.mine\n");
    for name in ["a.swp", "b.swp", "x.mine", "sub/c.swp"] {
        write(&p.home().join("r").join(name), "x");
    }
    let (copy, _) = p.copy(1, "r").await;
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    // `a` is ignored, and tracked.
    assert_eq!(
        names(&copy),
        [".git", ".gitignore", "a", "b.swp", "kept", "sub"]
    );
    let before = p.ws.capture(session(1)).await.unwrap().tree;
    // Nor do they come out, whatever a job makes of the copy's own `.git`.
    fs::remove_dir_all(copy.join(".git")).unwrap();
    for name in ["new.swp", "sub/new.mine"] {
        write(&copy.join(name), "x");
    }
    assert_eq!(p.ws.capture(session(1)).await.unwrap().tree, before);
    let again = Workspaces::open(Options::new(p.t.path().join("data"))).unwrap();
    assert_eq!(again.capture(session(1)).await.unwrap().tree, before);
    write(&copy.join("sub/new.txt"), "x");
    assert_ne!(p.ws.capture(session(1)).await.unwrap().tree, before);
}

#[tokio::test]
async fn the_users_own_patterns_do_not_enter_the_box() {
    let p = Place::new();
    write(&p.home().join(".config/git/ignore"), "secret-customer/\n");
    write(&p.home().join("r/.git/info/exclude"), "*.mine\n");
    let (copy, _) = p.copy(1, "r").await;
    let exclude = fs::read_to_string(copy.join(".git/info/exclude")).unwrap();
    assert_eq!(exclude, "*.mine\n");
}
