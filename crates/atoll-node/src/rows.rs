//! Rows of the log, as faces see them.

use atoll_api::{ExecView, GateView, PatchDetail, PatchRecord, PatchView, SessionView};
use atoll_domain::action::AcceptTo;
use atoll_domain::{ActorKind, SessionState};
use atoll_ports::log::{GateRow, JobRow, PatchRow, PatchState, SessionRow};

use crate::shared::{Shared, lock};

/// A diff is shown up to this length, in bytes; `patch show --full` of a longer one reads the log.
const DIFF_BYTES_MAX: usize = 8 << 20;

impl Shared {
    pub(crate) fn session_view(&self, row: &SessionRow) -> SessionView {
        let alive = lock(&self.sessions).contains_key(&row.id);
        // A turn that nobody works on was interrupted: the log can't know it before the node says so.
        let state = match row.state {
            SessionState::Running | SessionState::NeedsYou if !alive => SessionState::Parked,
            state => state,
        };
        let model = self.words(&row.model);
        SessionView {
            ordinal: format!("s{}", row.ordinal),
            session: row.id,
            mode: row.mode.clone(),
            root: self.words(&row.root),
            prompt: row
                .prompt
                .as_ref()
                .map(|p| self.words(p))
                .unwrap_or_default(),
            model: if model.is_empty() {
                row.provider.clone()
            } else {
                format!("{}/{model}", row.provider)
            },
            state,
            end: row.end,
            opened: row.opened,
            updated: row.updated,
            turns: row.turns,
            steps: row.steps,
            spent: row.spent,
            budget: row.budget,
            labels: row.labels,
            grant: row.grant.and_then(|id| self.grant_ordinal(&id)),
        }
    }

    pub(crate) fn ordinal_of(&self, session: &atoll_domain::SessionId) -> String {
        match self.log.session(session) {
            Ok(Some(row)) => format!("s{}", row.ordinal),
            _ => session.to_string(),
        }
    }

    pub(crate) fn gate_view(&self, row: &GateRow) -> GateView {
        let question: Option<atoll_api::Question> = self.json(&row.question);
        let like = question.as_ref().map(|q| like(row, q)).unwrap_or_default();
        let by = row
            .answerer
            .as_ref()
            .filter(|by| by.kind == ActorKind::Human);
        GateView {
            ordinal: format!("g{}", row.ordinal),
            gate: row.id,
            session: row.session,
            session_ordinal: row.session.as_ref().map(|s| self.ordinal_of(s)),
            kind: row.kind.name().into(),
            question: question.unwrap_or_default(),
            rules: row.rules.clone(),
            opened: row.opened,
            expires: row.expires,
            answer: row.answer,
            by: by.map(|by| by.id.clone()),
            like,
        }
    }

    pub(crate) fn patch_view(&self, row: &PatchRow) -> PatchView {
        self.patch_parts(row).0
    }

    fn patch_parts(&self, row: &PatchRow) -> (PatchView, Option<PatchRecord>) {
        let record: Option<PatchRecord> = self.json(&row.record);
        let sum = |f: fn(&atoll_domain::FileChange) -> u64| {
            record
                .as_ref()
                .map_or(0, |r| r.change.files.iter().map(f).sum())
        };
        let view = PatchView {
            ordinal: format!("p{}", row.ordinal),
            patch: row.id,
            session: row.session,
            session_ordinal: self.ordinal_of(&row.session),
            state: match row.state {
                PatchState::Proposed => "proposed",
                PatchState::Accepted => "accepted",
                PatchState::Rejected => "rejected",
                PatchState::Undone => "undone",
                PatchState::Superseded => "superseded",
            }
            .into(),
            title: record.as_ref().map(|r| r.title.clone()).unwrap_or_default(),
            files: row.files,
            added: sum(|f| f.added),
            removed: sum(|f| f.removed),
            class: match row.class {
                atoll_domain::PatchClass::Ordinary => "ordinary",
                atoll_domain::PatchClass::RunsOutside => "runs_outside",
                atoll_domain::PatchClass::Refused => "refused",
            }
            .into(),
            tests_ok: row.tests_ok,
            proposed: row.proposed,
            branch: None,
        };
        (view, record)
    }

    pub(crate) fn patch_detail(&self, row: &PatchRow) -> PatchDetail {
        let (mut view, record) = self.patch_parts(row);
        if row.state == PatchState::Accepted
            && let Ok(AcceptTo::Branch(name)) = self.went_to(row)
        {
            view.branch = Some(name);
        }
        let session = self.log.session(&row.session).ok().flatten();
        let mut diff = self.words(&row.diff);
        if diff.len() > DIFF_BYTES_MAX {
            let mut end = DIFF_BYTES_MAX;
            while !diff.is_char_boundary(end) {
                end -= 1;
            }
            diff.truncate(end);
        }
        PatchDetail {
            view,
            root: session
                .as_ref()
                .map(|s| self.words(&s.root))
                .unwrap_or_default(),
            record,
            diff,
            events: session.map_or((0, 0), |s| s.seqs),
        }
    }

    pub(crate) fn exec_view(&self, row: &JobRow) -> ExecView {
        ExecView {
            ordinal: format!("j{}", row.ordinal),
            job: row.id,
            purpose: row.purpose.name().into(),
            started: row.started,
            outcome: row.outcome.as_ref().and_then(|o| self.json(o)),
        }
    }
}

/// What like gates have in common: everything that a person decides by. An erased question is like no other.
fn like(row: &GateRow, q: &atoll_api::Question) -> String {
    let parts = (
        &row.rules,
        &q.what,
        &q.place,
        &q.why,
        &q.labels,
        &q.widening,
    );
    let bytes = serde_json::to_vec(&(row.kind.name(), parts)).unwrap_or_default();
    atoll_domain::Hash::of(&bytes).short()
}
