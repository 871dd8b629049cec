//! A small log that is made the way a node makes one.

use atoll_domain::{Body, Commitment, Draft, EventId, FeedbackNote, Hash, Ms};
use atoll_log::merkle::Frontier;
use atoll_log::{Checkpoint, Head, Key, PublicKey, Sealed, opened, seal, signed};

pub struct Log {
    pub node: String,
    pub head: Head,
    pub frontier: Frontier,
    pub key: Key,
    pub rows: Vec<(Vec<u8>, Hash)>,
    keys_drawn: u8,
}

impl Log {
    pub fn open(seed: u8) -> Log {
        let root = Key::from_seed(&[seed; 32]);
        let key = Key::from_seed(&[seed + 1; 32]);
        let body = opened(&root, key.public());
        let mut log = Log {
            node: body.root.clone(),
            head: Head::EMPTY,
            frontier: Frontier::default(),
            key,
            rows: vec![],
            keys_drawn: seed + 1,
        };
        log.push(body);
        log
    }

    pub fn push(&mut self, body: impl Into<Body>) -> Sealed {
        let at = self.head.seq + 1;
        let sealed = seal(
            &Draft::node(body.into()),
            &self.node,
            &mut self.head,
            EventId::new(Ms(at), [1; 10]),
            Ms(1000 + at),
        )
        .unwrap();
        self.frontier.push(&sealed.hash.0);
        self.rows.push((sealed.bytes.clone(), sealed.hash));
        sealed
    }

    pub fn note(&mut self, text: &str) -> Commitment {
        let commitment = Commitment::of(&[3; 32], text.as_bytes());
        self.push(FeedbackNote { text: commitment });
        commitment
    }

    pub fn here(&self, next: Option<PublicKey>) -> Checkpoint {
        Checkpoint {
            node: self.node.clone(),
            size: self.head.seq,
            root: Hash(self.frontier.root()),
            next,
        }
    }

    /// A checkpoint event; the checkpoint and its note, as they would be kept elsewhere.
    pub fn checkpoint(&mut self) -> (Checkpoint, String) {
        let checkpoint = self.here(None);
        let body = signed(&checkpoint, &self.key).unwrap();
        let note = body.note.clone();
        self.push(body);
        (checkpoint, note)
    }

    /// An epoch's end: the checkpoint names a new key, the old one is dropped.
    pub fn rotate(&mut self) {
        self.keys_drawn += 1;
        let next = Key::from_seed(&[self.keys_drawn; 32]);
        let body = signed(&self.here(Some(next.public())), &self.key).unwrap();
        self.push(body);
        self.key = next;
    }

    pub fn hashes(&self) -> Vec<[u8; 32]> {
        self.rows.iter().map(|r| r.1.0).collect()
    }
}

/// Seals `rows` anew from `from` on, as the owner of the disk could.
pub fn relink(rows: &mut [(Vec<u8>, Hash)], from: usize) {
    for i in from..rows.len() {
        let prev = if i == 0 { Hash::ZERO } else { rows[i - 1].1 };
        let mut value: serde_json::Value = serde_json::from_slice(&rows[i].0).unwrap();
        value["prev"] = serde_json::json!(prev);
        rows[i].0 = atoll_log::canonical::bytes(&value).unwrap();
        rows[i].1 = Hash::of(&rows[i].0);
    }
}
