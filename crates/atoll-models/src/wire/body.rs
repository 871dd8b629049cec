//! From bytes to what a wire reads: events, lines, or one whole object.

use std::collections::VecDeque;

use atoll_ports::models::{Delta, Failure, Reply};
use serde_json::Value;

use super::draft::Draft;
use super::lines::Lines;
use super::sse::{Event, Parser};
use super::{BodyKind, Decode, Sheet};
use crate::fault::Fault;

const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// How one wire is read.
pub(super) trait Read: Send + Sync {
    /// Takes one event of a stream.
    fn event(
        &mut self,
        event: &Event,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault>;
    /// Takes the object of a reply that isn't streamed.
    fn whole(
        &mut self,
        value: &Value,
        draft: &mut Draft,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault>;
    /// What is left to say when all came.
    fn end(&mut self, _: &mut Draft, _: &mut VecDeque<Delta>) -> Result<(), Fault> {
        Ok(())
    }
}

/// An event's data as an object.
pub(super) fn object(data: &str) -> Result<Value, Fault> {
    let value: Value = serde_json::from_str(data.trim())
        .map_err(|err| Fault::garbage(format!("an event of the reply is no JSON ({err})")))?;
    if !value.is_object() {
        return Err(Fault::garbage("an event of the reply is no object"));
    }
    Ok(value)
}

/// A decoder of server-sent events.
pub(super) fn events<R: Read + 'static>(body: BodyKind, sheet: Sheet, read: R) -> Box<dyn Decode> {
    match body {
        BodyKind::Events => stream(Framing::Events(Parser::default()), sheet, read),
        BodyKind::Json => Box::new(Whole {
            body: Vec::new(),
            draft: Draft::new(sheet),
            read,
        }),
    }
}

/// A decoder of lines of JSON. A whole object is a line, too.
pub(super) fn lines<R: Read + 'static>(sheet: Sheet, read: R) -> Box<dyn Decode> {
    stream(Framing::Lines(Lines::default()), sheet, read)
}

fn stream<R: Read + 'static>(framing: Framing, sheet: Sheet, read: R) -> Box<dyn Decode> {
    Box::new(Stream {
        framing,
        events: Vec::new(),
        draft: Draft::new(sheet),
        read,
    })
}

enum Framing {
    Events(Parser),
    Lines(Lines),
}

impl Framing {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), Fault> {
        match self {
            Framing::Events(parser) => parser.feed(bytes, out),
            Framing::Lines(lines) => {
                let mut found = Vec::new();
                let fed = lines.feed(bytes, &mut found);
                out.extend(found.into_iter().map(nameless));
                fed
            }
        }
    }
    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        match self {
            Framing::Events(parser) => parser.end(out),
            Framing::Lines(lines) => {
                let mut found = Vec::new();
                lines.end(&mut found);
                out.extend(found.into_iter().map(nameless));
                Ok(())
            }
        }
    }
    fn total_bytes(&self) -> usize {
        match self {
            Framing::Events(parser) => parser.total_bytes(),
            Framing::Lines(lines) => lines.total_bytes(),
        }
    }
}

fn nameless(data: String) -> Event {
    Event {
        name: String::new(),
        data,
    }
}

struct Stream<R> {
    framing: Framing,
    events: Vec<Event>,
    draft: Draft,
    read: R,
}

impl<R: Read> Stream<R> {
    fn take(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        for event in std::mem::take(&mut self.events) {
            if !self.draft.done {
                self.read.event(&event, &mut self.draft, out)?;
            }
        }
        Ok(())
    }
}

impl<R: Read> Decode for Stream<R> {
    fn feed(&mut self, bytes: &[u8], out: &mut VecDeque<Delta>) -> Result<bool, Fault> {
        let fed = self.framing.feed(bytes, &mut self.events);
        // What came before the fault was said all the same.
        self.take(out)?;
        fed?;
        Ok(self.draft.done)
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<Reply, Fault> {
        if !self.draft.complete() {
            let ended = self.framing.end(&mut self.events);
            // A last event that can't be read is the place of the cut.
            let taken = ended.and_then(|()| self.take(out));
            if let Err(fault) = taken
                && (self.draft.chunks == 0 || fault.failure != Failure::Garbage)
            {
                return Err(fault);
            }
        }
        if self.draft.complete() {
            self.read.end(&mut self.draft, out)?;
            return Ok(self.draft.reply());
        }
        if self.draft.chunks == 0 && self.framing.total_bytes() > 0 {
            return Err(Fault::garbage("what came is not a stream of events"));
        }
        Err(Fault::cut("the reply ends in the middle"))
    }
}

struct Whole<R> {
    body: Vec<u8>,
    draft: Draft,
    read: R,
}

impl<R: Read> Decode for Whole<R> {
    fn feed(&mut self, bytes: &[u8], _: &mut VecDeque<Delta>) -> Result<bool, Fault> {
        if self.body.len() + bytes.len() > BODY_LIMIT_BYTES {
            return Err(Fault::garbage(format!(
                "the reply passes {BODY_LIMIT_BYTES} bytes"
            )));
        }
        self.body.extend_from_slice(bytes);
        Ok(false)
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<Reply, Fault> {
        if self.body.is_empty() {
            return Err(Fault::cut("the reply is empty"));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|err| {
            if err.is_eof() {
                Fault::cut("the reply ends in the middle")
            } else {
                Fault::garbage(format!("the reply is no JSON ({err})"))
            }
        })?;
        self.read.whole(&value, &mut self.draft, out)?;
        self.read.end(&mut self.draft, out)?;
        Ok(self.draft.reply())
    }
}
