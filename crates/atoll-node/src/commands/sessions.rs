//! Sessions: list, show, cancel, undo, delete, watch.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use atoll_api::{
    Caller, Error, Progress, SessionDetail, SessionView, StepView, Update, Updates, codes,
};
use atoll_domain::{Body, SessionDeleted, TurnUndone};
use atoll_ports::log::{Filter, SessionRow};
use tokio::sync::{broadcast, mpsc};

use crate::commands::receiver_stream;
use crate::session::Handle;
use crate::shared::{Origin, Shared, files_error, full_error, lock, log_error};
use crate::view::Viewer;

const PAGE: usize = 500;
/// How long the word of a turn's end waits for its task to be gone.
const REST: Duration = Duration::from_secs(1);
const SESSIONS_MAX: usize = 10_000;
/// Updates that wait for a slow watcher.
const WAITING_MAX: usize = 256;
/// Steps that `session show` lists.
const STEPS_MAX: usize = 5000;
/// Words of people that it tells, and all of them in bytes.
const SAID_MAX: usize = 200;
const SAID_BYTES_MAX: usize = 256 << 10;

/// A turn, and the tree before it.
type Turn = (u64, atoll_domain::Commitment);

/// A session's steps, and what was said in it.
#[derive(Default)]
struct Story {
    steps: Vec<StepView>,
    said: VecDeque<String>,
    said_bytes: usize,
    answer: Option<String>,
    context_tokens: Option<u64>,
}

impl Story {
    fn hear(&mut self, progress: &Progress) {
        match progress {
            Progress::Prompt { text, .. } if !text.trim().is_empty() => {
                self.said_bytes += text.len();
                self.said.push_back(text.clone());
                while self.said.len() > SAID_MAX || self.said_bytes > SAID_BYTES_MAX {
                    let oldest = self.said.pop_front().unwrap_or_default();
                    self.said_bytes = self.said_bytes.saturating_sub(oldest.len());
                }
            }
            Progress::Replied { text, usage, .. } => {
                self.context_tokens = Some(usage.input_tokens.saturating_add(usage.output_tokens));
                if !text.trim().is_empty() {
                    self.answer = Some(text.trim().to_owned());
                }
            }
            _ => {}
        }
    }
}

fn no_turn(row: &SessionRow, turn: u64, turns: &[Turn]) -> String {
    let there: Vec<String> = turns.iter().map(|(turn, _)| turn.to_string()).collect();
    match there.as_slice() {
        [] => format!("s{} has no turn to undo", row.ordinal),
        _ => format!(
            "s{} has no turn {turn} to go back to; it has 0 (its beginning), {}",
            row.ordinal,
            there.join(", ")
        ),
    }
}

impl Shared {
    pub(crate) fn sessions_list(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        let rows = self
            .log
            .sessions(limit.clamp(1, SESSIONS_MAX))
            .map_err(log_error)?;
        Ok(rows.iter().map(|row| self.session_view(row)).collect())
    }

    pub(crate) fn session_detail(&self, name: &str) -> Result<SessionDetail, Error> {
        let row = self.find_session(name)?;
        let patches = self.log.patches(SESSIONS_MAX).map_err(log_error)?;
        let gates = self.log.gates(true, SESSIONS_MAX).map_err(log_error)?;
        let jobs = self.log.jobs(SESSIONS_MAX).map_err(log_error)?;
        let story = self.steps(&row)?;
        Ok(SessionDetail {
            view: self.session_view(&row),
            left: self.session_left(&row),
            steps_taken: story.steps,
            sources: self.label_sources(&row.id)?,
            said: story.said.into(),
            answer: story.answer,
            context_tokens: story.context_tokens,
            patches: patches
                .iter()
                .filter(|p| p.session == row.id)
                .map(|p| self.patch_view(p))
                .collect(),
            gates: gates
                .iter()
                .filter(|g| g.session == Some(row.id))
                .map(|g| self.gate_view(g))
                .collect(),
            jobs: jobs
                .iter()
                .filter(|j| j.session == Some(row.id))
                .map(|j| self.exec_view(j))
                .collect(),
        })
    }

    fn steps(&self, row: &SessionRow) -> Result<Story, Error> {
        let filter = Filter {
            session: Some(row.id),
            ..Filter::default()
        };
        let (mut viewer, mut story, mut after) = (Viewer::default(), Story::default(), 0);
        loop {
            let page = self.log.events(after, PAGE, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                return Ok(story);
            };
            after = last.seq;
            for event in page {
                let (seq, ts) = (event.seq, event.ts);
                let Some(progress) = viewer.progress(self, &event) else {
                    continue;
                };
                story.hear(&progress);
                if let Some((what, line, ok)) = crate::view::line(&progress)
                    && story.steps.len() < STEPS_MAX
                {
                    story.steps.push(StepView {
                        seq,
                        ts,
                        what,
                        line,
                        ok,
                    });
                }
            }
        }
    }

    pub(crate) fn cancel(&self, name: &str) -> Result<(), Error> {
        let row = self.find_session(name)?;
        let handle = lock(&self.sessions).get(&row.id).cloned();
        let gone = || {
            Error::new(
                codes::NOT_RUNNING,
                format!("s{} isn't running", row.ordinal),
            )
            .next("atoll session list")
        };
        handle.ok_or_else(gone)?.cancel();
        Ok(())
    }

    pub(crate) fn idle(&self, row: &SessionRow) -> Result<(), Error> {
        if lock(&self.sessions).contains_key(&row.id) {
            let err = Error::new(codes::SESSION_STATE, format!("s{} is running", row.ordinal));
            return Err(err.next(format!(
                "stop it first: Ctrl-C where it runs, or wait for s{}",
                row.ordinal
            )));
        }
        Ok(())
    }

    /// Brings the copy back to what it was before the last turn, or after the turn `to`; 0: before the first.
    pub(crate) async fn session_undo(
        &self,
        caller: &Caller,
        name: &str,
        to: Option<u64>,
    ) -> Result<SessionView, Error> {
        let row = self.find_session(name)?;
        self.idle(&row)?;
        let mut turns = self.turns(&row).map_err(log_error)?;
        let state = |why: String| {
            Error::new(codes::SESSION_STATE, why)
                .next(format!("atoll session show s{}", row.ordinal))
        };
        let kept = match to {
            None => turns.len().saturating_sub(1),
            Some(0) => 0,
            Some(to) => match turns.iter().position(|(turn, _)| *turn == to) {
                Some(at) => at + 1,
                None => return Err(state(no_turn(&row, to, &turns))),
            },
        };
        let undone = turns.split_off(kept);
        let Some((_, tree)) = undone.first() else {
            return Err(state(match to {
                Some(to) => format!(
                    "turn {to} is the last of s{}: nothing comes after it",
                    row.ordinal
                ),
                None => format!("s{} has no turn to undo", row.ordinal),
            }));
        };
        let id = self
            .tree(tree)
            .ok_or_else(|| Error::new(codes::SESSION_STATE, "the files before it were erased"))?;
        let root = self.words(&row.root);
        let owner = self.runner.owner();
        self.workspaces
            .checkout(row.id, row.workspace, &root, &id, owner)
            .await
            .map_err(files_error)?;
        self.workspaces.rest(row.id);
        // The newest first, so that each goes back from what the one after it left.
        let entries = undone.iter().rev().map(|(turn, tree)| {
            let tree = self.words(tree);
            self.entry(|s| {
                let body = TurnUndone {
                    turn: *turn,
                    tree: s.text(tree.trim()),
                };
                (Origin::human(&caller.name, Some(row.id)), body)
            })
        });
        let logged = self.log.append_all(entries.collect(), true).await;
        logged.map_err(|full| full_error(&full))?;
        Ok(self.session_view(&self.find_session(&format!("s{}", row.ordinal))?))
    }

    /// The turns that are not undone, the oldest first, each with the tree before it. A fork has its parent's, too.
    pub(crate) fn turns(&self, row: &SessionRow) -> Result<Vec<Turn>, atoll_ports::log::Error> {
        let kinds = ["WorkspaceSnapped", "ToolResult", "PromptSent", "TurnUndone"];
        let mut now = None;
        let mut turns: Vec<Turn> = Vec::new();
        self.story(&row.id, 0, &kinds, |event| {
            match event.typed() {
                Body::WorkspaceSnapped(b) => now = Some(b.tree),
                Body::ToolResult(b) => now = b.tree.or(now),
                Body::PromptSent(b) if !b.steer => {
                    turns.extend(now.map(|tree| (b.turn, tree)));
                }
                Body::TurnUndone(b) => {
                    turns.retain(|(turn, _)| *turn != b.turn);
                    now = Some(b.tree);
                }
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        })?;
        Ok(turns)
    }

    pub(crate) async fn session_delete(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        let row = self.find_session(name)?;
        self.idle(&row)?;
        let draft = Origin::human(&caller.name, Some(row.id));
        self.append(true, |_| (draft, SessionDeleted { id: row.id }))
            .await?;
        self.workspaces.remove(row.id).map_err(files_error)?;
        self.current().guard.forget_answers(&row.id);
        Ok(())
    }

    /// Updates of a session after `cursor`: its events off the log, passing pieces in between. Ends when
    /// the session's task has ended and its last event was seen.
    pub(crate) fn watch(self: &Arc<Self>, name: &str, cursor: u64) -> Result<Updates, Error> {
        let row = self.find_session(name)?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let pieces = self.hub.watch(row.id);
        let shared = self.clone();
        tokio::spawn(async move {
            shared.feed_watcher(&row, cursor, pieces, &sender).await;
            // A single job ends with the last command that watches it, however that ended.
            if row.mode == "exec" && sender.is_closed() && !shared.hub.watched(&row.id) {
                let handle = lock(&shared.sessions).get(&row.id).cloned();
                handle.inspect(Handle::cancel);
            }
        });
        Ok(receiver_stream(receiver))
    }

    async fn feed_watcher(
        &self,
        row: &SessionRow,
        cursor: u64,
        mut pieces: broadcast::Receiver<Update>,
        sender: &mpsc::Sender<Update>,
    ) {
        let filter = Filter {
            session: Some(row.id),
            ..Filter::default()
        };
        let (mut viewer, mut after) = (Viewer::default(), row.seqs.0.saturating_sub(1));
        loop {
            // Asked before the page is read: what a task logged before it ended is in the page.
            let alive = lock(&self.sessions).contains_key(&row.id);
            let head = self.log.head();
            let Ok(page) = self.log.events(after, PAGE, &filter) else {
                return;
            };
            let full = page.len() == PAGE;
            for event in page {
                after = event.seq;
                let progress = viewer.progress(self, &event); // before the cursor too: later ones build on them
                let Some(progress) = progress.filter(|_| event.seq > cursor) else {
                    continue;
                };
                if matches!(progress, Progress::Ended { .. } | Progress::Parked { .. }) {
                    // Who hears of the end finds the session at rest, unless words waited for it.
                    let rest = self.until_quiet(&row.id);
                    let _ = tokio::time::timeout(REST, rest).await;
                }
                let update = Update {
                    seq: Some(event.seq),
                    ts: event.ts,
                    session: Some(row.id),
                    progress,
                };
                if sender.send(update).await.is_err() {
                    return;
                }
            }
            if full {
                continue;
            }
            after = after.max(head);
            if !alive {
                return;
            }
            tokio::select! {
                biased;
                piece = pieces.recv() => match piece {
                    Ok(update) => if sender.send(update).await.is_err() { return },
                    // Too slow: pieces are lost, events are not.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => { pieces = self.hub.watch(row.id); }
                },
                _ = self.log.past(after) => {}
                () = sender.closed() => return,
                () = self.until_quiet(&row.id) => {}
            }
        }
    }

    /// Resolves when the session has no task.
    async fn until_quiet(&self, session: &atoll_domain::SessionId) {
        while lock(&self.sessions).contains_key(session) {
            tokio::time::sleep(crate::job::LOOK).await;
        }
    }
}
