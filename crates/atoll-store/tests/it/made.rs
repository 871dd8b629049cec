//! What the tests share: a store in a folder of its own with a clock that is set
//! by hand, and drafts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atoll_domain::{
    Actor, Again, Body, Closed, ClosedHow, Commitment, Cost, Draft, Entropy, FeedbackNote, Granted,
    Hash, Kind, Ms, PermitId, Sealer, SessionId,
};
use atoll_guard::Entry;
use atoll_store::{Options, Pace, Room, Store};

/// Chance that is none: the same in each run.
pub struct Counter(AtomicU64);

impl Counter {
    pub fn new(from: u64) -> Counter {
        Counter(AtomicU64::new(from))
    }
}

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            chunk.copy_from_slice(&mixed[..chunk.len()]);
        }
    }
}

/// A store's folder and clock.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub now: Arc<AtomicU64>,
}

/// No checkpoints by themselves.
pub const NEVER: Pace = Pace {
    events: u64::MAX / 2,
    seconds: u64::MAX / 4000,
    epoch_events: u64::MAX,
    epoch_seconds: u64::MAX / 4000,
};

/// Little room, so that tests need little disk.
pub const SMALL: Room = Room {
    floor_bytes: 1 << 20,
    reserve_bytes: 1 << 20,
};

impl Place {
    pub fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
            now: Arc::new(AtomicU64::new(1_763_600_000_000)),
        }
    }

    pub fn options(&self) -> Options {
        let now = self.now.clone();
        Options {
            entropy: Arc::new(Counter::new(std::process::id().into())),
            clock: Arc::new(move || Ms(now.load(Ordering::Relaxed))),
            room: SMALL,
            pace: NEVER,
            ..Options::new(self.path())
        }
    }

    pub fn open(&self) -> Store {
        Store::open(self.options()).unwrap()
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path().join(atoll_store::DB_FILE)).unwrap()
    }
}

/// A note with its content beside it.
pub fn note(text: &[u8]) -> (Entry, Commitment) {
    let chance = Counter::new(text.len() as u64 + 1000);
    let mut sealer = Sealer::new(&chance);
    let commitment = sealer.bytes(text);
    let draft = Draft::node(FeedbackNote { text: commitment }.into()).with(sealer.into_sides());
    (Entry::plain(draft), commitment)
}

/// A note without content.
pub fn bare(n: u64) -> Entry {
    let text = Commitment::of(&[0; 32], &n.to_be_bytes());
    Entry::plain(Draft::node(FeedbackNote { text }.into()))
}

/// A grant that will be closed.
pub fn granted(
    session: Option<SessionId>,
    permit: PermitId,
    reserve: Cost,
    parent: Option<PermitId>,
) -> Entry {
    let body = Granted {
        permit,
        parent,
        kind: Kind::Run,
        key: None,
        again: Again::Free,
        action: Commitment::of(&[1; 32], b"action"),
        facts: Commitment::of(&[1; 32], b"facts"),
        rules: vec!["careful.run".into()],
        policy: Hash::of(b"policy"),
        reserve,
        gate: None,
        grant: None,
    };
    Entry {
        draft: of(session, body.into()),
        keeps_room: true,
    }
}

/// The end of a grant, with an outcome beside it.
pub fn closed(session: Option<SessionId>, permit: PermitId, cost: Cost, outcome: &[u8]) -> Entry {
    let chance = Counter::new(5000 + u64::from(permit.as_bytes()[15]));
    let mut sealer = Sealer::new(&chance);
    let outcome = Some(sealer.bytes(outcome));
    let body = Closed {
        permit,
        kind: Kind::Run,
        how: ClosedHow::Done,
        reason: None,
        cost,
        outcome,
    };
    Entry::plain(of(session, body.into()).with(sealer.into_sides()))
}

/// A draft of a session, or of the node.
pub fn of(session: Option<SessionId>, body: Body) -> Draft {
    match session {
        Some(id) => Draft::session(id, Actor::ai("agent"), body),
        None => Draft::node(body),
    }
}

pub fn permit(n: u8) -> PermitId {
    PermitId::new(Ms(0), [n; 10])
}

pub fn words(text: &str) -> Commitment {
    Commitment::of(&[4; 32], text.as_bytes())
}
