//! The threads that wait for the disk, so that the writer does not.
#![allow(clippy::disallowed_methods, reason = "syncs the node's own files")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use atoll_guard::{Appended, Full};
use atoll_ports::log::Error;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::batch::Done;
use crate::gather::{Inbox, Synced};
use crate::row::{io, sql};
use crate::side::Blobs;

/// Who waits for a sync. A slot is given back with the answer.
pub enum Waiter {
    Append {
        reply: oneshot::Sender<Done>,
        done: Done,
        slot: OwnedSemaphorePermit,
    },
    Checkpoint {
        reply: oneshot::Sender<Checkpointed>,
        done: Checkpointed,
    },
}

type Checkpointed = Result<Option<Appended>, Full>;

impl Waiter {
    /// Nobody may be waiting any more; the event stands all the same.
    fn answer(self, synced: &Result<(), String>) {
        let synced = synced.clone().map_err(Full::Failed);
        match self {
            Waiter::Append { reply, done, slot } => {
                drop(slot);
                drop(reply.send(synced.and(done)));
            }
            Waiter::Checkpoint { reply, done } => drop(reply.send(synced.and(done))),
        }
    }
}

/// A sync that is asked for: blob files first, then the write-ahead log.
pub struct Order {
    pub files: Vec<File>,
    pub waiters: Vec<Waiter>,
    /// The writer itself waits for this one, and for nothing else meanwhile.
    pub flush: Option<Sender<Result<(), String>>>,
}

impl Order {
    /// Tells the writer, then all who wait.
    pub fn end(self, inbox: &Inbox, took: Duration, result: Result<(), String>) {
        match self.flush {
            Some(reply) => drop(reply.send(result.clone())),
            None => inbox.synced(Synced {
                answered: self.waiters.len(),
                took,
                result: result.clone(),
            }),
        }
        self.waiters.into_iter().for_each(|w| w.answer(&result));
    }
}

/// The files that a sync makes durable. The write-ahead log is opened once: the
/// writer's connection keeps that file in being.
#[derive(Clone)]
pub struct Disk {
    wal: Arc<File>,
    blobs: Blobs,
    syncs: Arc<AtomicU64>,
}

impl Disk {
    /// `db_path` is the database's; its write-ahead log must be there.
    pub fn new(db_path: &Path, blobs: Blobs) -> Result<Disk, Error> {
        let mut wal = db_path.as_os_str().to_owned();
        wal.push("-wal");
        let wal = Arc::new(File::open(wal).map_err(|e| io("the write-ahead log", e))?);
        // Its name must be durable before its content can be.
        if let Some(dir) = db_path.parent() {
            crate::folder::sync_dir(dir).map_err(|e| io("the data directory", e))?;
        }
        Ok(Disk {
            wal,
            blobs,
            syncs: Arc::default(),
        })
    }

    /// Does what is ordered, and answers.
    pub fn carry_out(&self, order: Order, inbox: &Inbox) {
        let start = Instant::now();
        let result = self.sync(&order.files).map_err(|e| e.to_string());
        order.end(inbox, start.elapsed(), result);
    }

    /// How many syncs of the write-ahead log ended well.
    pub fn syncs(&self) -> Arc<AtomicU64> {
        self.syncs.clone()
    }

    fn sync(&self, files: &[File]) -> std::io::Result<()> {
        for file in files {
            file.sync_all()?;
        }
        if !files.is_empty() {
            self.blobs.sync_names()?;
        }
        self.wal.sync_data()?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Syncs on demand.
pub struct Syncer {
    pub disk: Disk,
    pub orders: Receiver<Order>,
    pub inbox: Arc<Inbox>,
}

impl Syncer {
    /// Until the writer is gone.
    pub fn run(self) {
        while let Ok(order) = self.orders.recv() {
            self.disk.carry_out(order, &self.inbox);
        }
    }
}

/// Moves what was committed from the write-ahead log into the database now and
/// then, so that neither the writer nor a sync has to.
pub struct Mover {
    db: Connection,
    stop: Receiver<()>,
    /// Whether it may hold what was erased: then it is emptied.
    stale: Arc<AtomicBool>,
}

/// How often the write-ahead log is looked at.
const MOVE_EVERY: Duration = Duration::from_millis(500);

/// Pages of 4 KiB from which it is moved; and from which writers have to wait a
/// moment, so that it begins anew: under a load without a pause it would grow for
/// ever, and writing over what is there costs less than making a file longer.
const MOVE_PAGES: u64 = 1_000;
const MOVE_PAGES_HARD: u64 = 4_000;

impl Mover {
    pub fn new(db: Connection, stop: Receiver<()>, stale: Arc<AtomicBool>) -> Mover {
        Mover { db, stop, stale }
    }

    /// Until the store closes.
    pub fn run(self) {
        while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
            self.stop.recv_timeout(MOVE_EVERY)
        {
            if let Err(e) = self.step() {
                // A full disk: the write-ahead log keeps what it has.
                tracing::debug!(%e, "the write-ahead log was not moved");
            }
        }
    }

    fn step(&self) -> Result<(), Error> {
        if self.stale.swap(false, Ordering::AcqRel) {
            let emptied = self
                .db
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| {
                    r.get::<_, i64>(0)
                });
            // Somebody reads, or the disk is full: at the next step.
            self.stale.fetch_or(emptied != Ok(0), Ordering::AcqRel);
            return emptied.map(drop).map_err(sql);
        }
        // The file keeps its length, so this says only that it was long once.
        let path = self.db.path().unwrap_or_default();
        let length = std::fs::metadata(format!("{path}-wal")).map_or(0, |m| m.len());
        if length / 4120 < MOVE_PAGES {
            return Ok(());
        }
        // Most is moved while others write; what came meanwhile is little.
        let pages: i64 = self
            .db
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| r.get(1))
            .map_err(sql)?;
        if u64::try_from(pages).unwrap_or(0) >= MOVE_PAGES_HARD {
            self.db
                .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
                .map_err(sql)?;
        }
        Ok(())
    }
}
