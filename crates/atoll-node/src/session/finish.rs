//! The end of a turn: the patch is made of the two trees, and the end is logged with it.

use atoll_agent::{Proposal, TestRun};
use atoll_api::{Error, PatchRecord};
use atoll_domain::{Outcome, PatchId, PatchProposed, SessionEnd, TestEvidence, TreeId, TurnEnded};
use atoll_ports::workspace::Diffed;

use crate::launch::job_id;
use crate::session::Drive;
use crate::shared::{Origin, files_error};

impl Drive {
    pub(crate) async fn finish(
        &mut self,
        turn: u64,
        end: SessionEnd,
        words: String,
        proposal: Option<Proposal>,
    ) -> Result<(), Error> {
        let mut entries = Vec::new();
        let mut end = end;
        if let (SessionEnd::Patch, Some(proposal)) = (end, proposal) {
            match self.diff().await? {
                Some(diffed) => entries.push(self.patch_entry(turn, &proposal, diffed)?),
                None => end = SessionEnd::Answer, // the tree is as it was: there is nothing to propose
            }
        }
        let ended = self.shared.entry(|s| {
            (
                Origin::agent(self.session),
                TurnEnded {
                    turn,
                    end,
                    words: s.text(&words),
                },
            )
        });
        entries.push(ended);
        self.append_all(entries).await
    }

    /// The patch between the tree the session began with and the copy as it is; `None` if they are one.
    async fn diff(&self) -> Result<Option<Diffed>, Error> {
        let row = self
            .shared
            .log
            .session(&self.session)
            .map_err(crate::shared::log_error)?;
        let base = row.and_then(|r| r.base).and_then(|b| self.shared.tree(&b));
        let tree = self
            .shared
            .captured(self.session)
            .await
            .map_err(|r| r.error())?;
        let (Some(base), Some((workspace, _))) = (base, &self.context.workspace) else {
            return Ok(None);
        };
        if base == tree {
            return Ok(None);
        }
        let diffed = self
            .shared
            .workspaces
            .diff(*workspace, &base, &tree)
            .await
            .map_err(files_error)?;
        Ok(Some(diffed).filter(|d| !d.summary.files.is_empty()))
    }

    fn patch_entry(
        &self,
        turn: u64,
        proposal: &Proposal,
        diffed: Diffed,
    ) -> Result<atoll_guard::Entry, Error> {
        let Diffed { summary, diff } = diffed;
        let tree = summary.tree.clone();
        let before = proposal
            .before
            .as_ref()
            .map(|run| self.evidence(run, &summary.base));
        let after = proposal.tests.as_ref().map(|run| self.evidence(run, &tree));
        let record = PatchRecord {
            title: proposal.title.clone(),
            summary: proposal.summary.clone(),
            change: summary,
            before,
            after,
            cost: self.context.spent(&self.shared),
            steps: self.state.progress().rounds,
            model: self.choice.model.to_string(),
            sandbox: self.shared.sandbox_words(),
            edited: None,
        };
        let tests_ok = record.after.as_ref().map(|e| e.ok);
        Ok(self.shared.entry(|s| {
            let body = PatchProposed {
                id: PatchId::derive(&[
                    b"patch",
                    self.session.as_bytes(),
                    &turn.to_be_bytes(),
                    tree.as_str().as_bytes(),
                ]),
                turn,
                files: record.change.files.len() as u64,
                class: record.change.class,
                tests_ok,
                record: s.json(&record),
                diff: s.text(&diff),
            };
            (Origin::agent(self.session), body)
        }))
    }

    /// A test run as evidence: what it was and how long it took is in its job's outcome.
    fn evidence(&self, run: &TestRun, at: &TreeId) -> TestEvidence {
        // A fork may rest on a run of its parent's: its own steps come after those.
        let parts = self.shared.lineage(&self.session).unwrap_or_default();
        let job = parts.iter().rev().find_map(|part| {
            let id = job_id(&part.session, run.step);
            self.shared.log.job(&id).ok().flatten()
        });
        let outcome = job.and_then(|j| j.outcome);
        let outcome: Option<Outcome> = outcome.and_then(|o| self.shared.json(&o));
        TestEvidence {
            cmd: self.opened.agent.test.clone().unwrap_or_default(),
            tree: at.clone(),
            ok: run.ok,
            exit_code: run.exit_code,
            passed: run.passed,
            failed: run.failed,
            skipped: run.skipped,
            wall_ms: outcome.map_or(0, |o| o.usage.wall_ms),
        }
    }
}
