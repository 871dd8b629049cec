//! Dependencies that a session's command lacks: offered once.

use std::sync::atomic::{AtomicBool, Ordering};

use atoll_domain::Step;

use crate::fetch::{Fetching, Unfetched};
use crate::refused::Refused;
use crate::session::Drive;

/// Whether it was offered.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    offered: AtomicBool,
}

impl Drive {
    /// Fetches what is missing for `cmd`, if a person lets it; whether anything was fetched. A no is no
    /// failure: the work goes on without.
    pub(crate) async fn fetch_missing(&self, step: Step, cmd: &[String]) -> Result<bool, Refused> {
        if self.fetch.offered.swap(true, Ordering::SeqCst) {
            return Ok(false);
        }
        let fetching = Fetching {
            context: &self.context,
            session: self.session,
            launch: &self.opened.launch,
            copy: &self.copy,
            cmd,
            step,
            cancel: &self.cancel,
        };
        let fetched = self.shared.fetch(fetching).await;
        match fetched.rest {
            None | Some(Unfetched::Refused(Refused::Denied { .. })) => Ok(fetched.any),
            Some(Unfetched::Failed(words)) => {
                self.shared.say_note(self.session, &words);
                Ok(fetched.any)
            }
            Some(Unfetched::Refused(refused)) => Err(refused),
        }
    }
}
