//! `exec`: a person's command in the sandbox, on a private copy.

use std::collections::BTreeSet;
use std::sync::Arc;

use atoll_api::{Caller, Error, ExecRequest, ExecStarted, codes};
use atoll_domain::{
    Budget, Commitment, ExecRequest as ExecRequested, Hash, JobId, Label, Purpose, SessionEnd,
    SessionId, SessionOpened,
};
use atoll_guard::{Account, Entry};
use atoll_ports::log::Filter;
use tokio::sync::oneshot;

use crate::commands::exec_task::{ExecTask, Work};
use crate::facts::Context;
use crate::job::JobCommand;
use crate::labels::Source;
use crate::launch::{Launch, Prepared, Shape, job_id};
use crate::refused::Refused;
use crate::secrets::GIVEN_MAX;
use crate::session::Handle;
use crate::shared::{Origin, Shared, full_error, lock, log_error, no_such};

/// A Python program is passed as an argument: longer ones don't fit.
const PYTHON_BYTES_MAX: usize = 100 << 10;
/// What one stdin request carries at most, in bytes.
const STDIN_BYTES_MAX: usize = 1 << 20;
const TTL_S_MAX: u64 = 24 * 3600;
const WORDS_MAX: usize = 4096;

fn command_of(request: &ExecRequest) -> Result<Vec<String>, Error> {
    let usage = |why: &str| Error::new(codes::USAGE, why.to_owned()).next("atoll exec --help");
    let cmd = match &request.python {
        Some((name, code)) if code.len() > PYTHON_BYTES_MAX => {
            return Err(usage(&format!(
                "{name} has more than {PYTHON_BYTES_MAX} bytes; put it into the workspace"
            )));
        }
        Some((_, code)) => {
            let mut cmd = vec!["python3".to_owned(), "-c".to_owned(), code.clone()];
            cmd.extend(request.cmd.iter().cloned());
            cmd
        }
        None => request.cmd.clone(),
    };
    if cmd.first().is_none_or(String::is_empty) {
        return Err(usage("there is no command to run"));
    }
    if cmd.len() > WORDS_MAX || cmd.iter().any(|w| w.contains('\0')) {
        return Err(usage(
            "the command has too many words, or a NUL in one of them",
        ));
    }
    Ok(cmd)
}

/// Refuses secrets that stand in one another's way, or in that of a variable which is set.
fn secrets_of(request: &ExecRequest) -> Result<(), Error> {
    let usage = |why: String| Error::new(codes::USAGE, why).next("atoll exec --help");
    if request.secrets.len() > GIVEN_MAX {
        return Err(usage(format!("a job is given {GIVEN_MAX} secrets at most")));
    }
    let mut vars: BTreeSet<&str> = request.env.keys().map(String::as_str).collect();
    vars.extend(["PATH", "HOME"]);
    for secret in &request.secrets {
        if !vars.insert(&secret.var) {
            let why = format!("{} is set already: name another variable", secret.var);
            return Err(usage(why).next(format!("--secret {}=OTHER", secret.name)));
        }
    }
    Ok(())
}

impl Shared {
    pub(crate) async fn exec(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        request: ExecRequest,
    ) -> Result<ExecStarted, Error> {
        let cmd = command_of(&request)?;
        secrets_of(&request)?;
        let key = crate::session::caller_key(caller, key);
        let session = SessionId::derive(&[b"exec", key.as_bytes()]);
        let job = job_id(&session, atoll_domain::Step(1));
        if let Some(begun) = self.exec_begun(session, job)? {
            return Ok(begun);
        }
        let names: Vec<_> = request.secrets.iter().map(|s| s.name.clone()).collect();
        self.secrets_are_there(&names).await?;
        let mut context = Context {
            session: Some(session),
            on_ask: request.on_ask,
            ..Context::owner(self, caller)
        };
        let budget = Budget {
            runs_max: None,
            ..Budget::default()
        };
        self.ledger
            .open(Account::Session(session), budget, Default::default());
        let cursor = self.log.head();
        let prepared = self.prepare(&context, session, &request.root).await?;
        context.workspace = Some((prepared.workspace, prepared.root.clone()));
        context.trusted = prepared.trusted;
        context.labels = context.labels.with(Label::Private);
        let marks = self.marks(prepared.workspace, &prepared.snapped.tree);
        context.marks = Arc::new(marks.await?);
        let launch = Launch::of(&prepared, &request.home, &request.path);
        let entries = self.exec_entries(session, job, caller, &prepared, &cmd, budget);
        let begun = async {
            let shape = shape(job, cmd, &prepared.place(), &request);
            let made = self.exec_work(session, &launch, &prepared, shape, request.fetch);
            let made = made.await?;
            let logged = self.log.append_all(entries, true).await;
            logged.map(|_| made).map_err(|full| full_error(&full))
        };
        let (work, mut notes) = match begun.await {
            Ok(made) => made,
            Err(err) => {
                let _ = self.workspaces.remove(session); // nothing was logged: nothing stays
                return Err(err);
            }
        };
        notes.extend(masked_note(&prepared));
        let (handle, run) = Handle::new(self.until_down());
        lock(&self.sessions).insert(session, handle);
        self.launch_exec(ExecTask {
            session,
            context,
            launch,
            copy: prepared.copy,
            work,
            cancel: run.cancel,
        });
        Ok(ExecStarted {
            job,
            session,
            session_ordinal: self.ordinal_of(&session),
            cursor,
            notes,
        })
    }

    /// What was begun under the same key, if anything was.
    fn exec_begun(&self, session: SessionId, job: JobId) -> Result<Option<ExecStarted>, Error> {
        let row = self.log.session(&session).map_err(log_error)?;
        Ok(row.map(|row| ExecStarted {
            job,
            session,
            session_ordinal: format!("s{}", row.ordinal),
            cursor: row.seqs.0 - 1,
            notes: Vec::new(),
        }))
    }

    /// The job, or the shape of one that is made after a fetch; and what to say of it.
    async fn exec_work(
        self: &Arc<Self>,
        session: SessionId,
        launch: &Launch,
        prepared: &Prepared,
        shape: Shape,
        fetch: bool,
    ) -> Result<(Work, Vec<String>), Error> {
        let mut notes = prepared.notes.clone();
        if fetch {
            // What can't be fetched at all is said before anything is begun.
            let plan = self.fetch_plan(launch, &shape.cmd).await;
            plan.map_err(|err| Error::new(codes::NO_FETCH, err.to_string()))?;
            return Ok((Work::Fetch(Box::new(shape)), notes));
        }
        let made = self.make_job(session, launch, Some(prepared.copy.clone()), shape);
        let (job, found) = made.await.map_err(|refused| refused.error())?;
        notes.extend(self.job_notes(launch, &job.spec.cmd, &found).await);
        Ok((Work::Ready(Box::new(job), found.fetched), notes))
    }

    fn launch_exec(self: &Arc<Self>, task: ExecTask) {
        let (shared, session) = (self.clone(), task.session);
        tokio::spawn(async move {
            shared.exec_task(task).await;
            shared.rest(session);
            lock(&shared.sessions).remove(&session);
        });
    }

    fn exec_entries(
        &self,
        session: SessionId,
        job: JobId,
        caller: &Caller,
        prepared: &Prepared,
        cmd: &[String],
        budget: Budget,
    ) -> Vec<Entry> {
        let human = || Origin::human(&caller.name, Some(session));
        let opened = self.entry(|s| {
            let body = SessionOpened {
                id: session,
                mode: "exec".into(),
                workspace: prepared.workspace,
                root: s.text(&prepared.root),
                revision: String::new(),
                prompt: Hash::ZERO,
                tools: Hash::ZERO,
                provider: String::new(),
                model: s.text(""),
                profile: self.current().options.profile.clone(),
                budget,
                steps_max: 1,
                config: s.text("{}"),
                grant: caller.grant,
            };
            (human(), body)
        });
        let prompt = self.entry(|s| {
            let text = s.text(&crate::job::shell_words(cmd));
            (
                human(),
                atoll_domain::PromptSent {
                    turn: 1,
                    steer: false,
                    text,
                },
            )
        });
        let asked = self.entry(|s| {
            (
                human(),
                ExecRequested {
                    job,
                    spec: s.json(&cmd),
                },
            )
        });
        let label = self.labelled_entry(session, &Source::workspace(&prepared.root));
        vec![
            opened,
            self.snapped_entry(session, prepared),
            label,
            prompt,
            asked,
        ]
    }

    /// Something to say to whoever watches; not logged.
    pub(crate) fn say_note(&self, session: SessionId, text: &str) {
        self.hub.send(
            session,
            self.clock.wall(),
            atoll_api::Progress::Note {
                text: text.to_owned(),
            },
        );
    }

    pub(crate) async fn exec_stdin(&self, job: &str, bytes: Vec<u8>) -> Result<(), Error> {
        if bytes.len() > STDIN_BYTES_MAX {
            return Err(Error::new(
                codes::USAGE,
                format!("one piece of input has at most {STDIN_BYTES_MAX} bytes"),
            ));
        }
        let handle = self.job_handle(job).await?;
        let (reply, fed) = oneshot::channel();
        let gone = || Error::new(codes::NOT_RUNNING, "the job has ended");
        handle
            .commands
            .send(JobCommand::Stdin(bytes, reply))
            .await
            .map_err(|_| gone())?;
        fed.await
            .map_err(|_| gone())?
            .map_err(|stop| Refused::Stop(stop).error())
    }

    /// A handle on a job that runs, or is about to: it may still wait at a gate or for its copy.
    async fn job_handle(&self, name: &str) -> Result<crate::job::JobHandle, Error> {
        let id: JobId = match name.parse() {
            Ok(id) => id,
            Err(_) => self.find_job(name)?.id,
        };
        loop {
            if let Some(handle) = self.running_job(&id) {
                return Ok(handle);
            }
            let alive = lock(&self.sessions)
                .keys()
                .any(|s| job_id(s, atoll_domain::Step(1)) == id);
            if !alive {
                return Err(Error::new(codes::NOT_RUNNING, "the job isn't running"));
            }
            tokio::time::sleep(crate::job::LOOK).await;
        }
    }

    pub(crate) async fn exec_resize(&self, job: &str, cols: u16, rows: u16) -> Result<(), Error> {
        let handle = self.job_handle(job).await?;
        let _ = handle.commands.send(JobCommand::Resize(cols, rows)).await; // it may just have ended
        Ok(())
    }

    pub(crate) async fn exec_stop(&self, job: &str) -> Result<(), Error> {
        let id: Option<JobId> = job.parse().ok();
        // A job that waits at its gate is stopped by its session.
        let waiting = lock(&self.sessions)
            .iter()
            .find(|(s, _)| Some(job_id(s, atoll_domain::Step(1))) == id)
            .map(|(_, handle)| handle.clone());
        if let Some(handle) = waiting {
            handle.cancel();
            return Ok(());
        }
        let handle = self.job_handle(job).await?;
        let _ = handle.commands.send(JobCommand::Stop).await; // it may just have ended
        Ok(())
    }

    pub(crate) fn artifact(&self, job: &str, path: &str) -> Result<Vec<u8>, Error> {
        let id: JobId = match job.parse() {
            Ok(id) => id,
            Err(_) => self.find_job(job)?.id,
        };
        let filter = Filter {
            kinds: vec!["ArtifactSaved".into()],
            ..Filter::default()
        };
        let mut after = 0;
        loop {
            let page = self.log.events(after, 500, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                return Err(no_such("artifact", path, "atoll session show @"));
            };
            after = last.seq;
            for event in page {
                let atoll_domain::Body::ArtifactSaved(saved) = event.typed() else {
                    continue;
                };
                if saved.job == id && self.words(&saved.path) == path {
                    return self.content_or_gone(&saved.content);
                }
            }
        }
    }

    fn content_or_gone(&self, content: &Commitment) -> Result<Vec<u8>, Error> {
        let bytes = self.log.content(content).map_err(log_error)?;
        bytes.ok_or_else(|| Error::new(codes::NO_SUCH, "it was erased"))
    }
}

/// The job of the command itself.
fn shape(job: JobId, cmd: Vec<String>, root: &str, request: &ExecRequest) -> Shape {
    let ttl_s = request.ttl_s.unwrap_or(3600).clamp(1, TTL_S_MAX);
    Shape {
        workdir: Some(inside(root, &request.cwd)),
        stdin: request.stdin,
        tty: request.tty,
        net: request.net.clone(),
        artifacts: request.artifacts.clone(),
        env: request.env.clone(),
        memory_bytes: request.memory_bytes,
        secrets: request.secrets.clone(),
        ..Shape::plain(job, cmd, Purpose::Exec, ttl_s)
    }
}

/// A working directory in the folder that was named; that folder for any other.
fn inside(root: &str, cwd: &str) -> String {
    let below = cwd
        .strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if below && !cwd.split('/').any(|part| part == "..") {
        cwd.to_owned()
    } else {
        root.to_owned()
    }
}

/// How a session ends whose effect was refused.
pub(crate) fn end_of(refused: &Refused) -> SessionEnd {
    match refused {
        Refused::Denied { .. } => SessionEnd::Denied,
        Refused::NeedsPerson { .. } | Refused::Park => SessionEnd::NeedsYou,
        Refused::Stop(atoll_guard::Stop::Budget(_))
        | Refused::Provider { .. }
        | Refused::Full(_) => SessionEnd::Limit,
        Refused::Stop(_) => SessionEnd::Error,
        Refused::Cancelled => SessionEnd::Cancelled,
    }
}

/// What was kept out of the copy, for people.
pub(crate) fn masked_note(prepared: &Prepared) -> Option<String> {
    let masked = &prepared.snapped.masked;
    let names = masked
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match masked.len() {
        0 => None,
        n if n > 3 => Some(format!(
            "kept out of the copy: {names} and {} more that look like credentials",
            n - 3
        )),
        _ => Some(format!(
            "kept out of the copy: {names} (looks like credentials)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn a_working_directory_stays_in_the_workspace() {
        assert_eq!(
            inside("/home/a/shop", "/home/a/shop/src"),
            "/home/a/shop/src"
        );
        assert_eq!(inside("/home/a/shop", "/home/a/shop2"), "/home/a/shop");
        assert_eq!(inside("/home/a/shop", "/home/a/shop/../x"), "/home/a/shop");
    }
}
