//! Patches: list, show, accept, reject, undo.

use atoll_api::{AcceptRequest, Caller, Error, PatchDetail, PatchRecord, PatchView, codes};
use atoll_domain::action::{Accept, AcceptTo, Undo};
use atoll_domain::{
    Act, Change, MarkedFile, PatchAccepted, PatchClass, PatchRejected, PatchUndone,
};
use atoll_guard::{End, Entry};
use atoll_ports::log::{PatchRow, PatchState, SessionRow};
use tokio_util::sync::CancellationToken;

use super::branch;
use crate::facts::Context;
use crate::gate::Ask;
use crate::refused::Refused;
use crate::shared::{Origin, Shared, files_error, full_error, log_error};

const PATCHES_MAX: usize = 1000;

fn wrong_state(view: &PatchView, want: &str) -> Error {
    Error::new(
        codes::PATCH_STATE,
        format!("patch {} is {}, not {want}", view.ordinal, view.state),
    )
    .next(format!("atoll patch show {}", view.ordinal))
}

impl Shared {
    pub(crate) fn patches(&self) -> Result<Vec<PatchView>, Error> {
        let rows = self.log.patches(PATCHES_MAX).map_err(log_error)?;
        Ok(rows.iter().map(|p| self.patch_view(p)).collect())
    }

    pub(crate) fn patch_session(&self, row: &PatchRow) -> Result<SessionRow, Error> {
        let session = self.log.session(&row.session).map_err(log_error)?;
        session.ok_or_else(|| Error::new(codes::NO_SUCH, "the patch's session is gone"))
    }

    fn owner_of(&self, caller: &Caller, session: &SessionRow, root: &str) -> Context {
        Context {
            session: Some(session.id),
            workspace: Some((session.workspace, root.to_owned())),
            profile: self.current().options.profile.clone(),
            labels: session.labels,
            ..Context::owner(self, caller)
        }
    }

    pub(crate) async fn patch_accept(
        &self,
        caller: &Caller,
        name: &str,
        request: AcceptRequest,
    ) -> Result<PatchDetail, Error> {
        let row = self.find_patch(name)?;
        let detail = self.patch_detail(&row);
        let record = self.acceptable(&row, &detail, request.confirm_runs_outside)?;
        let session = self.patch_session(&row)?;
        let message = match &request.branch {
            Some(_) => {
                let task = session.prompt.as_ref().map(|p| self.words(p));
                branch::message(&detail.view, &task.unwrap_or_default())
            }
            None => String::new(),
        };
        let to = request
            .branch
            .clone()
            .map_or(AcceptTo::Files, AcceptTo::Branch);
        let act = Accept {
            message,
            patch: row.id,
            workspace: session.workspace,
            root: detail.root.clone(),
            base: record.change.base.clone(),
            tree: record.change.tree.clone(),
            paths: record.change.files.iter().map(|f| f.path.clone()).collect(),
            class: record.change.class,
            to,
        };
        let permit = self
            .owner_permit(
                caller,
                &session,
                &detail.root,
                act,
                Some(record.change.class),
            )
            .await?;
        // Before a file is written: no crash lets a content out without its mark.
        if let Some(marked) = self.marked_entry(&session, &row, record) {
            let logged = self.log.append_all(vec![marked], true).await;
            logged.map_err(|full| full_error(&full))?;
        }
        let done = self.workspaces.accept(permit, self.clock.now()).await;
        let (live, result) = done.map_err(|stop| Refused::Stop(stop).error())?;
        let applied = match result {
            Ok(applied) => applied,
            Err(err) => {
                live.finish(End::failed(None));
                return Err(files_error(err));
            }
        };
        live.finish(End::done());
        let accepted = PatchAccepted {
            id: row.id,
            branch: request.branch.is_some(),
        };
        let origin = Origin::human(&caller.name, Some(session.id));
        let mut entries = vec![self.entry(|_| (origin, accepted))];
        if let (Some(name), Some(commit)) = (&request.branch, &applied.commit) {
            entries.push(self.branched_entry(&caller.name, &session, &row, name, commit));
        }
        let logged = self.log.append_all(entries, true).await;
        logged.map_err(|full| full_error(&full))?;
        Ok(self.patch_detail(&self.find_patch(&detail.view.ordinal)?))
    }

    /// The event that marks what an untrusted session lets out; `None`: it is trusted.
    fn marked_entry(
        &self,
        session: &SessionRow,
        row: &PatchRow,
        record: &PatchRecord,
    ) -> Option<Entry> {
        let files = record.change.files.iter().filter_map(|f| {
            Some(MarkedFile {
                path: f.path.clone(),
                blob: f.after.clone()?,
                named: f.change == Change::Added,
            })
        });
        let marked = session.labels.untrusted;
        let files = files.filter(|_| marked).collect();
        self.files_entry(session.id, session.workspace, (Some(row.id), None), files)
    }

    /// The record of a patch that may be let out now.
    fn acceptable<'a>(
        &self,
        row: &PatchRow,
        detail: &'a PatchDetail,
        confirmed: bool,
    ) -> Result<&'a PatchRecord, Error> {
        if !matches!(row.state, PatchState::Proposed | PatchState::Undone) {
            return Err(wrong_state(&detail.view, "waiting"));
        }
        let Some(record) = &detail.record else {
            return Err(Error::new(
                codes::PATCH_STATE,
                "the patch's record was erased",
            ));
        };
        let refused: Vec<&str> = record
            .change
            .files
            .iter()
            .filter(|f| f.class == PatchClass::Refused)
            .map(|f| f.path.as_str())
            .collect();
        if !refused.is_empty() {
            return Err(Error::new(
                codes::PATCH_REFUSED,
                "the patch holds what is never let out of the box",
            )
            .found(refused.join(", ")));
        }
        if record.change.class == PatchClass::RunsOutside && !confirmed {
            return Err(self.must_confirm(detail));
        }
        Ok(record)
    }

    fn must_confirm(&self, detail: &PatchDetail) -> Error {
        let files = detail.record.iter().flat_map(|r| &r.change.files);
        let outside = files.filter(|f| f.class == PatchClass::RunsOutside);
        let list: Vec<String> = outside
            .map(|f| {
                format!(
                    "{} ({})",
                    f.path,
                    f.why.as_deref().unwrap_or("something outside runs it")
                )
            })
            .collect();
        let p = &detail.view.ordinal;
        Error::new(
            codes::PATCH_CONFIRM,
            "the patch changes files that something outside the box runs by itself",
        )
        .found(list.join(", "))
        .next(format!("atoll patch show {p}"))
        .next(format!("atoll patch accept {p} --confirm-runs-outside"))
    }

    /// A permit for a person's own command on a patch. A person who confirmed what runs outside has
    /// answered the question that the policy would ask.
    async fn owner_permit<A: Act + Clone>(
        &self,
        caller: &Caller,
        session: &SessionRow,
        root: &str,
        act: A,
        class: Option<PatchClass>,
    ) -> Result<atoll_guard::Permit<A>, Error> {
        let context = self.owner_of(caller, session, root);
        let mut facts = context.facts(self);
        facts.patch_class = class;
        facts.in_box = false;
        facts.workspace_trusted = true;
        let cancel = CancellationToken::new();
        let ask = Ask {
            context: &context,
            act: act.clone(),
            facts: facts.clone(),
            key: None,
            cause: None,
            question: atoll_api::Question::default(),
            same: String::new(),
            cancel: &cancel,
        };
        match self.admit(ask).await {
            Ok(permit) => Ok(permit),
            // Nobody answers their own question with a token.
            Err(Refused::NeedsPerson { .. }) if caller.grant.is_none() => {
                self.own_answer(&context, act, facts).await
            }
            Err(refused) => Err(refused.error()),
        }
    }

    /// An owner may answer the gate of their own command: the command that confirms is the answer.
    async fn own_answer<A: Act>(
        &self,
        context: &Context,
        act: A,
        facts: atoll_domain::Facts,
    ) -> Result<atoll_guard::Permit<A>, Error> {
        let answer = atoll_guard::GateAnswer {
            gate: atoll_domain::GateId::new(self.clock.wall(), self.entropy.ten()),
            hash: act.canonical().hash,
            for_session: false,
            by: context.actor.clone(),
        };
        let admitted = self.admit_answered(context, act, facts, answer).await;
        admitted.map_err(|refused| refused.error())
    }

    pub(crate) async fn patch_reject(
        &self,
        caller: &Caller,
        name: &str,
        why: &str,
    ) -> Result<PatchView, Error> {
        let row = self.find_patch(name)?;
        let view = self.patch_view(&row);
        if row.state != PatchState::Proposed {
            return Err(wrong_state(&view, "waiting"));
        }
        let draft = Origin::human(&caller.name, Some(row.session));
        self.append(true, |s| {
            (
                draft,
                PatchRejected {
                    id: row.id,
                    why: s.text(why),
                },
            )
        })
        .await?;
        Ok(self.patch_view(&self.find_patch(&view.ordinal)?))
    }

    pub(crate) async fn patch_undo(&self, caller: &Caller, name: &str) -> Result<PatchView, Error> {
        let row = self.find_patch(name)?;
        let detail = self.patch_detail(&row);
        if row.state != PatchState::Accepted {
            return Err(wrong_state(&detail.view, "accepted"));
        }
        let Some(record) = detail.record else {
            return Err(Error::new(
                codes::PATCH_STATE,
                "the patch's record was erased",
            ));
        };
        let session = self.patch_session(&row)?;
        let to = self.went_to(&row)?;
        let act = Undo {
            patch: row.id,
            workspace: session.workspace,
            root: detail.root.clone(),
            base: record.change.base,
            tree: record.change.tree,
            paths: record.change.files.into_iter().map(|f| f.path).collect(),
            to: to.clone(),
        };
        let permit = self
            .owner_permit(caller, &session, &detail.root, act, None)
            .await?;
        let done = self.workspaces.undo(permit, self.clock.now()).await;
        let (live, result) = done.map_err(|stop| Refused::Stop(stop).error())?;
        if let Err(err) = result {
            live.finish(End::failed(None));
            return Err(files_error(err));
        }
        live.finish(End::done());
        let origin = Origin::human(&caller.name, Some(session.id));
        self.append(true, |_| (origin, PatchUndone { id: row.id }))
            .await?;
        let mut view = self.patch_view(&self.find_patch(&detail.view.ordinal)?);
        if let AcceptTo::Branch(name) = to {
            view.branch = Some(name);
        }
        Ok(view)
    }
}
