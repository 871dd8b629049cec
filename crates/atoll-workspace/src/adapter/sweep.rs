//! Taking away copies and objects that nobody needs.

use std::collections::BTreeSet;
use std::time::Duration;

use atoll_domain::{SessionId, TreeId};
use atoll_ports::sweep::{Keep, Swept};
use atoll_ports::workspace::Error;

use super::copies::META;
use super::space::object_id;
use super::{Inner, locked, now_s};
use crate::beneath::Dir;
use crate::copy::{remove_tree, size_bytes};

const COPIES_MAX: usize = 1_000_000;

impl Inner {
    pub(super) fn sweep(&self, keep: &Keep) -> Result<Swept, Error> {
        let mut swept = self.sweep_copies(keep)?;
        for id in self.space_ids() {
            let none = BTreeSet::new();
            let trees: &BTreeSet<TreeId> = keep.trees.get(&id).unwrap_or(&none);
            let wanted: Vec<_> = trees.iter().map(object_id).collect::<Result<_, _>>()?;
            let space = self.space(id)?;
            // A patch that is being let out, and one whose undoing is being finished, reads its trees.
            let _writing = locked(&space.writing);
            let young = Duration::from_secs(keep.young_s);
            match space.store.sweep_unwanted(&wanted, young) {
                Ok(done) => swept += done,
                // One damaged store does not keep the others full.
                Err(e) => tracing::warn!(workspace = %id, error = %e, "a store was not swept"),
            }
        }
        Ok(swept)
    }

    fn sweep_copies(&self, keep: &Keep) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        let Ok(parent) = Dir::open(&self.options.data.join("copies")) else {
            return Ok(swept);
        };
        for entry in parent.entries(COPIES_MAX)? {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let Ok(session) = name.parse::<SessionId>() else {
                continue;
            };
            let Ok(stat) = parent.stat(&entry.name) else {
                continue;
            };
            let bytes = size_bytes(&parent, &entry.name);
            let used = locked(&self.copies).contains_key(&session);
            let age_s = u64::try_from(now_s() - stat.st_mtime).unwrap_or(0);
            if used || keep.copies.contains(&session) || age_s < keep.young_s {
                swept.left_bytes += bytes;
                continue;
            }
            // First what says that it was made whole: what a kill leaves is no copy then.
            let _ = parent
                .sub_name(&entry.name)
                .and_then(|dir| dir.unlink(META.as_bytes()));
            match remove_tree(&parent, &name) {
                Ok(()) => {
                    swept.removed += 1;
                    swept.freed_bytes += bytes;
                }
                Err(e) => {
                    swept.left_bytes += bytes;
                    tracing::warn!(%session, error = %e, "a copy was not removed");
                }
            }
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::super::bench::{Bench, session, write};
    use super::*;
    use atoll_ports::Workspaces as _;

    #[tokio::test]
    async fn a_copy_whose_removal_was_killed_is_made_anew_or_removed() {
        let b = Bench::new(&[("a", "1"), ("d/b", "2")]);
        let (copy, base) = b.copy(1).await;
        let (other, _) = b.copy(2).await;
        // As a kill leaves them: no copy any more by what stands beside the tree, and half of the tree.
        for copy in [&copy, &other] {
            std::fs::remove_file(copy.with_file_name("copy.json")).unwrap();
            std::fs::remove_dir_all(copy.join("d")).unwrap();
        }
        b.ws.rest(session(1));
        b.ws.rest(session(2));
        assert!(b.ws.capture(session(1)).await.is_err());
        let again = b.ws.checkout(session(1), b.id, &b.root, &base, None);
        assert_eq!(again.await.unwrap().host, copy.display().to_string());
        assert_eq!(b.ws.capture(session(1)).await.unwrap().tree, base);
        let keep = Keep {
            copies: [session(1)].into(),
            trees: [(b.id, [base].into())].into(),
            young_s: 0,
        };
        assert_eq!(b.ws.sweep(keep).await.unwrap().removed, 1);
        assert!(copy.exists() && !other.exists());
    }

    #[tokio::test]
    async fn names_that_are_no_sessions_and_stores_that_are_damaged_are_left() {
        let b = Bench::new(&[("a", "1")]);
        let (_, base) = b.copy(1).await;
        let copies = b.t.path().join("data/copies");
        write(&copies.join("notes/x"), "a person's own");
        let none = Keep::default();
        // A tree whose object is no tree: what it reaches isn't known.
        let flat = {
            let space = b.ws.inner.space(b.id).unwrap();
            let mut batch = space.store.batch();
            let id = batch.blob(b"no tree").unwrap();
            batch.finish().unwrap();
            id
        };
        let odd = TreeId::parse(&flat.to_string()).unwrap();
        let keep = Keep {
            trees: [(b.id, [odd].into())].into(),
            ..none
        };
        b.ws.sweep(keep).await.unwrap();
        assert!(copies.join("notes/x").exists());
        b.ws.rest(session(1));
        b.ws.checkout(session(1), b.id, &b.root, &base, None)
            .await
            .unwrap();
        assert_eq!(b.ws.capture(session(1)).await.unwrap().tree, base);
    }
}
