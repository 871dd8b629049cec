//! Driving a session: ask the agent what is next, do it, write down what came of it, fold that in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_agent::{Effect, State, ToolOutput, ToolRequest};
use atoll_api::{Error, Progress};
use atoll_domain::{
    Body, Compacted, CopyRef, Labelled, ModelAsked, PromptSent, ReplyFailed, ReplyReceived, Sealer,
    SessionId, SessionParked, Step, ToolCalled, ToolResult, TurnStopped,
};
use atoll_guard::Entry;
use atoll_ports::models::{Delta, Failure, ModelChoice};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::facts::Context;
use crate::gate::Refused;
use crate::session::call::{Answered, Call, CallFailed};
use crate::session::tool::Used;
use crate::session::{Inbox, Opened};
use crate::shared::{Draft0, Shared};

/// What `ToolCall.call` holds, for people and for the watcher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    /// The model's id of the call.
    pub(crate) id: String,
    /// `model`, `survey`, `baseline`, `check`.
    pub(crate) by: String,
    /// What it is about, one line.
    pub(crate) target: String,
}

/// A session under way.
pub(crate) struct Drive {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: SessionId,
    pub(crate) context: Context,
    pub(crate) opened: Opened,
    pub(crate) choice: ModelChoice,
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) copy: CopyRef,
    pub(crate) state: State,
    pub(crate) cancel: CancellationToken,
    /// Whether fetching dependencies was offered, and whether something came of it.
    pub(crate) fetch: crate::session::fetch::Fetch,
    /// The last event that was folded.
    cursor: u64,
}

/// Whether the drive goes on.
pub(crate) enum Step1 {
    On,
    /// The session is parked, for this reason.
    Park(&'static str),
    /// The log takes nothing: what happens next could not be written down.
    Broken(Error),
}

impl Drive {
    pub(crate) fn new(
        shared: Arc<Shared>,
        session: SessionId,
        context: Context,
        opened: Opened,
        choice: ModelChoice,
        keys: BTreeMap<String, String>,
        copy: CopyRef,
    ) -> Result<Drive, Error> {
        let cancel = CancellationToken::new();
        let state = State::default();
        let mut drive = Drive {
            shared,
            session,
            context,
            opened,
            choice,
            keys,
            copy,
            state,
            cancel,
            fetch: Default::default(),
            cursor: 0,
        };
        drive.catch_up()?;
        Ok(drive)
    }

    /// Folds what the log has of this session beyond the last folded event.
    pub(crate) fn catch_up(&mut self) -> Result<(), Error> {
        let shared = self.shared.clone();
        let state = std::mem::take(&mut self.state);
        let (state, cursor) = shared.fold_session(&self.session, state, self.cursor)?;
        (self.state, self.cursor) = (state, cursor);
        Ok(())
    }

    /// Runs until the turn ends or the session is parked.
    pub(crate) async fn run(mut self, inbox: Inbox) {
        let Inbox { mut words, cancel } = inbox;
        self.cancel = cancel;
        let limit = self.opened.time_s.unwrap_or(u64::MAX / 2000);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(limit.min(365 * 86_400));
        let timer = self.cancel.clone();
        let late = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = late.clone();
        let mut stopped = false;
        let watch = tokio::spawn(async move {
            tokio::time::sleep_until(deadline).await;
            flag.store(true, std::sync::atomic::Ordering::SeqCst);
            timer.cancel();
        });
        let ended = loop {
            while let Ok((by, text)) = words.try_recv() {
                if let Err(err) = self.steer(&by, &text).await {
                    tracing::warn!("words could not be logged: {err}");
                }
            }
            if self.shared.down.is_cancelled() {
                break Step1::Park("restart");
            }
            if self.cancel.is_cancelled() && !std::mem::replace(&mut stopped, true) {
                let reason = if late.load(std::sync::atomic::Ordering::SeqCst) {
                    "seconds"
                } else {
                    "cancelled"
                };
                let turn = self.state.progress().turn;
                let body = TurnStopped {
                    turn,
                    reason: reason.into(),
                };
                if let Err(err) = self.append(true, |_| body).await {
                    break Step1::Broken(err);
                }
            }
            let Some(effect) = atoll_agent::next(&self.state).into_iter().next() else {
                break Step1::On;
            };
            let progress = self.state.progress();
            self.context.turn = format!("turn {} of {}", progress.rounds + 1, progress.rounds_max);
            match self.perform(effect).await {
                Step1::On => {}
                other => break other,
            }
        };
        watch.abort();
        self.end(ended).await;
    }

    async fn end(&mut self, ended: Step1) {
        let reason = match ended {
            Step1::On => return,
            Step1::Park(reason) => reason,
            Step1::Broken(err) => {
                tracing::error!("session {} stops: {err}", self.session);
                self.shared.say_note(self.session, &err.message);
                "log"
            }
        };
        let parked = SessionParked {
            reason: reason.into(),
        };
        if let Err(err) = self.append(true, |_| parked).await {
            // The node's next start parks it again.
            tracing::error!("session {} could not be parked: {err}", self.session);
            self.shared.hub.send(
                self.session,
                self.shared.clock.wall(),
                Progress::Parked {
                    reason: reason.into(),
                },
            );
        }
    }

    /// Appends an event of the session and folds it.
    pub(crate) async fn append<B: Into<Body>>(
        &mut self,
        sync: bool,
        make: impl FnOnce(&mut Sealer<'_>) -> B,
    ) -> Result<(), Error> {
        let draft = Draft0::agent(self.session);
        self.shared.append(sync, |s| (draft, make(s))).await?;
        self.catch_up()
    }

    /// Appends several events of the session, all or none, and folds them.
    pub(crate) async fn append_all(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        self.append_entries(entries, true).await
    }

    async fn append_entries(&mut self, entries: Vec<Entry>, sync: bool) -> Result<(), Error> {
        let done = self.shared.log.append_all(entries, sync).await;
        done.map_err(|full| crate::shared::full_error(&full))?;
        self.catch_up()
    }

    async fn steer(&mut self, by: &str, text: &str) -> Result<(), Error> {
        let draft = Draft0::human(by, Some(self.session));
        let turn = self.state.progress().turn;
        self.shared
            .append(true, |s| {
                (
                    draft,
                    PromptSent {
                        turn,
                        steer: true,
                        text: s.text(text),
                    },
                )
            })
            .await?;
        self.catch_up()
    }

    async fn perform(&mut self, effect: Effect) -> Step1 {
        let done = match effect {
            Effect::CallModel { .. } => return self.call(effect).await,
            Effect::UseTool { .. } => return self.tool(effect).await,
            Effect::RejectCall { .. } => self.reject(effect).await,
            Effect::Compact {
                upto,
                saved_tokens,
                summary,
                ..
            } => {
                self.append(true, |s| Compacted {
                    upto,
                    saved_tokens,
                    summary: s.text(&summary),
                })
                .await
            }
            Effect::FinishTurn {
                turn,
                end,
                words,
                proposal,
                ..
            } => self.finish(turn, end, words, proposal).await,
        };
        done.map_or_else(Step1::Broken, |()| Step1::On)
    }

    async fn call(&mut self, effect: Effect) -> Step1 {
        let digest = effect.digest();
        let Effect::CallModel {
            step,
            wait_ms,
            conversation,
            output_tokens_max,
            ..
        } = effect
        else {
            return Step1::On;
        };
        let provider = self.choice.model.provider.clone();
        let asked = |s: &mut Sealer<'_>| ModelAsked {
            step,
            provider,
            effect: s.text(&digest.to_string()),
        };
        if let Err(err) = self.append(false, asked).await {
            return Step1::Broken(err);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            () = self.cancel.cancelled() => return Step1::On,
        }
        let call = Call {
            choice: &self.choice,
            keys: &self.keys,
            conversation,
            output_tokens_max,
            step: Some(step),
            granted_spend: false,
        };
        let (hub, session, clock) = (&self.shared.hub, self.session, &self.shared.clock);
        let seen = |delta: &Delta| {
            let progress = match delta {
                Delta::Text(text) => Progress::Text { text: text.clone() },
                Delta::Reasoning(text) => Progress::Reasoning { text: text.clone() },
                Delta::Retrying {
                    wait_ms,
                    reason,
                    status,
                    asked,
                    attempt,
                    attempts_max,
                } => Progress::Retrying {
                    wait_ms: *wait_ms,
                    reason: reason.name().into(),
                    status: *status,
                    asked: *asked,
                    attempt: *attempt,
                    attempts_max: *attempts_max,
                },
                Delta::ToolNamed(_) | Delta::Done(_) => return,
            };
            hub.send(session, clock.wall(), progress);
        };
        let answered = self
            .shared
            .call_model(&self.context, call, None, &self.cancel, seen)
            .await;
        let done = match answered {
            Ok(Answered {
                reply,
                micros,
                redacted,
            }) => {
                if redacted > 0
                    && let Err(err) = self.label(atoll_domain::Label::Secret, "redaction").await
                {
                    return Step1::Broken(err);
                }
                let provider = self.choice.model.provider.clone();
                self.append(true, |s| ReplyReceived {
                    step,
                    provider,
                    model: s.text(&reply.model),
                    usage: reply.usage,
                    micros,
                    finish: s.text(&reply.finish),
                    message: s.json(&reply.message),
                })
                .await
            }
            Err(failed) => match self.reply_failed(failed) {
                Ok((reason, words)) => {
                    self.append(true, |s| ReplyFailed {
                        step,
                        reason,
                        words: s.text(&words),
                    })
                    .await
                }
                Err(stop) => return stop,
            },
        };
        done.map_or_else(Step1::Broken, |()| Step1::On)
    }

    /// The reason and words of a call without a reply, or how the drive stops.
    fn reply_failed(&self, failed: CallFailed) -> Result<(String, String), Step1> {
        match failed {
            CallFailed::Failed(err) => {
                let error = crate::session::call::model_error(&err, &self.choice);
                // A reply that began well and ended in the provider's error broke in its middle.
                let broke = err.failure == Failure::Server && err.status.is_none();
                let failure = if broke { Failure::Cut } else { err.failure };
                Ok((failure.name().into(), error.message))
            }
            CallFailed::Refused(Refused::Park) => Err(Step1::Park("gate")),
            CallFailed::Refused(Refused::Cancelled) => Err(Step1::On),
            CallFailed::Refused(Refused::NeedsPerson { why, .. }) => {
                Ok(("needs_person".into(), why))
            }
            CallFailed::Refused(Refused::Stop(stop @ atoll_guard::Stop::Budget(_))) => {
                Ok(("limit".into(), stop.to_string()))
            }
            CallFailed::Refused(refused) => Ok(("denied".into(), refused.error().message)),
        }
    }

    fn called(
        &self,
        effect: &Effect,
        by: &str,
        id: &str,
        target: &str,
    ) -> impl FnOnce(&mut Sealer<'_>) -> ToolCalled + use<> {
        let (step, digest) = (effect.step(), effect.digest());
        let tool = effect.tool_name().unwrap_or("unknown").to_owned();
        let record = CallRecord {
            id: id.to_owned(),
            by: by.to_owned(),
            target: target.to_owned(),
        };
        move |s| ToolCalled {
            step,
            tool,
            call: s.json(&record),
            effect: s.text(&digest.to_string()),
        }
    }

    async fn tool(&mut self, effect: Effect) -> Step1 {
        let Effect::UseTool {
            step,
            call_id,
            by,
            tool,
        } = &effect
        else {
            return Step1::On;
        };
        let by = serde_json::to_value(by)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default();
        let (step, tool) = (*step, tool.clone());
        // What was only read is read again after a crash: it does not wait for the disk.
        let sync = !matches!(tool, ToolRequest::Read { .. });
        let called = self.called(&effect, &by, call_id, &tool.target());
        let used = match self.used(step, tool, sync, called).await {
            Ok(used) => used,
            Err(err) => return Step1::Broken(err),
        };
        let (output, tree) = match used {
            Used::Done(output, tree) => (output, tree),
            Used::Park => return Step1::Park("gate"),
            Used::NeedsPerson(why) => {
                let turn = self.state.progress().turn;
                let stopped = TurnStopped {
                    turn,
                    reason: "needs_person".into(),
                };
                let output = ToolOutput::denied(&[], &why);
                let both = vec![
                    self.result_entry(step, &output, None),
                    self.session_entry(stopped),
                ];
                return self
                    .append_all(both)
                    .await
                    .map_or_else(Step1::Broken, |()| Step1::On);
            }
        };
        if self.fetch.take_fetched()
            && let Err(err) = self.label(atoll_domain::Label::Untrusted, "network").await
        {
            return Step1::Broken(err);
        }
        let entry = self.result_entry(step, &output, tree.as_ref().map(|t| t.as_str()));
        self.append_entries(vec![entry], sync)
            .await
            .map_or_else(Step1::Broken, |()| Step1::On)
    }

    /// Logs the call and does it. A read need not wait until its call is in the log: what it is granted comes behind.
    async fn used(
        &mut self,
        step: Step,
        tool: ToolRequest,
        wait: bool,
        called: impl FnOnce(&mut Sealer<'_>) -> ToolCalled,
    ) -> Result<Used, Error> {
        if wait {
            self.append(false, called).await?;
            return Ok(self.use_tool(step, tool).await);
        }
        let draft = Draft0::agent(self.session);
        let (logged, used) = tokio::join!(
            self.shared.append(false, |s| (draft, called(s))),
            self.use_tool(step, tool)
        );
        logged.map(|_| used)
    }

    pub(crate) fn result_entry(
        &self,
        step: Step,
        output: &ToolOutput,
        tree: Option<&str>,
    ) -> Entry {
        self.shared.entry(|s| {
            let body = ToolResult {
                step,
                ok: output.ok(),
                result: s.json(output),
                tree: tree.map(|t| s.text(t)),
            };
            (Draft0::system(self.session), body)
        })
    }

    pub(crate) fn session_entry<B: Into<Body>>(&self, body: B) -> Entry {
        self.shared.entry(|_| (Draft0::system(self.session), body))
    }

    async fn reject(&mut self, effect: Effect) -> Result<(), Error> {
        let Effect::RejectCall {
            step,
            call_id,
            name,
            ..
        } = &effect
        else {
            return Ok(());
        };
        let called = self.called(&effect, "model", call_id, name);
        let output = effect
            .rejection()
            .unwrap_or_else(|| ToolOutput::rejected("malformed"));
        let call = self
            .shared
            .entry(|s| (Draft0::agent(self.session), called(s)));
        let result = self.result_entry(*step, &output, None);
        self.append_all(vec![call, result]).await
    }

    /// Adds a label to the context, once.
    pub(crate) async fn label(
        &mut self,
        label: atoll_domain::Label,
        source: &str,
    ) -> Result<(), Error> {
        if self.context.labels.has(label) {
            return Ok(());
        }
        self.context.labels = self.context.labels.with(label);
        let body = Labelled {
            label,
            source: source.into(),
        };
        self.append(false, |_| body).await
    }
}
