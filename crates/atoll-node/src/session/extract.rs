//! A value out of a content that the session's context does not read.
//!
//! The content goes to a call of its own: the session's provider, no tools, no history, labels of its own. Only a value
//! that keeps to the form to the letter comes back; of anything else not a word does. What it could carry is counted,
//! and past a session's bound the context gains the content's label after all.

use std::ops::ControlFlow;

use atoll_agent::{ToolOutput, ValueForm};
use atoll_domain::action::{FileRead, ReadOp};
use atoll_domain::{Body, Extracted, Label, Labels, Outcome, SessionId, Step, WorkspaceId};
use atoll_guard::End;

use crate::facts::Context;
use crate::labels::Source;
use crate::refused::Refused;
use crate::session::Drive;
use crate::session::call::{Call, CallFailed};
use crate::session::tool::Used;
use crate::shared::Origin;

/// What the values of a session may carry together, in thousandths of a bit. Less than a short command's letters.
const MILLIBITS_MAX: u64 = 64_000;
/// A content is whole or refused: an answer about a part of it would be one about another text. In bytes.
const CONTENT_BYTES_MAX: usize = 48 << 10;
/// What the reader may write, in tokens.
const OUTPUT_TOKENS_MAX: u64 = 256;
/// Lines that are read at once.
const LINES_MAX: u64 = 5_000;

/// What the reader's failure is called. One word for all ways: which one it was is no business of the context's.
const NOTHING: &str = "no value: the answer was none of the form";

/// A content, and the labels of who reads it.
struct Content {
    text: String,
    labels: Labels,
}

impl Drive {
    pub(super) async fn extract(
        &mut self,
        step: Step,
        from: &str,
        question: &str,
        form: &ValueForm,
    ) -> Result<Used, Refused> {
        let failed = |words: &str| Ok(Used::Done(ToolOutput::failed(words), None));
        let content = match self.content_of(step, from).await? {
            Ok(content) => content,
            Err(words) => return failed(&words),
        };
        let room = self
            .choice
            .context_tokens
            .saturating_sub(2 * OUTPUT_TOKENS_MAX);
        // Two bytes a token is what dense text needs.
        let room = usize::try_from(room.saturating_mul(2)).unwrap_or(usize::MAX);
        if content.text.len() > CONTENT_BYTES_MAX.min(room) {
            return failed("it is too long for one question");
        }
        let value = self.read_apart(step, &content, question, form).await?;
        self.extracted(step, from, form, &content, value).await
    }

    /// Asks the reader. `None`: there is no value.
    async fn read_apart(
        &self,
        step: Step,
        content: &Content,
        question: &str,
        form: &ValueForm,
    ) -> Result<Option<serde_json::Value>, Refused> {
        let context = Context {
            labels: self.context.labels.join(content.labels),
            ..self.context.clone()
        };
        let call = Call {
            choice: &self.choice,
            keys: &self.keys,
            conversation: self
                .shared
                .redact(&context, form.conversation(question, &content.text)),
            output_tokens_max: OUTPUT_TOKENS_MAX.min(self.choice.output_tokens_max),
            step: Some(step),
            granted_spend: false,
        };
        // Nothing of it is shown as it comes: a watcher's screen is a context, too.
        let answered = self
            .shared
            .call_model(&context, call, None, &self.cancel, |_| {})
            .await;
        match answered {
            Ok(answered) => Ok(form.read(&answered.reply.message.joined_text())),
            Err(CallFailed::Refused(refused)) => Err(refused),
            // What the provider said may quote the text.
            Err(CallFailed::Failed(_)) if self.cancel.is_cancelled() => Err(Refused::Cancelled),
            Err(CallFailed::Failed(_)) => Ok(None),
        }
    }

    /// Counts what was carried, and hands the value on.
    async fn extracted(
        &mut self,
        step: Step,
        from: &str,
        form: &ValueForm,
        content: &Content,
        value: Option<serde_json::Value>,
    ) -> Result<Used, Refused> {
        let broken = |err: atoll_api::Error| Refused::Full(atoll_guard::Full::Failed(err.message));
        let carried = self.carried().map_err(broken)?;
        if carried.saturating_add(form.millibits()) > MILLIBITS_MAX && content.labels.untrusted {
            self.gain(vec![Source::extract(from)])
                .await
                .map_err(broken)?;
        }
        let body = |s: &mut atoll_domain::Sealer<'_>| Extracted {
            step,
            from: s.text(from),
            choices: form.choices(),
            millibits: form.millibits(),
            value: value.as_ref().map(|value| s.json(value)),
            labels: content.labels,
        };
        let draft = Origin::system(self.session);
        let logged = self.shared.append(false, |s| (draft, body(s))).await;
        logged.map_err(broken)?;
        let output = match &value {
            Some(value) => ToolOutput::extracted(value),
            None => ToolOutput::failed(NOTHING),
        };
        Ok(Used::Done(output, None))
    }

    /// What the session's values could carry so far, in thousandths of a bit.
    fn carried(&self) -> Result<u64, atoll_api::Error> {
        let mut sum = 0_u64;
        let read = self
            .shared
            .story(&self.session, 0, &["Extracted"], |event| {
                if let Body::Extracted(b) = event.typed() {
                    sum = sum.saturating_add(b.millibits);
                }
                ControlFlow::<()>::Continue(())
            });
        read.map_err(crate::shared::log_error)?;
        Ok(sum)
    }

    async fn content_of(&self, step: Step, from: &str) -> Result<Result<Content, String>, Refused> {
        if let Some(job) = from.strip_prefix("job:") {
            return Ok(self.output_of(job.trim()));
        }
        if let Some(rest) = from.strip_prefix("artifact:") {
            let Some((job, path)) = rest.split_once('/') else {
                return Ok(Err("an artifact is `artifact:j4/PATH`".into()));
            };
            return Ok(self.artifact_of(job.trim(), path));
        }
        self.file_of(step, from).await
    }

    async fn file_of(&self, step: Step, path: &str) -> Result<Result<Content, String>, Refused> {
        let act = FileRead {
            session: self.session,
            op: ReadOp::Read {
                path: path.to_owned(),
                start_line: None,
                lines_max: Some(LINES_MAX),
            },
        };
        let what = format!("read {path} apart, for one value");
        let permit = self.shared.admit(self.file_ask(step, act, what)).await?;
        let now = self.shared.clock.now();
        let done = self.shared.workspaces.read(permit, now).await;
        let (live, result) = done.map_err(Refused::Stop)?;
        let out = match result {
            Ok(out) => {
                live.finish(End::done());
                out
            }
            Err(err) => {
                live.finish(End::failed(None));
                return Ok(Err(err.to_string()));
            }
        };
        let marked = !self.context.marks.of_path(path).is_empty();
        let labels = match marked || !self.context.trusted {
            true => Labels::of(Label::Private).with(Label::Untrusted),
            false => Labels::of(Label::Private),
        };
        // A part would be answered about as if it were all.
        if out.picture.is_some() || out.more.is_some() {
            return Ok(Err("it is no text that can be read whole".into()));
        }
        Ok(Ok(Content {
            text: out.text,
            labels,
        }))
    }

    fn output_of(&self, name: &str) -> Result<Content, String> {
        let (session, outcome) = self.job_here(name)?;
        let text = format!("{}\n{}", outcome.stdout, outcome.stderr);
        Ok(Content {
            text,
            labels: self.labels_of(&session),
        })
    }

    fn artifact_of(&self, name: &str, path: &str) -> Result<Content, String> {
        let (session, _) = self.job_here(name)?;
        let bytes = self.shared.artifact(name, path);
        let bytes = bytes.map_err(|_| format!("job {name} kept no such file"))?;
        let text = String::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
        Ok(Content {
            text,
            labels: self.labels_of(&session),
        })
    }

    /// A job that ended, of this workspace: others are not this session's to read.
    fn job_here(&self, name: &str) -> Result<(SessionId, Outcome), String> {
        let none = || format!("there is no job {name} with an outcome in this workspace");
        let row = self.shared.find_job(name).map_err(|_| none())?;
        let session = row.session.ok_or_else(none)?;
        let of = self.shared.log.session(&session).ok().flatten();
        let here: Option<WorkspaceId> = self.context.workspace.as_ref().map(|(w, _)| *w);
        if of.map(|s| s.workspace) != here || here.is_none() {
            return Err(none());
        }
        let outcome = row.outcome.as_ref().and_then(|o| self.shared.json(o));
        Ok((session, outcome.ok_or_else(none)?))
    }

    /// The labels of what a session's job gave. Whose repository isn't vouched for gave nothing trusted.
    fn labels_of(&self, session: &SessionId) -> Labels {
        let labels = self.shared.labels_now(session, Labels::of(Label::Private));
        match self.context.trusted {
            true => labels,
            false => labels.with(Label::Untrusted),
        }
    }
}
