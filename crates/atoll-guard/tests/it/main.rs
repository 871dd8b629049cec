//! The guard over a journal in memory: every way in which a permit comes to be, is spent, and ends.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod admit;
mod ends;
mod flow;
mod parallel;
mod warrant;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use atoll_domain::action::{Job, ModelCall};
use atoll_domain::{
    ActionKey, Actor, Budget, Conversation, Cost, Facts, Hash, JobId, JobSpec, Limits, ModelRef,
    Ms, Network, Price, Purpose, Role, RunnerKind, SessionId, Tick, Topic,
};
use atoll_guard::{
    Account, Admission, Appended, BoxFuture, Decision, Entry, Full, Guard, Journal, Ledger,
    PolicyEngine, PolicyError, Question, Rule, Verdict,
};
use testkit::permits::{Counting, Memory};

/// Runs a future that never really waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the journal in memory never waits"),
    }
}

/// A policy that says what it is told to.
#[derive(Clone)]
pub struct Says(pub Arc<Mutex<Result<Decision, PolicyError>>>);

impl Says {
    pub fn new(decision: Decision) -> Says {
        Says(Arc::new(Mutex::new(Ok(decision))))
    }
    pub fn set(&self, decision: Decision) {
        *self.0.lock().unwrap() = Ok(decision);
    }
}

impl PolicyEngine for Says {
    fn judge(&self, _: &Question<'_>) -> Result<Verdict, PolicyError> {
        let decision = self.0.lock().unwrap().clone()?;
        Ok(Verdict {
            decision,
            rules: vec![Rule {
                id: "test.rule".into(),
                why: "because".into(),
            }],
        })
    }
    fn hash(&self) -> Hash {
        Hash::of(b"policy")
    }
}

/// A journal that is full after so many events.
pub struct Filling(pub Arc<Memory>, pub usize);

impl Journal for Filling {
    fn append(&self, entry: Entry, sync: bool) -> BoxFuture<'_, Result<Appended, Full>> {
        if self.0.drafts().len() >= self.1 {
            return Box::pin(async {
                Err(Full::Disk {
                    free_bytes: 0,
                    floor_bytes: 1,
                })
            });
        }
        self.0.append(entry, sync)
    }
    fn close(&self, entry: Entry) {
        self.0.close(entry);
    }
}

pub fn guard(says: &Says) -> (Guard, Arc<Memory>) {
    let journal = Arc::new(Memory::default());
    let ledger = Arc::new(Ledger::default());
    (
        Guard::new(
            Box::new(says.clone()),
            journal.clone(),
            ledger,
            Arc::new(Counting::default()),
        ),
        journal,
    )
}

pub fn session() -> SessionId {
    SessionId::new(Ms(7), [7; 10])
}

pub fn job(network: Network) -> Job {
    let spec = JobSpec {
        id: JobId::new(Ms(1), [1; 10]),
        runner: RunnerKind::Process,
        language: None,
        image: None,
        cmd: vec!["make".into()],
        stdin: true,
        tty: None,
        env: Default::default(),
        workdir: "/w".into(),
        mounts: Vec::new(),
        limits: Limits::default(),
        ttl_s: 10,
        network,
        secrets: Vec::new(),
        artifacts: Vec::new(),
        snapshot: None,
    };
    Job {
        spec,
        purpose: Purpose::Run,
        session: Some(session()),
        copy: None,
        exe: None,
    }
}

pub fn call(micros_per_million: u64) -> ModelCall {
    ModelCall {
        session: Some(session()),
        key: ActionKey::new(Ms(1), [1; 10]),
        model: ModelRef {
            provider: "p".into(),
            model: "m".into(),
        },
        endpoint: "example.org:443".into(),
        remote: true,
        conversation: Conversation::default(),
        output_tokens_max: 0,
        input_tokens_estimate: 1_000_000,
        price: Some(Price {
            dated: "2026-11-01".into(),
            input_micros: micros_per_million,
            ..Price::default()
        }),
        ttl_s: 10,
    }
}

pub fn admission<A: atoll_domain::Act>(act: A) -> Admission<A> {
    Admission {
        actor: Actor::ai("agent"),
        facts: Facts::of(Role::Agent, "test"),
        act,
        session: Some(session()),
        topic: Topic::session(&session()),
        cause: None,
        key: None,
        accounts: vec![Account::Session(session())],
        warrant: Vec::new(),
        ttl_ms: 1000,
        now: Tick(0),
        wall: Ms(0),
        answer: None,
    }
}

pub fn limit(guard: &Guard, micros: u64) {
    let budget = Budget {
        micros_max: Some(micros),
        ..Budget::default()
    };
    guard
        .ledger()
        .open(Account::Session(session()), budget, Cost::ZERO);
}
