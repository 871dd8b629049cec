//! Folding a session's log again: to go on with it, and to prove that it comes out the same.

use std::cell::Cell;
use std::sync::Arc;

use atoll_agent::{Input, State};
use atoll_api::{Error, Replayed, codes};
use atoll_domain::{Commitment, SessionId};
use atoll_ports::log::{self, Filter};

use crate::shared::{Shared, log_error};

const PAGE: usize = 500;

impl Shared {
    /// Folds the session's events after `cursor` into `state`; the state and the new cursor.
    pub(crate) fn fold_session(
        &self,
        session: &SessionId,
        state: State,
        cursor: u64,
    ) -> Result<(State, u64), Error> {
        let filter = Filter {
            session: Some(*session),
            kinds: Input::KINDS.map(str::to_owned).to_vec(),
            topic: None,
        };
        let changed = Cell::new(None);
        let resolve = |c: &Commitment| self.resolve(c, &changed);
        let (mut state, mut cursor) = (state, cursor);
        loop {
            let head = self.log.head(); // taken before: all up to here is in the page, or left out
            let page = self.log.events(cursor, PAGE, &filter).map_err(log_error)?;
            let full = page.len() == PAGE;
            for event in page {
                cursor = event.seq;
                let input = Input::from_event(&event.typed(), &resolve);
                let input = input.map_err(|err| unread(&err, &changed, event.seq))?;
                if let Some(input) = input {
                    state = atoll_agent::fold(state, &input);
                }
            }
            if !full {
                return Ok((state, cursor.max(head)));
            }
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
        if row.mode != "code" {
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
        let filter = Filter {
            session: Some(*session),
            ..Filter::default()
        };
        let changed = Cell::new(None);
        let resolve = |c: &Commitment| self.resolve(c, &changed);
        let (mut inputs, mut cursor) = (Vec::new(), 0);
        loop {
            let page = self.log.events(cursor, PAGE, &filter).map_err(log_error)?;
            let Some(last) = page.last() else { break };
            cursor = last.seq;
            for event in &page {
                let input = Input::from_event(&event.typed(), &resolve);
                let input = input.map_err(|err| unread(&err, &changed, event.seq))?;
                inputs.extend(input);
            }
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
