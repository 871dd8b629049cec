//! A made-up home.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use atoll_domain::{Mount, MountKind};
use atoll_ports::toolchain::{Error, FetchPlan, Found, Toolchains, Want};

use crate::toolchain::{Finder, Options};

/// A home with a checkout in it, made up.
pub(super) struct World {
    pub(super) _dir: tempfile::TempDir,
    pub(super) home: PathBuf,
    pub(super) root: PathBuf,
    pub(super) path: String,
    pub(super) vars: Vec<(&'static str, String)>,
}

impl World {
    pub(super) fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(dir.path()).unwrap().join("home");
        let root = home.join("project");
        fs::create_dir_all(&root).unwrap();
        World {
            _dir: dir,
            home,
            root,
            path: "/usr/bin:/bin".into(),
            vars: vec![],
        }
    }

    /// Writes a file below the home.
    pub(super) fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn program(&self, path: &str) -> PathBuf {
        let path = self.file(path, "#!/bin/sh\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(super) fn link(&self, to: &str, path: &str) {
        let path = self.home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to.replace('~', self.home.to_str().unwrap()), path).unwrap();
    }

    /// Puts a folder of the home in front of PATH.
    pub(super) fn on_path(&mut self, dir: &str) {
        self.path = format!("{}:{}", self.home.join(dir).display(), self.path);
    }

    pub(super) fn want(&self, cmd: &[&str]) -> Want {
        Want {
            root: self.root.clone(),
            home: self.home.clone(),
            path: self.path.clone(),
            cmd: cmd.iter().map(|c| c.to_string()).collect(),
            ..Want::default()
        }
    }

    pub(super) fn finder(&self) -> Finder {
        let vars = self
            .vars
            .iter()
            .map(|(k, v)| (k.to_string(), v.clone()))
            .collect();
        Finder::new(Options {
            cache_dir: self.home.join(".cache/atoll"),
            etc_dir: self.home.join("etc"),
            vars,
        })
    }

    pub(super) fn find(&self, cmd: &[&str]) -> Found {
        self.finder().find(&self.want(cmd))
    }

    pub(super) fn fetch(&self, cmd: &[&str]) -> Option<FetchPlan> {
        self.finder().fetch(&self.want(cmd)).unwrap()
    }

    pub(super) fn blocked(&self, cmd: &[&str]) -> Error {
        self.finder().fetch(&self.want(cmd)).unwrap_err()
    }

    /// Each mount as `kind src dst`, the home written `~`, a same `dst` left out.
    pub(super) fn shown(&self, mounts: &[Mount]) -> Vec<String> {
        let short = |path: &str| path.replace(self.home.to_str().unwrap(), "~");
        let line = |m: &Mount| {
            let kind = match (m.kind, m.ro) {
                (MountKind::Bind, true) => "ro",
                (MountKind::Bind, false) => "rw",
                (MountKind::Overlay, _) => "over",
                (MountKind::Tmpfs, _) => "tmp",
            };
            match m.src == m.dst {
                true => format!("{kind} {}", short(&m.src)),
                false => format!("{kind} {} {}", short(&m.src), short(&m.dst)),
            }
        };
        mounts.iter().map(line).collect()
    }

    pub(super) fn path_of(&self, found: &Found) -> String {
        found.env["PATH"].replace(self.home.to_str().unwrap(), "~")
    }
}
