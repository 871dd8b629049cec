//! A session's updates on the terminal, or as JSON lines, until its turn ends.

mod bottom;
mod gate;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use atoll_api::{Commands, Error, OnAsk, PatchDetail, Progress, Started, Update, codes};
use atoll_client::Client;
use atoll_domain::{Cost, SessionEnd};
use futures::StreamExt;
use serde_json::json;

use crate::app::{App, json_line, out, say};
use crate::commands::signals::Signals;
use crate::commands::talk::Talk;
use crate::term;
use crate::typing::{Hands, Typed};
use crate::ui::{self, Turn};
use bottom::Bottom;

/// Without a terminal something is said this often.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A turn of a conversation that took longer ends with a bell.
const NOTIFY_AFTER: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);
/// How often a watcher that lost the node comes back before it gives up.
const COMING_BACK_MAX: u32 = 5;

/// How a watch ended.
enum End {
    /// With this exit code.
    Code(u8),
    /// The watcher goes, with this exit code.
    Over(u8),
    /// The stream ended in the middle: come back from the cursor.
    Cut,
}

/// A session that is watched.
pub struct Watch<'a> {
    app: &'a App,
    client: Client,
    started: Started,
    on_ask: OnAsk,
    turn: Turn,
    cursor: u64,
    patch: Option<PatchDetail>,
    /// The line at the bottom that is written over.
    bottom: Bottom,
    said: Instant,
    begun: Instant,
    /// How a conversation's answers are told; `None`: the session works on a task.
    talk: Option<Talk>,
    /// The keyboard, where typing steers.
    hands: Option<Hands>,
    /// How it ended, where its caller tells that; `None`: it is told here.
    ended: Option<Ended>,
    /// Words that were sent and that the session did not take in yet.
    waiting: VecDeque<String>,
    /// Whether the person stopped the turn: what the model still says is not shown.
    stopping: bool,
    /// The gate that the person left open.
    left: Option<String>,
    /// Tokens of the last call, in and out: what of the window is in use.
    context_tokens: Option<u64>,
}

/// How a watched task ended, for a caller that tells it.
#[derive(Default)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// How; `None` where the watcher went before its end.
    pub end: Option<SessionEnd>,
    /// In words.
    pub words: String,
    /// What the session spent.
    pub spent: Cost,
    /// Steps taken.
    pub steps: u64,
    /// What it proposes.
    pub patch: Option<PatchDetail>,
}

/// How a turn of a conversation ended for who watched it.
pub struct Watched {
    /// The exit code.
    pub code: u8,
    /// Whether the person wants the conversation to end.
    pub over: bool,
    /// Words that were typed and not sent, or sent and not heard.
    pub typed: String,
    /// Tokens of the last call, in and out.
    pub context_tokens: Option<u64>,
    /// Where to watch again from, if the session waits at a gate that was left open.
    pub waits: Option<u64>,
}

impl<'a> Watch<'a> {
    pub fn new(app: &'a App, client: Client, started: Started, on_ask: OnAsk) -> Watch<'a> {
        Watch {
            app,
            client,
            cursor: started.cursor,
            started,
            on_ask,
            turn: Turn::new(app.err_now()),
            patch: None,
            bottom: Bottom::default(),
            said: Instant::now(),
            begun: Instant::now(),
            talk: None,
            hands: None,
            ended: None,
            waiting: VecDeque::new(),
            stopping: false,
            left: None,
            context_tokens: None,
        }
    }

    /// Until the turn ends, whose end the caller tells.
    pub async fn until_end(mut self, signals: Signals) -> Result<Ended, Error> {
        self.ended = Some(Ended::default());
        let (code, _) = self.watch(signals).await?;
        let ended = self.ended.take().unwrap_or_default();
        let patch = self.patch.take();
        Ok(Ended {
            code,
            patch,
            ..ended
        })
    }

    /// Tells answers as a conversation's.
    pub fn talking(self, talk: Talk) -> Watch<'a> {
        Watch {
            talk: Some(talk),
            ..self
        }
    }

    /// A turn of a conversation on a terminal.
    pub async fn turn(mut self, signals: Signals) -> Result<Watched, Error> {
        let watched = self.steered(signals).await?;
        let ((code, over), typed) = watched;
        Ok(Watched {
            code,
            over,
            typed,
            context_tokens: self.context_tokens,
            // The gate's event is the last one that was seen: it comes again.
            waits: self.left.is_some().then(|| self.cursor.saturating_sub(1)),
        })
    }

    /// Watches with the hands on the keyboard: typing steers, Esc stops. The words that are left over.
    async fn steered(&mut self, signals: Signals) -> Result<((u8, bool), String), Error> {
        if !self.app.terminal.dumb {
            self.hands = Hands::new(String::new());
        }
        let watched = self.watch(signals).await;
        self.clear();
        let typed = match self.hands.take() {
            Some(hands) => hands.rest().await,
            None => String::new(),
        };
        let mut left: Vec<String> = std::mem::take(&mut self.waiting).into();
        left.extend(Some(typed).filter(|typed| !typed.trim().is_empty()));
        Ok((watched?, left.join("\n")))
    }

    /// Until the turn ends; the exit code. Detached, only says that it began.
    pub async fn run(mut self, detach: bool, signals: Signals) -> Result<u8, Error> {
        if detach {
            self.began();
            if signals.interrupted {
                self.interrupt().await?;
            }
            if !self.app.json {
                out(format!("{}\n", self.started.ordinal).as_bytes());
            }
            return Ok(0);
        }
        let terminal = self.app.terminal;
        if self.app.json || !terminal.stdin || !terminal.stderr {
            return self.watch(signals).await.map(|(code, _)| code);
        }
        let ((code, _), left) = self.steered(signals).await?;
        if !left.trim().is_empty() {
            let left = atoll_domain::Shown::line(&left);
            say(&format!("not heard any more: {left}\n"));
        }
        Ok(code)
    }

    fn began(&mut self) {
        if self.app.json {
            out(json_line("started", &self.started).as_bytes());
        }
        self.notes();
    }

    /// Until the turn ends: the exit code, and whether the watcher wants to go.
    async fn watch(&mut self, signals: Signals) -> Result<(u8, bool), Error> {
        self.began();
        if signals.interrupted {
            self.interrupt().await?;
        }
        let Signals {
            int: mut interrupts,
            hup: mut hangups,
            term: mut stops,
            interrupted,
        } = signals;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await; // the first is at once
        let mut times_interrupted = u32::from(interrupted);
        let mut lost = 0;
        loop {
            let session = self.started.session.to_string();
            let opened = self
                .client
                .watch(&self.app.caller(), session, self.cursor)
                .await;
            let mut updates = match opened {
                Ok(updates) => updates,
                Err(err) if err.is(codes::NODE_UNREACHABLE) => return Err(self.lost(err)),
                Err(err) => return Err(err),
            };
            let before = self.cursor;
            let end = loop {
                tokio::select! {
                    update = updates.next() => match update {
                        None => break End::Cut,
                        Some(update) => if let Some(end) = self.update(update).await? { break end },
                    },
                    _ = interrupts.recv() => {
                        times_interrupted += 1;
                        if times_interrupted > 1 { break End::Over(codes::CANCELLED.exit); }
                        self.interrupt().await?;
                    }
                    // The session goes on without its terminal.
                    _ = hangups.recv() => break End::Over(0),
                    _ = stops.recv() => break End::Over(143),
                    typed = typed(&mut self.hands) => self.typed(typed).await?,
                    _ = ticks.tick() => self.tick(),
                }
            };
            match end {
                End::Code(code) => {
                    self.clear();
                    return Ok((code, false));
                }
                End::Over(code) => {
                    self.clear();
                    return Ok((code, true));
                }
                End::Cut if self.cursor > before => lost = 0,
                End::Cut => lost += 1,
            }
            if lost > COMING_BACK_MAX {
                let words = "the node ended the connection again and again";
                return Err(self.lost(Error::new(codes::NODE_UNREACHABLE, words)));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What the node said of the session before it began.
    fn notes(&mut self) {
        for text in self.started.notes.clone() {
            self.print(&Update {
                seq: None,
                ts: crate::app::now(),
                session: Some(self.started.session),
                progress: Progress::Note { text },
            });
        }
    }

    fn lost(&mut self, err: Error) -> Error {
        self.clear();
        err.changed("nothing that was acknowledged is lost")
            .next(format!("atoll session resume {}", self.started.ordinal))
    }

    async fn interrupt(&mut self) -> Result<(), Error> {
        self.clear();
        self.break_line();
        self.stopping = true;
        say("\nStopping the turn; Ctrl-C again leaves at once.\n");
        let session = self.started.session.to_string();
        match self.client.cancel(&self.app.caller(), session).await {
            // Its turn ended by itself in this moment.
            Err(err) if err.is(codes::NOT_RUNNING) && self.talk.is_some() => Ok(()),
            done => done,
        }
    }

    fn print(&mut self, update: &Update) {
        if self.app.json {
            out(json_line("update", update).as_bytes());
            return;
        }
        let unheard = self.stopping && matches!(update.progress, Progress::Text { .. });
        if let Some(talk) = self.talk.as_mut().filter(|_| !unheard) {
            if talk.hears(&update.progress) {
                self.bottom.clear();
            }
            talk.take(&update.progress);
        }
        // A conversation tells its words itself, and that it was stopped once.
        let told = match &update.progress {
            Progress::Replied { .. } => self.talk.is_some(),
            Progress::ReplyFailed { reason, .. } => self.talk.is_some() && reason == "cancelled",
            _ => false,
        };
        if told {
            self.turn.update(update);
            self.again();
            return;
        }
        let lines = self.turn.update(update);
        if !lines.is_empty() {
            self.clear();
            if let Some(talk) = &mut self.talk {
                talk.apart();
            }
            say(&lines);
            self.said = Instant::now();
        }
        self.again();
    }

    /// What is remembered of an update beside what is shown.
    fn remember(&mut self, progress: &Progress) {
        match progress {
            // Words of the same person from elsewhere are none of those that wait here.
            Progress::Prompt {
                text, steer: true, ..
            } => {
                if let Some(at) = self.waiting.iter().position(|words| words == text) {
                    self.waiting.remove(at);
                }
            }
            Progress::Replied { usage, .. } => {
                self.context_tokens = Some(usage.input_tokens + usage.output_tokens);
            }
            _ => {}
        }
    }

    async fn update(&mut self, update: Update) -> Result<Option<End>, Error> {
        self.cursor = update.seq.unwrap_or(0).max(self.cursor);
        self.remember(&update.progress);
        self.print(&update);
        match update.progress {
            Progress::Gate { gate } => self.gate(*gate).await,
            Progress::Patch { patch } => {
                self.patch = Some(*patch);
                Ok(None)
            }
            Progress::Ended {
                end,
                words,
                spent,
                steps,
            } => {
                self.clear();
                if let Some(ended) = &mut self.ended {
                    let code = end.exit_code();
                    *ended = Ended {
                        code,
                        end: Some(end),
                        words,
                        spent,
                        steps,
                        patch: None,
                    };
                    return Ok(Some(End::Code(code)));
                }
                let data = json!({
                    "session": self.started.ordinal,
                    "end": end,
                    "words": words,
                    "spent": spent,
                    "steps": steps,
                    "patch": self.patch.as_ref().map(|p| &p.view.ordinal),
                    "exit": end.exit_code(),
                });
                self.ended(end, &words, &data);
                Ok(Some(End::Code(end.exit_code())))
            }
            Progress::Parked { reason } => {
                self.clear();
                let exit = codes::NEEDS_PERSON.exit;
                let data =
                    json!({ "session": self.started.ordinal, "parked": reason, "exit": exit });
                if self.app.json {
                    out(json_line("result", &data).as_bytes());
                } else {
                    say(&format!(
                        "Parked. Go on with it: atoll session resume {}\n",
                        self.started.ordinal
                    ));
                }
                Ok(Some(End::Code(exit)))
            }
            Progress::Dropped => Ok(Some(End::Cut)),
            _ => Ok(None),
        }
    }

    fn ended(&mut self, end: SessionEnd, words: &str, data: &serde_json::Value) {
        // Who gets an answer at once still looks at it.
        if self.talk.is_none() || self.begun.elapsed() >= NOTIFY_AFTER {
            term::notify(&format!("{} {}", self.started.ordinal, ui::ended(end)));
        }
        if self.app.json {
            out(json_line("result", data).as_bytes());
            return;
        }
        if let Some(talk) = &mut self.talk {
            let patch = self.patch.as_ref();
            return talk.ended(self.app, &self.started.ordinal, end, words, patch);
        }
        match &self.patch {
            Some(patch) => out(format!("\n{}", ui::ready(&self.app.style, patch)).as_bytes()),
            None => {
                out(ui::no_patch(&self.app.style, &self.started.ordinal, end, words).as_bytes())
            }
        }
    }
}

/// What is typed next; never, where nothing is read.
async fn typed(hands: &mut Option<Hands>) -> Vec<Typed> {
    match hands {
        Some(hands) => hands.next().await,
        None => std::future::pending().await,
    }
}
