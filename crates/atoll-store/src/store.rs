//! The store: opens everything, holds the threads, and answers the port.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use atoll_domain::{Body, Draft, Entropy, Ms};
use atoll_guard::{Appended, Entry, Full};
use atoll_log::{Key, opened};
use atoll_ports::log::Error;
use atoll_ports::sweep::Swept;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::batch::{Clock, Db, Done, Work};
use crate::folder::Folder;
use crate::gather::Inbox;
use crate::keys::Keys;
use crate::reader::Reader;
use crate::row::{damaged, io, sql};
use crate::side::{Blobs, Ready};
use crate::space::{self, Room, Space};
use crate::state::State;
use crate::sync::{Disk, Mover, Syncer};
use crate::writer::{Job, Pace, Parts, Writer};
use crate::{DB_FILE, migrate};

/// Appends that may wait at once; more wait for a slot. Closing takes none.
const WAITING_MAX: usize = 4096;

/// Room that the log keeps for one closing event, in bytes: a few pages.
const CLOSE_BYTES: u64 = 32 << 10;

/// A store's settings.
#[derive(Clone)]
pub struct Options {
    /// The data directory.
    pub dir: PathBuf,
    /// Randomness for keys and ids.
    pub entropy: Arc<dyn Entropy>,
    /// The wall clock.
    pub clock: Clock,
    /// Room that is kept on disk.
    pub room: Room,
    /// When checkpoints are written by themselves.
    pub pace: Pace,
}

impl Options {
    /// With defaults, the system's clock and its randomness.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            entropy: Arc::new(SystemEntropy),
            clock: Arc::new(system_clock),
            room: Room::default(),
            pace: Pace::default(),
        }
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        // Without randomness no key and no salt may be made: going on would be
        // worse than ending.
        #[allow(clippy::expect_used)]
        getrandom::fill(out).expect("the operating system gives randomness");
    }
}

/// The system's wall clock; 0 before 1970.
pub fn system_clock() -> Ms {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ms(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

/// The log of one node. Dropping it writes what waits, and ends its threads.
pub struct Store {
    pub(crate) reader: Reader,
    inbox: Arc<Inbox>,
    slots: Arc<Semaphore>,
    head: watch::Receiver<u64>,
    syncs: Arc<AtomicU64>,
    refusing: Arc<AtomicBool>,
    floor_bytes: u64,
    promised: AtomicU64,
    promised_max: u64,
    node: String,
    threads: Vec<JoinHandle<()>>,
    stop_mover: Option<Sender<()>>,
    // Last, so that the directory is let go of when nothing writes any more.
    folder: Folder,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.folder.path().display())
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let db = Connection::open(path).map_err(sql)?;
    db.busy_timeout(Duration::from_secs(30)).map_err(sql)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get::<_, String>(0))
        .map_err(sql)?;
    // NORMAL: a commit does not sync; the syncer does, for all that asked.
    db.pragma_update(None, "synchronous", "NORMAL")
        .map_err(sql)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)
        .map_err(sql)?;
    // What is erased must not stay in free pages.
    db.pragma_update(None, "secure_delete", true).map_err(sql)?;
    db.pragma_update(None, "cache_size", -4096).map_err(sql)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// The first event: the root key is drawn, opens the log, and is gone.
fn first(keys: &Keys, options: &Options) -> Result<(State, Key, Ready), Error> {
    if keys.is_there() {
        // A log that is gone must not look like one that never was.
        return Err(damaged(
            0,
            "log.db holds no log, and keys/epoch.key is the key of one: restore both from a backup, \
             or move the data directory away to begin a new log",
        ));
    }
    let root = Keys::root(&*options.entropy);
    let key = keys.draw_next(&*options.entropy)?;
    let epoch = key.public();
    let body = opened(&root, epoch);
    let state = State::new(root.public(), epoch);
    let ready = Ready::new(Draft::node(body.into())).map_err(|e| Error::Io(e.to_string()))?;
    Ok((state, key, ready))
}

impl Store {
    /// Opens the log in a data directory, or begins one. Nothing is scanned.
    /// Errors: another node has it, a newer store, a network file system, files
    /// that can't be used, a state that doesn't agree with the last event.
    pub fn open(options: Options) -> Result<Store, Error> {
        let folder = Folder::take(&options.dir)?;
        let dir = folder.path();
        let db_path = dir.join(DB_FILE);
        let mut conn = connect(&db_path)?;
        migrate::run(&mut conn)?;
        let keys = Keys::of(dir);
        let blobs = Blobs::of(dir);
        let (state, key, begin) = match State::load(&conn)? {
            Some(state) => {
                let key = keys.load(&state.key_current)?;
                (state, key, None)
            }
            None => first(&keys, &options).map(|(s, k, r)| (s, k, Some(r)))?,
        };
        let (clock, entropy) = (options.clock.clone(), options.entropy.clone());
        let mut db = Db {
            conn,
            state,
            blobs: blobs.clone(),
            entropy,
            clock,
            keys,
            key,
            unsynced: Vec::new(),
            // What an erasure of the time before left, if it was cut off.
            stale: Arc::new(AtomicBool::new(true)),
        };
        if let Some(opening) = begin {
            begin_log(&mut db, opening)?;
            // Its key takes its place only now: before, a crash leaves no trace of a log.
            db.key = db.keys.load(&db.state.key_current)?;
        }
        // The write-ahead log comes into being with a first write, and must be
        // there before it can be synced.
        db.run(&[]).map_err(|e| Error::Io(e.to_string()))?;
        let reader = Reader::open(dir)?;
        let promised = reader.open_permits()?.len() as u64;
        let node = db.state.node.clone();
        let threads = Threads::start(db, &db_path, blobs, &options, dir)?;
        Ok(Store {
            reader,
            inbox: threads.inbox,
            slots: Arc::new(Semaphore::new(WAITING_MAX)),
            head: threads.head,
            syncs: threads.syncs,
            refusing: threads.refusing,
            floor_bytes: options.room.floor_bytes,
            promised: AtomicU64::new(promised),
            promised_max: options.room.reserve_bytes / CLOSE_BYTES,
            node,
            threads: threads.handles,
            stop_mover: Some(threads.stop_mover),
            folder,
        })
    }

    /// The node's name: the did:key of the log's root key.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The reading side alone.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The head, for those who follow it.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    /// Syncs of the disk since it was opened: what group commit is measured by.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the epoch: the last checkpoint of the old key names a new one, and
    /// the old is destroyed.
    pub async fn rotate(&self) -> Result<Option<Appended>, Full> {
        self.ask_checkpoint(true).await
    }

    pub(crate) async fn ask_checkpoint(&self, rotate: bool) -> Result<Option<Appended>, Full> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Checkpoint { rotate, reply })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    pub(crate) async fn ask_rebuild(&self) -> Result<u64, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Rebuild(reply))
            .map_err(|e| Error::Io(e.to_string()))?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::Io(gone().to_string())))
    }

    /// Takes away files that no content names, a folder at a time: appends go on in between.
    pub(crate) async fn ask_sweep(&self) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for folder in 0..=u8::MAX {
            let (reply, answer) = oneshot::channel();
            self.send(Job::Sweep { folder, reply })
                .map_err(|e| Error::Io(e.to_string()))?;
            swept += answer
                .await
                .unwrap_or_else(|_| Err(Error::Io(gone().to_string())))?;
        }
        let files = [DB_FILE.to_owned(), format!("{DB_FILE}-wal")];
        let lengths = files.iter().map(|name| {
            let meta = std::fs::metadata(self.folder.path().join(name));
            meta.map_or(0, |m| m.len())
        });
        swept.left_bytes += lengths.sum::<u64>();
        Ok(swept)
    }

    /// Appends events that stand or fall together.
    pub(crate) async fn put(&self, entries: Vec<Entry>, sync: bool) -> Done {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let owes = entries.iter().filter(|e| e.keeps_room).count() as u64;
        let pays = entries
            .iter()
            .filter(|e| matches!(e.draft.body, Body::Closed(_)))
            .count() as u64;
        let group = entries
            .into_iter()
            .map(|e| Ready::new(e.draft))
            .collect::<Result<Vec<_>, _>>()?;
        let slot = self
            .slots
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| gone())?;
        self.promise(owes)?;
        let (reply, answer) = oneshot::channel();
        let done = match self.send(Job::Append {
            group,
            sync,
            reply,
            slot,
        }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(gone())),
            Err(full) => Err(full),
        };
        self.settle(if done.is_ok() { pays } else { owes });
        done
    }

    /// Takes a closing event.
    pub(crate) fn take_close(&self, entry: Entry) {
        self.settle(1);
        match Ready::new(entry.draft.clone()) {
            Ok(ready) => drop(self.send(Job::Close(Box::new(ready)))),
            Err(why) => {
                // Closing is never refused: what can't be kept is left out.
                tracing::error!(%why, "a closing event's content can't be kept");
                let draft = Draft {
                    sides: Vec::new(),
                    ..entry.draft
                };
                if let Ok(ready) = Ready::new(draft) {
                    drop(self.send(Job::Close(Box::new(ready))));
                }
            }
        }
    }

    /// Keeps room for closing events to come.
    fn promise(&self, owes: u64) -> Result<(), Full> {
        let promised = self.promised.fetch_add(owes, Ordering::Relaxed) + owes;
        if owes > 0 && promised > self.promised_max {
            self.settle(owes);
            return Err(Full::Failed(format!(
                "{} permits are open, and room is kept for closing {}",
                promised - owes,
                self.promised_max
            )));
        }
        Ok(())
    }

    fn settle(&self, paid: u64) {
        let less = |n: u64| Some(n.saturating_sub(paid));
        // The closure always gives a value, so this can't fail.
        let _ = self
            .promised
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn send(&self, job: Job) -> Result<(), Full> {
        self.inbox.push(job).map_err(|_| gone())
    }

    /// The last event's number.
    pub(crate) fn last(&self) -> u64 {
        *self.head.borrow()
    }

    pub(crate) async fn wait_past(&self, seq: u64) -> u64 {
        let mut head = self.head.clone();
        let passed = head.wait_for(|h| *h > seq).await.map(|h| *h);
        match passed {
            Ok(h) => h,
            // The log is closing: nothing more comes.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn free(&self) -> (u64, bool) {
        let free = space::free_bytes(self.folder.path());
        (
            free,
            free < self.floor_bytes || self.refusing.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.inbox.stop();
        self.stop_mover.take();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log ended by a panic");
            }
        }
    }
}

fn gone() -> Full {
    Full::Failed("the log is closed".into())
}

fn begin_log(db: &mut Db, opening: Ready) -> Result<(), Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Io(format!("the log can't begin: {e}"));
    let done = db.run(&[Work::Group(&[opening])]).map_err(|e| failed(&e))?;
    for result in done {
        result.map_err(|e| failed(&e))?;
    }
    // On disk before anything builds on it.
    db.conn
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(sql)
}

struct Threads {
    inbox: Arc<Inbox>,
    head: watch::Receiver<u64>,
    syncs: Arc<AtomicU64>,
    refusing: Arc<AtomicBool>,
    handles: Vec<JoinHandle<()>>,
    stop_mover: Sender<()>,
}

impl Threads {
    fn start(
        db: Db,
        db_path: &Path,
        blobs: Blobs,
        options: &Options,
        dir: &Path,
    ) -> Result<Threads, Error> {
        let inbox = Arc::new(Inbox::new());
        let (orders, orders_rx) = channel();
        let (stop_mover, stop_rx) = channel();
        let (head_tx, head) = watch::channel(db.state.head.seq);
        let refusing = Arc::new(AtomicBool::new(false));
        let space = Space::open(dir, options.room)?;
        let disk = Disk::new(db_path, blobs)?;
        let syncs = disk.syncs();
        let syncer = Syncer {
            disk: disk.clone(),
            orders: orders_rx,
            inbox: inbox.clone(),
        };
        let mover = Mover::new(connect(db_path)?, stop_rx, db.stale.clone());
        let writer = Writer::new(Parts {
            db,
            space,
            pace: options.pace,
            inbox: inbox.clone(),
            disk,
            syncer: orders,
            head: head_tx,
            refusing: refusing.clone(),
        });
        let handles = vec![
            spawn("atoll-log-write", move || writer.run())?,
            spawn("atoll-log-sync", move || syncer.run())?,
            spawn("atoll-log-move", move || mover.run())?,
        ];
        Ok(Threads {
            inbox,
            head,
            syncs,
            refusing,
            handles,
            stop_mover,
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|e| io("a thread of the log", e))
}
