//! What becomes of an `exec` after it was begun: dependencies fetched if that was wished, the command run,
//! its end logged, the copy removed.

use std::sync::Arc;

use atoll_domain::{
    CopyRef, Label, Labelled, Outcome, Reason, SessionClosed, SessionEnd, SessionId, SessionParked,
    Step, TurnEnded,
};
use tokio_util::sync::CancellationToken;

use crate::commands::exec::end_of;
use crate::facts::Context;
use crate::fetch::{Fetching, Unfetched};
use crate::gate::Refused;
use crate::job::RunJob;
use crate::launch::{Launch, Shape};
use crate::shared::{Origin, Shared};

/// All that the task owns.
pub(crate) struct ExecTask {
    pub(crate) session: SessionId,
    pub(crate) context: Context,
    pub(crate) launch: Launch,
    pub(crate) copy: CopyRef,
    pub(crate) shape: Shape,
    /// Whether what is missing is to be fetched first.
    pub(crate) fetch: bool,
    pub(crate) cancel: CancellationToken,
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

    async fn exec_run(self: &Arc<Self>, mut task: ExecTask) -> Result<Outcome, Unfetched> {
        let session = task.session;
        if task.fetch {
            self.exec_fetch(&mut task).await?;
        }
        let cmd = task.shape.cmd.clone();
        let (job, found) = self
            .make_job(session, &task.launch, Some(task.copy), task.shape)
            .await
            .map_err(Unfetched::Refused)?;
        for note in &found.notes {
            self.say_note(session, note);
        }
        if let Some(first) = found.missing.first() {
            let how = match self.fetch_plan(&task.launch, &cmd).await {
                Ok(Some(_)) => "; atoll exec --fetch -- CMD fetches it first".to_owned(),
                Ok(None) => String::new(),
                Err(err) => format!("; {err}"),
            };
            self.say_note(session, &format!("{first}{how}"));
        }
        let run = RunJob {
            context: &task.context,
            job,
            key: None,
            cause: None,
            cancel: &task.cancel,
        };
        let done = self.run_job(run).await.map_err(Unfetched::Refused)?;
        Ok(done.outcome)
    }

    /// A person asked for it: without all of it the command isn't run.
    async fn exec_fetch(self: &Arc<Self>, task: &mut ExecTask) -> Result<(), Unfetched> {
        let fetched = self
            .fetch(Fetching {
                context: &task.context,
                session: task.session,
                launch: &task.launch,
                copy: &task.copy,
                cmd: &task.shape.cmd,
                step: Step(1),
                cancel: &task.cancel,
            })
            .await;
        if fetched.any {
            let label = Label::Untrusted;
            task.context.labels = task.context.labels.with(label);
            let body = Labelled {
                label,
                source: "network".into(),
            };
            let draft = Origin::system(task.session);
            let logged = self.append(false, |_| (draft, body)).await;
            logged.map_err(|err| Unfetched::Failed(err.to_string()))?;
        }
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
