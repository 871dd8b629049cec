//! Putting old events away as segments, into the place that the owner chose. Nothing waits for it, and the log keeps
//! what is put away.

use std::io;
use std::sync::Arc;

use atoll_api::{ArchiveRequest, ArchiveView, Archived, ArchivedSegment, Error, codes};
use atoll_domain::Ms;
use atoll_log::Checkpoint;
use atoll_ports::Archive;
use atoll_ports::log::Cut;

use crate::shared::{Shared, lock};

/// Events in one segment, as far as a checkpoint stands so close.
const EVENTS_MAX: u64 = 50_000;
/// A segment that isn't full is written when its first event is so much older than it must be: one a day at most.
const BEGUN_MS: u64 = 86_400_000;

/// What came of one try.
struct Tried {
    segment: Option<ArchivedSegment>,
    /// The last event that the place holds.
    last: u64,
}

impl Shared {
    /// What is old enough, segment by segment, as long as the node rests.
    pub(crate) async fn archive_due(self: &Arc<Self>) {
        let Some(archive) = self.current().archive.clone() else {
            *lock(&self.archived) = None;
            return;
        };
        loop {
            let after_s = self.current().options.archive_after_s;
            let before = self.ago(after_s);
            let wait_ms = if after_s == 0 { 0 } else { BEGUN_MS };
            let begun = Ms(before.0.saturating_sub(wait_ms));
            let tried = self.archive_next(&archive, before, begun).await;
            if !self.is_quiet()
                || !matches!(
                    tried,
                    Some(Ok(Tried {
                        segment: Some(_),
                        ..
                    }))
                )
            {
                return;
            }
        }
    }

    /// The next segment, by order.
    pub(crate) async fn archive(
        self: &Arc<Self>,
        request: ArchiveRequest,
    ) -> Result<Archived, Error> {
        let archive = self.current().archive.clone().ok_or_else(|| {
            Error::new(codes::NO_SUCH, "no folder is named for segments of the log")
                .next("atoll config set log.archive DIR")
        })?;
        let older_s = request
            .older_s
            .unwrap_or(self.current().options.archive_after_s);
        let before = match older_s {
            0 => Ms(i64::MAX.cast_unsigned()),
            older_s => self.ago(older_s),
        };
        let place = archive.place();
        match self.archive_next(&archive, before, before).await {
            Some(Ok(Tried { segment, last })) => Ok(Archived {
                place,
                segment,
                last,
            }),
            Some(Err(why)) => Err(Error::new(codes::FILES, "no segment can be put away")
                .found(format!("{place}: {why}"))
                .next("atoll log verify")),
            None => Err(
                Error::new(codes::NODE_BUSY, "segments are being put away just now")
                    .next("atoll status"),
            ),
        }
    }

    /// Where the segments are, and how far they go.
    pub(crate) fn archive_view(&self) -> Option<ArchiveView> {
        let place = self.current().archive.as_ref()?.place();
        let last = lock(&self.archived).clone();
        Some(
            last.filter(|l| l.place == place)
                .unwrap_or_else(|| ArchiveView {
                    place,
                    ..ArchiveView::default()
                }),
        )
    }

    fn ago(&self, seconds: u64) -> Ms {
        let wall = self.clock.wall().0;
        Ms(wall.saturating_sub(seconds.saturating_mul(1000)))
    }

    /// `None`: one is being written. The place may hang for as long as it likes: it holds a thread of its own.
    async fn archive_next(
        self: &Arc<Self>,
        archive: &Arc<dyn Archive>,
        before: Ms,
        begun: Ms,
    ) -> Option<Result<Tried, String>> {
        let one = self.archiving.clone().try_lock_owned().ok()?;
        let (shared, archive) = (self.clone(), archive.clone());
        let done = tokio::task::spawn_blocking(move || {
            let tried = shared.put_away(archive.as_ref(), before, begun);
            let place = archive.place();
            let mut last = lock(&shared.archived);
            let said = last.take().filter(|l| l.place == place);
            let trouble = tried.as_ref().err().cloned();
            let known = said.as_ref().and_then(|l| l.trouble.clone());
            if let Some(why) = trouble.as_ref().filter(|why| known.as_ref() != Some(why)) {
                tracing::warn!("no segment of the log is put into {place}: {why}");
            }
            let events = tried.as_ref().ok().map(|t| t.last);
            *last = Some(ArchiveView {
                place,
                last: events.or(said.and_then(|l| l.last)),
                trouble,
            });
            drop(last);
            drop(one);
            tried
        });
        Some(done.await.unwrap_or_else(|err| Err(err.to_string())))
    }

    fn put_away(&self, archive: &dyn Archive, before: Ms, begun: Ms) -> Result<Tried, String> {
        let node = self.current().options.identity.clone();
        let behind = archive.last(&node).map_err(|err| err.to_string())?;
        let size = |note: &String| Checkpoint::open_unsigned(note).map(|c| c.size);
        let last = behind.as_ref().map(size).transpose();
        let last = last.map_err(|err| err.to_string())?.unwrap_or(0);
        let cut = Cut {
            behind,
            before,
            begun,
            events_max: EVENTS_MAX,
        };
        let segment = self.log.cut(&cut).map_err(|err| err.to_string())?;
        let Some(segment) = segment else {
            let segment = None;
            return Ok(Tried { segment, last });
        };
        let put = archive.put(segment.first, segment.last, &mut |out| {
            let mut stopped = |line: &[u8]| match self.down.is_cancelled() {
                true => Err(io::Error::other("the node goes down")),
                false => out(line),
            };
            let done = self.log.segment(segment, &mut stopped);
            done.map_err(|err| io::Error::other(err.to_string()))
        });
        let put = put.map_err(|err| err.to_string())?;
        Ok(Tried {
            last: segment.last,
            segment: Some(ArchivedSegment {
                name: put.name,
                first: segment.first,
                last: segment.last,
                bytes: put.bytes,
            }),
        })
    }
}
