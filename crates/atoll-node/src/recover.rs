//! After a crash: what was under way is closed as lost, what was half written is finished or rolled
//! back, what was running is parked. Nothing is repeated by itself.

use atoll_api::Error;
use atoll_domain::{
    Actor, Body, Closed, ClosedHow, Draft, Reason, SessionParked, SessionState, Topic,
};
use atoll_guard::Entry;

use crate::shared::{Origin, Shared, files_error, full_error, log_error};

/// Sessions that are looked at: older ones ended long ago.
const SESSIONS_MAX: usize = 10_000;

impl Shared {
    /// How many permits were closed as lost.
    pub(crate) async fn recover(&self) -> Result<u64, Error> {
        for done in self.workspaces.recover().map_err(files_error)? {
            tracing::info!("finished after a crash: {done}");
        }
        let open = self.log.open_permits().map_err(log_error)?;
        let lost = open.len() as u64;
        let mut entries: Vec<Entry> = open
            .into_iter()
            .map(|p| {
                let body = Closed {
                    permit: p.permit,
                    kind: p.kind,
                    how: ClosedHow::Lost,
                    reason: Some(Reason::Lost),
                    cost: p.reserve,
                    outcome: None,
                };
                Entry::plain(Draft {
                    topic: p.session.map_or_else(Topic::node, |s| Topic::session(&s)),
                    actor: Actor::system(),
                    session: p.session,
                    cause: Some(p.granted),
                    body: Body::from(body),
                    sides: Vec::new(),
                })
            })
            .collect();
        let sessions = self.log.sessions(SESSIONS_MAX).map_err(log_error)?;
        let cut = sessions
            .iter()
            .filter(|s| matches!(s.state, SessionState::Running | SessionState::NeedsYou));
        entries.extend(cut.map(|s| {
            self.entry(|_| {
                (
                    Origin::system(s.id),
                    SessionParked {
                        reason: "restart".into(),
                    },
                )
            })
        }));
        if !entries.is_empty() {
            self.log
                .append_all(entries, true)
                .await
                .map_err(|full| full_error(&full))?;
        }
        Ok(lost)
    }
}
