//! Sessions: opened, driven, parked, resumed, replayed.

mod ask;
pub(crate) mod call;
mod config;
mod drive;
mod extract;
mod fetch;
mod finish;
mod fork;
mod open;
mod replay;
mod resume;
mod step;
mod tool;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use config::Opened;
pub(crate) use drive::Drive;
pub(crate) use open::caller_key;
pub(crate) use step::CallRecord;

/// Words that wait for a running session.
const WORDS_MAX: usize = 16;

/// A handle on a session that has a task.
#[derive(Clone)]
pub(crate) struct Handle {
    words: mpsc::Sender<(String, String)>,
    cancel: CancellationToken,
}

/// The task's end of a handle.
pub(crate) struct Inbox {
    /// Who said it, and the words.
    pub(crate) words: mpsc::Receiver<(String, String)>,
    pub(crate) cancel: CancellationToken,
}

impl Handle {
    pub(crate) fn new(cancel: CancellationToken) -> (Handle, Inbox) {
        let (sender, words) = mpsc::channel(WORDS_MAX);
        (
            Handle {
                words: sender,
                cancel: cancel.clone(),
            },
            Inbox { words, cancel },
        )
    }
    /// Stops the turn, or the job.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }
    /// Words for the running turn; `false`: too many wait, or the task is ending.
    pub(crate) fn steer(&self, by: &str, text: String) -> bool {
        self.words.try_send((by.to_owned(), text)).is_ok()
    }
}
