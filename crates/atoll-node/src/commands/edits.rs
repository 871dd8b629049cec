//! A patch, edited by a person: its files in a private copy, then a new patch that takes its place.

use atoll_api::{Caller, EditBegun, EditRequest, Error, PatchDetail, PatchRecord, codes};
use atoll_domain::{Ms, PatchEdited, PatchId, PatchProposed, SessionId, TreeId};
use atoll_ports::log::{PatchRow, PatchState};
use atoll_ports::workspace::Diffed;

use crate::shared::{Origin, Shared, files_error, full_error, lock, log_error};

/// How long an edit may take; its copy is kept that long, in milliseconds.
const EDIT_TTL_MS: u64 = 24 * 3_600_000;
/// Edits that may be open at once.
const EDITS_MAX: usize = 64;

/// An edit that began.
pub(crate) struct Edit {
    patch: PatchId,
    begun: Ms,
}

impl Shared {
    /// The copies of open edits.
    pub(crate) fn edited_copies(&self) -> Vec<SessionId> {
        let mut edits = lock(&self.edits);
        let now = self.clock.wall();
        edits.retain(|_, edit| now.since(edit.begun) < EDIT_TTL_MS);
        edits.keys().copied().collect()
    }

    fn editable(&self, row: &PatchRow) -> Result<PatchRecord, Error> {
        let view = self.patch_view(row);
        if !matches!(row.state, PatchState::Proposed | PatchState::Undone) {
            let words = format!("patch {} is {}, not waiting", view.ordinal, view.state);
            let err = Error::new(codes::PATCH_STATE, words);
            return Err(err.next(format!("atoll patch show {}", view.ordinal)));
        }
        self.json(&row.record)
            .ok_or_else(|| Error::new(codes::PATCH_STATE, "the patch's record was erased"))
    }

    /// A private copy with the patch in it, for its editing.
    pub(crate) async fn patch_edit(&self, key: &str, name: &str) -> Result<EditBegun, Error> {
        let row = self.find_patch(name)?;
        let record = self.editable(&row)?;
        let session = self.patch_session(&row)?;
        if self.edited_copies().len() >= EDITS_MAX {
            return Err(Error::new(
                codes::NODE_BUSY,
                "as many patches are edited as may at once",
            ));
        }
        let edit = SessionId::derive(&[b"edit", row.id.as_bytes(), key.as_bytes()]);
        // Before the copy is there, so that no sweep finds it unnamed.
        let begun = self.clock.wall();
        let patch = row.id;
        lock(&self.edits).insert(edit, Edit { patch, begun });
        let root = self.words(&session.root);
        let copy = self
            .workspaces
            .checkout(edit, session.workspace, &root, &record.change.tree, None)
            .await;
        let copy = match copy {
            Ok(copy) => copy,
            Err(err) => {
                lock(&self.edits).remove(&edit);
                return Err(files_error(err));
            }
        };
        Ok(EditBegun {
            edit,
            folder: copy.host,
            files: record.change.files.into_iter().map(|f| f.path).collect(),
        })
    }

    /// Makes a patch of what an edit left in its copy; it takes the other's place. Without a change the
    /// patch stays as it is.
    pub(crate) async fn patch_edited(
        &self,
        caller: &Caller,
        name: &str,
        request: EditRequest,
    ) -> Result<PatchDetail, Error> {
        let row = self.find_patch(name)?;
        let known = lock(&self.edits)
            .get(&request.edit)
            .is_some_and(|edit| edit.patch == row.id);
        if !known {
            let words = "this edit is not open any more";
            let err = Error::new(codes::PATCH_STATE, words);
            return Err(err.next(format!("atoll patch edit p{}", row.ordinal)));
        }
        let made = match request.abandon {
            true => Ok(None),
            false => self.remade(&row, request.edit).await,
        };
        // An edit that failed can be tried again: its copy holds somebody's work.
        let made = made?;
        lock(&self.edits).remove(&request.edit);
        if let Err(err) = self.workspaces.remove(request.edit) {
            tracing::warn!("the copy of an edit stays until the next sweep: {err}");
        }
        let Some((mut record, diffed)) = made else {
            return Ok(self.patch_detail(&row));
        };
        let Diffed { summary, diff } = diffed;
        let id = PatchId::derive(&[
            b"edited",
            row.id.as_bytes(),
            summary.tree.as_str().as_bytes(),
        ]);
        record.change = summary;
        // What was run was run on something else.
        record.after = None;
        record.edited = Some(format!("p{}", row.ordinal));
        let origin = || Origin::human(&caller.name, Some(row.session));
        let proposed = self.entry(|s| {
            let body = PatchProposed {
                id,
                turn: 0,
                files: record.change.files.len() as u64,
                class: record.change.class,
                tests_ok: None,
                record: s.json(&record),
                diff: s.text(&diff),
            };
            (origin(), body)
        });
        let edited = self.entry(|_| {
            let body = PatchEdited {
                id: row.id,
                into: id,
            };
            (origin(), body)
        });
        let logged = self.log.append_all(vec![proposed, edited], true).await;
        logged.map_err(|full| full_error(&full))?;
        let made = self.log.patch(&id).map_err(log_error)?;
        let made = made.ok_or_else(|| Error::new(codes::BUG, "the patch is not in the log"))?;
        Ok(self.patch_detail(&made))
    }

    /// The patch between the old one's base and the copy as it is; `None`: nothing was changed.
    async fn remade(
        &self,
        row: &PatchRow,
        edit: SessionId,
    ) -> Result<Option<(PatchRecord, Diffed)>, Error> {
        let record = self.editable(row)?;
        let session = self.patch_session(row)?;
        let tree: TreeId = self
            .workspaces
            .capture(edit)
            .await
            .map_err(files_error)?
            .tree;
        if tree == record.change.tree {
            return Ok(None);
        }
        let diffed = self
            .workspaces
            .diff(session.workspace, &record.change.base, &tree)
            .await
            .map_err(files_error)?;
        if diffed.summary.files.is_empty() {
            let words = "nothing is left of the patch";
            let err = Error::new(codes::PATCH_STATE, words);
            return Err(err.next(format!("atoll patch reject p{}", row.ordinal)));
        }
        Ok(Some((record, diffed)))
    }
}
