//! The log: tail, follow, verify, export, rebuild.

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api::{Error, EventView, ExportRequest, Lines, Tail, Verification};
use atoll_domain::{Commitment, Event};
use atoll_ports::log::{Export, Filter};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::shared::{Shared, full_error, log_error};

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
            root: verified.root,
            kept: verified.kept,
            promise: PROMISE.into(),
        })
    }

    pub(crate) async fn export(self: &Arc<Self>, request: ExportRequest) -> Result<Lines, Error> {
        let session = request.session.as_deref();
        let session = session.map(|name| self.find_session(name)).transpose()?;
        if session.is_some() {
            // It proves what came before it.
            let written = self.log.checkpoint().await;
            written.map_err(|err| full_error(&err))?;
        }
        let what = Export {
            session: session.map(|s| s.id),
            contents: request.contents,
            since: request.since,
        };
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let shared = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut send = |line: &[u8]| {
                let sent = sender.blocking_send(Ok(line.to_vec()));
                sent.map_err(|_| std::io::Error::other("nobody takes it"))
            };
            if let Err(err) = shared.log.export(&what, &mut send) {
                let _ = sender.blocking_send(Err(log_error(err)));
            }
        });
        Ok(receiver_stream(receiver))
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
