//! Verifying a log from its exact stored bytes, line by line.
//!
//! What can be promised: intact, or the first bad line. Whoever holds disk and
//! keys can rewrite or cut a log so that it is sound in itself; that shows only
//! against checkpoints kept elsewhere, which are handed in by [`Verifier::keep`].

use std::collections::BTreeMap;

use atoll_domain::Hash;

use crate::epoch::Epochs;
use crate::merkle::Frontier;
use crate::scan::{self, Fields};
use crate::{Checkpoint, Error, PublicKey};

/// What is wrong with the first bad line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("it is no event: {0}")]
    Malformed(#[from] Error),
    #[error("it was edited: its bytes hash to {actual}, the log says {stated}")]
    Edited { stated: Hash, actual: Hash },
    #[error("events {expected} to {} are missing before it", found - 1)]
    Gap { expected: u64, found: u64 },
    #[error("it is out of order: event {found} stands where {expected} belongs")]
    Reordered { expected: u64, found: u64 },
    #[error("it does not follow from the event before it: one of the two was rewritten")]
    Unlinked,
    #[error("it belongs to another node's log")]
    OtherNode,
    #[error("the checkpoint in it does not fit the events before it")]
    WrongRoot,
    #[error("the checkpoint in it is not signed by the key of its time: {0}")]
    WrongSignature(Error),
    #[error(
        "the log was rewritten: a checkpoint kept elsewhere over the first {size} events has another root"
    )]
    Rewritten { size: u64 },
    #[error(
        "the log was truncated: a checkpoint kept elsewhere covers {size} events, {found} are here"
    )]
    Truncated { size: u64, found: u64 },
    #[error(
        "the log was truncated: it says of itself that it holds {size} events, {found} are here"
    )]
    Cut { size: u64, found: u64 },
    #[error("the segment was cut: it ends with event {last}, and here with {found}")]
    Short { last: u64, found: u64 },
    #[error("it can't be read: {0}")]
    Unreadable(String),
    #[error("its row says another {0} than its bytes")]
    Row(&'static str),
    #[error("the kept checkpoint is of another node's log")]
    OtherCheckpoint,
    #[error("it is the log of {0}, and another one was asked for")]
    OtherRoot(String),
    #[error("its hash is left out")]
    NoHash,
    #[error("its proof of inclusion does not hold: {0}")]
    Unproven(Error),
    #[error("content does not match its commitment")]
    Content,
    #[error("the export is incomplete: {0}")]
    Incomplete(&'static str),
}

/// The first bad line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} (event {seq}): {flaw}")]
pub struct Bad {
    /// Counted from 1, in what was handed in.
    pub line: u64,
    /// The event that belongs, or stands, there.
    pub seq: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What a log that verified holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intact {
    /// The node's did:key; `None` for an empty log.
    pub node: Option<String>,
    /// Events, counted from 1; the last `seq`.
    pub events: u64,
    /// Hash of the last event.
    pub head: Hash,
    /// The Merkle root over all events.
    pub root: Hash,
    /// Signed checkpoints found in the log.
    pub checkpoints: u64,
    /// Events covered by the last of them.
    pub covered: u64,
    /// Checkpoints kept elsewhere that were compared and fit.
    pub kept: u64,
    /// Events whose clock stood before that of the event before them.
    pub clock_back: u64,
}

/// Where verifying may start: the state behind a checkpoint that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The node's did:key.
    pub node: String,
    /// Hash of the last event before.
    pub head: Hash,
    /// The tree over all events before.
    pub frontier: Frontier,
    /// The keys of that time.
    pub epochs: Epochs,
}

/// Verifies a log as it streams by.
#[derive(Clone, Debug)]
pub struct Verifier {
    line: u64,
    expected: Option<String>,
    node: Option<String>,
    head: Hash,
    frontier: Frontier,
    epochs: Epochs,
    last_ts: u64,
    clock_back: u64,
    checkpoints: u64,
    covered: u64,
    kept: BTreeMap<u64, Vec<Checkpoint>>,
    kept_fit: u64,
}

impl Default for Verifier {
    fn default() -> Self {
        Verifier::new()
    }
}

impl Verifier {
    /// From a log's first event on.
    pub fn new() -> Verifier {
        Verifier {
            line: 0,
            expected: None,
            node: None,
            head: Hash::ZERO,
            frontier: Frontier::default(),
            epochs: Epochs::default(),
            last_ts: 0,
            clock_back: 0,
            checkpoints: 0,
            covered: 0,
            kept: BTreeMap::new(),
            kept_fit: 0,
        }
    }

    /// From a trusted point on.
    pub fn resume(start: Start) -> Verifier {
        Verifier {
            node: Some(start.node),
            head: start.head,
            covered: start.frontier.size(),
            frontier: start.frontier,
            epochs: start.epochs,
            ..Verifier::new()
        }
    }

    /// Whose log it must be: the root key, as somebody was told it. Without it a log is held against the root
    /// key that it names itself. Call it before the lines stream by.
    pub fn expect(&mut self, root: PublicKey) {
        self.expected = Some(root.to_string());
    }

    /// Compares with a checkpoint that was kept elsewhere. Call it before the
    /// lines stream by; those over events before the start can't be compared and
    /// are ignored.
    pub fn keep(&mut self, checkpoint: Checkpoint) {
        self.kept
            .entry(checkpoint.size)
            .or_default()
            .push(checkpoint);
    }

    /// One event at rest: its exact bytes, and the hash that is stored with them. What was read of
    /// it comes back.
    pub fn stored<'a>(&mut self, bytes: &'a [u8], stated: &Hash) -> Result<Fields<'a>, Bad> {
        self.line += 1;
        let actual = Hash::of(bytes);
        self.event(bytes, *stated, actual)
            .map_err(|flaw| self.bad(flaw))
    }

    /// One line of an export: an event with its `hash` in it.
    pub fn exported(&mut self, line: &[u8]) -> Result<(), Bad> {
        self.line += 1;
        let event = crate::line::Exported::parse(line).map_err(|e| self.bad(e))?;
        self.event(&event.bytes, event.stated, event.actual)
            .map(drop)
            .map_err(|flaw| self.bad(flaw))
    }

    /// The number of the event that belongs next.
    pub fn seq_next(&self) -> u64 {
        self.frontier.size() + 1
    }

    /// Signed checkpoints that fit so far.
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints
    }

    /// Events so far whose clock stood before that of the event before them.
    pub fn clock_back(&self) -> u64 {
        self.clock_back
    }

    /// The state behind what has streamed by, to start from another time.
    pub fn pause(&self) -> Option<Start> {
        Some(Start {
            node: self.node.clone()?,
            head: self.head,
            frontier: self.frontier.clone(),
            epochs: self.epochs.clone(),
        })
    }

    fn bad(&self, flaw: Flaw) -> Bad {
        Bad {
            line: self.line,
            seq: self.frontier.size() + 1,
            flaw,
        }
    }

    fn event<'a>(
        &mut self,
        bytes: &'a [u8],
        stated: Hash,
        actual: Hash,
    ) -> Result<Fields<'a>, Flaw> {
        // The hash comes first: what was edited may be malformed as well, and
        // "edited" is what a person needs to read.
        if stated != actual {
            return Err(Flaw::Edited { stated, actual });
        }
        let fields = scan::fields(bytes)?;
        let expected = self.frontier.size() + 1;
        if fields.seq > expected {
            return Err(Flaw::Gap {
                expected,
                found: fields.seq,
            });
        }
        if fields.seq < expected {
            return Err(Flaw::Reordered {
                expected,
                found: fields.seq,
            });
        }
        if fields.prev != self.head {
            return Err(Flaw::Unlinked);
        }
        match &self.node {
            None if self.expected.as_deref().is_some_and(|e| e != fields.node) => {
                return Err(Flaw::OtherRoot(fields.node.to_owned()));
            }
            None => self.node = Some(fields.node.to_owned()),
            Some(node) if node == fields.node => {}
            Some(_) => return Err(Flaw::OtherNode),
        }
        self.signed(&fields)?;
        self.frontier.push(&actual.0);
        self.head = actual;
        self.clock_back += u64::from(fields.ts < self.last_ts);
        self.last_ts = fields.ts;
        self.compare()?;
        Ok(fields)
    }

    /// What an opening or a checkpoint event claims, held against the events before it.
    fn signed(&mut self, fields: &Fields<'_>) -> Result<(), Flaw> {
        let Some(checkpoint) = self.epochs.take(fields).map_err(Flaw::WrongSignature)? else {
            return Ok(());
        };
        if checkpoint.size != self.frontier.size() || checkpoint.root.0 != self.frontier.root() {
            return Err(Flaw::WrongRoot);
        }
        self.checkpoints += 1;
        self.covered = checkpoint.size;
        Ok(())
    }

    fn compare(&mut self) -> Result<(), Flaw> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let size = self.frontier.size();
        let Some(kept) = self.kept.remove(&size) else {
            return Ok(());
        };
        let root = self.frontier.root();
        for checkpoint in kept {
            if Some(&checkpoint.node) != self.node.as_ref() {
                return Err(Flaw::OtherCheckpoint);
            }
            if checkpoint.root.0 != root {
                return Err(Flaw::Rewritten { size });
            }
            self.kept_fit += 1;
        }
        Ok(())
    }

    /// Nothing more comes: says what the log holds, or what a kept checkpoint misses.
    pub fn finish(self) -> Result<Intact, Bad> {
        let events = self.frontier.size();
        if let Some((&size, _)) = self.kept.range(events + 1..).next() {
            let flaw = Flaw::Truncated {
                size,
                found: events,
            };
            return Err(Bad {
                line: self.line + 1,
                seq: events + 1,
                flaw,
            });
        }
        Ok(Intact {
            node: self.node,
            events,
            head: self.head,
            root: Hash(self.frontier.root()),
            checkpoints: self.checkpoints,
            covered: self.covered,
            kept: self.kept_fit,
            clock_back: self.clock_back,
        })
    }
}
