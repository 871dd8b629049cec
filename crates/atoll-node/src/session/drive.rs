//! Driving a session: ask the agent what is next, do it, write down what came of it, fold that in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_agent::{Effect, State};
use atoll_api::{Error, Progress};
use atoll_domain::{
    Body, Compacted, CopyRef, PromptSent, Sealer, SessionId, SessionParked, TurnStopped,
};
use atoll_guard::Entry;
use atoll_ports::models::ModelChoice;
use tokio_util::sync::CancellationToken;

use crate::facts::Context;
use crate::labels::Source;
use crate::session::{Inbox, Opened};
use crate::shared::{Origin, Shared};

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
pub(crate) enum Go {
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
            // A stop comes before the words that wait: no turn is left that would hear them, and who said
            // them has them still.
            while !self.cancel.is_cancelled()
                && let Ok((by, text)) = words.try_recv()
            {
                if let Err(err) = self.steer(&by, &text).await {
                    tracing::warn!("words could not be logged: {err}");
                }
            }
            if self.shared.down.is_cancelled() {
                break Go::Park("restart");
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
                    break Go::Broken(err);
                }
            }
            let Some(effect) = atoll_agent::next(&self.state).into_iter().next() else {
                break Go::On;
            };
            let progress = self.state.progress();
            self.context.turn = format!("turn {} of {}", progress.rounds + 1, progress.rounds_max);
            match self.perform(effect).await {
                Go::On => {}
                other => break other,
            }
        };
        watch.abort();
        self.end(ended).await;
    }

    /// Parked: by the node's end, or at a gate.
    pub(crate) fn park(&self) -> Go {
        match self.shared.down.is_cancelled() {
            true => Go::Park("restart"),
            false => Go::Park("gate"),
        }
    }

    async fn end(&mut self, ended: Go) {
        let reason = match ended {
            Go::On => return,
            Go::Park(reason) => reason,
            Go::Broken(err) => {
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
        let draft = Origin::agent(self.session);
        self.shared.append(sync, |s| (draft, make(s))).await?;
        self.catch_up()
    }

    /// Appends several events of the session, all or none, and folds them.
    pub(crate) async fn append_all(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        self.append_entries(entries, true).await
    }

    pub(crate) async fn append_entries(
        &mut self,
        entries: Vec<Entry>,
        sync: bool,
    ) -> Result<(), Error> {
        let done = self.shared.log.append_all(entries, sync).await;
        done.map_err(|full| crate::shared::full_error(&full))?;
        self.catch_up()
    }

    async fn steer(&mut self, by: &str, text: &str) -> Result<(), Error> {
        let draft = Origin::human(by, Some(self.session));
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

    async fn perform(&mut self, effect: Effect) -> Go {
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
        done.map_or_else(Go::Broken, |()| Go::On)
    }

    pub(crate) fn session_entry<B: Into<Body>>(&self, body: B) -> Entry {
        self.shared.entry(|_| (Origin::system(self.session), body))
    }

    /// The context gains labels: they are in the log when this returns.
    pub(crate) async fn gain(&mut self, sources: Vec<Source>) -> Result<(), Error> {
        if !sources.is_empty() {
            let labels = self.shared.mark(self.session, sources).await?;
            self.context.labels = self.context.labels.join(labels);
        }
        Ok(())
    }
}
