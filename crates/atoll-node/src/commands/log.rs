//! The log: tail, follow, verify, export, rebuild.

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api::{Error, EventView, ExportRequest, Tail, Verification};
use atoll_domain::{Commitment, Event};
use atoll_ports::log::Filter;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::shared::{Shared, log_error};

/// Events in one page.
const PAGE: usize = 500;
/// A field's words in a view, in bytes.
const WORDS_BYTES_MAX: usize = 4096;
/// Views that wait for a slow reader.
const WAITING_MAX: usize = 64;

/// What verification shows, in words.
const PROMISE: &str = "Any change to a line shows here. Rewriting or cutting the whole log by who holds \
                       this disk and key shows only against a checkpoint kept elsewhere.";

impl Shared {
    fn filter(&self, session: Option<&str>) -> Result<Filter, Error> {
        let session = session.map(|name| self.find_session(name)).transpose()?;
        Ok(Filter {
            session: session.map(|s| s.id),
            ..Filter::default()
        })
    }

    pub(crate) fn events(&self, tail: &Tail) -> Result<Vec<EventView>, Error> {
        let filter = self.filter(tail.session.as_deref())?;
        let limit = usize::try_from(tail.limit.unwrap_or(PAGE as u64))
            .unwrap_or(PAGE)
            .min(10_000);
        let Some(last) = tail.last else {
            let events = self
                .log
                .events(tail.after, limit, &filter)
                .map_err(log_error)?;
            return Ok(events.into_iter().map(|e| self.event_view(e)).collect());
        };
        let last = usize::try_from(last).unwrap_or(limit).min(10_000);
        // Of the whole log the last ones are known by number; of a session they must be counted.
        let mut after = if filter.session.is_none() {
            self.log.head().saturating_sub(last as u64)
        } else {
            0
        };
        let mut kept = std::collections::VecDeque::new();
        loop {
            let page = self.log.events(after, PAGE, &filter).map_err(log_error)?;
            let Some(end) = page.last().map(|e| e.seq) else {
                break;
            };
            kept.extend(page);
            while kept.len() > last {
                kept.pop_front();
            }
            after = end;
        }
        Ok(kept.into_iter().map(|e| self.event_view(e)).collect())
    }

    pub(crate) fn event_view(&self, event: Event) -> EventView {
        let mut words = BTreeMap::new();
        if let Value::Object(body) = &event.body {
            for (name, value) in body {
                if let Ok(commitment) = serde_json::from_value::<Commitment>(value.clone())
                    && let Ok(Some(bytes)) = self.log.content(&commitment)
                {
                    let cut = &bytes[..bytes.len().min(WORDS_BYTES_MAX)];
                    words.insert(name.clone(), String::from_utf8_lossy(cut).into_owned());
                }
            }
        }
        EventView { event, words }
    }

    pub(crate) fn follow(
        self: &Arc<Self>,
        after: u64,
        session: Option<&str>,
    ) -> Result<BoxStream<'static, EventView>, Error> {
        let filter = self.filter(session)?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let shared = self.clone();
        tokio::spawn(async move {
            let mut cursor = after;
            loop {
                let head = shared.log.head();
                let Ok(page) = shared.log.events(cursor, PAGE, &filter) else {
                    return;
                };
                let full = page.len() == PAGE;
                for event in page {
                    cursor = cursor.max(event.seq);
                    if sender.send(shared.event_view(event)).await.is_err() {
                        return;
                    }
                }
                if full {
                    continue;
                }
                cursor = cursor.max(head);
                tokio::select! {
                    _ = shared.log.past(cursor) => {}
                    () = sender.closed() => return,
                    () = shared.down.cancelled() => return,
                }
            }
        });
        Ok(receiver_stream(receiver))
    }

    pub(crate) async fn verify(self: &Arc<Self>) -> Result<Verification, Error> {
        let shared = self.clone();
        let verified = tokio::task::spawn_blocking(move || shared.log.verify()).await;
        let verified = verified
            .map_err(|err| Error::new(atoll_api::codes::BUG, err.to_string()))?
            .map_err(log_error)?;
        Ok(Verification {
            events: verified.events,
            head: verified.head,
            checkpoints: verified.checkpoints,
            note: verified.note,
            bad: verified.bad,
            contents: verified.contents.0,
            erased: verified.contents.1,
            clock_back: verified.clock_back,
            promise: PROMISE.into(),
        })
    }

    pub(crate) fn export(
        self: &Arc<Self>,
        request: &ExportRequest,
    ) -> Result<BoxStream<'static, Vec<u8>>, Error> {
        let filter = self.filter(request.session.as_deref())?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let (shared, contents) = (self.clone(), request.contents);
        tokio::task::spawn_blocking(move || {
            let (mut after, end) = (0, shared.log.head());
            while after < end {
                let Ok(lines) = shared.log.lines(after, PAGE, &filter) else {
                    return;
                };
                if lines.is_empty() {
                    return;
                }
                for line in lines {
                    let Ok(event) = serde_json::from_slice::<Event>(&line) else {
                        return;
                    };
                    after = event.seq;
                    if after > end || sender.blocking_send(line).is_err() {
                        return;
                    }
                    if contents && !shared.export_contents(&event, &sender) {
                        return;
                    }
                }
            }
        });
        Ok(receiver_stream(receiver))
    }

    /// The contents of one event, a line each: `{"content":{"h":…,"salt":hex,"bytes":base64}}`.
    fn export_contents(&self, event: &Event, sender: &mpsc::Sender<Vec<u8>>) -> bool {
        let Value::Object(body) = &event.body else {
            return true;
        };
        for value in body.values() {
            let Ok(commitment) = serde_json::from_value::<Commitment>(value.clone()) else {
                continue;
            };
            let (Ok(Some(bytes)), Ok(Some(salt))) =
                (self.log.content(&commitment), self.log.salt(&commitment))
            else {
                continue;
            };
            let Ok(line) = atoll_log::export::Extra::content(&commitment, &salt, &bytes).line()
            else {
                return false;
            };
            if sender.blocking_send(line).is_err() {
                return false;
            }
        }
        true
    }

    pub(crate) async fn rebuild(&self) -> Result<u64, Error> {
        self.log.rebuild().await.map_err(log_error)
    }
}

/// A channel's receiving end as a stream.
pub(crate) fn receiver_stream<T: Send + 'static>(
    receiver: mpsc::Receiver<T>,
) -> BoxStream<'static, T> {
    futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|item| (item, receiver))
    })
    .boxed()
}
