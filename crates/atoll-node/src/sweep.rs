//! Taking away what nobody needs any more, while nothing runs: copies that can be made again, objects of
//! snapshots, fetched dependencies over their limit, files beside the log.
//!
//! What is needed is read off the log: the trees of sessions that can go on or back, and of patches that can
//! still be let out or taken back. Where that can't be told whole, nothing of it is taken away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use atoll_api::{DiskView, PatchRecord};
use atoll_domain::{Commitment, SessionState, TreeId};
use atoll_ports::log::{Error, PatchState, SessionRow};
use atoll_ports::sweep::Keep;

use crate::shared::{Shared, lock};

/// What was made or used within this is left alone: the log may not have it yet. In seconds.
const YOUNG_S: u64 = 3600;
/// With more sessions or patches than this not all could be looked at, and no snapshot is taken away.
const ROWS_MAX: usize = 100_000;

impl Shared {
    /// Sweeps once, if nothing runs and no other sweep does.
    pub(crate) async fn sweep(self: &Arc<Self>) {
        if !self.is_quiet() || self.sweeping.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(disk) = self.sweep_all().await {
            tracing::debug!(?disk, "swept");
            *lock(&self.disk) = Some(disk);
        }
        self.sweeping.store(false, Ordering::SeqCst);
    }

    /// Whether nothing stands on what a sweep may take.
    pub(crate) fn is_quiet(&self) -> bool {
        lock(&self.sessions).is_empty() && lock(&self.jobs).is_empty() && !self.down.is_cancelled()
    }

    /// `None`: it stopped because something began, or failed.
    async fn sweep_all(self: &Arc<Self>) -> Option<DiskView> {
        let shared = self.clone();
        let keep = tokio::task::spawn_blocking(move || shared.needed()).await;
        let keep = match keep.ok()? {
            Ok(keep) => keep,
            Err(err) => {
                tracing::warn!("nothing is swept: {err}");
                return None;
            }
        };
        let files = match self.workspaces.sweep(keep).await {
            Ok(swept) => swept,
            Err(err) => {
                tracing::warn!("the copies and snapshots are not swept: {err}");
                return None;
            }
        };
        if !self.is_quiet() {
            return None;
        }
        let (shared, limit_bytes) = (self.clone(), self.current().options.deps_limit_bytes);
        let deps =
            tokio::task::spawn_blocking(move || shared.toolchains.sweep(limit_bytes, YOUNG_S));
        let deps = deps.await.ok()?;
        let log = self
            .log
            .sweep()
            .await
            .map_err(|err| tracing::warn!("the log's files are not swept: {err}"))
            .ok()?;
        Some(DiskView {
            swept: self.clock.wall(),
            log_bytes: log.left_bytes,
            files_bytes: files.left_bytes,
            deps_bytes: deps.left_bytes,
            freed_bytes: files.freed_bytes + deps.freed_bytes + log.freed_bytes,
            removed: files.removed + deps.removed + log.removed,
        })
    }

    /// What sessions and patches still need.
    fn needed(&self) -> Result<Keep, Error> {
        let sessions = self.log.sessions(ROWS_MAX)?;
        let patches = self.log.patches(ROWS_MAX)?;
        if sessions.len() == ROWS_MAX || patches.len() == ROWS_MAX {
            let why = format!("there are more than {ROWS_MAX} sessions or patches");
            return Err(Error::Unusable(why));
        }
        let mut keep = Keep {
            young_s: YOUNG_S,
            ..Keep::default()
        };
        let (now, ttl_ms) = (
            self.clock.wall(),
            self.current().options.copy_ttl_s.saturating_mul(1000),
        );
        keep.copies.extend(self.edited_copies());
        for row in &sessions {
            if row.state == SessionState::Closed {
                continue;
            }
            let trees = keep.trees.entry(row.workspace).or_default();
            trees.extend(self.trees_of(row)?);
            if now.since(row.updated) < ttl_ms {
                keep.copies.insert(row.id);
            }
        }
        for patch in patches {
            if matches!(patch.state, PatchState::Rejected | PatchState::Superseded) {
                continue;
            }
            // Without its session a patch can neither be let out nor taken back.
            let Some(session) = self.log.session(&patch.session)? else {
                continue;
            };
            let Some(record) = self.log.content(&patch.record)? else {
                continue;
            };
            let record: PatchRecord = serde_json::from_slice(&record)
                .map_err(|err| Error::Unusable(format!("p{}: {err}", patch.ordinal)))?;
            let trees = keep.trees.entry(session.workspace).or_default();
            trees.extend([record.change.base, record.change.tree]);
        }
        Ok(keep)
    }

    /// The trees from which a session can go on, and to which it can go back.
    fn trees_of(&self, row: &SessionRow) -> Result<BTreeSet<TreeId>, Error> {
        let turns = self.turns(row)?.into_iter().map(|(_, tree)| tree);
        let named: Vec<Commitment> = turns.chain(row.base).chain(row.tree).collect();
        let mut trees = BTreeSet::new();
        for tree in named {
            // An erased one is gone for good; one that can't be read now stops the sweep.
            if let Some(text) = self.log.content(&tree)? {
                trees.extend(TreeId::parse(String::from_utf8_lossy(&text).trim()));
            }
        }
        Ok(trees)
    }
}
