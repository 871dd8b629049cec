//! The one thread that writes: it gathers what waits, commits it together, and
//! has it synced.
//!
//! A commit goes to the write-ahead log without a sync; then readers see it and
//! whoever did not ask for a sync is answered. Whoever did is answered once a
//! second thread (or, where syncs are quick, this one) has synced that file, and
//! one sync answers all that were committed before it began. While a sync runs,
//! what wants one waits for the next; after it, those just answered get a moment
//! to come back, so that callers in a loop meet in one sync instead of falling
//! into two halves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use atoll_domain::Ms;
use atoll_guard::{Appended, Full};
use atoll_log::Key;
use atoll_ports::log::Error;
use atoll_ports::sweep::Swept;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::batch::{Broken, Db, Done, Work};
use crate::gather::Inbox;
use crate::row::sql;
use crate::side::Ready;
use crate::space::Space;
use crate::sync::{Disk, Order, Waiter};

/// Blob files that may wait for a sync before one is made for them alone.
const UNSYNCED_FILES_MAX: usize = 64;

/// How often closing events that found no room are tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How long after a next key could not be drawn it is tried again, in seconds.
const TURN_RETRY_S: u64 = 60;

/// What the writer is asked to do.
pub enum Job {
    Append {
        group: Vec<Ready>,
        sync: bool,
        reply: oneshot::Sender<Done>,
        slot: OwnedSemaphorePermit,
    },
    Close(Box<Ready>),
    Checkpoint {
        rotate: bool,
        reply: oneshot::Sender<Result<Option<Appended>, Full>>,
    },
    Rebuild(oneshot::Sender<Result<u64, Error>>),
    /// Takes away the files of one folder of blobs that no content names.
    Sweep {
        folder: u8,
        reply: oneshot::Sender<Result<Swept, Error>>,
    },
}

impl Job {
    /// Whether it has to wait for a sync in any case, so that it may as well wait
    /// for company.
    pub fn is_patient(&self) -> bool {
        matches!(self, Job::Append { sync: true, .. })
    }
}

/// When checkpoints are written by themselves, if there is anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After so many events.
    pub events: u64,
    /// After so long.
    pub seconds: u64,
    /// The first of them behind so many events of one key names the next key: a thief of
    /// today's can't sign for what was before.
    pub epoch_events: u64,
    /// Or behind so long.
    pub epoch_seconds: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            events: 1000,
            seconds: 300,
            epoch_events: 100_000,
            epoch_seconds: 7 * 24 * 3600,
        }
    }
}

/// What a writer is made of.
pub struct Parts {
    pub db: Db,
    pub space: Space,
    pub pace: Pace,
    pub inbox: Arc<Inbox>,
    pub disk: Disk,
    pub syncer: Sender<Order>,
    pub head: watch::Sender<u64>,
    pub refusing: Arc<AtomicBool>,
}

pub struct Writer {
    parts: Parts,
    committed: Vec<Waiter>,
    stuck: Vec<Ready>,
    failed: Option<String>,
    admits: bool,
    /// Before this time a next key is not tried again.
    turns_from: Ms,
}

impl Writer {
    pub fn new(parts: Parts) -> Writer {
        Writer {
            parts,
            committed: Vec::new(),
            stuck: Vec::new(),
            failed: None,
            admits: true,
            turns_from: Ms(0),
        }
    }

    /// Until it is told to stop and everything that waits is done.
    pub fn run(mut self) {
        loop {
            let taken = self.parts.inbox.wait(self.patience());
            if let Some(why) = taken.failed {
                // After a failed sync the kernel may have dropped the pages: nothing
                // that comes later can be promised either.
                tracing::error!(%why, "the log could not be synced; nothing more is accepted");
                self.failed = Some(why);
                self.parts.refusing.store(true, Ordering::Relaxed);
            }
            if !taken.jobs.is_empty() || !self.stuck.is_empty() || self.checkpoint_due() {
                self.commit(taken.jobs);
            }
            if taken.sync || self.parts.db.unsynced.len() > UNSYNCED_FILES_MAX {
                self.start_sync();
            }
            if taken.stop {
                return;
            }
        }
    }

    /// How long to wait where nobody comes.
    fn patience(&self) -> Option<Duration> {
        if self.stuck.is_empty() {
            self.checkpoint_in()
        } else {
            Some(RETRY)
        }
    }

    /// How long until a checkpoint is due; `None` while there is nothing new.
    fn checkpoint_in(&self) -> Option<Duration> {
        if self.parts.db.state.uncovered() == 0 || self.failed.is_some() {
            return None;
        }
        let age_ms = (self.parts.db.clock)().since(self.parts.db.state.checkpoint_ts);
        let left_ms = self
            .parts
            .pace
            .seconds
            .saturating_mul(1000)
            .saturating_sub(age_ms);
        // A second at least: a checkpoint that can't be written is not tried in a spin.
        Some(Duration::from_millis(left_ms.max(1000)))
    }

    fn checkpoint_due(&self) -> bool {
        let state = &self.parts.db.state;
        let uncovered = state.uncovered();
        let age_ms = (self.parts.db.clock)().since(state.checkpoint_ts);
        uncovered >= self.parts.pace.events
            || (uncovered > 0 && age_ms >= self.parts.pace.seconds.saturating_mul(1000))
    }

    /// Commits jobs in one transaction, and answers.
    fn commit(&mut self, mut jobs: Vec<Job>) {
        jobs.extend(self.stuck.drain(..).map(|r| Job::Close(Box::new(r))));
        if let Some(why) = self.failed.clone() {
            jobs.into_iter()
                .for_each(|job| refuse(job, Full::Failed(why.clone())));
            return;
        }
        self.admits = self.parts.space.admits();
        self.parts.refusing.store(!self.admits, Ordering::Relaxed);
        if !self.admits {
            jobs = self.closing_alone(jobs);
        }
        if self.admits || !jobs.is_empty() {
            self.attempt(jobs);
        }
    }

    /// Refuses whatever is new; what closes something stays.
    fn closing_alone(&self, jobs: Vec<Job>) -> Vec<Job> {
        let full = Full::Disk {
            free_bytes: self.parts.space.free_bytes(),
            floor_bytes: self.parts.space.floor_bytes(),
        };
        let (stay, go): (Vec<Job>, Vec<Job>) = jobs
            .into_iter()
            .partition(|j| matches!(j, Job::Close(_) | Job::Rebuild(_) | Job::Sweep { .. }));
        go.into_iter().for_each(|job| refuse(job, full.clone()));
        stay
    }

    fn attempt(&mut self, jobs: Vec<Job>) {
        match self.transact(&jobs) {
            Ok(done) => self.answer(jobs, done),
            // A write that is cut short on a full disk can also come as an I/O error.
            Err(why)
                if matches!(why, Broken::Full)
                    || self.parts.space.free_bytes() < self.parts.space.floor_bytes() =>
            {
                tracing::error!(
                    "the disk that holds the log is full: new actions are refused, closing goes on"
                );
                self.parts.space.release();
                let closes = self.closing_alone(jobs);
                self.close_hard(closes);
            }
            Err(why) => {
                let why = why.to_string();
                tracing::error!(%why, "the log can't be written");
                let (closes, rest): (Vec<Job>, Vec<Job>) =
                    jobs.into_iter().partition(|j| matches!(j, Job::Close(_)));
                rest.into_iter()
                    .for_each(|job| refuse(job, Full::Failed(why.clone())));
                self.close_hard(closes);
            }
        }
    }

    /// Closing events after a failure: once more; then without their content;
    /// then they wait in memory.
    fn close_hard(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        if let Ok(done) = self.transact(&jobs) {
            return self.answer(jobs, done);
        }
        let bare: Vec<Job> = jobs
            .into_iter()
            .filter_map(|job| match job {
                Job::Close(ready) => Some(Job::Close(Box::new(ready.without_content()))),
                other => {
                    refuse(other, Full::Failed("the log can't be written".into()));
                    None
                }
            })
            .collect();
        match self.transact(&bare) {
            Ok(done) => self.answer(bare, done),
            Err(why) => {
                tracing::error!(?why, waiting = bare.len(), "closing events wait for room");
                self.stuck
                    .extend(bare.into_iter().filter_map(|job| match job {
                        Job::Close(ready) => Some(*ready),
                        _ => None,
                    }));
            }
        }
    }

    /// Whether the current key has signed long enough.
    fn epoch_over(&self) -> bool {
        let (state, pace) = (&self.parts.db.state, &self.parts.pace);
        let now = (self.parts.db.clock)();
        now >= self.turns_from
            && (state.head.seq - state.epoch.min(state.head.seq) >= pace.epoch_events
                || now.since(state.epoch_ts) >= pace.epoch_seconds.saturating_mul(1000))
    }

    fn draw(&self) -> Result<Key, Error> {
        self.parts.db.keys.draw_next(&*self.parts.db.entropy)
    }

    /// The next key for a checkpoint that comes by itself, if the epoch is over. Without it the
    /// checkpoint is written all the same, and what waits is stored.
    fn draw_by_itself(&mut self) -> Option<Key> {
        if !self.epoch_over() {
            return None;
        }
        self.draw()
            .map_err(|why| {
                tracing::error!(%why, "the log's key could not be followed by a next one; it is tried again");
                self.turns_from = (self.parts.db.clock)().plus_s(TURN_RETRY_S);
            })
            .ok()
    }

    fn transact(&mut self, jobs: &[Job]) -> Result<Vec<Done>, Broken> {
        let rotates = jobs
            .iter()
            .any(|j| matches!(j, Job::Checkpoint { rotate: true, .. }));
        // In step with the pace, counted with what this batch adds.
        let adds = jobs.len() as u64;
        let due = self.admits
            && (self.parts.db.state.uncovered() + adds > self.parts.pace.events
                || self.checkpoint_due());
        let next = match (rotates, due) {
            (true, _) => Some(self.draw().map_err(|e| Broken::Failed(e.to_string()))?),
            (false, true) => self.draw_by_itself(),
            (false, false) => None,
        };
        let mut fresh = next.as_ref().map(|k| k.public());
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len() + 1);
        for job in jobs {
            work.push(match job {
                Job::Append { group, .. } => Work::Group(group),
                Job::Close(ready) => Work::Group(std::slice::from_ref(&**ready)),
                Job::Checkpoint { rotate, .. } => Work::Checkpoint {
                    next: fresh.take_if(|_| *rotate),
                },
                Job::Rebuild(_) | Job::Sweep { .. } => Work::Group(&[]),
            });
        }
        if due {
            // Taken already where a job asked for it.
            work.push(Work::Checkpoint { next: fresh.take() });
        }
        let done = self.parts.db.run(&work)?;
        if let Some(key) = next {
            self.turn(key);
        }
        self.parts.head.send_replace(self.parts.db.state.head.seq);
        Ok(done)
    }

    /// The log names a new key. It must be on disk before the old one goes.
    fn turn(&mut self, key: Key) {
        let (reply, flushed) = channel();
        let order = Order {
            files: std::mem::take(&mut self.parts.db.unsynced),
            waiters: Vec::new(),
            flush: Some(reply),
        };
        let sent = self.parts.syncer.send(order).is_ok();
        let durable = if sent { flushed.recv().ok() } else { None };
        self.parts.db.key = key;
        let turned = match durable {
            Some(Ok(())) => self.parts.db.keys.turn().map_err(|e| e.to_string()),
            Some(Err(why)) => Err(why),
            None => Err("the syncing thread is gone".into()),
        };
        if let Err(why) = turned {
            tracing::error!(%why, "the old key of the log's epoch could not be destroyed; it is at the next start");
        }
    }

    fn answer(&mut self, jobs: Vec<Job>, done: Vec<Done>) {
        let waited = self.committed.len();
        for (job, done) in jobs.into_iter().zip(done) {
            match job {
                Job::Append {
                    sync: true,
                    reply,
                    slot,
                    ..
                } if done.is_ok() => self.committed.push(Waiter::Append { reply, done, slot }),
                // Nobody may be waiting any more; the event stands all the same.
                Job::Append { reply, .. } => drop(reply.send(done)),
                Job::Checkpoint { reply, .. } => {
                    let done = done.map(|events| events.first().copied());
                    self.committed.push(Waiter::Checkpoint { reply, done });
                }
                Job::Close(ready) => {
                    if let Err(why) = done {
                        tracing::error!(%why, kind = ready.draft.body.kind(), "a closing event can't be logged");
                    }
                }
                Job::Rebuild(reply) => {
                    drop(reply.send(crate::rebuild::run(&mut self.parts.db.conn).map_err(sql)))
                }
                // On this thread, where contents are placed: none can be on its way meanwhile.
                Job::Sweep { folder, reply } => {
                    let db = &self.parts.db;
                    drop(reply.send(crate::side::sweep(&db.conn, &db.blobs, folder)));
                }
            }
        }
        self.parts.inbox.committed(self.committed.len() - waited);
    }

    fn start_sync(&mut self) {
        let waiters = std::mem::take(&mut self.committed);
        if waiters.is_empty() && self.parts.db.unsynced.is_empty() {
            return;
        }
        let quick = self.parts.inbox.syncing();
        let order = Order {
            files: std::mem::take(&mut self.parts.db.unsynced),
            waiters,
            flush: None,
        };
        if quick {
            self.parts.disk.carry_out(order, &self.parts.inbox);
        } else if let Err(order) = self.parts.syncer.send(order) {
            order.0.end(
                &self.parts.inbox,
                Duration::ZERO,
                Err("the syncing thread is gone".into()),
            );
        }
    }
}

/// Answers a job that is not done.
fn refuse(job: Job, full: Full) {
    match job {
        Job::Append { reply, .. } => drop(reply.send(Err(full))),
        Job::Checkpoint { reply, .. } => drop(reply.send(Err(full))),
        Job::Rebuild(reply) => drop(reply.send(Err(Error::Io(full.to_string())))),
        Job::Sweep { reply, .. } => drop(reply.send(Err(Error::Io(full.to_string())))),
        Job::Close(ready) => {
            tracing::error!(why = %full, kind = ready.draft.body.kind(), "a closing event can't be logged");
        }
    }
}
