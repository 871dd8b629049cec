//! Erasing contents: a person's words, a model's, a tool's. Events and their chain stay.

use atoll_api::{Caller, EraseRequest, Erasure, Error, codes};
use atoll_domain::{Commitment, Erased, Event, EventId, SessionId};
use atoll_ports::log::Filter;

use crate::shared::{Origin, Shared, full_error, lock, log_error, no_such};

/// Events in one page.
const PAGE: usize = 500;
/// Contents erased in one transaction.
const GROUP: usize = 200;
/// A reason, in bytes.
const WHY_BYTES_MAX: usize = 1000;

/// A content that an event commits to.
struct Held {
    event: EventId,
    field: String,
    content: Commitment,
}

/// The commitments of an event's body, by field.
fn held(event: &Event) -> Vec<Held> {
    let Some(body) = event.body.as_object() else {
        return Vec::new();
    };
    let of = |(field, value): (&String, &serde_json::Value)| {
        let content = serde_json::from_value(value.clone()).ok()?;
        Some(Held {
            event: event.id,
            field: field.clone(),
            content,
        })
    };
    body.iter().filter_map(of).collect()
}

impl Shared {
    pub(crate) async fn erase(
        &self,
        caller: &Caller,
        request: &EraseRequest,
    ) -> Result<Erasure, Error> {
        let why = request.why.trim();
        if why.is_empty() || why.len() > WHY_BYTES_MAX {
            let words = format!("say why, in at most {WHY_BYTES_MAX} bytes");
            return Err(Error::new(codes::USAGE, words).next("atoll log erase --help"));
        }
        let mut wanted = match request.what.parse::<u64>() {
            Ok(seq) => self.held_by_event(seq, request.field.as_deref())?,
            Err(_) if request.field.is_some() => {
                return Err(Error::new(codes::USAGE, "a field is of one event")
                    .next("atoll log show s4 shows the events' numbers"));
            }
            Err(_) => self.held_by_session(&request.what)?,
        };
        let mut erasure = Erasure {
            events: 0,
            contents: 0,
            bytes: 0,
            gone_before: 0,
        };
        let mut events = std::collections::BTreeSet::new();
        wanted.retain(|held| match self.log.content(&held.content) {
            Ok(None) => {
                erasure.gone_before += 1;
                false
            }
            // One that was changed can't be shown, and can be erased.
            found => {
                erasure.bytes += found.ok().flatten().map_or(0, |bytes| bytes.len() as u64);
                events.insert(held.event);
                true
            }
        });
        erasure.events = events.len() as u64;
        erasure.contents = wanted.len() as u64;
        if !request.dry {
            for group in wanted.chunks(GROUP) {
                self.erase_group(caller, group, why).await?;
            }
        }
        Ok(erasure)
    }

    async fn erase_group(&self, caller: &Caller, group: &[Held], why: &str) -> Result<(), Error> {
        let entry = |held: &Held| {
            // Beside the session, not in it: its agent is told nothing.
            let origin = Origin {
                cause: Some(held.event),
                ..Origin::human(&caller.name, None)
            };
            let target = held.content.h;
            self.entry(|s| {
                let why = s.text(why);
                (origin, Erased { target, why })
            })
        };
        let entries = group.iter().map(entry).collect();
        let done = self.log.append_all(entries, true).await;
        done.map(drop).map_err(|full| full_error(&full))
    }

    fn held_by_event(&self, seq: u64, field: Option<&str>) -> Result<Vec<Held>, Error> {
        let filter = Filter::default();
        let page = self.log.events(seq.saturating_sub(1), 1, &filter);
        let event = page.map_err(log_error)?.into_iter().find(|e| e.seq == seq);
        let event = event.ok_or_else(|| no_such("event", &seq.to_string(), "atoll log tail"))?;
        if let Some(session) = event.session {
            self.at_rest(&session)?;
        }
        let mut all = held(&event);
        if let Some(field) = field {
            let names: Vec<String> = all.iter().map(|h| h.field.clone()).collect();
            all.retain(|h| h.field == field);
            if all.is_empty() {
                let err = no_such("content", field, &format!("atoll log show {seq}"));
                return Err(err.found(format!("event {seq} holds: {}", names.join(", "))));
            }
        }
        Ok(all)
    }

    fn held_by_session(&self, name: &str) -> Result<Vec<Held>, Error> {
        let row = self.find_session(name)?;
        self.at_rest(&row.id)?;
        let filter = Filter {
            session: Some(row.id),
            ..Filter::default()
        };
        let (mut all, mut after) = (Vec::new(), row.seqs.0.saturating_sub(1));
        loop {
            let page = self.log.events(after, PAGE, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                return Ok(all);
            };
            after = last.seq;
            // What marks files speaks of the workspace, not of the session: it stays.
            let own = page.iter().filter(|e| e.kind != "FilesLabelled");
            all.extend(own.flat_map(held));
        }
    }

    /// What a session at work still reads is not taken from under it.
    fn at_rest(&self, session: &SessionId) -> Result<(), Error> {
        if lock(&self.sessions).contains_key(session) {
            let err = Error::new(codes::SESSION_STATE, "its session is at work");
            return Err(err.next("stop it, or wait for its end: atoll session list"));
        }
        Ok(())
    }
}
