//! Whose signature counts when: the log's root key opens the first epoch, and
//! each epoch's last checkpoint names the key of the next.

use atoll_domain as domain;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::scan::Fields;
use crate::{Checkpoint, Error, Key, PublicKey, note};

/// The kind of event 1.
pub const OPENED: &str = "LogOpened";

/// The kind of the event that holds a checkpoint.
pub const CHECKPOINT: &str = "Checkpoint";

/// The body of event 1 of the log that `root` opens: its did:key is the node's
/// name, and its signature over [`Checkpoint::opening`] makes `first` the key of
/// the first epoch. The caller destroys `root` after this.
pub fn opened(root: &Key, first: PublicKey) -> domain::LogOpened {
    let node = root.public().to_string();
    let signature = BASE64.encode(Checkpoint::opening(&node, first).sign(root));
    domain::LogOpened {
        root: node,
        epoch: first.to_string(),
        signature,
    }
}

/// The body of a checkpoint event: `checkpoint` signed by the epoch's key.
/// Errors: a node name that a note can't carry.
pub fn signed(checkpoint: &Checkpoint, key: &Key) -> Result<domain::Checkpoint, Error> {
    Ok(domain::Checkpoint {
        size: checkpoint.size,
        root: BASE64.encode(checkpoint.root.0),
        note: note::sign(&checkpoint.text(), &checkpoint.node, key)?,
        next: checkpoint.next.map(|k| k.to_string()),
    })
}

/// The keys of a log so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    root: Option<PublicKey>,
    current: Option<PublicKey>,
}

impl Epochs {
    /// Keys that were stored.
    pub fn from_parts(root: PublicKey, current: PublicKey) -> Epochs {
        Epochs {
            root: Some(root),
            current: Some(current),
        }
    }

    /// The key that event 1 named; `None` before it.
    pub fn root(&self) -> Option<PublicKey> {
        self.root
    }

    /// Whose signature counts now.
    pub fn current(&self) -> Option<PublicKey> {
        self.current
    }

    /// Looks at one event in the log's order. A checkpoint event's checkpoint
    /// comes back with its signature checked; whether it fits the events before
    /// it is the caller's to check.
    pub fn take(&mut self, event: &Fields<'_>) -> Result<Option<Checkpoint>, Error> {
        match event.kind {
            OPENED if event.seq == 1 => {
                self.open(event)?;
                Ok(None)
            }
            OPENED => Err(Error::Envelope("a log opens with its first event alone")),
            CHECKPOINT => self.checkpoint(event).map(Some),
            _ => Ok(None),
        }
    }

    fn open(&mut self, event: &Fields<'_>) -> Result<(), Error> {
        let body: domain::LogOpened = read(event.body)?;
        // The log's name is its root key, so nobody else can open a log by that name.
        if body.root != event.node {
            return Err(Error::Key("the root key is not the node's name"));
        }
        let (root, epoch): (PublicKey, PublicKey) = (body.root.parse()?, body.epoch.parse()?);
        let signature = BASE64
            .decode(&body.signature)
            .ok()
            .and_then(|b| b.try_into().ok())
            .ok_or(Error::Signature)?;
        Checkpoint::opening(event.node, epoch).verify(&root, &signature)?;
        self.root = Some(root);
        self.current = Some(epoch);
        Ok(())
    }

    fn checkpoint(&mut self, event: &Fields<'_>) -> Result<Checkpoint, Error> {
        let body: domain::Checkpoint = read(event.body)?;
        let key = self.current.ok_or(Error::UnknownSigner)?;
        let checkpoint = Checkpoint::open(&body.note, &key)?;
        let same = checkpoint.node == event.node
            && checkpoint.size == body.size
            && BASE64.encode(checkpoint.root.0) == body.root
            && checkpoint.next.map(|k| k.to_string()) == body.next;
        if !same {
            return Err(Error::Checkpoint("its fields and its note differ"));
        }
        if checkpoint.next.is_some() {
            self.current = checkpoint.next;
        }
        Ok(checkpoint)
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Json(e.to_string()))
}
