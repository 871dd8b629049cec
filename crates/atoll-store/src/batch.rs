//! One transaction: what waits is sealed, stored and folded, all or nothing.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atoll_domain::{Body, Draft, Entropy, Hash, Ms};
use atoll_guard::{Appended, Full};
use atoll_log::{Checkpoint, Key, PublicKey, Sealed, seal_body, signed};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};

use crate::fold::{self, Fact};
use crate::keys::Keys;
use crate::row::event_id;
use crate::side::{self, Blobs, Misplaced, Ready};
use crate::state::State;

/// Time as the adapter is handed it.
pub type Clock = Arc<dyn Fn() -> Ms + Send + Sync>;

/// What a transaction is asked to do, in order.
#[derive(Debug)]
pub enum Work<'a> {
    /// Events that stand or fall together.
    Group(&'a [Ready]),
    /// A checkpoint over what is before it, if there is anything new or an epoch ends.
    Checkpoint { next: Option<PublicKey> },
}

/// What became of one piece of work.
pub type Done = Result<Vec<Appended>, Full>;

/// Why a whole transaction failed. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the disk is full")]
    Full,
    #[error("{0}")]
    Failed(String),
}

impl From<rusqlite::Error> for Broken {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            // A write that the file system cuts short comes as an I/O error.
            Some(ErrorCode::DiskFull) => Broken::Full,
            _ => Broken::Failed(e.to_string()),
        }
    }
}

impl From<Misplaced> for Broken {
    fn from(e: Misplaced) -> Self {
        match e {
            Misplaced::Sql(e) => e.into(),
            Misplaced::File(e) if e.kind() == std::io::ErrorKind::StorageFull => Broken::Full,
            Misplaced::File(e) => Broken::Failed(format!("a blob: {e}")),
        }
    }
}

/// The writing side of the store.
pub struct Db {
    pub conn: Connection,
    pub state: State,
    pub blobs: Blobs,
    pub entropy: Arc<dyn Entropy>,
    pub clock: Clock,
    pub keys: Keys,
    pub key: Key,
    /// Blob files that are written and not yet synced.
    pub unsynced: Vec<File>,
    /// Whether the write-ahead log may still hold what was erased.
    pub stale: Arc<AtomicBool>,
}

/// Whether contents are erased by this work.
fn erases(work: &[Work<'_>]) -> bool {
    let erased = |ready: &Ready| matches!(ready.draft.body, Body::Erased(_));
    work.iter()
        .any(|piece| matches!(piece, Work::Group(group) if group.iter().any(erased)))
}

impl Db {
    /// Does all of `work` in one transaction. On `Err` nothing was done.
    pub fn run(&mut self, work: &[Work<'_>]) -> Result<Vec<Done>, Broken> {
        let Db {
            conn,
            state,
            blobs,
            entropy,
            clock,
            key,
            unsynced,
            stale,
            ..
        } = self;
        let mut next = state.clone();
        let mut erased = Vec::new();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch {
            tx: &tx,
            state: &mut next,
            blobs,
            chance: Chance::new(&**entropy),
            now: clock(),
            key,
            unsynced,
            erased: &mut erased,
        };
        let mut done = Vec::with_capacity(work.len());
        for piece in work {
            done.push(match piece {
                Work::Group(group) => batch.group(group)?,
                Work::Checkpoint { next } => batch.checkpoint(*next)?,
            });
        }
        if state.head.seq == 0 {
            (next.epoch, next.epoch_ts) = (next.head.seq, next.ts);
            next.save(&tx)?;
        } else {
            next.save_head(&tx)?;
        }
        tx.commit()?;
        if erases(work) {
            stale.store(true, Ordering::Release);
        }
        if next.clock_back != state.clock_back {
            tracing::warn!(
                events = next.clock_back,
                "the clock went back; events stay in the order of their numbers"
            );
        }
        *state = next;
        erased.iter().for_each(|name| blobs.remove(name));
        Ok(done)
    }
}

/// Randomness for the ids of a batch, drawn in one piece: a system call for each
/// event would be felt.
struct Chance<'a> {
    entropy: &'a dyn Entropy,
    pool: [u8; 160],
    left: usize,
}

impl<'a> Chance<'a> {
    fn new(entropy: &'a dyn Entropy) -> Chance<'a> {
        Chance {
            entropy,
            pool: [0; 160],
            left: 0,
        }
    }

    /// Ten bytes that are used once.
    fn ten(&mut self) -> [u8; 10] {
        if self.left < 10 {
            self.entropy.fill(&mut self.pool);
            self.left = self.pool.len();
        }
        self.left -= 10;
        let mut out = [0; 10];
        out.copy_from_slice(&self.pool[self.left..self.left + 10]);
        out
    }
}

struct Batch<'a, 'c> {
    tx: &'a Transaction<'c>,
    state: &'a mut State,
    blobs: &'a Blobs,
    chance: Chance<'a>,
    now: Ms,
    key: &'a Key,
    unsynced: &'a mut Vec<File>,
    erased: &'a mut Vec<Hash>,
}

impl Batch<'_, '_> {
    /// Seals all of a group before any of it is stored, so that a malformed event
    /// refuses its group and nothing else.
    fn group(&mut self, group: &[Ready]) -> Result<Done, Broken> {
        let mut head = self.state.head.clone();
        let mut sealed = Vec::with_capacity(group.len());
        for ready in group {
            let id = event_id(self.now, head.seq + 1, self.chance.ten());
            match seal_body(
                &ready.draft,
                &ready.body,
                &self.state.node,
                &mut head,
                id,
                self.now,
            ) {
                Ok(event) => sealed.push(event),
                Err(e) => return Ok(Err(Full::Malformed(e.to_string()))),
            }
        }
        for (ready, event) in group.iter().zip(&sealed) {
            side::place(self.tx, self.blobs, ready, self.unsynced)?;
            self.store(&ready.draft, event)?;
        }
        self.state.head = head;
        Ok(Ok(sealed.iter().map(appended).collect()))
    }

    fn store(&mut self, draft: &Draft, event: &Sealed) -> rusqlite::Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO events (seq, ts, kind, topic, session, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                event.seq,
                event.ts.0,
                event.kind,
                event.topic,
                event.session.as_ref().map(|s| s.as_bytes()),
                event.hash.0,
                event.bytes,
            ])?;
        let fact = Fact {
            seq: event.seq,
            id: event.id,
            ts: event.ts,
            actor: &draft.actor,
            session: event.session,
            body: &draft.body,
        };
        fold::apply(self.tx, &fact)?;
        if let Body::Erased(b) = &draft.body {
            self.erased.extend(side::erase(self.tx, &b.target)?);
        }
        self.state.frontier.push(&event.hash.0);
        // The time is what the clock said: order is by number, and a clock that
        // was set back is counted, not hidden.
        self.state.clock_back += u64::from(event.ts < self.state.ts);
        self.state.ts = self.state.ts.max(event.ts);
        Ok(())
    }

    fn checkpoint(&mut self, next: Option<PublicKey>) -> Result<Done, Broken> {
        if self.state.uncovered() == 0 && next.is_none() {
            return Ok(Ok(Vec::new()));
        }
        let checkpoint = Checkpoint {
            node: self.state.node.clone(),
            size: self.state.head.seq,
            root: Hash(self.state.frontier.root()),
            next,
        };
        let body = signed(&checkpoint, self.key).map_err(|e| Broken::Failed(e.to_string()))?;
        let draft = Draft::node(body.into());
        let done = self.group(&[Ready::new(draft).map_err(|e| Broken::Failed(e.to_string()))?])?;
        self.state.checkpoint = self.state.head.seq;
        self.state.checkpoint_ts = self.now;
        if let Some(next) = next {
            self.state.key_current = next;
            (self.state.epoch, self.state.epoch_ts) = (self.state.head.seq, self.now);
            self.state.save(self.tx)?;
        }
        Ok(done)
    }
}

fn appended(event: &Sealed) -> Appended {
    Appended {
        seq: event.seq,
        id: event.id,
        ts: event.ts,
    }
}
