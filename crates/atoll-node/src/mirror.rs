//! Handing every event to the mirror that the owner chose, as it comes. Nothing waits for it: it reads the log as any
//! other reader, and what it couldn't take it takes later.

use std::sync::Arc;
use std::time::Duration;

use atoll_api::WitnessView;
use atoll_ports::Mirror;

use crate::shared::{Shared, lock};

/// Events handed over at once.
const PAGE: usize = 500;
/// After trouble, and to see whether the owner chose another place.
const AGAIN: Duration = Duration::from_secs(5);

impl Shared {
    /// Until the node goes down.
    pub(crate) async fn mirror(self: Arc<Self>) {
        loop {
            let (caught_up, trouble) = self.mirror_once().await;
            let rest = tokio::time::sleep(AGAIN);
            if trouble || caught_up.is_none() {
                tokio::select! {
                    () = rest => {}
                    () = self.down.cancelled() => return,
                }
                continue;
            }
            tokio::select! {
                _ = self.log.past(caught_up.unwrap_or(0)) => {}
                () = rest => {}
                () = self.down.cancelled() => return,
            }
        }
    }

    /// All that the mirror lacks: the last event that it has then (`None`: there is no mirror), and whether there was
    /// trouble.
    pub(crate) async fn mirror_once(self: &Arc<Self>) -> (Option<u64>, bool) {
        let Some(mirror) = self.current().mirror.clone() else {
            *lock(&self.mirrored) = None;
            return (None, false);
        };
        let shared = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _one = lock(&shared.mirroring);
            (mirror.place(), shared.mirror_to(mirror.as_ref()))
        });
        let Ok((place, taken)) = done.await else {
            return (None, true);
        };
        let trouble = taken.as_ref().err().cloned();
        let bad = trouble.is_some();
        let mut last = lock(&self.mirrored);
        let said = last.as_ref().and_then(|l| l.trouble.clone());
        if let Some(why) = trouble.as_ref().filter(|why| said.as_ref() != Some(why)) {
            tracing::warn!("the mirror {place} takes no events: {why}");
        }
        *last = Some(WitnessView { place, trouble });
        (Some(taken.unwrap_or(0)), bad)
    }

    fn mirror_to(&self, mirror: &dyn Mirror) -> Result<u64, String> {
        let node = self.current().options.identity.clone();
        let mut last = mirror.last(&node).map_err(|err| err.to_string())?;
        if last > self.log.head() {
            return Err(format!(
                "it holds event {last}, and this log has {}: it is another log's",
                self.log.head()
            ));
        }
        loop {
            let page = self.log.lines(last, PAGE).map_err(|err| err.to_string())?;
            let (Some(first), Some(end)) = (page.first(), page.last()) else {
                return Ok(last);
            };
            let (from, to) = (first.0, end.0);
            let mut text = Vec::new();
            for (_, line) in &page {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            let taken = mirror.take(&node, from, to, &text);
            taken.map_err(|err| err.to_string())?;
            last = to;
        }
    }
}
