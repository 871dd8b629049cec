//! A session's updates on the terminal, or as JSON lines, until its turn ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atoll_api::{
    AnswerRequest, Commands, Error, GateView, OnAsk, PatchDetail, Progress, Started, Update, codes,
};
use atoll_client::Client;
use atoll_domain::SessionEnd;
use futures::StreamExt;
use serde_json::json;
use tokio::sync::Notify;

use crate::app::{App, json_line, out, say};
use crate::ask::{Asked, ask};
use crate::commands::signals::Signals;
use crate::term;
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
        }
    }

    /// Until the turn ends; the exit code. Detached, only says that it began.
    pub async fn run(mut self, detach: bool, signals: Signals) -> Result<u8, Error> {
        if self.app.json {
            out(json_line("started", &self.started).as_bytes());
        }
        self.notes();
        if signals.interrupted {
            self.interrupt().await?;
        }
        if detach {
            if !self.app.json {
                out(format!("{}\n", self.started.ordinal).as_bytes());
            }
            return Ok(0);
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
                        if times_interrupted > 1 { break End::Code(codes::CANCELLED.exit); }
                        self.interrupt().await?;
                    }
                    // The session goes on without its terminal.
                    _ = hangups.recv() => break End::Code(0),
                    _ = stops.recv() => break End::Code(143),
                    _ = ticks.tick() => self.tick(),
                }
            };
            match end {
                End::Code(code) => {
                    self.clear();
                    return Ok(code);
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
        say("\nStopping the turn; Ctrl-C again ends this command at once.\n");
        self.client
            .cancel(&self.app.caller(), self.started.session.to_string())
            .await
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
        let now = format!(
            "{}, {}",
            self.turn.now(),
            ui::words::span(self.begun.elapsed().as_millis() as u64)
        );
        if self.app.terminal.stderr {
            let line = atoll_domain::Shown::line(&now).cut(self.app.err.columns.saturating_sub(1));
            say(&format!("\r\x1b[K{}", self.app.err.dim(line.as_str())));
            self.status = true;
        } else if self.said.elapsed() >= HEARTBEAT {
            self.said = Instant::now();
            say(&format!("        … {now}\n"));
        }
    }

    fn print(&mut self, update: &Update) {
        if self.app.json {
            out(json_line("update", update).as_bytes());
            return;
        }
        let lines = self.turn.update(update);
        if !lines.is_empty() {
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

    fn ended(&self, end: SessionEnd, words: &str, data: &serde_json::Value) {
        term::notify(&format!("{} {}", self.started.ordinal, ui::ended(end)));
        if self.app.json {
            out(json_line("result", data).as_bytes());
            return;
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
        let asked = ask(self.app, &fresh, answered.notified()).await;
        looking.abort();
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
