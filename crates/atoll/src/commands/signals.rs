//! Ctrl-C and its like, watched from before the node is asked: none is lost in between.

use atoll_api::{Error, codes};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::say;

/// The signals that end a command.
pub struct Signals {
    /// Ctrl-C.
    pub int: Signal,
    /// The terminal was closed.
    pub hup: Signal,
    /// Somebody wants this process to end.
    pub term: Signal,
    /// Whether Ctrl-C came before there was anything to stop.
    pub interrupted: bool,
}

/// One kind of signal.
pub fn watch(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|err| Error::new(codes::BUG, format!("signals can't be watched: {err}")))
}

impl Signals {
    /// From now on.
    pub fn new() -> Result<Signals, Error> {
        Ok(Signals {
            int: watch(SignalKind::interrupt())?,
            hup: watch(SignalKind::hangup())?,
            term: watch(SignalKind::terminate())?,
            interrupted: false,
        })
    }

    /// Waits for what the node is asked to begin. Ctrl-C is kept for then; a second one waits for nothing.
    pub async fn during<T>(
        &mut self,
        begun: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut begun = std::pin::pin!(begun);
        loop {
            tokio::select! {
                done = &mut begun => return done,
                _ = self.int.recv() => {
                    if std::mem::replace(&mut self.interrupted, true) {
                        let err = Error::new(codes::CANCELLED, "interrupted before it was known to have begun");
                        return Err(err.next("atoll session list"));
                    }
                    say("\nStopping as soon as it has begun; Ctrl-C again ends this command at once.\n");
                }
            }
        }
    }
}
