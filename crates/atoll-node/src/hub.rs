//! What passes and is not logged: text as it streams. A watcher that is too slow loses pieces, never
//! events: those it reads off the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use atoll_api::{Progress, Update};
use atoll_domain::{Ms, SessionId};
use tokio::sync::broadcast;

/// Pieces that wait for a watcher, per session.
const PIECES_MAX: usize = 512;

/// One channel per session that someone watches.
#[derive(Debug, Default)]
pub struct Hub {
    channels: Mutex<HashMap<SessionId, broadcast::Sender<Update>>>,
}

impl Hub {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, broadcast::Sender<Update>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a piece to whoever watches.
    pub fn send(&self, session: SessionId, ts: Ms, progress: Progress) {
        let mut channels = self.lock();
        if let Some(sender) = channels.get(&session)
            && sender
                .send(Update {
                    seq: None,
                    ts,
                    session: Some(session),
                    progress,
                })
                .is_err()
        {
            channels.remove(&session); // nobody is left
        }
    }

    /// Whether anybody watches a session.
    pub fn watched(&self, session: &SessionId) -> bool {
        let channels = self.lock();
        channels
            .get(session)
            .is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Watches a session's pieces from now on.
    pub fn watch(&self, session: SessionId) -> broadcast::Receiver<Update> {
        let mut channels = self.lock();
        channels.retain(|_, sender| sender.receiver_count() > 0);
        channels
            .entry(session)
            .or_insert_with(|| broadcast::channel(PIECES_MAX).0)
            .subscribe()
    }
}
