use std::path::Path;

use atoll_domain::action::{Accept, FileRead, FileWrite, Snap, Undo};
use atoll_domain::{Act, CopyRef, Hash, SessionId, Tick, TreeId, WorkspaceId};
use atoll_guard::{BoxFuture, Permit, Stop};
use atoll_ports::Did;
use atoll_ports::sweep::{Keep, Swept};
use atoll_ports::workspace::{
    Applied, Detected, Diffed, Edit, Error, Identified, Planned, ReadOut, Snapped,
};
use futures::channel::oneshot;

use super::{Inner, Workspaces, locked, roots};

const GONE: &str = "the workspace's thread ended early";

impl Workspaces {
    /// Runs `work` on a thread of its own. A caller that goes away leaves it
    /// running to its end: an effect is never cut in half.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let inner = self.inner.clone();
        let (tell, told) = oneshot::channel();
        let spawned = self.pool.run(move || {
            let _ = tell.send(work(&inner)); // the caller may be gone
        });
        Box::pin(async move {
            spawned.map_err(|e| Error::Io(format!("cannot start a thread: {e}")))?;
            told.await.map_err(|_| Error::Io(GONE.into()))
        })
    }

    fn effect<A: Act, T: Send + 'static>(
        &self,
        permit: Permit<A>,
        now: Tick,
        work: impl FnOnce(&Inner, &A) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Did<A, T, Error>> {
        let live = match permit.begin(now) {
            Ok(live) => live,
            Err(stop) => return Box::pin(async move { Err(stop) }),
        };
        let done = self.blocking(move |inner| {
            let result = work(inner, live.act());
            (live, result)
        });
        // Without an answer the live permit was dropped, and is logged as lost.
        Box::pin(async move { done.await.map_err(|e| Stop::Unable(e.to_string())) })
    }
}

impl atoll_ports::Workspaces for Workspaces {
    fn identify(&self, place: &Path) -> Result<Identified, Error> {
        roots::identify(place, &self.inner.options)
    }

    fn snapshot(
        &self,
        permit: Permit<Snap>,
        now: Tick,
    ) -> BoxFuture<'_, Did<Snap, Snapped, Error>> {
        self.effect(permit, now, |inner, act| {
            let (dir, path) = roots::open(&act.root, act.workspace, &inner.options.data)?;
            inner
                .space(act.workspace)?
                .take_checkout(&dir, &path, &inner.options)
        })
    }

    fn checkout(
        &self,
        session: SessionId,
        workspace: WorkspaceId,
        root: &str,
        tree: &TreeId,
        owner: Option<(u32, u32)>,
    ) -> BoxFuture<'_, Result<CopyRef, Error>> {
        let (root, tree) = (root.to_owned(), tree.clone());
        let done =
            self.blocking(move |inner| inner.checkout(session, workspace, &root, &tree, owner));
        Box::pin(async move { done.await? })
    }

    // The copy's `.git` is written by `checkout`, from objects that this crate
    // reads itself: no git job is needed, and the user's objects stay outside.
    fn git_note(&self, session: SessionId) -> Result<Option<String>, Error> {
        Ok(self.inner.copy(session)?.meta.git_note.clone())
    }

    fn capture(&self, session: SessionId) -> BoxFuture<'_, Result<Snapped, Error>> {
        let done = self.blocking(move |inner| inner.capture(session));
        Box::pin(async move { done.await? })
    }

    fn read(
        &self,
        permit: Permit<FileRead>,
        now: Tick,
    ) -> BoxFuture<'_, Did<FileRead, ReadOut, Error>> {
        self.effect(permit, now, Inner::read)
    }

    fn plan_edit(&self, session: SessionId, path: &str, edit: &Edit) -> Result<Planned, Error> {
        self.inner.plan_edit(session, path, edit)
    }

    fn write(
        &self,
        permit: Permit<FileWrite>,
        now: Tick,
    ) -> BoxFuture<'_, Did<FileWrite, Hash, Error>> {
        self.effect(permit, now, Inner::write)
    }

    fn detect(&self, session: SessionId, below: &str) -> Result<Detected, Error> {
        self.inner.detect(session, below)
    }

    fn diff(
        &self,
        workspace: WorkspaceId,
        base: &TreeId,
        tree: &TreeId,
    ) -> BoxFuture<'_, Result<Diffed, Error>> {
        let (base, tree) = (base.clone(), tree.clone());
        let done = self.blocking(move |inner| inner.diff(workspace, &base, &tree));
        Box::pin(async move { done.await? })
    }

    fn holding(
        &self,
        workspace: WorkspaceId,
        tree: &TreeId,
        blobs: std::collections::BTreeSet<String>,
    ) -> BoxFuture<'_, Result<Vec<(String, String)>, Error>> {
        let tree = tree.clone();
        let done = self.blocking(move |inner| inner.holding(workspace, &tree, &blobs));
        Box::pin(async move { done.await? })
    }

    fn blob_of(&self, content: &[u8]) -> String {
        crate::store::blob_of(content).to_string()
    }

    fn accept(
        &self,
        permit: Permit<Accept>,
        now: Tick,
    ) -> BoxFuture<'_, Did<Accept, Applied, Error>> {
        self.effect(permit, now, Inner::accept)
    }

    fn undo(&self, permit: Permit<Undo>, now: Tick) -> BoxFuture<'_, Did<Undo, Applied, Error>> {
        self.effect(permit, now, Inner::undo)
    }

    fn recover(&self) -> Result<Vec<String>, Error> {
        self.inner.recover()
    }

    fn sweep(&self, keep: Keep) -> BoxFuture<'_, Result<Swept, Error>> {
        let done = self.blocking(move |inner| inner.sweep(&keep));
        Box::pin(async move { done.await? })
    }

    fn rest(&self, session: SessionId) {
        locked(&self.inner.copies).remove(&session);
    }

    fn remove(&self, session: SessionId) -> Result<(), Error> {
        self.inner.remove(session)
    }
}
