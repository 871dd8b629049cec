//! What a job's box holds, and what it gives to its context; what a job keeps, and how that is marked.

use atoll_api::Error;
use atoll_domain::action::Job;
use atoll_domain::{JobId, Labels, MarkedFile, SessionId};
use atoll_ports::runner::Kept;

use crate::facts::Context;
use crate::labels::Source;
use crate::refused::Refused;
use crate::shared::Shared;

impl Shared {
    /// What a job's box gives to its context: in the log before the job is asked about.
    pub(crate) async fn boxed(
        &self,
        context: &Context,
        fetched: &[String],
    ) -> Result<Context, Refused> {
        let mut context = context.clone();
        let mut sources = context.marks.in_box();
        if !fetched.is_empty() {
            sources.push(Source::fetched(fetched));
        }
        if let Some(session) = context.session {
            context.labels = self.gained(session, context.labels, sources).await?;
        }
        Ok(context)
    }

    pub(crate) async fn gained(
        &self,
        session: SessionId,
        labels: Labels,
        sources: Vec<Source>,
    ) -> Result<Labels, Refused> {
        let marked = self.mark(session, sources).await;
        let unlogged = |err: Error| Refused::Full(atoll_guard::Full::Failed(err.message));
        Ok(labels.join(marked.map_err(unlogged)?))
    }

    /// What a job kept of an untrusted context is marked before it can be handed out; `false`: it can't be, and may
    /// not be kept.
    pub(crate) async fn mark_kept(&self, context: &Context, job: JobId, kept: &[Kept]) -> bool {
        let Some((session, (workspace, _))) = context.session.zip(context.workspace.clone()) else {
            return true;
        };
        if !context.labels.untrusted && context.trusted {
            return true;
        }
        let mark = |file: &Kept| MarkedFile {
            path: file.artifact.path.clone(),
            blob: self.workspaces.blob_of(&file.bytes),
            named: true,
        };
        let files = kept.iter().map(mark).collect();
        let entry = self.files_entry(session, workspace, (None, Some(job)), files);
        let logged = self
            .log
            .append_all(entry.into_iter().collect(), false)
            .await;
        logged
            .inspect_err(|full| tracing::warn!("artifacts can't be marked: {full}"))
            .is_ok()
    }
}

/// The label of a job that has a network.
pub(crate) fn network(job: &Job) -> Option<Source> {
    let hosts: Vec<String> = job
        .spec
        .network
        .hosts()
        .iter()
        .map(ToString::to_string)
        .collect();
    (!hosts.is_empty()).then(|| Source::network(job.purpose.name(), &hosts))
}
