//! The place outside as it is before anything happens: made once, and put back before each entry.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::world::{FILE, Tree, walk};

/// A home with secrets and a checkout, and a folder beside it.
pub struct Pristine {
    at: PathBuf,
    tree: Tree,
}

const PARTS: [&str; 2] = ["home", "out"];

pub fn put(path: PathBuf, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
}

impl Pristine {
    pub fn new(at: PathBuf) -> Pristine {
        let home = at.join("home");
        let secret = format!("-----BEGIN KEY-----\n{FILE}\n-----END KEY-----\n");
        put(home.join(".ssh/id_ed25519"), &secret, 0o600);
        put(home.join(".ssh/authorized_keys"), "", 0o600);
        let credentials = format!("[default]\naws_secret_access_key = {FILE}\n");
        put(home.join(".aws/credentials"), &credentials, 0o600);
        let machine = format!("machine shop.test login a password {FILE}\n");
        put(home.join(".netrc"), &machine, 0o600);
        let line = format!("login --token {FILE}\n");
        put(home.join(".bash_history"), &line, 0o600);
        let names = [
            ".bashrc",
            ".profile",
            ".vimrc",
            ".gitconfig",
            ".config/kept",
            ".local/bin/tool",
        ];
        for name in names {
            put(home.join(name), "", 0o755);
        }
        put(at.join("out/keep.txt"), "kept\n", 0o666);
        put(at.join("out/sub/deep.txt"), "deep\n", 0o666);
        checkout(&home.join("shop"));
        put(home.join("shop/.env"), &format!("PASSWORD={FILE}\n"), 0o600);
        put(home.join("shop/.git/info/exclude"), ".env\n", 0o644);
        let tree = tree(&at);
        Pristine { at, tree }
    }

    /// Makes `base` as this is. What is as it should be is left alone: some file systems take long over new names.
    pub fn restore(&self, base: &Path) {
        let have = tree(base);
        for (name, _) in have.iter().rev() {
            if have.get(name) != self.tree.get(name) {
                remove(&base.join(name));
            }
        }
        for (name, (mode, content)) in &self.tree {
            let (from, to) = (self.at.join(name), base.join(name));
            if to.symlink_metadata().is_ok() {
                continue;
            }
            match content.is_empty() {
                true => std::fs::create_dir_all(&to).unwrap(),
                false => std::fs::write(&to, std::fs::read(from).unwrap()).unwrap(),
            }
            let mode = PermissionsExt::from_mode(mode & 0o7777);
            std::fs::set_permissions(&to, mode).unwrap();
        }
    }
}

fn remove(path: &Path) {
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    match meta.is_dir() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => std::fs::remove_file(path).unwrap(),
    }
}

fn tree(base: &Path) -> Tree {
    let mut tree = Tree::new();
    for part in PARTS {
        walk(base, &base.join(part), &mut tree);
    }
    tree
}

/// A repository with one commit.
fn checkout(at: &Path) {
    std::fs::create_dir_all(at).unwrap();
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(["-c", "init.defaultBranch=main"])
            .args(words)
            .current_dir(at)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        let out = git.output().expect("these tests need git: apt install git");
        assert!(out.status.success(), "{words:?} {out:?}");
    };
    std::fs::write(at.join("README.md"), "A shop.\n").unwrap();
    std::fs::write(at.join("sum.txt"), "total=2\n").unwrap();
    std::fs::create_dir(at.join("src")).unwrap();
    std::fs::write(at.join("src/main.txt"), "words\n").unwrap();
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "one"]);
    std::fs::remove_dir_all(at.join(".git/hooks")).unwrap();
    std::fs::create_dir(at.join(".git/hooks")).unwrap();
}
