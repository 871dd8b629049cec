//! Takes an export's lines as they come: keeps them on disk, looks at each content, and tells the story.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use atoll_api::{Error, codes};
use atoll_domain::{Body, Event, JobId, Ms};
use atoll_log::Checkpoint;
use atoll_log::export::{Content, Extra};

use super::names::{Given, safe};
use super::redacted::look;
use super::story::{Names, Said, Story, Words, Writer};

/// A job's output that is held to be looked at in one piece, in bytes; more of it is left out.
const STREAM_BYTES_MAX: usize = 64 << 20;
/// Of a content, in bytes: what the story gets of it.
const SHOWN_BYTES_MAX: usize = 8 << 20;

/// A piece of the spool.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    at: u64,
    pub len: u64,
}

/// A line of events.ndjson.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub piece: Piece,
    /// Which content it holds.
    pub content: Option<usize>,
}

/// A content that an event commits to.
#[derive(Clone, Debug)]
pub struct Held {
    pub seq: u64,
    /// `ReplyReceived.message`.
    pub what: String,
    pub bytes: u64,
    /// Places in which something was found that must not go out; it is left out of events.ndjson.
    pub places: u64,
    pub line: usize,
}

/// A file beside the events.
#[derive(Clone, Debug)]
pub struct Kept {
    pub name: String,
    pub content: usize,
    /// In the content's stead: its redacted text.
    pub redacted: Option<Piece>,
}

/// All of it.
pub struct Gathered {
    spool: File,
    pub lines: Vec<Line>,
    pub held: Vec<Held>,
    pub kept: Vec<Kept>,
    pub story: Story,
    pub checkpoint: Checkpoint,
    pub note: String,
    pub events: u64,
    /// Contents that events commit to and the log has no more.
    pub gone: u64,
    /// The last event's time.
    pub last: Ms,
}

impl Gathered {
    /// Whether events.ndjson may need a zip's large sizes.
    pub fn is_large(&self) -> bool {
        self.lines.iter().map(|l| l.piece.len + 1).sum::<u64>() >= u64::from(u32::MAX)
    }

    /// The bytes of a piece.
    pub fn read(&self, piece: Piece) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(piece.len).unwrap_or(usize::MAX)];
        self.spool.read_exact_at(&mut bytes, piece.at)?;
        Ok(bytes)
    }

    /// The content that a line holds.
    pub fn content(&self, content: usize) -> io::Result<Vec<u8>> {
        let line = self.lines[self.held[content].line];
        let bytes = self.read(line.piece)?;
        let extra = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        match extra {
            Extra::Content(content) => content.open().map_err(io::Error::other),
            _ => Err(io::Error::other("no content stands there")),
        }
    }
}

/// What a job wrote on one of its streams.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    contents: Vec<usize>,
    /// Of those, what found no room.
    unread: Vec<usize>,
}

/// The event whose contents still come.
struct Open {
    event: Event,
    words: Words,
    /// The content that gets a file of its own, and its redacted text: its name comes last.
    file: Option<(String, usize, Option<Piece>)>,
}

/// Takes lines.
pub struct Gatherer {
    whole: bool,
    out: BufWriter<File>,
    at: u64,
    session: String,
    lines: Vec<Line>,
    held: Vec<Held>,
    kept: Vec<Kept>,
    given: Given,
    names: Names,
    writer: Writer,
    open: Option<Open>,
    streams: BTreeMap<(JobId, u8), Stream>,
    signed: Option<(String, Checkpoint)>,
    events: u64,
    named: u64,
    last: Ms,
}

fn failed(err: impl std::fmt::Display) -> Error {
    Error::new(codes::FILES, "the export can't be put aside").found(err.to_string())
}

fn damaged(why: impl std::fmt::Display) -> Error {
    let err = Error::new(codes::LOG_BAD, "the node's export can't be understood");
    err.found(why.to_string()).next("atoll log verify")
}

/// Fields of a body that commit to a content, with its hash.
fn commitments(event: &Event) -> impl Iterator<Item = (&String, &str)> {
    let body = event.body.as_object().into_iter().flatten();
    body.filter_map(|(name, value)| {
        let h = value.get("h").filter(|_| value.get("bytes").is_some())?;
        Some((name, h.as_str()?))
    })
}

impl Gatherer {
    /// In a file of no name in `folder`: nothing of it is left, whatever happens. `room` is for the page's text.
    pub fn new(
        folder: &Path,
        session: String,
        names: Names,
        room: usize,
        whole: bool,
    ) -> Result<Gatherer, Error> {
        let file = super::pack::aside(folder)
            .map_err(|err| failed(format!("{}: {err}", folder.display())))?;
        Ok(Gatherer {
            whole,
            out: BufWriter::new(file),
            at: 0,
            session,
            lines: Vec::new(),
            held: Vec::new(),
            kept: Vec::new(),
            given: Given::default(),
            writer: Writer::new(room, names.clone()),
            names,
            open: None,
            streams: BTreeMap::new(),
            signed: None,
            events: 0,
            named: 0,
            last: Ms::default(),
        })
    }

    /// Lines so far.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<Piece, Error> {
        self.out.write_all(bytes).map_err(failed)?;
        let piece = Piece {
            at: self.at,
            len: bytes.len() as u64,
        };
        self.at += piece.len;
        Ok(piece)
    }

    /// One line of the export, without its new line.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        let piece = self.put(line)?;
        let number = self.lines.len();
        self.lines.push(Line {
            piece,
            content: None,
        });
        if line.starts_with(b"{\"content\":") {
            return match serde_json::from_slice(line).map_err(damaged)? {
                Extra::Content(content) => self.content(number, &content),
                _ => Err(damaged("no content stands where one should")),
            };
        }
        if line.starts_with(b"{\"checkpoint\":") {
            if let Extra::Checkpoint(signed) = serde_json::from_slice(line).map_err(damaged)? {
                let checkpoint = Checkpoint::open_unsigned(&signed.note).map_err(damaged)?;
                self.signed = Some((signed.note, checkpoint));
            }
            return Ok(());
        }
        if line.starts_with(b"{\"proof\":") || line.starts_with(b"{\"consistency\":") {
            return Ok(());
        }
        let event: Event = serde_json::from_slice(line).map_err(damaged)?;
        self.tell();
        self.events += 1;
        self.named += commitments(&event).count() as u64;
        if event.session.is_some() {
            self.last = self.last.max(event.ts);
        }
        self.open = Some(Open {
            event,
            words: Words::new(),
            file: None,
        });
        Ok(())
    }

    /// Adds the event that waited to the story.
    fn tell(&mut self) {
        let Some(Open {
            event,
            mut words,
            file,
        }) = self.open.take()
        else {
            return;
        };
        if let Some((field, content, redacted)) = file {
            let path = words.get("path").map_or("", |said| said.text.as_str());
            let name = match event.typed() {
                Body::PatchProposed(b) => format!("patches/{}.diff", safe(&self.names.of(&b.id))),
                Body::ArtifactSaved(b) => {
                    format!("artifacts/{}/{}", safe(&self.names.of(&b.job)), safe(path))
                }
                _ => return,
            };
            let name = match redacted {
                None => self.given.give(name),
                Some(_) => self.given.give(format!("redacted/{name}")),
            };
            if let Some(said) = words.get_mut(&field) {
                said.file = Some(name.clone());
            }
            self.kept.push(Kept {
                name,
                content,
                redacted,
            });
        }
        // The log's own first event and its keys are no part of the session.
        if event.session.is_some_and(|s| s.to_string() == self.session) {
            self.writer.take(&event, &words);
        }
    }

    fn content(&mut self, line: usize, content: &Content) -> Result<(), Error> {
        let Some(open) = self.open.as_ref() else {
            return Err(damaged("a content without its event"));
        };
        let h = content.h.to_string();
        let field = commitments(&open.event)
            .find(|c| c.1 == h)
            .map(|c| c.0.clone());
        let field = field.unwrap_or_else(|| "content".into()); // of a kind that this version doesn't know
        let bytes = content.open().map_err(damaged)?;
        let (body, seq) = (open.event.typed(), open.event.seq);
        let what = format!("{}.{field}", open.event.kind);
        let number = self.held.len();
        self.lines[line].content = Some(number);
        self.held.push(Held {
            seq,
            what,
            bytes: content.bytes,
            places: 0,
            line,
        });
        if let Body::ExecOutput(b) = &body {
            // What is secret may stand across two chunks: all that a job wrote is looked at in one piece.
            let stream = self.streams.entry((b.job, b.stream)).or_default();
            match stream.bytes.len() + bytes.len() <= STREAM_BYTES_MAX {
                true => {
                    stream.bytes.extend_from_slice(&bytes);
                    stream.contents.push(number);
                }
                false => stream.unread.push(number),
            }
            return Ok(());
        }
        let looked = look(&bytes, self.whole);
        self.held[number].places = looked.places;
        let file = match (&body, field.as_str()) {
            (Body::PatchProposed(_), "diff") | (Body::ArtifactSaved(_), "content") => {
                let redacted = (looked.places > 0).then(|| self.put(looked.text.as_bytes()));
                Some((field.clone(), number, redacted.transpose()?))
            }
            _ => None,
        };
        let mut text = looked.text;
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        if let Some(open) = self.open.as_mut() {
            open.words.insert(field, Said { text, file: None });
            open.file = file.or(open.file.take());
        }
        Ok(())
    }

    /// Nothing more comes.
    pub fn finish(mut self) -> Result<Gathered, Error> {
        self.tell();
        for ((job, number), stream) in std::mem::take(&mut self.streams) {
            let looked = look(&stream.bytes, self.whole);
            if looked.places > 0 {
                stream
                    .contents
                    .iter()
                    .for_each(|c| self.held[*c].places = 1);
                if let Some(first) = stream.contents.first() {
                    self.held[*first].places = looked.places;
                }
            }
            if !self.whole {
                stream.unread.iter().for_each(|c| self.held[*c].places = 1);
            }
            self.writer.output(&job, number, &looked.text);
        }
        let (note, checkpoint) = self.signed.ok_or_else(|| damaged("it has no checkpoint"))?;
        let spool = self.out.into_inner().map_err(|err| failed(err.error()))?;
        Ok(Gathered {
            spool,
            gone: self.named.saturating_sub(self.held.len() as u64),
            lines: self.lines,
            held: self.held,
            kept: self.kept,
            story: self.writer.end(),
            checkpoint,
            note,
            events: self.events,
            last: self.last,
        })
    }
}
