//! Checkpoints: making one by order, and handing each to the witness that the owner chose.

use std::sync::Arc;

use atoll_api::{Error, KeptCheckpoint, WitnessView, codes};
use atoll_domain::Event;
use atoll_ports::Witness;
use atoll_ports::log::Filter;

use crate::shared::{Shared, full_error, lock, log_error};

/// Events looked at backwards for the newest checkpoint: by default one is made after a thousand.
const LATELY: u64 = 20_000;
/// Checkpoints handed over before others get a turn.
const PAGE: usize = 200;

fn only() -> Filter {
    Filter {
        kinds: vec!["Checkpoint".into()],
        ..Filter::default()
    }
}

fn note(event: &Event) -> Option<(u64, &str)> {
    Some((event.body["size"].as_u64()?, event.body["note"].as_str()?))
}

impl Shared {
    /// The newest checkpoint of the last stretch.
    pub(crate) fn last_checkpoint(&self) -> Result<Option<Event>, Error> {
        let after = self.log.head().saturating_sub(LATELY);
        let events = self.log.events(after, 10_000, &only()).map_err(log_error)?;
        Ok(events.into_iter().next_back())
    }

    /// Makes one if anything is new, and gives the newest.
    pub(crate) async fn checkpoint(&self) -> Result<KeptCheckpoint, Error> {
        let made = self.log.checkpoint().await;
        made.map_err(|full| full_error(&full))?;
        let event = self.last_checkpoint()?;
        let found = event.as_ref().and_then(note);
        let (size, note) = found.ok_or_else(|| {
            Error::new(codes::NO_SUCH, "the log has no checkpoint yet").next("atoll log verify")
        })?;
        Ok(KeptCheckpoint {
            size,
            note: note.into(),
        })
    }

    /// Hands the witness every checkpoint that it doesn't hold, in order. What it holds is asked of itself, so
    /// that one that was away, or is new, catches up.
    pub(crate) async fn witness(self: &Arc<Self>) {
        let _one = self.witnessing.lock().await;
        let Some(witness) = self.current().witness.clone() else {
            *lock(&self.witnessed) = None;
            return;
        };
        let shared = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let place = witness.place();
            let handed = shared.hand(witness.as_ref());
            (place, handed)
        });
        let Ok((place, handed)) = done.await else {
            return;
        };
        if let Err(why) = &handed {
            tracing::warn!("the witness {place} keeps no checkpoints: {why}");
        }
        *lock(&self.witnessed) = Some(WitnessView {
            place,
            trouble: handed.err(),
        });
    }

    fn hand(&self, witness: &dyn Witness) -> Result<(), String> {
        let told = |err: std::io::Error| err.to_string();
        let covers = witness.covers().map_err(told)?;
        // A checkpoint stands behind what it covers.
        let mut after = covers;
        loop {
            let page = self.log.events(after, PAGE, &only());
            let page = page.map_err(|err| err.to_string())?;
            let Some(last) = page.last().map(|e| e.seq) else {
                return Ok(());
            };
            for (_, note) in page.iter().filter_map(note).filter(|n| n.0 > covers) {
                witness.keep(note).map_err(told)?;
            }
            after = last;
        }
    }
}
