//! Running a job: admitted, started, its output logged, its end logged, the copy captured.

use std::sync::Arc;
use std::time::Duration;

use atoll_domain::action::{Job, Stdin};
use atoll_domain::{
    ActionKey, ArtifactSaved, Cost, EventId, ExecOutput, JobId, JobSecret, Label, Outcome, Reason,
    SessionId, Snapshot, TreeId,
};
use atoll_guard::{End, Live, Permit, Stop};
use atoll_ports::runner::{Chunk, Control, Ended, Given, Running, Stream};
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::egress::Way;
use crate::facts::Context;
use crate::gate::Ask;
use crate::held::network;
use crate::refused::Refused;
use crate::secrets::persons_own;
use crate::shared::{Origin, Shared, lock};

/// Commands that wait for a job's task.
const COMMANDS_MAX: usize = 64;
/// Output that is given to the log at once, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// What a running job can be told.
pub(crate) enum JobCommand {
    Stdin(Vec<u8>, oneshot::Sender<Result<(), Stop>>),
    Resize(u16, u16),
    Stop,
}

/// A running job, for `exec stdin`, `resize` and `stop`.
#[derive(Clone)]
pub(crate) struct JobHandle {
    pub(crate) commands: mpsc::Sender<JobCommand>,
}

/// A job that ended.
#[derive(Clone, Debug)]
pub(crate) struct JobDone {
    pub(crate) outcome: Outcome,
    /// The copy after it, if it had one.
    pub(crate) tree: Option<TreeId>,
}

/// A job to be run.
pub(crate) struct RunJob<'a> {
    pub(crate) context: &'a Context,
    pub(crate) job: Job,
    pub(crate) key: Option<ActionKey>,
    pub(crate) cause: Option<EventId>,
    /// Where its box holds what was fetched.
    pub(crate) fetched: &'a [String],
    pub(crate) cancel: &'a CancellationToken,
}

impl Shared {
    /// Runs a job in a session's copy, from question to captured tree.
    pub(crate) async fn run_job(&self, run: RunJob<'_>) -> Result<JobDone, Refused> {
        let RunJob {
            context,
            mut job,
            key,
            cause,
            fetched,
            cancel,
        } = run;
        let session = context.session;
        let mut context = self.boxed(context, fetched).await?;
        let uses = self.admit_secrets(&context, &job, cause, cancel).await?;
        if !uses.is_empty() {
            context.labels = context.labels.with(Label::Secret); // it will have touched them when it runs
        }
        let bound = match (session, &job.copy) {
            (Some(session), Some(_)) => Some(self.captured(session).await?),
            _ => None,
        };
        job.spec.snapshot = bound.clone().map(|id| Snapshot::Tree { id });
        let slot = tokio::select! {
            slot = self.job_slots.acquire() => slot.map_err(|_| Refused::Cancelled)?,
            () = cancel.cancelled() => return Err(Refused::Cancelled),
        };
        let asked_at = self.log.head();
        let out = network(&job);
        let permit = self
            .admit(self.job_ask(&context, job, key, cause, cancel))
            .await?;
        // What the network says is in the job's output: the label comes before the first byte of it.
        if let (Some(session), Some(source)) = (session, out) {
            context.labels = self.gained(session, context.labels, vec![source]).await?;
        }
        // Only a gate leaves time for the copy to change between question and run.
        if let (Some(session), Some(bound)) = (session, &bound)
            && self.log.head() > asked_at + 1
            && self.captured(session).await? != *bound
        {
            return Err(Refused::Stop(Stop::Changed(
                "the files changed after the question".into(),
            )));
        }
        let granted = permit.granted();
        let given = self.give(session, uses).await?;
        let done = self
            .carry_out(&context, permit, given, granted, cancel)
            .await?;
        drop(slot);
        let tree = match (session, &bound) {
            (Some(session), Some(_)) => Some(self.captured(session).await?),
            _ => None,
        };
        Ok(JobDone {
            outcome: Outcome {
                tree: tree.clone(),
                ..done
            },
            tree,
        })
    }

    /// The tree of a session's copy as it is now.
    pub(crate) async fn captured(&self, session: SessionId) -> Result<TreeId, Refused> {
        let snapped = self.workspaces.capture(session).await;
        snapped
            .map(|s| s.tree)
            .map_err(|err| Refused::Stop(Stop::Unable(err.to_string())))
    }

    fn job_ask<'a>(
        &self,
        context: &'a Context,
        job: Job,
        key: Option<ActionKey>,
        cause: Option<EventId>,
        cancel: &'a CancellationToken,
    ) -> Ask<'a, Job> {
        let hosts = job
            .spec
            .network
            .hosts()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let mut facts = context.facts(self);
        // Its secrets have questions of their own; an agent's job with any is asked about all the same.
        facts.in_box = job.spec.network.is_none()
            && (job.spec.secrets.is_empty() || persons_own(context, &job));
        Way::of_job(&job).set(&mut facts);
        let root = context
            .workspace
            .as_ref()
            .map_or("no workspace", |(_, root)| root);
        let place = if hosts.is_empty() {
            format!(
                "{} job for a copy of {root}; no network",
                job.purpose.name()
            )
        } else {
            format!(
                "{} job for a copy of {root}; network to {hosts}",
                job.purpose.name()
            )
        };
        let detail = job_detail(&job);
        let question = atoll_api::Question {
            what: shell_words(&job.spec.cmd),
            place,
            detail,
            ..atoll_api::Question::default()
        };
        let same = format!("{:?} {hosts}", job.spec.cmd);
        Ask {
            context,
            act: job,
            facts,
            key,
            cause,
            question,
            same,
            cancel,
        }
    }

    /// From permit to outcome.
    async fn carry_out(
        &self,
        context: &Context,
        permit: Permit<Job>,
        given: Vec<Given>,
        granted: EventId,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Refused> {
        let session = context.session;
        let id = permit.id();
        let running = self
            .runner
            .start_with(permit, given, self.clock.now())
            .await
            .map_err(Refused::Stop)?;
        let Running {
            live,
            output,
            control,
            end,
        } = running;
        let (job, purpose) = (live.act().spec.id, live.act().purpose);
        let draft = Origin {
            actor: atoll_domain::Actor::system(),
            session,
            cause: Some(granted),
        };
        let started = atoll_domain::ExecStarted {
            job,
            permit: id,
            purpose,
        };
        let said = self.append(false, |_| (draft, started)).await;
        if said.is_err() {
            control.stop(); // what can't be logged does not run
        }
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        lock(&self.jobs).insert(job, JobHandle { commands });
        let live = Arc::new(live);
        let feeder = feed(live.clone(), control.clone(), inbox, self.clock.clone());
        let Ended { outcome, kept } = self
            .pump(session, job, output, end, &control, feeder, cancel)
            .await;
        lock(&self.jobs).remove(&job);
        let marked = self.mark_kept(context, job, &kept).await;
        for file in kept.into_iter().filter(|_| marked) {
            let draft = Origin {
                actor: atoll_domain::Actor::system(),
                session,
                cause: Some(granted),
            };
            let kept = self.append(false, |s| {
                let body = ArtifactSaved {
                    job,
                    path: s.text(&file.artifact.path),
                    content: s.bytes(file.bytes),
                };
                (draft, body)
            });
            if let Err(err) = kept.await {
                tracing::warn!("an artifact can't be kept: {err}");
            }
        }
        let Ok(live) = Arc::try_unwrap(live) else {
            // The feeder ended before the pump did, so nobody else holds it; if one did, the drop logs `lost`.
            return Ok(outcome);
        };
        self.finish_job(live, &outcome);
        Ok(outcome)
    }

    fn finish_job(&self, live: Live<Job>, outcome: &Outcome) {
        let cost = Cost {
            runs: 1,
            ms: outcome.usage.wall_ms,
            ..Cost::ZERO
        };
        let json = serde_json::to_vec(outcome).unwrap_or_default();
        let end = match outcome.reason {
            Some(Reason::Lost) => End {
                how: atoll_domain::ClosedHow::Lost,
                ..End::failed(Some(Reason::Lost))
            },
            Some(reason) => End::failed(Some(reason)),
            None => End::done(), // a job that exits with 1 has run: its outcome says the rest
        };
        live.finish(end.cost(cost).outcome(json));
    }

    /// Logs output until the job's end. On cancel the job is stopped and its end awaited.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is one end of the job; a struct would only rename them"
    )]
    async fn pump(
        &self,
        session: Option<SessionId>,
        job: JobId,
        mut output: futures::stream::BoxStream<'static, Chunk>,
        mut end: atoll_guard::BoxFuture<'static, Ended>,
        control: &Arc<dyn Control>,
        feeder: impl Future<Output = ()>,
        cancel: &CancellationToken,
    ) -> Ended {
        let mut feeder = std::pin::pin!(feeder);
        let (mut fed, mut open, mut stopping) = (false, true, false);
        loop {
            tokio::select! {
                biased;
                chunk = output.next(), if open => match chunk {
                    Some(chunk) => {
                        if !self.log_chunk(session, job, chunk).await && !stopping {
                            stopping = true;
                            control.stop();
                        }
                    }
                    None => open = false,
                },
                () = cancel.cancelled(), if !stopping => { stopping = true; control.stop(); }
                () = self.down.cancelled(), if !stopping => { stopping = true; control.stop(); }
                () = &mut feeder, if !fed => fed = true,
                ended = &mut end, if !open => return ended,
            }
        }
    }

    async fn log_chunk(&self, session: Option<SessionId>, job: JobId, chunk: Chunk) -> bool {
        let stream = if chunk.stream == Stream::Out { 1 } else { 2 };
        for part in chunk.bytes.chunks(CHUNK_BYTES) {
            let draft = Origin {
                actor: atoll_domain::Actor::system(),
                session,
                cause: None,
            };
            let body = |s: &mut atoll_domain::Sealer<'_>| {
                (
                    draft,
                    ExecOutput {
                        job,
                        stream,
                        chunk: s.bytes(part),
                    },
                )
            };
            if self.append(false, body).await.is_err() {
                return false;
            }
        }
        true
    }

    /// A handle on a running job.
    pub(crate) fn running_job(&self, job: &JobId) -> Option<JobHandle> {
        lock(&self.jobs).get(job).cloned()
    }
}

/// Carries commands to a job until the job's handle is forgotten.
async fn feed(
    live: Arc<Live<Job>>,
    control: Arc<dyn Control>,
    mut inbox: mpsc::Receiver<JobCommand>,
    clock: Arc<dyn crate::clock::Clock>,
) {
    while let Some(command) = inbox.recv().await {
        match command {
            JobCommand::Resize(cols, rows) => control.resize(cols, rows),
            JobCommand::Stop => control.stop(),
            JobCommand::Stdin(bytes, reply) => {
                let act = Stdin {
                    job: live.act().spec.id,
                    bytes,
                };
                let fed = match live.sub(act).await {
                    Ok(permit) => control.stdin(permit, clock.now()).await.map(|live| {
                        live.finish(End::done());
                    }),
                    Err(stop) => Err(stop),
                };
                let _ = reply.send(fed); // whoever asked may be gone
            }
        }
    }
}

/// What a person may want to know of a job before they answer: all that is bound, in a few lines.
fn job_detail(job: &Job) -> String {
    let s = &job.spec;
    let mounts = s
        .mounts
        .iter()
        .map(|m| format!("{}{}", m.dst, if m.ro { "" } else { " (writable)" }));
    let exe = job.exe.as_ref().map_or_else(String::new, |e| {
        format!("\nprogram  {} {}", e.path, e.sha256.short())
    });
    // Only these very files are run: changed ones are another question.
    let tree = match &s.snapshot {
        Some(Snapshot::Tree { id }) => format!(" (tree {})", id.as_str().get(..12).unwrap_or("")),
        _ => String::new(),
    };
    let l = &s.limits;
    format!(
        "folder   {}{exe}\nsees     its copy{tree} and, mounted, {}\nknows    {}\nsecrets  {}\nlimits   {} s, {} MiB memory, {} processes, {} MiB disk\nkeeps    {}",
        s.workdir,
        mounts.collect::<Vec<_>>().join(", "),
        // Their values are bound, and not shown: a person may stand at the screen with others.
        s.env.keys().cloned().collect::<Vec<_>>().join(", "),
        secrets_words(&s.secrets),
        s.ttl_s,
        l.memory_bytes >> 20,
        l.pids_max,
        l.disk_bytes >> 20,
        if s.artifacts.is_empty() {
            "nothing".into()
        } else {
            s.artifacts.join(", ")
        },
    )
}

fn secrets_words(secrets: &[JobSecret]) -> String {
    let words = secrets.iter().map(|s| format!("{} in {}", s.name, s.var));
    match secrets.is_empty() {
        true => "none".into(),
        false => words.collect::<Vec<_>>().join(", "),
    }
}

/// A command as a shell would be given it.
pub(crate) fn shell_words(cmd: &[String]) -> String {
    atoll_domain::shell_words(cmd)
}

/// A command out of a line, as a shell would split it; no expansion of any kind.
pub(crate) fn split_words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut open, mut chars) =
        (Vec::new(), String::new(), false, line.chars());
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {
                if std::mem::take(&mut open) {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '\'' => loop {
                match chars.next()? {
                    '\'' => break,
                    c => word.push(c),
                }
            },
            '"' => loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => word.push(chars.next()?),
                    c => word.push(c),
                }
            },
            '\\' => word.push(chars.next()?),
            c => word.push(c),
        }
        open = true;
    }
    if open {
        words.push(word);
    }
    Some(words)
}

/// How long a waiter sleeps between looks at something that has no event of its own.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_a_shell_splits_them_and_join_back() {
        let line = r#"pytest -q 'a b' "c \"d\"" e\ f ''"#;
        let words = split_words(line).unwrap();
        assert_eq!(words, ["pytest", "-q", "a b", "c \"d\"", "e f", ""]);
        assert_eq!(split_words(&shell_words(&words)).unwrap(), words);
        assert_eq!(split_words("an 'open quote"), None);
    }
}
