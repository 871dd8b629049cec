//! Events for the suite.

use std::sync::Arc;

use atoll_domain::{
    Actor, Again, Body, Budget, Closed, ClosedHow, Commitment, Cost, Draft, ExecStarted,
    FeedbackNote, GateId, GateOpened, Granted, Hash, JobId, Kind, Ms, PatchClass, PatchId,
    PatchProposed, PermitId, Purpose, Sealer, SessionId, SessionOpened, WorkspaceId,
};
use atoll_guard::Entry;
use atoll_ports::Log;

use crate::permits::Counting;

pub(super) fn session(n: u8) -> SessionId {
    SessionId::new(Ms(1), [n; 10])
}

pub(super) fn permit(n: u8) -> PermitId {
    PermitId::new(Ms(1), [n; 10])
}

pub(super) fn gate(n: u8) -> GateId {
    GateId::new(Ms(1), [n; 10])
}

pub(super) fn patch(n: u8) -> PatchId {
    PatchId::new(Ms(1), [n; 10])
}

pub(super) fn job(n: u8) -> JobId {
    JobId::new(Ms(1), [n; 10])
}

pub(super) fn workspace() -> WorkspaceId {
    WorkspaceId::derive(&[b"workspace"])
}

pub(super) fn words(text: &str) -> Commitment {
    Commitment::of(&[4; 32], text.as_bytes())
}

pub(super) fn cost(micros: u64) -> Cost {
    Cost {
        micros,
        ..Cost::ZERO
    }
}

/// An event without content.
pub(super) fn bare(n: u64) -> Entry {
    let text = Commitment::of(&[0; 32], &n.to_be_bytes());
    Entry::plain(Draft::node(FeedbackNote { text }.into()))
}

/// An event with its content beside it.
pub(super) fn note(text: &[u8]) -> (Entry, Commitment) {
    let chance = Counting::default();
    let mut sealer = Sealer::new(&chance);
    let commitment = sealer.bytes(text);
    let draft = Draft::node(FeedbackNote { text: commitment }.into()).with(sealer.into_sides());
    (Entry::plain(draft), commitment)
}

/// An event that no log may take: its numbers have fractions.
pub(super) fn malformed() -> Entry {
    Entry::plain(Draft::node(Body::Unknown {
        kind: "Fraction".into(),
        body: serde_json::json!({ "a": 0.5 }),
    }))
}

pub(super) fn of(s: u8, body: impl Into<Body>) -> Entry {
    Entry::plain(Draft::session(session(s), Actor::ai("agent"), body.into()))
}

pub(super) fn granted(s: u8, n: u8, reserve: Cost, by: Option<GateId>) -> Entry {
    let body = Granted {
        permit: permit(n),
        parent: None,
        kind: Kind::Run,
        key: None,
        again: Again::Free,
        action: words("action"),
        facts: words("facts"),
        rules: vec!["careful.run".into()],
        policy: Hash::of(b"policy"),
        reserve,
        gate: by,
        grant: None,
    };
    Entry {
        keeps_room: true,
        ..of(s, body)
    }
}

pub(super) fn closed(s: u8, n: u8, cost: Cost) -> Entry {
    let body = Closed {
        permit: permit(n),
        kind: Kind::Run,
        how: ClosedHow::Done,
        reason: None,
        cost,
        outcome: None,
    };
    of(s, body)
}

pub(super) fn opened(n: u8) -> Entry {
    let body = SessionOpened {
        id: session(n),
        mode: "code".into(),
        workspace: workspace(),
        root: words("/home/me/shop"),
        revision: "1".into(),
        prompt: Hash::of(b"prompt"),
        tools: Hash::of(b"tools"),
        provider: "local".into(),
        model: words("model"),
        profile: "careful".into(),
        budget: Budget::default(),
        steps_max: 30,
        config: words("config"),
        grant: None,
    };
    of(n, body)
}

pub(super) fn gate_opened(s: u8, n: u8) -> Entry {
    let body = GateOpened {
        gate: gate(n),
        kind: Kind::Run,
        hash: words("hash"),
        action: words("action"),
        facts: words("facts"),
        rules: vec!["careful.network".into()],
        policy: Hash::of(b"policy"),
        question: words("question"),
        expires: Ms(1_763_600_600_000),
    };
    of(s, body)
}

fn proposed(n: u8) -> Entry {
    let body = PatchProposed {
        id: patch(n),
        turn: 1,
        files: 2,
        class: PatchClass::Ordinary,
        tests_ok: Some(true),
        record: words("record"),
        diff: words("diff"),
    };
    of(n, body)
}

fn started(n: u8) -> Entry {
    let body = ExecStarted {
        job: job(n),
        permit: permit(n),
        purpose: Purpose::Test,
    };
    of(n, body)
}

/// A session with a job that ended, an open gate and a patch; all carry `n`.
pub(super) async fn tell(log: &Arc<dyn Log>, n: u8) {
    let whole = vec![
        opened(n),
        granted(n, n, cost(500), None),
        started(n),
        closed(n, n, cost(300)),
        gate_opened(n, n),
        proposed(n),
    ];
    log.append_all(whole, true).await.unwrap();
}
