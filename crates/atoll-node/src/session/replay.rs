//! Folding a session's log again: to go on with it, and to prove that it comes out the same.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

use atoll_agent::{Input, State};
use atoll_api::{Error, Replayed, codes};
use atoll_domain::{Commitment, SessionId};
use atoll_ports::log;

use crate::shared::{Shared, log_error};

impl Shared {
    /// Folds the session's events after `cursor` into `state`; the state and the new cursor.
    pub(crate) fn fold_session(
        &self,
        session: &SessionId,
        state: State,
        cursor: u64,
    ) -> Result<(State, u64), Error> {
        let changed = Cell::new(None);
        let resolve = |c: &Commitment| self.resolve(c, &changed);
        let (mut state, mut cursor) = (Some(state), cursor);
        let head = self.log.head(); // taken before: all up to here is read, or left out
        let failed = self.story(session, cursor, &Input::KINDS, |event| {
            cursor = event.seq;
            match Input::from_event(&event.typed(), &resolve) {
                Ok(Some(input)) => {
                    state = state.take().map(|state| atoll_agent::fold(state, &input));
                    ControlFlow::Continue(())
                }
                Ok(None) => ControlFlow::Continue(()),
                Err(err) => ControlFlow::Break(unread(&err, &changed, event.seq)),
            }
        });
        match failed.map_err(log_error)? {
            Some(err) => Err(err),
            None => Ok((state.unwrap_or_default(), cursor.max(head))),
        }
    }

    /// A content for the agent. What was changed is not what was erased: it is put into `changed`.
    fn resolve(
        &self,
        commitment: &Commitment,
        changed: &Cell<Option<log::Error>>,
    ) -> Option<Vec<u8>> {
        let found = self.log.content(commitment);
        found.unwrap_or_else(|err| {
            changed.set(Some(err));
            None
        })
    }

    /// Replays a session: its recorded inputs are folded again, and what the agent then proposes is
    /// compared with what was recorded. Nothing is executed.
    pub(crate) async fn replay(self: &Arc<Self>, name: &str) -> Result<Replayed, Error> {
        let row = self.find_session(name)?;
        let session = format!("s{}", row.ordinal);
        if row.mode == "exec" {
            let err = Error::new(
                codes::SESSION_STATE,
                format!("{session} has no agent: there is nothing to replay"),
            );
            return Err(err);
        }
        let shared = self.clone();
        let replayed = tokio::task::spawn_blocking(move || shared.replay_inputs(&row.id)).await;
        let (effects, divergence) =
            replayed.map_err(|err| Error::new(codes::BUG, err.to_string()))??;
        Ok(Replayed {
            session,
            effects,
            divergence,
        })
    }

    fn replay_inputs(&self, session: &SessionId) -> Result<(u64, Option<(u64, String)>), Error> {
        let changed = Cell::new(None);
        let resolve = |c: &Commitment| self.resolve(c, &changed);
        let mut inputs = Vec::new();
        let failed = self.story(session, 0, &Input::KINDS, |event| {
            match Input::from_event(&event.typed(), &resolve) {
                Ok(input) => {
                    inputs.extend(input);
                    ControlFlow::Continue(())
                }
                Err(err) => ControlFlow::Break(unread(&err, &changed, event.seq)),
            }
        });
        if let Some(err) = failed.map_err(log_error)? {
            return Err(err);
        }
        match atoll_agent::replay(&inputs) {
            Ok(replay) => Ok((replay.compared, None)),
            Err(divergence) => Ok((
                divergence.input,
                Some((divergence.step.0, divergence.to_string())),
            )),
        }
    }
}

/// Why an event could not be made an input.
fn unread(err: &impl std::fmt::Display, changed: &Cell<Option<log::Error>>, seq: u64) -> Error {
    let err = match changed.take() {
        Some(changed) => log_error(changed),
        None => Error::new(codes::SESSION_STATE, err.to_string()),
    };
    err.found(format!("event {seq}"))
}
