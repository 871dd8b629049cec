//! Workspaces under test, with a guard that admits all.
#![allow(clippy::disallowed_methods, reason = "a suite's scratch folders")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_domain::action::{Accept, AcceptTo, FileRead, FileWrite, ReadOp, Snap, Undo, WriteOp};
use atoll_domain::{Act, Hash, PatchId, SessionId, Tick, TreeId, WorkspaceId};
use atoll_guard::{End, Guard};
use atoll_ports::workspace::{Applied, Edit, Error, Identified, Planned, ReadOut, Snapped};
use atoll_ports::{Did, Workspaces};

use super::Ground;
use crate::permits::{Memory, guard, permit};

pub(super) const NOW: Tick = Tick(1);

pub(super) fn session(n: u8) -> SessionId {
    SessionId::derive(&[b"suite", &[n]])
}

pub(super) fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(super) fn link(to: &Path, path: &Path) {
    std::os::unix::fs::symlink(to, path).unwrap();
}

pub(super) fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// The files below a folder with their content, without `.git`.
pub(super) fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if entry.file_name() == ".git" {
                continue;
            }
            if kind.is_dir() {
                todo.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let content = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                fs::read_to_string(&path).unwrap()
            };
            found.insert(name, content);
        }
    }
    found
}

pub(super) struct Desk {
    pub(super) ws: Arc<dyn Workspaces>,
    pub(super) guard: Guard,
    pub(super) journal: Arc<Memory>,
    pub(super) id: WorkspaceId,
    pub(super) root: String,
    /// The checkout.
    pub(super) dir: PathBuf,
}

async fn done<A: Act, T>(did: Did<A, T, Error>) -> Result<T, Error> {
    let (live, result) = did.unwrap_or_else(|stop| panic!("not begun: {stop}"));
    live.finish(match result {
        Ok(_) => End::done(),
        Err(_) => End::failed(None),
    });
    result
}

impl Desk {
    pub(super) fn new(ground: &dyn Ground, files: &[(&str, &str)]) -> Desk {
        let dir = ground.checkout();
        for (path, content) in files {
            write(&dir.join(path), content);
        }
        Desk::again(ground)
    }

    /// Another process over what is there.
    pub(super) fn again(ground: &dyn Ground) -> Desk {
        let ws = ground.open();
        let (guard, journal) = guard();
        let Identified {
            workspace: id,
            root,
            ..
        } = ws.identify(&ground.checkout()).unwrap();
        Desk {
            ws,
            guard,
            journal,
            id,
            root,
            dir: ground.checkout(),
        }
    }

    pub(super) async fn snap(&self) -> Snapped {
        let act = Snap {
            workspace: self.id,
            root: self.root.clone(),
        };
        let permit = permit(&self.guard, act).await;
        done(self.ws.snapshot(permit, NOW).await).await.unwrap()
    }

    /// A session's copy of the checkout as it is: its folder, and its tree.
    pub(super) async fn copy(&self, n: u8) -> (PathBuf, TreeId) {
        let tree = self.snap().await.tree;
        (self.bring(n, &tree).await, tree)
    }

    /// A session's copy of a tree.
    pub(super) async fn bring(&self, n: u8, tree: &TreeId) -> PathBuf {
        let copy = self
            .ws
            .checkout(session(n), self.id, &self.root, tree, None)
            .await
            .unwrap();
        assert_eq!(copy.inside, self.root, "the same path inside");
        PathBuf::from(copy.host)
    }

    pub(super) async fn tree(&self, n: u8) -> TreeId {
        self.ws.capture(session(n)).await.unwrap().tree
    }

    pub(super) async fn read(&self, n: u8, op: ReadOp) -> Result<ReadOut, Error> {
        let act = FileRead {
            session: session(n),
            op,
        };
        let permit = permit(&self.guard, act).await;
        done(self.ws.read(permit, NOW).await).await
    }

    pub(super) async fn lines(&self, n: u8, path: &str) -> Result<String, Error> {
        let op = ReadOp::Read {
            path: path.into(),
            start_line: None,
            lines_max: None,
        };
        self.read(n, op).await.map(|out| out.text)
    }

    pub(super) async fn write(&self, n: u8, path: &str, planned: Planned) -> Result<Hash, Error> {
        let act = FileWrite {
            session: session(n),
            path: path.into(),
            before: planned.before,
            op: planned.content.map_or(WriteOp::Delete, WriteOp::Put),
        };
        let permit = permit(&self.guard, act).await;
        done(self.ws.write(permit, NOW).await).await
    }

    /// Plans an edit and writes it.
    pub(super) async fn edit(&self, n: u8, path: &str, edit: &Edit) -> Result<Hash, Error> {
        let planned = self.ws.plan_edit(session(n), path, edit)?;
        self.write(n, path, planned).await
    }

    /// What would let the copy's changes since `base` out.
    pub(super) async fn proposal(&self, n: u8, base: &TreeId) -> Accept {
        let tree = self.tree(n).await;
        let patch = self.ws.diff(self.id, base, &tree).await.unwrap();
        let files = patch.summary.files.iter();
        Accept {
            message: String::new(),
            patch: PatchId::derive(&[b"suite"]),
            workspace: self.id,
            root: self.root.clone(),
            base: base.clone(),
            tree,
            paths: files.map(|f| f.path.clone()).collect(),
            class: patch.summary.class,
            to: AcceptTo::Files,
        }
    }

    pub(super) async fn accept(&self, act: Accept) -> Result<Applied, Error> {
        let permit = permit(&self.guard, act).await;
        done(self.ws.accept(permit, NOW).await).await
    }

    pub(super) async fn undo(&self, of: &Accept) -> Result<Applied, Error> {
        let act = Undo {
            patch: of.patch,
            workspace: of.workspace,
            root: of.root.clone(),
            base: of.base.clone(),
            tree: of.tree.clone(),
            paths: of.paths.clone(),
            to: of.to.clone(),
        };
        let permit = permit(&self.guard, act).await;
        done(self.ws.undo(permit, NOW).await).await
    }
}

pub(super) fn whole(content: &str) -> Edit {
    Edit::Whole {
        content: content.into(),
    }
}

pub(super) fn replace(search: &str, replace: &str) -> Edit {
    Edit::Replace {
        search: search.into(),
        replace: replace.into(),
        all: false,
    }
}
