//! An agent's tool, used: each becomes an action that the guard admits.

use atoll_agent::{ToolOutput, ToolRequest};
use atoll_domain::action::{FileRead, FileWrite, ReadOp, WriteOp};
use atoll_domain::{Act, Again, Edit, Purpose, Step, TreeId};
use atoll_guard::{End, Stop};
use atoll_ports::workspace::Error as FilesError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::gate::Ask;
use crate::job::RunJob;
use crate::launch::{Shape, job_id};
use crate::refused::Refused;
use crate::session::Drive;

/// How a tool ended for the session.
pub(crate) enum Used {
    /// With this result, and the copy's tree if it may have changed.
    Done(ToolOutput, Option<TreeId>),
    /// The session is to be parked: nothing is recorded, the step is proposed again.
    Park,
    /// A person must decide, and this run does not wait.
    NeedsPerson(String),
}

fn refused(refused: Refused) -> Used {
    match refused {
        Refused::Denied { rules, why } => Used::Done(ToolOutput::denied(&rules, &why), None),
        Refused::NeedsPerson { why, .. } => Used::NeedsPerson(why),
        // A tool calls no model; were it so, it would be a limit of money.
        Refused::Stop(Stop::Budget(e)) | Refused::Provider { exceeded: e, .. } => {
            Used::Done(ToolOutput::limit(e.unit, &e.to_string()), None)
        }
        Refused::Stop(stop) => Used::Done(ToolOutput::failed(&stop.to_string()), None),
        Refused::Full(full) => Used::Done(ToolOutput::failed(&full.to_string()), None),
        Refused::Park => Used::Park,
        Refused::Cancelled => Used::Done(ToolOutput::cancelled(), None),
    }
}

impl Drive {
    /// `attached`: a person named the file, who may mean a picture.
    pub(crate) async fn use_tool(&mut self, step: Step, tool: ToolRequest, attached: bool) -> Used {
        let used = match tool {
            ToolRequest::Read { what } => self.read(step, what, attached).await,
            ToolRequest::Edit { path, edit } => self.edit(step, path, edit).await,
            ToolRequest::Extract {
                from,
                question,
                form,
            } => self.extract(step, &from, &question, &form).await,
            ToolRequest::Run { cmd, ttl_s } => self.run_tool(step, cmd, Purpose::Run, ttl_s).await,
            ToolRequest::Test { cmd } => self.run_tool(step, cmd, Purpose::Test, None).await,
            ToolRequest::Finish { .. } => Ok(Used::Done(
                ToolOutput::rejected("finish is not a tool of the node"),
                None,
            )),
        };
        match used.unwrap_or_else(refused) {
            // The node's own end is nobody's wish: it is proposed again when the session goes on.
            Used::Done(output, _) if self.shared.down.is_cancelled() && output.is_cancelled() => {
                Used::Park
            }
            used => used,
        }
    }

    pub(super) fn file_ask<A: Act>(&self, step: Step, act: A, what: String) -> Ask<'_, A> {
        let facts = self.context.facts(&self.shared);
        let place = format!("a private copy of {}", self.opened.launch.root);
        let question = atoll_api::Question {
            what: what.clone(),
            place,
            ..Default::default()
        };
        let key = Some(atoll_domain::ActionKey::of(&self.session, step));
        Ask {
            context: &self.context,
            act,
            facts,
            key,
            cause: None,
            question,
            same: what,
            cancel: &self.cancel,
        }
    }

    async fn read(&self, step: Step, what: ReadOp, attached: bool) -> Result<Used, Refused> {
        let line = ToolRequest::Read { what: what.clone() }.target();
        let act = FileRead {
            session: self.session,
            op: what,
        };
        let permit = self
            .shared
            .admit(self.file_ask(step, act, format!("read {line}")))
            .await?;
        let done = self
            .shared
            .workspaces
            .read(permit, self.shared.clock.now())
            .await;
        let (live, result) = done.map_err(Refused::Stop)?;
        let output = match result {
            Ok(out) => {
                live.finish(End::done());
                match out.picture.filter(|_| attached) {
                    Some(picture) if self.choice.images => {
                        let data = BASE64.encode(&picture.bytes);
                        ToolOutput::pictured(&out.text, picture.media_type, data)
                    }
                    Some(_) => ToolOutput::failed(&format!(
                        "{}; {} takes no pictures",
                        out.text, self.choice.model
                    )),
                    None => ToolOutput::read(&out.text, out.more.as_deref()),
                }
            }
            Err(err) => {
                live.finish(End::failed(None));
                ToolOutput::failed(&err.to_string())
            }
        };
        Ok(Used::Done(output, None))
    }

    async fn edit(&self, step: Step, path: String, edit: Edit) -> Result<Used, Refused> {
        let shared = self.shared.clone();
        let (session, at) = (self.session, path.clone());
        let planned =
            tokio::task::spawn_blocking(move || shared.workspaces.plan_edit(session, &at, &edit))
                .await;
        let planned = match planned {
            Ok(Ok(planned)) => planned,
            Ok(Err(err)) => return Ok(Used::Done(ToolOutput::failed(&err.to_string()), None)),
            Err(panic) => return Err(Refused::Stop(Stop::Unable(panic.to_string()))),
        };
        let op = planned
            .content
            .clone()
            .map_or(WriteOp::Delete, WriteOp::Put);
        let act = FileWrite {
            session,
            path: path.clone(),
            before: planned.before,
            op,
        };
        let permit = self
            .shared
            .admit(self.file_ask(step, act, format!("write {path}")))
            .await?;
        let done = self
            .shared
            .workspaces
            .write(permit, self.shared.clock.now())
            .await;
        let (live, result) = done.map_err(Refused::Stop)?;
        if let Err(err) = result {
            live.finish(End::failed(None));
            let words = match &err {
                FilesError::Conflict(_) => format!("{path} changed meanwhile: read it again"),
                err => err.to_string(),
            };
            return Ok(Used::Done(ToolOutput::failed(&words), None));
        }
        live.finish(End::done());
        let tree = self.shared.captured(session).await?;
        let output = ToolOutput::edited(
            planned.added,
            planned.removed,
            &planned.diff,
            &planned.tolerated,
        );
        Ok(Used::Done(output, Some(tree)))
    }

    async fn run_tool(
        &self,
        step: Step,
        cmd: Vec<String>,
        purpose: Purpose,
        ttl_s: Option<u64>,
    ) -> Result<Used, Refused> {
        let max_s = self.shared.current().options.job_ttl_s;
        let ttl_s = ttl_s.unwrap_or(max_s).clamp(1, max_s);
        let shape = |cmd| Shape::plain(job_id(&self.session, step), cmd, purpose, ttl_s);
        let make = |cmd| {
            let copy = Some(self.copy.clone());
            self.shared
                .make_job(self.session, &self.opened.launch, copy, shape(cmd))
        };
        let (mut job, mut found) = make(cmd.clone()).await?;
        if !found.missing.is_empty() && self.fetch_missing(step, &cmd).await? {
            (job, found) = make(cmd).await?;
        }
        for note in &found.notes {
            self.shared.say_note(self.session, note);
        }
        let key = Some(atoll_domain::ActionKey::of(&self.session, step));
        let again = job.again();
        let run = RunJob {
            context: &self.context,
            job,
            key,
            cause: None,
            fetched: &found.fetched,
            cancel: &self.cancel,
        };
        let done = self.shared.run_job(run).await?;
        let mut output = ToolOutput::job(&done.outcome);
        if again == Again::Never && output.is_cancelled() && self.shared.down.is_cancelled() {
            output = ToolOutput::unknown();
        }
        if !done.outcome.ok && !found.missing.is_empty() {
            output.text = format!(
                "{}\n[missing here: {}]",
                output.text,
                found.missing.join("; ")
            );
        }
        Ok(Used::Done(output, done.tree))
    }
}
