//! A home of its own for the binary, with nothing of the machine's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with a home; a node in it is ended when it goes.
pub struct Scene {
    dir: tempfile::TempDir,
}

#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
    /// The data of the one JSON object on standard output.
    pub fn data(&self) -> serde_json::Value {
        let json: serde_json::Value = serde_json::from_str(self.out.trim())
            .unwrap_or_else(|err| panic!("{err}: {}{}", self.out, self.err));
        assert_eq!(json["v"], 1);
        json["data"].clone()
    }
}

impl Scene {
    pub fn new() -> Scene {
        Scene {
            dir: tempfile::tempdir().unwrap(),
        }
    }
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
    /// The binary, not run yet. Nodes are not started unless a test takes `ATOLL_NO_AUTOSTART` away.
    pub fn atoll(&self, words: &[&str]) -> Command {
        self.ready(env!("CARGO_BIN_EXE_atoll"), words)
    }
    pub fn ready(&self, program: &str, words: &[&str]) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_atoll")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", self.path())
            .env("ATOLL_HOME", self.path().join("atoll"))
            .env("ATOLL_NO_AUTOSTART", "1")
            .stdin(Stdio::null());
        command
    }
    /// git in the folder `at`, with nothing of the machine's configuration but the scene's own home.
    pub fn git(&self, at: &str, words: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(["-c", "init.defaultBranch=main"])
            .args(words)
            .current_dir(self.path().join(at))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let ran = Ran::of(git.output().expect("these tests need git: apt install git"));
        assert_eq!(ran.code, 0, "git {words:?}: {}{}", ran.out, ran.err);
        ran.out
    }
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.atoll(words).output().unwrap())
    }
    /// Whether there is a sandbox. Without one a test is skipped loudly, and fails in CI.
    pub fn sandboxed(&self) -> bool {
        let doctor = self.run(&["--json", "doctor"]).data();
        let fine = |c: &serde_json::Value| c["name"] == "sandbox" && c["ok"] == true;
        let full = doctor.as_array().unwrap().iter().any(fine);
        let words = "no sandbox here; atoll doctor says how to get one";
        if !full {
            assert!(std::env::var("CI").is_err(), "{words}: {doctor}");
            eprintln!("SKIPPED: {words}");
        }
        full
    }
    /// With a node that other commands find, too.
    pub fn with_node(&self, words: &[&str]) -> Command {
        let mut command = self.atoll(words);
        command.env_remove("ATOLL_NO_AUTOSTART");
        command
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.path().join("atoll/run/node.sock").exists() {
            let _ = self.run(&["down"]); // it may be gone already
        }
    }
}
