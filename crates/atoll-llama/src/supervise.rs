//! An engine's process, seen from the node: started, spoken to, watched, and ended.
//!
//! Four threads of its own, which end with it: one that started it and reads what it answers (a process ends with
//! the thread that started it, so that one must last), one that writes, one that keeps its last words, and one
//! that ends it when it is idle or deaf.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "starts the engine, from this very binary, for a call that is permitted"
)]

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::engine::Options;
use crate::wire::{ANSWER_LIMIT_BYTES, Answer, Ask, Chat, Code, Load, Loaded, receive, send};

/// Asks that wait to be written.
const ASKS_MAX: usize = 256;
/// So much is kept of what it says on standard error.
const LAST_WORDS_BYTES: usize = 4096;
/// So much of that is told.
const LAST_WORDS_TOLD: usize = 300;
/// How long an engine that said its last may take to be gone.
const END_MS: u64 = 2_000;

/// How far an engine is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// It reads its model.
    Loading,
    /// It works.
    Loaded(Loaded),
    /// It is gone, and why.
    Ended(Code, String),
}

/// An engine.
pub(crate) struct Child {
    state: Mutex<State>,
    changed: Condvar,
    stage: watch::Sender<Stage>,
    process: Mutex<Option<Process>>,
}

struct State {
    /// Asks go in here; `None`: no more are taken.
    asks: Option<SyncSender<Ask>>,
    calls: HashMap<u64, Call>,
    idle_since: Instant,
}

struct Call {
    to: mpsc::UnboundedSender<Answer>,
    /// Pieces that may still come: what bounds the channel.
    pieces: u64,
    /// When it was told to stop.
    cancelled: Option<Instant>,
}

/// A chat under way. Dropped before its end, it is stopped.
pub(crate) struct Talk {
    child: Arc<Child>,
    id: u64,
    answers: mpsc::UnboundedReceiver<Answer>,
}

impl Talk {
    /// The next answer; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.child.cancel(self.id);
    }
}

impl Child {
    /// Starts an engine, which begins to load.
    pub(crate) fn start(options: &Options, load: Load) -> Arc<Child> {
        let (asks, written) = sync_channel(ASKS_MAX);
        let child = Arc::new(Child {
            state: Mutex::new(State {
                asks: Some(asks),
                calls: HashMap::new(),
                idle_since: Instant::now(),
            }),
            changed: Condvar::new(),
            stage: watch::Sender::new(Stage::Loading),
            process: Mutex::new(None),
        });
        child.ask(Ask::Load(load));
        let (whole, options) = (child.clone(), options.clone());
        let named = std::thread::Builder::new().name("engine".into());
        if let Err(err) = named.spawn(move || whole.live(&options, written)) {
            child.end(Code::Unable, format!("no thread for the engine: {err}"));
        }
        child
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is, and what comes.
    pub(crate) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Whether it takes calls.
    pub(crate) fn is_open(&self) -> bool {
        self.state().asks.is_some()
    }

    /// Whether nobody speaks to it. One that still loads is waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().calls.is_empty() && *self.stage.borrow() != Stage::Loading
    }

    /// Its process, while there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map(Process::id)
    }

    fn ask(&self, ask: Ask) -> bool {
        let state = self.state();
        state
            .asks
            .as_ref()
            .is_some_and(|asks| asks.try_send(ask).is_ok())
    }

    /// Begins a chat; `None`: it takes no more calls.
    pub(crate) fn chat(self: &Arc<Child>, chat: Chat) -> Option<Talk> {
        let (to, answers) = mpsc::unbounded_channel();
        let id = chat.id;
        let call = Call {
            to,
            pieces: u64::from(chat.output_tokens_max) + 2,
            cancelled: None,
        };
        let mut state = self.state();
        state.asks.as_ref()?.try_send(Ask::Chat(chat)).ok()?;
        state.calls.insert(id, call);
        drop(state);
        Some(Talk {
            child: self.clone(),
            id,
            answers,
        })
    }

    fn cancel(&self, id: u64) {
        let mut state = self.state();
        let Some(call) = state.calls.get_mut(&id) else {
            return; // it ended by itself
        };
        call.cancelled = Some(Instant::now());
        drop(state);
        self.ask(Ask::Cancel { id });
        self.changed.notify_all();
    }

    /// Takes no more calls, and ends when those under way have; at once if there are none.
    pub(crate) fn retire(&self) {
        self.state().asks = None;
        self.changed.notify_all();
    }

    /// Ends it now.
    pub(crate) fn kill(&self) {
        self.retire();
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = process.as_mut() {
            let _ = process.kill(); // it may be gone already
        }
    }

    /// The engine's whole life.
    fn live(self: Arc<Child>, options: &Options, asks: Receiver<Ask>) {
        let mut command = Command::new(&options.exe);
        command
            .args(&options.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(err) => {
                return self.end(Code::Unable, format!("the engine can't be started: {err}"));
            }
        };
        let pipes = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return self.end(Code::Unable, "the engine has no pipes".into());
        };
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        // Its end of the pipe is closed when no asks can come any more.
        std::thread::spawn(move || asks.iter().all(|ask| send(&mut stdin, &ask).is_ok()));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (keep, kept) = (said.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            last_words(stderr, &keep);
            kept.0.send(())
        });
        let (warden, limits) = (self.clone(), (options.idle_ms, options.cancel_ms));
        let watching = std::thread::spawn(move || warden.watch(limits.0, limits.1));
        let mut from = BufReader::new(stdout);
        let broke = loop {
            match receive::<Answer>(&mut from, ANSWER_LIMIT_BYTES) {
                Ok(Some(answer)) => {
                    if !self.take(answer) {
                        break Some("it answers what nobody asked");
                    }
                }
                Ok(None) => break None,
                Err(_) => break Some("it says what is no answer"),
            }
        };
        if broke.is_some() {
            self.kill();
        }
        let status = self.bury();
        // Something else may hold its standard error open: that isn't waited for without end.
        let _ = kept.1.recv_timeout(Duration::from_millis(END_MS));
        let words = match broke {
            Some(broke) => format!("the engine was ended: {broke}"),
            None => {
                let said = said.lock().unwrap_or_else(PoisonError::into_inner);
                ended(status, &String::from_utf8_lossy(&said))
            }
        };
        self.end(Code::Engine, words);
        let _ = watching.join();
    }

    /// Passes an answer on. `false`: this is no engine.
    fn take(&self, answer: Answer) -> bool {
        let mut state = self.state();
        let (id, last) = match &answer {
            Answer::Loaded(loaded) => {
                let first = *self.stage.borrow() == Stage::Loading;
                state.idle_since = Instant::now();
                self.stage.send_replace(Stage::Loaded(loaded.clone()));
                self.changed.notify_all();
                return first;
            }
            Answer::Failed {
                id: None,
                code,
                words,
            } => {
                self.stage.send_replace(Stage::Ended(*code, words.clone()));
                return true;
            }
            Answer::Failed { id: Some(id), .. } => (*id, true),
            Answer::Done(done) => (done.id, true),
            Answer::Piece { id, .. } => (*id, false),
        };
        let Some(call) = state.calls.get_mut(&id) else {
            return false;
        };
        if !last && call.pieces == 0 {
            return false;
        }
        call.pieces = call.pieces.saturating_sub(1);
        let _ = call.to.send(answer); // whoever asked may be gone
        if last {
            state.calls.remove(&id);
            state.idle_since = Instant::now();
            self.changed.notify_all();
        }
        true
    }

    /// Ends the process when nobody needed it for a while, or when it doesn't hear a stop.
    fn watch(&self, idle_ms: u64, cancel_ms: u64) {
        let (idle, deaf) = (
            Duration::from_millis(idle_ms),
            Duration::from_millis(cancel_ms),
        );
        let mut state = self.state();
        while !matches!(*self.stage.borrow(), Stage::Ended(..)) {
            let now = Instant::now();
            let first = state.calls.values().filter_map(|c| c.cancelled).min();
            if first.is_some_and(|at| now >= at + deaf) {
                drop(state);
                return self.kill();
            }
            let resting = state.calls.is_empty() && *self.stage.borrow() != Stage::Loading;
            if resting && (state.asks.is_none() || now >= state.idle_since + idle) {
                state.asks = None; // closes its input, which ends it
            }
            let until = match (first, resting && state.asks.is_some()) {
                (Some(at), _) => at + deaf,
                (None, true) => state.idle_since + idle,
                (None, false) => now + Duration::from_secs(3600),
            };
            let wait = until.saturating_duration_since(now);
            let woken = self.changed.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the process, and makes sure of its end.
    fn bury(&self) -> Option<ExitStatus> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = process.take()?;
        let patience = Instant::now() + Duration::from_millis(END_MS);
        while Instant::now() < patience {
            match process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        let _ = process.kill();
        process.wait().ok()
    }

    /// No more comes: whoever waits is told.
    fn end(&self, code: Code, words: String) {
        let mut state = self.state();
        state.asks = None;
        let told = match &*self.stage.borrow() {
            // What it said itself says more.
            Stage::Ended(code, words) => (*code, words.clone()),
            _ => (code, words),
        };
        for (id, call) in state.calls.drain() {
            let failed = Answer::Failed {
                id: Some(id),
                code: told.0,
                words: told.1.clone(),
            };
            let _ = call.to.send(failed);
        }
        drop(state);
        self.stage.send_replace(Stage::Ended(told.0, told.1));
        self.changed.notify_all();
    }
}

/// Reads to the end and keeps the last of it.
fn last_words(mut from: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&chunk[..n]);
        let over = kept.len().saturating_sub(LAST_WORDS_BYTES);
        kept.drain(..over);
    }
}

/// How a process ended, for a person.
fn ended(status: Option<ExitStatus>, said: &str) -> String {
    let how = match status.map(|s| (s.code(), s.signal())) {
        Some((Some(code), _)) => format!("with code {code}"),
        Some((None, Some(signal))) => format!("by signal {signal}"),
        _ => "unseen".into(),
    };
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    let last: String = last
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(LAST_WORDS_TOLD)
        .collect();
    let last = if last.is_empty() {
        last
    } else {
        format!(" ({last})")
    };
    format!("the engine ended {how}{last}")
}
