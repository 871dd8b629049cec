//! Exports: NDJSON that verifies on its own.
//!
//! A whole log is its events' lines. A part of one (a session) starts with a
//! signed checkpoint, and each event's line is followed by its proof of
//! inclusion; the events that name the keys come with it, so that the signature
//! can be checked. In both, content may follow the event that commits to it, or
//! be left out. Behind the checkpoint may stand proofs that its tree extends
//! that of older ones, which somebody kept. A segment (see [`crate::segment`])
//! starts with its own line. The form is docs/log-format.md.
//!
//! ```text
//! {"checkpoint":{"note":"…"}}
//! {"consistency":{"old":3,"path":["sha256:…"]}}
//! {"actor":…,"hash":"sha256:…",…}
//! {"proof":{"path":["sha256:…"],"seq":7}}
//! {"content":{"base64":"…","bytes":5,"h":"sha256:…","salt":"…64 hex digits"}}
//! ```

use atoll_domain::{Commitment, Hash};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::line::Exported;
use crate::segment::{HEADER_BYTES_MAX, Header, Segment};
use crate::{
    Bad, Checkpoint, Epochs, Error, Flaw, Intact, PublicKey, Start, Verifier, merkle, scan,
};

/// The longest line of any kind that is read, in bytes.
pub const LINE_BYTES_MAX: usize = 96 << 20;

/// Proofs of consistency in one export.
pub const OLDER_MAX: usize = 64;

/// Content as it travels in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub base64: String,
    pub bytes: u64,
    pub h: Hash,
    pub salt: String,
}

/// The place of the event on the line before, in the tree of the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub path: Vec<Hash>,
    pub seq: u64,
}

/// That the checkpoint's tree extends the one over its first `old` events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    pub old: u64,
    pub path: Vec<Hash>,
}

/// The checkpoint that a part's proofs lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub note: String,
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extra {
    Checkpoint(Signed),
    Consistency(Consistency),
    Content(Content),
    Proof(Proof),
    Segment(Header),
}

impl Extra {
    /// Content with what opens its commitment.
    pub fn content(commitment: &Commitment, salt: &[u8; 32], bytes: &[u8]) -> Extra {
        Extra::Content(Content {
            base64: BASE64.encode(bytes),
            bytes: commitment.bytes,
            h: commitment.h,
            salt: hex::encode(salt),
        })
    }

    /// The proof that the event with number `seq` is in the tree.
    pub fn proof(tree: &merkle::Levels, seq: u64) -> Result<Extra, Error> {
        let index = seq.checked_sub(1).ok_or(Error::Range)?;
        let path = hashes(tree.inclusion(index)?);
        Ok(Extra::Proof(Proof { path, seq }))
    }

    /// The proof that the tree extends the one over its first `old` events.
    pub fn consistency(tree: &merkle::Levels, old: u64) -> Result<Extra, Error> {
        let path = hashes(tree.consistency(old)?);
        Ok(Extra::Consistency(Consistency { old, path }))
    }

    /// The line, without a newline.
    pub fn line(&self) -> Result<Vec<u8>, Error> {
        crate::canonical::bytes(self)
    }

    /// `None` where the line is (or claims to be) an event.
    fn parse(line: &[u8]) -> Result<Option<Extra>, Error> {
        let starts = [
            b"{\"checkpoint\":".as_slice(),
            b"{\"consistency\":",
            b"{\"content\":",
            b"{\"proof\":",
            b"{\"segment\":",
        ];
        if !starts.iter().any(|s| line.starts_with(s)) {
            return Ok(None);
        }
        if line.starts_with(b"{\"segment\":") && line.len() > HEADER_BYTES_MAX {
            return Err(Error::Size {
                limit_bytes: HEADER_BYTES_MAX,
            });
        }
        serde_json::from_slice(line)
            .map(Some)
            .map_err(|e| Error::Json(e.to_string()))
    }
}

fn hashes(path: Vec<merkle::Raw>) -> Vec<Hash> {
    path.into_iter().map(Hash).collect()
}

impl Content {
    /// The bytes, if they open the commitment that the line names.
    pub fn open(&self) -> Result<Vec<u8>, Error> {
        let bytes = BASE64.decode(&self.base64).map_err(|_| Error::Commitment)?;
        let mut salt = [0u8; 32];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| Error::Commitment)?;
        let commitment = Commitment {
            h: self.h,
            bytes: self.bytes,
        };
        if commitment.opens_to(&salt, &bytes) {
            Ok(bytes)
        } else {
            Err(Error::Commitment)
        }
    }
}

/// What an export that verified holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proven {
    /// A log from its first event on.
    Log { log: Intact, contents: u64 },
    /// Events of a log, each proven to be in it; `kept` checkpoints were compared and fit.
    Part {
        checkpoint: Checkpoint,
        events: u64,
        contents: u64,
        kept: u64,
    },
    /// The events from `first` to the last that `log` counts; another segment may follow at `end`.
    Segment {
        first: u64,
        log: Intact,
        end: Box<Start>,
    },
}

/// Verifies an export as its lines stream by.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    line: u64,
    contents: u64,
    /// Content hashes that the last event named. Content must follow its event.
    last_body: Vec<u8>,
    mode: Mode,
    root: Option<PublicKey>,
    kept: Vec<Checkpoint>,
    behind: Option<Start>,
}

#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Unknown,
    Log(Box<Verifier>),
    Part(Box<Part>),
    Segment(Box<Segment>),
}

#[derive(Clone, Debug)]
struct Part {
    note: String,
    checkpoint: Checkpoint,
    epochs: Epochs,
    waiting: Option<(u64, Hash)>,
    last_seq: u64,
    events: u64,
    older: Vec<Consistency>,
}

impl Reader {
    /// From the first line on.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Compares with a checkpoint that was kept elsewhere; before the first line.
    pub fn keep(&mut self, checkpoint: Checkpoint) {
        self.kept.push(checkpoint);
    }

    /// Whose log it must be: the root key, as somebody was told it; before the first line. Without it an
    /// export is held against the root key that it names itself.
    pub fn expect(&mut self, root: PublicKey) {
        self.root = Some(root);
    }

    /// It must be a segment that goes on where another one ended; before the first line.
    pub fn behind(&mut self, end: Start) {
        self.behind = Some(end);
    }

    /// One line, without its newline.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Bad> {
        self.line += 1;
        if line.len() > LINE_BYTES_MAX {
            return Err(self.bad(
                Error::Size {
                    limit_bytes: LINE_BYTES_MAX,
                }
                .into(),
            ));
        }
        match Extra::parse(line) {
            Ok(None) => self.event(line),
            Ok(Some(extra)) => self.extra(extra).map_err(|flaw| self.bad(flaw)),
            Err(e) => Err(self.bad(e.into())),
        }
    }

    /// The next line can't be read.
    pub fn unreadable(&self, why: String) -> Bad {
        let bad = self.bad(Flaw::Unreadable(why));
        Bad {
            line: bad.line + 1,
            ..bad
        }
    }

    fn bad(&self, flaw: Flaw) -> Bad {
        let seq = match &self.mode {
            Mode::Unknown => 1,
            Mode::Log(verifier) => verifier.seq_next(),
            Mode::Part(part) => part.waiting.map_or(part.last_seq, |w| w.0),
            Mode::Segment(segment) => segment.seq_next(),
        };
        Bad {
            line: self.line,
            seq,
            flaw,
        }
    }

    fn event(&mut self, line: &[u8]) -> Result<(), Bad> {
        if matches!(self.mode, Mode::Unknown) {
            self.alone().map_err(|flaw| self.bad(flaw))?;
            let mut verifier = Verifier::new();
            self.root.into_iter().for_each(|root| verifier.expect(root));
            self.kept.drain(..).for_each(|c| verifier.keep(c));
            self.mode = Mode::Log(Box::new(verifier));
        }
        let done = match &mut self.mode {
            Mode::Log(verifier) => verifier.exported(line).map_err(|bad| bad.flaw),
            Mode::Part(part) => part.event(line),
            Mode::Segment(segment) => segment.event(line),
            Mode::Unknown => Ok(()),
        };
        done.map_err(|flaw| self.bad(flaw))?;
        self.last_body.clear();
        if let Ok(fields) = scan::fields(line) {
            self.last_body.extend_from_slice(fields.body);
        }
        Ok(())
    }

    fn alone(&self) -> Result<(), Flaw> {
        match self.behind {
            None => Ok(()),
            Some(_) => Err(Flaw::Incomplete("only a segment can stand behind one")),
        }
    }

    fn extra(&mut self, extra: Extra) -> Result<(), Flaw> {
        match (extra, &mut self.mode) {
            (Extra::Segment(header), Mode::Unknown) => {
                let behind = self.behind.take();
                let segment = Segment::new(&header, self.root, behind.as_ref(), &self.kept)?;
                self.mode = Mode::Segment(Box::new(segment));
                Ok(())
            }
            (Extra::Segment(_), _) => Err(Flaw::Incomplete("a segment begins with its first line")),
            (Extra::Content(_), Mode::Segment(_)) => {
                Err(Flaw::Incomplete("a segment holds events alone"))
            }
            (Extra::Checkpoint(signed), Mode::Unknown) => {
                self.alone()?;
                self.mode = Mode::Part(Box::new(Part::new(signed.note, self.root)?));
                Ok(())
            }
            (Extra::Checkpoint(_), _) => Err(Flaw::Incomplete("a second checkpoint")),
            (Extra::Consistency(older), Mode::Part(part)) if part.events == 0 => {
                part.extends(older)
            }
            (Extra::Consistency(_), _) => Err(Flaw::Incomplete(
                "a proof of consistency without its checkpoint",
            )),
            (Extra::Proof(proof), Mode::Part(part)) => part.proof(&proof),
            (Extra::Proof(_), _) => Err(Flaw::Incomplete("a proof without a checkpoint")),
            (Extra::Content(content), _) => {
                let named = self
                    .last_body
                    .windows(71)
                    .any(|w| w == content.h.to_string().as_bytes());
                if !named || content.open().is_err() {
                    return Err(Flaw::Content);
                }
                self.contents += 1;
                Ok(())
            }
        }
    }

    /// Nothing more comes.
    pub fn finish(self) -> Result<Proven, Bad> {
        let contents = self.contents;
        let end = |flaw| Bad {
            line: self.line + 1,
            seq: 0,
            flaw,
        };
        match self.mode {
            Mode::Unknown => Err(end(Flaw::Incomplete("it is empty"))),
            Mode::Log(verifier) => Ok(Proven::Log {
                log: verifier.finish()?,
                contents,
            }),
            Mode::Part(part) => {
                let events = part.events;
                let (checkpoint, kept) = part.finish(&self.kept).map_err(end)?;
                Ok(Proven::Part {
                    checkpoint,
                    events,
                    contents,
                    kept,
                })
            }
            Mode::Segment(segment) => segment.finish().map_err(|(seq, flaw)| Bad {
                line: self.line + 1,
                seq,
                flaw,
            }),
        }
    }
}

impl Part {
    fn new(note: String, root: Option<PublicKey>) -> Result<Part, Flaw> {
        let checkpoint = Checkpoint::open_unsigned(&note)?;
        if root.is_some_and(|root| root.to_string() != checkpoint.node) {
            return Err(Flaw::OtherRoot(checkpoint.node));
        }
        Ok(Part {
            note,
            checkpoint,
            epochs: Epochs::default(),
            waiting: None,
            last_seq: 0,
            events: 0,
            older: Vec::new(),
        })
    }

    fn event(&mut self, line: &[u8]) -> Result<(), Flaw> {
        if self.waiting.is_some() {
            return Err(Flaw::Incomplete("an event without its proof"));
        }
        let event = Exported::parse(line)?;
        if event.stated != event.actual {
            return Err(Flaw::Edited {
                stated: event.stated,
                actual: event.actual,
            });
        }
        let fields = scan::fields(&event.bytes)?;
        if fields.seq <= self.last_seq {
            return Err(Flaw::Reordered {
                expected: self.last_seq + 1,
                found: fields.seq,
            });
        }
        if fields.node != self.checkpoint.node {
            return Err(Flaw::OtherNode);
        }
        self.epochs.take(&fields).map_err(Flaw::WrongSignature)?;
        self.last_seq = fields.seq;
        self.waiting = Some((fields.seq, event.actual));
        Ok(())
    }

    fn proof(&mut self, proof: &Proof) -> Result<(), Flaw> {
        let (seq, hash) = self
            .waiting
            .take()
            .ok_or(Flaw::Incomplete("a proof without its event"))?;
        if proof.seq != seq {
            return Err(Flaw::Incomplete("a proof of another event"));
        }
        let path: Vec<merkle::Raw> = proof.path.iter().map(|h| h.0).collect();
        let Checkpoint { size, root, .. } = &self.checkpoint;
        merkle::verify_inclusion(&hash.0, seq - 1, *size, &path, &root.0)
            .map_err(Flaw::Unproven)?;
        self.events += 1;
        Ok(())
    }

    fn extends(&mut self, older: Consistency) -> Result<(), Flaw> {
        if self.older.len() >= OLDER_MAX || older.old == 0 || older.old > self.checkpoint.size {
            return Err(Flaw::Incomplete("a proof of consistency without a use"));
        }
        self.older.push(older);
        Ok(())
    }

    /// The checkpoint, and how many kept ones were compared with it.
    fn finish(self, kept: &[Checkpoint]) -> Result<(Checkpoint, u64), Flaw> {
        if self.waiting.is_some() {
            return Err(Flaw::Incomplete("an event without its proof"));
        }
        let key = self.epochs.current().ok_or(Flaw::Incomplete(
            "the log's first event, which names its keys",
        ))?;
        let signed = Checkpoint::open(&self.note, &key).map_err(Flaw::WrongSignature)?;
        let mut compared = 0;
        for other in kept {
            if other.node != signed.node {
                return Err(Flaw::OtherCheckpoint);
            }
            compared += u64::from(agrees(&signed, other, &self.older)?);
        }
        Ok((signed, compared))
    }
}

/// Whether a kept checkpoint could be compared; an error where the two can't be of one log.
fn agrees(signed: &Checkpoint, kept: &Checkpoint, older: &[Consistency]) -> Result<bool, Flaw> {
    let rewritten = Flaw::Rewritten { size: kept.size };
    if kept.size == signed.size {
        return if kept.root == signed.root {
            Ok(true)
        } else {
            Err(rewritten)
        };
    }
    let Some(proof) = older.iter().find(|o| o.old == kept.size) else {
        return Ok(false);
    };
    let path: Vec<merkle::Raw> = proof.path.iter().map(|h| h.0).collect();
    merkle::verify_consistency(kept.size, &kept.root.0, signed.size, &signed.root.0, &path)
        .map(|()| true)
        .map_err(|_| rewritten)
}
