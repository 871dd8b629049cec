//! A checkout, a guard that admits all, and workspaces over them.
#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_domain::action::{Accept, AcceptTo, FileRead, FileWrite, ReadOp, Snap, Undo, WriteOp};
use atoll_domain::{Hash, PatchId, SessionId, Tick, TreeId, WorkspaceId};
use atoll_guard::Guard;
use atoll_ports::Workspaces as _;
use atoll_ports::workspace::{Applied, Error, Identified, Planned, Snapped};
use testkit::permits::{Memory, guard, permit};

use super::{Options, Workspaces};

pub(super) struct Bench {
    pub(super) t: tempfile::TempDir,
    pub(super) ws: Workspaces,
    pub(super) guard: Guard,
    pub(super) journal: Arc<Memory>,
    pub(super) id: WorkspaceId,
    pub(super) root: String,
}

pub(super) const NOW: Tick = Tick(1);

pub(super) fn session(n: u8) -> SessionId {
    SessionId::derive(&[&[n]])
}

impl Bench {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let t = tempfile::tempdir().unwrap();
        for (path, content) in files {
            write(&t.path().join("w").join(path), content);
        }
        fs::create_dir_all(t.path().join("w")).unwrap();
        let ws = Workspaces::open(Options::new(t.path().join("data"))).unwrap();
        let (guard, journal) = guard();
        let Identified {
            workspace: id,
            root,
            ..
        } = ws.identify(&t.path().join("w")).unwrap();
        Self {
            t,
            ws,
            guard,
            journal,
            id,
            root,
        }
    }

    pub(super) fn w(&self) -> PathBuf {
        self.t.path().join("w")
    }

    pub(super) async fn snap(&self) -> Snapped {
        let act = Snap {
            workspace: self.id,
            root: self.root.clone(),
        };
        let (live, taken) = self
            .ws
            .snapshot(permit(&self.guard, act).await, NOW)
            .await
            .unwrap();
        live.finish(atoll_guard::End::done());
        taken.unwrap()
    }

    /// A session's copy of the checkout as it is; its folder and tree.
    pub(super) async fn copy(&self, n: u8) -> (PathBuf, TreeId) {
        let tree = self.snap().await.tree;
        let copy = self
            .ws
            .checkout(session(n), self.id, &self.root, &tree, None)
            .await
            .unwrap();
        assert_eq!(copy.inside, self.root);
        (PathBuf::from(copy.host), tree)
    }

    pub(super) async fn write(&self, planned: Planned, path: &str) -> Result<Hash, Error> {
        let op = planned.content.map_or(WriteOp::Delete, WriteOp::Put);
        let act = FileWrite {
            session: session(1),
            path: path.into(),
            before: planned.before,
            op,
        };
        let (live, done) = self
            .ws
            .write(permit(&self.guard, act).await, NOW)
            .await
            .unwrap();
        live.finish(atoll_guard::End::done());
        done
    }

    pub(super) async fn read(&self, op: ReadOp) -> Result<String, Error> {
        let act = FileRead {
            session: session(1),
            op,
        };
        let (live, done) = self
            .ws
            .read(permit(&self.guard, act).await, NOW)
            .await
            .unwrap();
        live.finish(atoll_guard::End::done());
        done.map(|out| out.text)
    }

    pub(super) async fn proposal(&self, base: &TreeId, to: AcceptTo) -> Accept {
        let tree = self.ws.capture(session(1)).await.unwrap().tree;
        let patch = self.ws.diff(self.id, base, &tree).await.unwrap();
        Accept {
            patch: PatchId::derive(&[b"p"]),
            workspace: self.id,
            root: self.root.clone(),
            base: base.clone(),
            tree,
            paths: patch.summary.files.iter().map(|f| f.path.clone()).collect(),
            class: patch.summary.class,
            message: match &to {
                AcceptTo::Files => String::new(),
                AcceptTo::Branch(_) => "Mend it\n\nAtoll-Patch: p1".into(),
            },
            to,
        }
    }

    pub(super) async fn accept(&self, act: Accept) -> Result<Applied, Error> {
        let (live, done) = self
            .ws
            .accept(permit(&self.guard, act).await, NOW)
            .await
            .unwrap();
        live.finish(atoll_guard::End::done());
        done
    }

    pub(super) async fn undo(&self, of: Accept) -> Result<Applied, Error> {
        let Accept {
            patch,
            workspace,
            root,
            base,
            tree,
            paths,
            to,
            ..
        } = of;
        let act = Undo {
            patch,
            workspace,
            root,
            base,
            tree,
            paths,
            to,
        };
        let (live, done) = self
            .ws
            .undo(permit(&self.guard, act).await, NOW)
            .await
            .unwrap();
        live.finish(atoll_guard::End::done());
        done
    }
}

pub(super) fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
