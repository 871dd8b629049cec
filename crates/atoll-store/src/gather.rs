//! What waits for the writer, and when it is worth its while to begin.
//!
//! Callers put their work in; the writer is woken when there is something that
//! should not wait, or when all have come who are expected: a wake-up per caller
//! would cost more than the write. Those expected are the ones that the last sync
//! answered and the ones that were waiting then; they are given a fraction of a
//! sync's time to come.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::writer::Job;

/// Pieces of work in one transaction at most.
pub const BATCH_MAX: usize = 512;

/// The longest that callers are waited for after a sync.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// A disk whose syncs take less than this on average is synced by the writer
/// itself: handing over to another thread would cost as much. What is urgent and
/// comes in the middle waits for so long.
const QUICK: Duration = Duration::from_micros(250);

/// How long the writer stays awake for those who are expected: waking up takes
/// longer than they do on a quick disk.
const AWAKE_MAX: Duration = Duration::from_micros(100);

/// A sync that ended.
#[derive(Debug)]
pub struct Synced {
    /// How many it answered.
    pub answered: usize,
    pub took: Duration,
    pub result: Result<(), String>,
}

/// What the writer is given to do.
#[derive(Default)]
pub struct Taken {
    pub jobs: Vec<Job>,
    /// Why nothing more can be promised: a sync failed.
    pub failed: Option<String>,
    /// Whether what is committed should be synced now.
    pub sync: bool,
    pub stop: bool,
}

/// The queue between callers, writer and syncer.
pub struct Inbox {
    inner: Mutex<Inner>,
    wake: Condvar,
}

struct Inner {
    jobs: VecDeque<Job>,
    /// Of the jobs, those that want a sync; the others are urgent.
    patient: usize,
    /// Committed, and waiting for a sync that has not begun.
    committed: usize,
    syncing: bool,
    expected: usize,
    until: Instant,
    took: Duration,
    failed: Option<String>,
    stop: bool,
}

impl Inner {
    fn gathered(&self) -> bool {
        self.patient + self.committed >= self.expected || Instant::now() >= self.until
    }

    fn may_commit(&self) -> bool {
        let urgent = self.jobs.len() > self.patient;
        let full = self.jobs.len() >= BATCH_MAX;
        urgent || full || (!self.jobs.is_empty() && !self.syncing && (self.stop || self.gathered()))
    }

    fn may_sync(&self) -> bool {
        !self.syncing && self.committed > 0 && (self.stop || self.gathered())
    }

    fn ready(&self) -> bool {
        self.may_commit() || self.may_sync() || self.failed.is_some() || self.ended()
    }

    fn ended(&self) -> bool {
        self.stop && self.jobs.is_empty() && self.committed == 0 && !self.syncing
    }
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox {
            inner: Mutex::new(Inner {
                jobs: VecDeque::new(),
                patient: 0,
                committed: 0,
                syncing: false,
                expected: 0,
                until: Instant::now(),
                took: Duration::from_millis(1),
                failed: None,
                stop: false,
            }),
            wake: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; if it did, the counts would still be whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts work in. `Err` gives it back: the writer has ended.
    pub fn push(&self, job: Job) -> Result<(), Box<Job>> {
        let mut inner = self.lock();
        if inner.stop {
            return Err(Box::new(job));
        }
        inner.patient += usize::from(job.is_patient());
        inner.jobs.push_back(job);
        // The first to come wakes the writer also where others are expected: it
        // must know until when to wait for them.
        let wake = inner.ready() || (inner.jobs.len() == 1 && !inner.syncing);
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// No more work is taken; what is there is still done.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_one();
    }

    /// A sync ended. Call it before its callers are answered, so that they are
    /// not counted twice when they come back.
    pub fn synced(&self, synced: Synced) {
        let mut inner = self.lock();
        inner.syncing = false;
        inner.took = (inner.took * 7 + synced.took) / 8;
        inner.expected = synced.answered + inner.patient + inner.committed;
        inner.until = Instant::now() + (inner.took / 2).min(GATHER_MAX);
        if let Err(why) = synced.result {
            inner.failed = Some(why);
        }
        // Nobody waits while nobody is there: the writer is woken by who comes.
        let wake = inner.ready() || inner.jobs.len() + inner.committed > 0;
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
    }

    /// So many callers' work is committed and wants a sync.
    pub fn committed(&self, callers: usize) {
        self.lock().committed += callers;
    }

    /// A sync over all that is committed begins. `true`: it may be made on the
    /// writer's own thread, because syncs are quick here and nothing urgent waits.
    pub fn syncing(&self) -> bool {
        let mut inner = self.lock();
        inner.syncing = true;
        inner.committed = 0;
        inner.took < QUICK && inner.jobs.len() == inner.patient
    }

    /// Waits for something to do, at most for `patience`.
    pub fn wait(&self, patience: Option<Duration>) -> Taken {
        let end = patience.map(|p| Instant::now() + p);
        let mut awake_since = None;
        let mut inner = self.lock();
        while !inner.ready() {
            let waits = !inner.jobs.is_empty() || inner.committed > 0;
            let gather = (waits && !inner.syncing).then_some(inner.until);
            // Also before the first of them has come.
            let soon = !inner.syncing && Instant::now() < inner.until;
            if soon && awake_since.get_or_insert_with(Instant::now).elapsed() < AWAKE_MAX {
                drop(inner);
                std::thread::yield_now();
                inner = self.lock();
                continue;
            }
            let until = [end, gather].into_iter().flatten().min();
            let left = until.map(|u| u.saturating_duration_since(Instant::now()));
            inner = match left {
                Some(left) => {
                    let (inner, timeout) = self
                        .wake
                        .wait_timeout(inner, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && end.is_some_and(|e| Instant::now() >= e) {
                        return Self::take(inner);
                    }
                    inner
                }
                None => self
                    .wake
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        Self::take(inner)
    }

    fn take(mut inner: MutexGuard<'_, Inner>) -> Taken {
        let mut taken = Taken {
            failed: inner.failed.take(),
            stop: inner.ended(),
            sync: false,
            jobs: Vec::new(),
        };
        if inner.may_commit() {
            let count = inner.jobs.len().min(BATCH_MAX);
            taken.jobs = inner.jobs.drain(..count).collect();
            let patient = taken.jobs.iter().filter(|j| j.is_patient()).count();
            inner.patient -= patient;
            // They wait for the same sync as those that are committed already.
            taken.sync = !inner.syncing
                && (inner.stop
                    || patient + inner.committed >= inner.expected
                    || Instant::now() >= inner.until);
        } else {
            taken.sync = inner.may_sync();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Semaphore, oneshot};

    use super::*;

    fn append(sync: bool) -> Job {
        let slots = Arc::new(Semaphore::new(1));
        Job::Append {
            group: Vec::new(),
            sync,
            reply: oneshot::channel().0,
            slot: slots.try_acquire_owned().unwrap(),
        }
    }

    fn synced(answered: usize, took: Duration) -> Synced {
        Synced {
            answered,
            took,
            result: Ok(()),
        }
    }

    const LONG: Duration = Duration::from_secs(3600);
    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn what_wants_a_sync_waits_for_the_one_that_runs_and_the_rest_does_not() {
        let inbox = Inbox::new();
        inbox.syncing();
        assert!(inbox.push(append(true)).is_ok());
        assert!(inbox.wait(NOW).jobs.is_empty());
        assert!(inbox.push(append(false)).is_ok());
        let taken = inbox.wait(None);
        assert_eq!((taken.jobs.len(), taken.sync), (2, false));
        inbox.committed(1);
        assert!(!inbox.wait(NOW).sync);
        inbox.synced(synced(0, Duration::ZERO));
        assert!(inbox.wait(None).sync);
    }

    #[test]
    fn those_who_are_expected_are_waited_for_but_not_for_ever() {
        let inbox = Inbox::new();
        inbox.syncing();
        inbox.synced(synced(2, LONG));
        assert!(inbox.push(append(true)).is_ok());
        // One of two: it is taken once the time for the other is over.
        let start = Instant::now();
        let taken = inbox.wait(None);
        assert_eq!((taken.jobs.len(), taken.sync), (1, true));
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "bounded by GATHER_MAX"
        );

        inbox.syncing();
        inbox.synced(synced(2, LONG));
        assert!(inbox.push(append(true)).is_ok() && inbox.push(append(true)).is_ok());
        assert_eq!(inbox.wait(None).jobs.len(), 2);
    }

    #[test]
    fn stopping_ends_when_all_is_done_and_takes_nothing_new() {
        let inbox = Inbox::new();
        assert!(inbox.push(append(true)).is_ok());
        inbox.stop();
        assert!(inbox.push(append(true)).is_err());
        let taken = inbox.wait(None);
        assert_eq!((taken.jobs.len(), taken.sync, taken.stop), (1, true, false));
        assert!(inbox.wait(None).stop);
    }

    #[test]
    fn a_failed_sync_is_reported_once() {
        let inbox = Inbox::new();
        inbox.syncing();
        inbox.synced(Synced {
            result: Err("disk".into()),
            ..synced(0, Duration::ZERO)
        });
        assert_eq!(inbox.wait(None).failed.as_deref(), Some("disk"));
        assert_eq!(inbox.wait(NOW).failed, None);
    }
}
