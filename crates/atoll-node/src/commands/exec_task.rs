//! What becomes of an `exec` after it was begun: dependencies fetched if that was wished, the command run,
//! its end logged, the copy removed.

use std::sync::Arc;

use atoll_domain::action::Job;
use atoll_domain::{
    CopyRef, Outcome, Reason, SessionClosed, SessionEnd, SessionId, SessionParked, Step, TurnEnded,
};
use atoll_ports::toolchain::Found;
use tokio_util::sync::CancellationToken;

use crate::commands::exec::end_of;
use crate::facts::Context;
use crate::fetch::{Fetching, Unfetched};
use crate::job::RunJob;
use crate::launch::{Launch, Shape};
use crate::refused::Refused;
use crate::shared::{Origin, Shared};

/// All that the task owns.
pub(crate) struct ExecTask {
    pub(crate) session: SessionId,
    pub(crate) context: Context,
    pub(crate) launch: Launch,
    pub(crate) copy: CopyRef,
    pub(crate) work: Work,
    pub(crate) cancel: CancellationToken,
}

/// What is to be run.
pub(crate) enum Work {
    /// This job, and where its box holds what was fetched.
    Ready(Box<Job>, Vec<String>),
    /// A job that is made once what is missing was fetched.
    Fetch(Box<Shape>),
}

impl Shared {
    pub(crate) async fn exec_task(self: &Arc<Self>, task: ExecTask) {
        let session = task.session;
        let (end, words) = match self.exec_run(task).await {
            Ok(outcome) => exec_end(&outcome),
            Err(Unfetched::Refused(Refused::Park)) => {
                let parked = SessionParked {
                    reason: "gate".into(),
                };
                let _ = self
                    .append(true, |_| (Origin::system(session), parked))
                    .await;
                return;
            }
            Err(Unfetched::Refused(refused)) => {
                tracing::debug!("exec refused: {}", refused.error().message);
                (end_of(&refused), refused.error().message)
            }
            Err(Unfetched::Failed(words)) => (SessionEnd::Failed, words),
        };
        let ended = self.entry(|s| {
            (
                Origin::system(session),
                TurnEnded {
                    turn: 1,
                    end,
                    words: s.text(&words),
                },
            )
        });
        let closed = self.entry(|_| (Origin::system(session), SessionClosed { end }));
        if let Err(full) = self.log.append_all(vec![ended, closed], true).await {
            tracing::error!("the end of a job can't be logged: {full}");
        }
        if let Err(err) = self.workspaces.remove(session) {
            tracing::warn!("a private copy can't be removed: {err}");
        }
        self.current().guard.forget_answers(&session);
    }

    async fn exec_run(self: &Arc<Self>, task: ExecTask) -> Result<Outcome, Unfetched> {
        let ExecTask {
            session,
            mut context,
            launch,
            copy,
            work,
            cancel,
        } = task;
        let (job, fetched) = match work {
            Work::Ready(job, fetched) => (*job, fetched),
            Work::Fetch(shape) => {
                let fetching = Fetching {
                    context: &context,
                    session,
                    launch: &launch,
                    copy: &copy,
                    cmd: &shape.cmd,
                    step: Step(1),
                    cancel: &cancel,
                };
                self.exec_fetch(fetching).await?;
                let made = self.make_job(session, &launch, Some(copy), *shape).await;
                let (job, found) = made.map_err(Unfetched::Refused)?;
                for note in self.job_notes(&launch, &job.spec.cmd, &found).await {
                    self.say_note(session, &note);
                }
                context.labels = self.labels_now(&session, context.labels);
                (job, found.fetched)
            }
        };
        let run = RunJob {
            context: &context,
            job,
            key: None,
            cause: None,
            fetched: &fetched,
            cancel: &cancel,
        };
        let done = self.run_job(run).await.map_err(Unfetched::Refused)?;
        Ok(done.outcome)
    }

    /// What to say of a job before it runs: what was found, what is missing, and how to fetch it.
    pub(crate) async fn job_notes(
        self: &Arc<Self>,
        launch: &Launch,
        cmd: &[String],
        found: &Found,
    ) -> Vec<String> {
        let mut notes = found.notes.clone();
        if let Some(first) = found.missing.first() {
            let how = match self.fetch_plan(launch, cmd).await {
                Ok(Some(_)) => "; atoll exec --fetch -- CMD fetches it first".to_owned(),
                Ok(None) => String::new(),
                Err(err) => format!("; {err}"),
            };
            notes.push(format!("{first}{how}"));
        }
        notes
    }

    /// A person asked for it: without all of it the command isn't run.
    async fn exec_fetch(self: &Arc<Self>, of: Fetching<'_>) -> Result<(), Unfetched> {
        let fetched = self.fetch(of).await;
        fetched.rest.map_or(Ok(()), Err)
    }
}

fn exec_end(outcome: &Outcome) -> (SessionEnd, String) {
    match (outcome.reason, outcome.exit_code, outcome.signal) {
        (None, Some(0), _) => (SessionEnd::Answer, "exit code 0".into()),
        (None, Some(code), _) => (SessionEnd::Failed, format!("exit code {code}")),
        (None, None, signal) => (
            SessionEnd::Failed,
            format!("ended by signal {}", signal.unwrap_or(0)),
        ),
        (Some(Reason::Cancelled), ..) => (SessionEnd::Cancelled, "stopped".into()),
        (Some(Reason::Sandbox), ..) => {
            let hint = outcome
                .detail
                .as_ref()
                .and_then(|d| d.hint.clone())
                .unwrap_or_default();
            (
                SessionEnd::Error,
                format!("the sandbox can't be made: {hint}"),
            )
        }
        (Some(reason), ..) => (
            SessionEnd::Limit,
            format!("ended at a limit: {}", reason.name()),
        ),
    }
}
