//! Permits for tests of adapters: a real guard, a policy that allows, a journal in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use atoll_domain::{Act, Actor, Body, Draft, Entropy, EventId, Facts, Hash, Ms, Role, Tick, Topic};
use atoll_guard::{
    Admission, Appended, BoxFuture, Decision, Entry, Full, Guard, Journal, Ledger, Permit,
    PolicyEngine, PolicyError, Question, Verdict,
};

/// Bytes that count up: every salt and id differs, and a test can be repeated.
#[derive(Debug, Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&n[8 - chunk.len()..]);
        }
    }
}

/// A journal in memory.
#[derive(Debug, Default)]
pub struct Memory {
    drafts: Mutex<Vec<Draft>>,
}

impl Memory {
    /// The bodies of all events so far.
    pub fn bodies(&self) -> Vec<Body> {
        self.drafts().iter().map(|d| d.body.clone()).collect()
    }
    /// All events so far.
    pub fn drafts(&self) -> Vec<Draft> {
        self.drafts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    fn push(&self, entry: Entry) -> Appended {
        let mut drafts = self.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.push(entry.draft);
        let seq = drafts.len() as u64;
        Appended {
            seq,
            id: EventId::derive(&[b"test", &seq.to_be_bytes()]),
            ts: Ms(seq),
        }
    }
}

impl Journal for Memory {
    fn append(&self, entry: Entry, _sync: bool) -> BoxFuture<'_, Result<Appended, Full>> {
        let appended = self.push(entry);
        Box::pin(async move { Ok(appended) })
    }
    fn close(&self, entry: Entry) {
        self.push(entry);
    }
}

/// A policy that allows everything.
#[derive(Debug)]
pub struct AllowAll;

impl PolicyEngine for AllowAll {
    fn judge(&self, _: &Question<'_>) -> Result<Verdict, PolicyError> {
        Ok(Verdict {
            decision: Decision::Allow,
            rules: Vec::new(),
        })
    }
    fn hash(&self) -> Hash {
        Hash::ZERO
    }
}

/// A guard that admits everything, and its journal.
pub fn guard() -> (Guard, Arc<Memory>) {
    let journal = Arc::new(Memory::default());
    let guard = Guard::new(
        Box::new(AllowAll),
        journal.clone(),
        Arc::new(Ledger::default()),
        Arc::new(Counting::default()),
    );
    (guard, journal)
}

/// An admission of `act` by the owner, without a session, good for an hour from tick 0.
pub fn admission<A: Act>(act: A) -> Admission<A> {
    Admission {
        actor: Actor::human("tester"),
        facts: Facts::of(Role::Owner, "open"),
        act,
        session: None,
        topic: Topic::node(),
        cause: None,
        key: None,
        accounts: Vec::new(),
        warrant: Vec::new(),
        ttl_ms: 3_600_000,
        now: Tick(0),
        wall: Ms(0),
        answer: None,
    }
}

/// A permit for `act`, from `guard`.
pub async fn permit<A: Act>(guard: &Guard, act: A) -> Permit<A> {
    match guard.admit(admission(act)).await {
        Ok(permit) => permit,
        Err(_) => unreachable!("the test's guard admits everything"),
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[tokio::test]
    async fn the_log_in_memory_is_a_journal() {
        let memory = Memory::default();
        let kinds = || {
            memory
                .bodies()
                .iter()
                .map(|b| b.kind().to_owned())
                .collect()
        };
        crate::log::a_journal_keeps_order(&memory, kinds).await;
    }
}
