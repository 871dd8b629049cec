//! Segments: a run of a log's events in a file of its own, which verifies alone,
//! and joined to the one before.
//!
//! Its first line holds all that was before its events: the Merkle tree's right
//! edge, the hash of the event before, and the notes that hand the signing key on
//! from the log's root key. Its events must then lead to the root that the
//! sealing checkpoint signs. That is as much as a proof for each event would
//! show, at the price of one line.
//!
//! ```text
//! {"segment":{"edge":["sha256:…"],"first":1001,"keys":["…"],"note":"…","prev":"sha256:…"}}
//! {"actor":…,"hash":"sha256:…",…}
//! ```

use atoll_domain::Hash;
use serde::{Deserialize, Serialize};

use crate::export::Proven;
use crate::merkle::{Frontier, empty_root};
use crate::{Checkpoint, Epochs, Error, Flaw, PublicKey, Start, Verifier};

/// The longest first line of a segment, in bytes: some ten thousand epochs.
pub const HEADER_BYTES_MAX: usize = 4 << 20;

/// What stands before a segment's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The tree over all events before, as its frontier: a hash per perfect subtree, the largest first.
    pub edge: Vec<Hash>,
    /// The number of its first event.
    pub first: u64,
    /// The notes that name keys in the events before: the opening one, which the root key signed, then each epoch's
    /// last. None where it begins with event 1.
    pub keys: Vec<String>,
    /// The checkpoint that seals it: its last event is the last one that this covers.
    pub note: String,
    /// The hash of the event before.
    pub prev: Hash,
}

/// What a log's events leave behind for the segments after them: frontier, head, and the notes that name keys.
#[derive(Clone, Debug, Default)]
pub struct Before {
    frontier: Frontier,
    prev: Hash,
    keys: Vec<String>,
}

impl Before {
    /// How many events it has taken.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes the next event's hash.
    pub fn push(&mut self, hash: Hash) {
        self.frontier.push(&hash.0);
        self.prev = hash;
    }

    /// Takes the note of an event that names a key; of the first one it is [`opening`].
    pub fn key(&mut self, note: String) {
        self.keys.push(note);
    }

    /// The first line of the segment behind these events that `note` seals.
    pub fn header(&self, note: String) -> Header {
        Header {
            edge: self.frontier.edge().iter().copied().map(Hash).collect(),
            first: self.size() + 1,
            keys: self.keys.clone(),
            note,
            prev: self.prev,
        }
    }
}

/// What the root key signed in a log's first event, as a note. Errors: a body that names no keys.
pub fn opening(opened: &atoll_domain::LogOpened) -> Result<String, Error> {
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD
        .decode(&opened.signature)
        .ok()
        .and_then(|b| b.try_into().ok())
        .ok_or(Error::Signature)?;
    Checkpoint::opening(&opened.root, opened.epoch.parse()?).note(&opened.root.parse()?, &signature)
}

/// A segment while its lines stream by.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    note: String,
    sealed: Checkpoint,
    first: u64,
    verifier: Verifier,
    /// Kept checkpoints that were compared with what stood before.
    kept: u64,
}

impl Segment {
    pub fn new(
        header: &Header,
        root: Option<PublicKey>,
        behind: Option<&Start>,
        kept: &[Checkpoint],
    ) -> Result<Segment, Flaw> {
        let sealed = Checkpoint::open_unsigned(&header.note)?;
        if root.is_some_and(|root| root.to_string() != sealed.node) {
            return Err(Flaw::OtherRoot(sealed.node));
        }
        let before = header.first.checked_sub(1).ok_or(Error::Range)?;
        if sealed.size <= before {
            return Err(Error::Range.into());
        }
        let edge = header.edge.iter().map(|h| h.0).collect();
        let start = Start {
            node: sealed.node.clone(),
            head: header.prev,
            frontier: Frontier::from_parts(before, edge)?,
            epochs: epochs(&header.keys, &sealed.node, header.first)
                .map_err(Flaw::WrongSignature)?,
        };
        if before == 0 && start.head != Hash::ZERO {
            return Err(Flaw::Unlinked);
        }
        if let Some(behind) = behind {
            joins(&start, behind)?;
        }
        let mut fit = 0;
        let mut within = Vec::new();
        for checkpoint in kept {
            if checkpoint.node != sealed.node {
                return Err(Flaw::OtherCheckpoint);
            }
            let size = checkpoint.size;
            // What the segment before ended with was compared there.
            if size == before && before > 0 && behind.is_none() {
                if checkpoint.root.0 != start.frontier.root() {
                    return Err(Flaw::Rewritten { size });
                }
                fit += 1;
            } else if size > before && size <= sealed.size {
                within.push(checkpoint.clone());
            }
        }
        let mut verifier = Verifier::resume(start);
        within.into_iter().for_each(|c| verifier.keep(c));
        Ok(Segment {
            note: header.note.clone(),
            sealed,
            first: header.first,
            verifier,
            kept: fit,
        })
    }

    pub fn seq_next(&self) -> u64 {
        self.verifier.seq_next()
    }

    pub fn event(&mut self, line: &[u8]) -> Result<(), Flaw> {
        if self.seq_next() > self.sealed.size {
            return Err(Flaw::Incomplete("an event behind the segment's last one"));
        }
        self.verifier.exported(line).map_err(|bad| bad.flaw)
    }

    /// What it holds, or the event and what is wrong.
    pub fn finish(self) -> Result<Proven, (u64, Flaw)> {
        let (last, found) = (self.sealed.size, self.seq_next() - 1);
        let bad = |flaw| (found, flaw);
        if found < last {
            return Err((found + 1, Flaw::Short { last, found }));
        }
        let end = self
            .verifier
            .pause()
            .ok_or_else(|| bad(Flaw::Incomplete("it is empty")))?;
        let key = end.epochs.current().ok_or_else(|| {
            bad(Flaw::Incomplete(
                "the log's first event, which names its keys",
            ))
        })?;
        let sealed =
            Checkpoint::open(&self.note, &key).map_err(|e| bad(Flaw::WrongSignature(e)))?;
        if sealed.root.0 != end.frontier.root() {
            return Err(bad(Flaw::WrongRoot));
        }
        let mut log = self.verifier.finish().map_err(|b| (b.seq, b.flaw))?;
        log.kept += self.kept;
        log.checkpoints += 1;
        log.covered = last;
        Ok(Proven::Segment {
            first: self.first,
            log,
            end: Box::new(end),
        })
    }
}

/// The keys of the time before event `first`: each note is signed by the key that the one before it named, and the
/// first by the root key, which is the log's name. Each covers less than the events before `first`, so that a thief
/// of today's key can't seal what was signed with an earlier one.
fn epochs(notes: &[String], node: &str, first: u64) -> Result<Epochs, Error> {
    if notes.is_empty() && first == 1 {
        return Ok(Epochs::default());
    }
    let root: PublicKey = node.parse()?;
    let (mut current, mut least) = (root, 0);
    for (i, note) in notes.iter().enumerate() {
        let checkpoint = Checkpoint::open(note, &current)?;
        let opens = checkpoint.size == 0 && checkpoint.root.0 == empty_root();
        // The event that holds it stands behind what it covers.
        let in_place = checkpoint.size >= least && checkpoint.size + 1 < first;
        if checkpoint.node != node || (i == 0) != opens || !in_place {
            return Err(Error::Checkpoint("a key is named out of its place"));
        }
        current = checkpoint
            .next
            .ok_or(Error::Checkpoint("it names no key"))?;
        least = checkpoint.size + 1;
    }
    if notes.is_empty() {
        return Err(Error::UnknownSigner);
    }
    Ok(Epochs::from_parts(root, current))
}

/// Whether a segment that starts so goes on where another one ended.
fn joins(start: &Start, behind: &Start) -> Result<(), Flaw> {
    let expected = behind.frontier.size() + 1;
    let found = start.frontier.size() + 1;
    if start.node != behind.node {
        return Err(Flaw::OtherNode);
    }
    if found > expected {
        return Err(Flaw::Gap { expected, found });
    }
    if found < expected {
        return Err(Flaw::Reordered { expected, found });
    }
    if start != behind {
        return Err(Flaw::Unlinked);
    }
    Ok(())
}
