//! A session's updates on the terminal, or as JSON lines, until its turn ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atoll_api::{
    AnswerRequest, Commands, Error, GateView, OnAsk, PatchDetail, Progress, Started, Update, codes,
};
use atoll_client::Client;
use atoll_domain::{Cost, SessionEnd};
use futures::StreamExt;
use serde_json::json;
use tokio::sync::Notify;

use crate::app::{App, json_line, out, say};
use crate::ask::{Asked, ask};
use crate::commands::signals::Signals;
use crate::commands::talk::Talk;
use crate::term;
use crate::typing::{Hands, Typed};
use crate::ui::{self, Turn};

/// Without a terminal something is said this often.
const HEARTBEAT: Duration = Duration::from_secs(10);
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
    /// What is written over: whether a status line stands on the terminal.
    status: bool,
    said: Instant,
    begun: Instant,
    /// How a conversation's answers are told; `None`: the session works on a task.
    talk: Option<Talk>,
    /// The keyboard, where typing steers.
    hands: Option<Hands>,
    /// How it ended, where its caller tells that; `None`: it is told here.
    ended: Option<Ended>,
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
    /// Words that were typed and not sent.
    pub typed: String,
}

impl<'a> Watch<'a> {
    pub fn new(app: &'a App, client: Client, started: Started, on_ask: OnAsk) -> Watch<'a> {
        Watch {
            app,
            client,
            cursor: started.cursor,
            started,
            on_ask,
            turn: Turn::new(app.err),
            patch: None,
            status: false,
            said: Instant::now(),
            begun: Instant::now(),
            talk: None,
            hands: None,
            ended: None,
        }
    }

    /// Until the turn ends, whose end the caller tells.
    pub async fn to_end(mut self, signals: Signals) -> Result<Ended, Error> {
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

    /// A turn of a conversation on a terminal: typing steers, Esc stops.
    pub async fn turn(mut self, signals: Signals) -> Result<Watched, Error> {
        if !self.app.terminal.dumb {
            self.hands = Hands::new(String::new());
        }
        let watched = self.watch(signals).await;
        self.clear();
        let typed = match self.hands.take() {
            Some(hands) => hands.rest().await,
            None => String::new(),
        };
        let (code, over) = watched?;
        Ok(Watched { code, over, typed })
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
        self.watch(signals).await.map(|(code, _)| code)
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

    /// What was typed while the turn runs.
    async fn typed(&mut self, typed: Vec<Typed>) -> Result<(), Error> {
        for typed in typed {
            match typed {
                Typed::Stop => self.interrupt().await?,
                Typed::Words(words) => {
                    let session = self.started.session.to_string();
                    let said = self.client.say(&self.app.caller(), session, words).await;
                    if let Err(err) = said {
                        self.clear();
                        say(&ui::error(&self.app.err, &err));
                    }
                }
                Typed::TooLong => {
                    self.clear();
                    say("that is longer than can be sent; nothing was\n");
                }
                Typed::More => {}
            }
        }
        self.status_line();
        Ok(())
    }

    async fn interrupt(&mut self) -> Result<(), Error> {
        self.clear();
        self.break_line();
        say("\nStopping the turn; Ctrl-C again ends this command at once.\n");
        let session = self.started.session.to_string();
        match self.client.cancel(&self.app.caller(), session).await {
            // Its turn ended by itself in this moment.
            Err(err) if err.is(codes::NOT_RUNNING) && self.talk.is_some() => Ok(()),
            done => done,
        }
    }

    /// Takes the status line away.
    fn clear(&mut self) {
        if std::mem::take(&mut self.status) {
            say("\r\x1b[K");
        }
    }

    fn tick(&mut self) {
        if self.app.json {
            return;
        }
        if self.app.terminal.stderr && !self.app.terminal.dumb {
            self.status_line();
            return;
        }
        let now = self.now();
        if self.said.elapsed() >= HEARTBEAT {
            self.said = Instant::now();
            say(&format!("        … {now}\n"));
        }
    }

    fn now(&self) -> String {
        let passed = ui::words::span(self.begun.elapsed().as_millis() as u64);
        format!("{}, {passed}", self.turn.now())
    }

    /// The line that is written over: what is typed, else what goes on.
    fn status_line(&mut self) {
        // Not in the middle of an answer.
        if self.app.json || self.talk.as_ref().is_some_and(Talk::mid_line) {
            return;
        }
        let columns = usize::from(self.app.terminal.size.0).max(4) - 1;
        let typed = self.hands.as_ref().map_or("", Hands::text);
        let line = match typed.char_indices().rev().nth(columns.saturating_sub(4)) {
            _ if typed.is_empty() => self.now(),
            None => format!("> {typed}"),
            // Its end, where the person types.
            Some((at, _)) => format!("> {}", &typed[at..]),
        };
        let line = atoll_domain::Shown::line(&line).cut(columns);
        say(&format!("\r\x1b[K{}", self.app.err.dim(line.as_str())));
        self.status = true;
    }

    /// Ends a line of an answer that is being written.
    fn break_line(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.pause();
        }
    }

    fn print(&mut self, update: &Update) {
        if self.app.json {
            out(json_line("update", update).as_bytes());
            return;
        }
        if let Some(talk) = &mut self.talk {
            if talk.hears(&update.progress) && std::mem::take(&mut self.status) {
                say("\r\x1b[K");
            }
            talk.take(&update.progress);
        }
        // A conversation tells its words itself.
        let told = matches!(update.progress, Progress::Replied { .. }) && self.talk.is_some();
        if told {
            self.turn.update(update);
            return;
        }
        let lines = self.turn.update(update);
        if !lines.is_empty() {
            self.break_line();
            self.clear();
            say(&lines);
            self.said = Instant::now();
        }
    }

    async fn update(&mut self, update: Update) -> Result<Option<End>, Error> {
        self.cursor = update.seq.unwrap_or(0).max(self.cursor);
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
        term::notify(&format!("{} {}", self.started.ordinal, ui::ended(end)));
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

    /// Asks on the terminal, unless somebody answers elsewhere meanwhile. Without a terminal it is only said.
    async fn gate(&mut self, gate: GateView) -> Result<Option<End>, Error> {
        let terminal = self.app.terminal;
        if self.app.json || self.on_ask != OnAsk::Wait || gate.answer.is_some() {
            return Ok(None);
        }
        self.break_line();
        self.clear();
        if !(terminal.stdin && terminal.stderr) {
            say(&ui::gate(&self.app.err, &gate, crate::app::now(), false));
            return Ok(None);
        }
        // An old gate of the log that is replayed to this watcher may be answered long since.
        let caller = self.app.caller();
        let fresh = self.client.gate(&caller, gate.gate.to_string()).await?;
        if fresh.answer.is_some() {
            return Ok(None);
        }
        let answered = Arc::new(Notify::new());
        let looking = tokio::spawn(elsewhere(
            self.client.clone(),
            caller.clone(),
            gate.gate.to_string(),
            answered.clone(),
        ));
        // One reader of the keyboard at a time.
        let typed = match self.hands.take() {
            Some(hands) => Some(hands.rest().await),
            None => None,
        };
        let asked = ask(self.app, &fresh, answered.notified()).await;
        looking.abort();
        self.hands = typed.and_then(Hands::new);
        match asked {
            Asked::Gone => Ok(None),
            Asked::Later => {
                say(&format!(
                    "Gate {} stays open and {} waits for it.\n  answer it    atoll gate answer {}\n  watch again  atoll session resume {}\n",
                    gate.ordinal, self.started.ordinal, gate.ordinal, self.started.ordinal
                ));
                Ok(Some(End::Code(codes::NEEDS_PERSON.exit)))
            }
            Asked::Answer(answer, why) => {
                let request = AnswerRequest {
                    answer,
                    why,
                    gate: gate.gate,
                };
                match self
                    .client
                    .gate_answer(&caller, gate.gate.to_string(), request)
                    .await
                {
                    Err(err) if err.is(codes::GATE_CLOSED) => {
                        say("It was answered elsewhere meanwhile.\n");
                        Ok(None)
                    }
                    Err(err) => Err(err),
                    Ok(_) => Ok(None),
                }
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

/// Looks whether a gate was answered by somebody else.
async fn elsewhere(client: Client, caller: atoll_api::Caller, gate: String, answered: Arc<Notify>) {
    loop {
        tokio::time::sleep(TICK).await;
        match client.gate(&caller, gate.clone()).await {
            Ok(view) if view.answer.is_none() => {}
            _ => {
                answered.notify_one();
                return;
            }
        }
    }
}
