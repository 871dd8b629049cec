//! The one thread that writes: it gathers what waits, commits it together, and
//! has it synced.
//!
//! A commit goes to the write-ahead log without a sync; then readers see it and
//! whoever did not ask for a sync is answered. Whoever did is answered once a
//! second thread has synced that file, and one sync answers all that were
//! committed before it began. While a sync runs, what wants one waits for the
//! next; after it, those just answered get a moment to come back, so that
//! callers in a loop meet in one sync instead of falling into two halves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use atoll_guard::{Appended, Full};
use atoll_ports::log::Error;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::batch::{Broken, Db, Done, Work};
use crate::row::sql;
use crate::side::Ready;
use crate::space::Space;
use crate::sync::{Order, Synced};

/// Pieces of work in one transaction at most.
const BATCH_MAX: usize = 512;

/// Blob files that may wait for a sync before one is made for them alone.
const UNSYNCED_FILES_MAX: usize = 64;

/// The longest that callers are waited for after a sync.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// How often closing events that found no room are tried again.
const RETRY: Duration = Duration::from_millis(500);

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
    Synced(Synced),
    Stop,
}

/// When checkpoints are written by themselves, if there is anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After so many events.
    pub events: u64,
    /// After so long.
    pub seconds: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            events: 1000,
            seconds: 300,
        }
    }
}

/// Who waits for a sync. The slot is given back with the answer.
struct Waiter {
    answer: Box<dyn FnOnce(Result<(), Full>) + Send>,
}

pub struct Writer {
    pub db: Db,
    pub space: Space,
    pub pace: Pace,
    pub rx: Receiver<Job>,
    pub syncer: Sender<Order>,
    pub head: watch::Sender<u64>,
    pub refusing: Arc<AtomicBool>,
    queue: VecDeque<Job>,
    committed: Vec<Waiter>,
    in_sync: Vec<Waiter>,
    syncing: bool,
    expected: usize,
    until: Instant,
    sync_took: Duration,
    stuck: VecDeque<Box<Ready>>,
    failed: Option<String>,
    admits: bool,
    stopping: bool,
}

impl Writer {
    pub fn new(
        db: Db,
        space: Space,
        pace: Pace,
        rx: Receiver<Job>,
        syncer: Sender<Order>,
        head: watch::Sender<u64>,
        refusing: Arc<AtomicBool>,
    ) -> Writer {
        Writer {
            db,
            space,
            pace,
            rx,
            syncer,
            head,
            refusing,
            queue: VecDeque::new(),
            committed: Vec::new(),
            in_sync: Vec::new(),
            syncing: false,
            expected: 0,
            until: Instant::now(),
            sync_took: Duration::from_millis(1),
            stuck: VecDeque::new(),
            failed: None,
            admits: true,
            stopping: false,
        }
    }

    /// Until it is told to stop and everything that waits is done.
    pub fn run(mut self) {
        loop {
            match self.next() {
                Ok(job) => self.take(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.stopping = true,
            }
            while self.queue.len() < BATCH_MAX {
                match self.rx.try_recv() {
                    Ok(job) => self.take(job),
                    Err(_) => break,
                }
            }
            if self.must_commit() {
                self.commit();
            }
            self.start_sync();
            let idle = self.queue.is_empty() && self.committed.is_empty() && !self.syncing;
            if self.stopping && idle {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Job, RecvTimeoutError> {
        let work = !self.queue.is_empty() || !self.committed.is_empty();
        let patience = if work && !self.syncing {
            Some(self.until.saturating_duration_since(Instant::now()))
        } else if !self.stuck.is_empty() {
            Some(RETRY)
        } else if work || self.syncing {
            None
        } else {
            self.checkpoint_in()
        };
        match patience {
            Some(patience) => self.rx.recv_timeout(patience),
            None => self.rx.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// How long until a checkpoint is due; `None` while there is nothing new.
    fn checkpoint_in(&self) -> Option<Duration> {
        if self.db.state.uncovered() == 0 || self.failed.is_some() {
            return None;
        }
        let age_ms = (self.db.clock)().since(self.db.state.checkpoint_ts);
        let left_ms = self
            .pace
            .seconds
            .saturating_mul(1000)
            .saturating_sub(age_ms);
        // A second at least: a checkpoint that can't be written is not tried in a spin.
        Some(Duration::from_millis(left_ms.max(1000)))
    }

    fn checkpoint_due(&self) -> bool {
        let state = &self.db.state;
        let uncovered = state.uncovered();
        let age_ms = (self.db.clock)().since(state.checkpoint_ts);
        uncovered >= self.pace.events
            || (uncovered > 0 && age_ms >= self.pace.seconds.saturating_mul(1000))
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Synced(synced) => self.synced(synced),
            Job::Stop => self.stopping = true,
            job => self.queue.push_back(job),
        }
    }

    fn must_commit(&self) -> bool {
        if self.queue.is_empty() && self.stuck.is_empty() {
            return !self.syncing && self.checkpoint_due();
        }
        let wants_sync = |j: &&Job| matches!(j, Job::Append { sync: true, .. });
        let synced = self.queue.iter().filter(wants_sync).count();
        if synced < self.queue.len() || self.stopping || self.queue.len() >= BATCH_MAX {
            return true;
        }
        let met = self.committed.len() + synced >= self.expected;
        !self.syncing && (met || Instant::now() >= self.until)
    }

    /// Commits all that is queued in one transaction, and answers.
    fn commit(&mut self) {
        let mut jobs: Vec<Job> = self.queue.drain(..).collect();
        jobs.extend(self.stuck.drain(..).map(Job::Close));
        if let Some(why) = self.failed.clone() {
            jobs.into_iter()
                .for_each(|job| refuse(job, Full::Failed(why.clone())));
            return;
        }
        self.admits = self.space.admits();
        if !self.admits {
            jobs = self.closing_alone(jobs);
        }
        if self.admits || !jobs.is_empty() {
            self.attempt(jobs);
        }
        self.admits = self.space.admits();
        self.refusing.store(!self.admits, Ordering::Relaxed);
    }

    /// Refuses whatever is new; what closes something stays.
    fn closing_alone(&self, jobs: Vec<Job>) -> Vec<Job> {
        let full = Full::Disk {
            free_bytes: self.space.free_bytes(),
            floor_bytes: self.space.floor_bytes(),
        };
        let (stay, go): (Vec<Job>, Vec<Job>) = jobs
            .into_iter()
            .partition(|j| matches!(j, Job::Close(_) | Job::Rebuild(_)));
        go.into_iter().for_each(|job| refuse(job, full.clone()));
        stay
    }

    fn attempt(&mut self, jobs: Vec<Job>) {
        match self.transact(&jobs) {
            Ok(done) => self.answer(jobs, done),
            // A write that is cut short on a full disk can also come as an I/O error.
            Err(why)
                if matches!(why, Broken::Full)
                    || self.space.free_bytes() < self.space.floor_bytes() =>
            {
                tracing::error!(
                    "the disk that holds the log is full: new actions are refused, closing goes on"
                );
                self.space.release();
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
                        Job::Close(ready) => Some(ready),
                        _ => None,
                    }));
            }
        }
    }

    fn transact(&mut self, jobs: &[Job]) -> Result<Vec<Done>, Broken> {
        let mut next = None;
        let rotates = jobs
            .iter()
            .any(|j| matches!(j, Job::Checkpoint { rotate: true, .. }));
        if rotates {
            let key = self
                .db
                .keys
                .draw_next(&*self.db.entropy)
                .map_err(|e| Broken::Failed(e.to_string()))?;
            next = Some(key);
        }
        let mut fresh = next.as_ref().map(|k| k.public());
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len() + 1);
        for job in jobs {
            work.push(match job {
                Job::Append { group, .. } => Work::Group(group),
                Job::Close(ready) => Work::Group(std::slice::from_ref(&**ready)),
                Job::Checkpoint { rotate, .. } => Work::Checkpoint {
                    next: fresh.take_if(|_| *rotate),
                },
                _ => Work::Group(&[]),
            });
        }
        // In step with the pace, counted with what this batch adds.
        let adds = work.len() as u64;
        let due = self.db.state.uncovered() + adds > self.pace.events || self.checkpoint_due();
        if due && self.admits {
            work.push(Work::Checkpoint { next: None });
        }
        let done = self.db.run(&work)?;
        if let Some(key) = next {
            self.turn(key);
        }
        self.head.send_replace(self.db.state.head.seq);
        Ok(done)
    }

    /// The log names a new key. It must be on disk before the old one goes.
    fn turn(&mut self, key: atoll_log::Key) {
        let durable = self
            .syncer
            .send(Order::flush(std::mem::take(&mut self.db.unsynced)));
        let durable = durable.ok().and_then(|()| self.await_flush());
        self.db.key = key;
        let turned = match durable {
            Some(Ok(())) => self.db.keys.turn().map_err(|e| e.to_string()),
            Some(Err(why)) => Err(why),
            None => Err("the syncing thread is gone".into()),
        };
        if let Err(why) = turned {
            tracing::error!(%why, "the old key of the log's epoch could not be destroyed; it is at the next start");
        }
    }

    /// Waits for a flush, taking in whatever else arrives.
    fn await_flush(&mut self) -> Option<Result<(), String>> {
        loop {
            match self.rx.recv().ok()? {
                Job::Synced(s) if s.flush => return Some(s.result),
                job => self.take(job),
            }
        }
    }

    fn answer(&mut self, jobs: Vec<Job>, done: Vec<Done>) {
        for (job, done) in jobs.into_iter().zip(done) {
            match job {
                Job::Append {
                    sync: true,
                    reply,
                    slot,
                    ..
                } if done.is_ok() => self.committed.push(Waiter {
                    answer: Box::new(move |synced| {
                        drop(slot);
                        let _ = reply.send(synced.and(done));
                    }),
                }),
                // Nobody may be waiting any more; the event stands all the same.
                Job::Append { reply, .. } => drop(reply.send(done)),
                Job::Checkpoint { reply, .. } => self.committed.push(Waiter {
                    answer: Box::new(move |synced| {
                        let _ = reply.send(synced.and(done).map(|events| events.first().copied()));
                    }),
                }),
                Job::Close(ready) => {
                    if let Err(why) = done {
                        tracing::error!(%why, kind = ready.draft.body.kind(), "a closing event can't be logged");
                    }
                }
                Job::Rebuild(reply) => {
                    drop(reply.send(crate::rebuild::run(&mut self.db.conn).map_err(sql)))
                }
                Job::Synced(_) | Job::Stop => {}
            }
        }
    }

    fn start_sync(&mut self) {
        let gathered =
            self.committed.len() >= self.expected || Instant::now() >= self.until || self.stopping;
        let files_wait = self.db.unsynced.len() > UNSYNCED_FILES_MAX;
        if self.syncing || !(files_wait || (gathered && !self.committed.is_empty())) {
            return;
        }
        self.in_sync = std::mem::take(&mut self.committed);
        self.syncing = true;
        let order = Order::answer(std::mem::take(&mut self.db.unsynced));
        if self.syncer.send(order).is_err() {
            self.synced(Synced::failed("the syncing thread is gone"));
        }
    }

    fn synced(&mut self, synced: Synced) {
        if synced.flush {
            return;
        }
        self.syncing = false;
        let answered = std::mem::take(&mut self.in_sync);
        let count = answered.len();
        if let Err(why) = &synced.result {
            // After a failed sync the kernel may have dropped the pages: nothing
            // that comes later can be promised either.
            tracing::error!(%why, "the log could not be synced; nothing more is accepted");
            self.failed = Some(why.clone());
            self.refusing.store(true, Ordering::Relaxed);
        }
        let result = synced.result.map_err(Full::Failed);
        answered
            .into_iter()
            .for_each(|w| (w.answer)(result.clone()));
        self.sync_took = (self.sync_took * 7 + synced.took) / 8;
        self.expected = count + self.committed.len() + self.queue.len();
        self.until = Instant::now() + (self.sync_took / 2).min(GATHER_MAX);
    }
}

/// Answers a job that is not done.
fn refuse(job: Job, full: Full) {
    match job {
        Job::Append { reply, .. } => drop(reply.send(Err(full))),
        Job::Checkpoint { reply, .. } => drop(reply.send(Err(full))),
        Job::Rebuild(reply) => drop(reply.send(Err(Error::Io(full.to_string())))),
        Job::Close(ready) => {
            tracing::error!(why = %full, kind = ready.draft.body.kind(), "a closing event can't be logged");
        }
        Job::Synced(_) | Job::Stop => {}
    }
}
