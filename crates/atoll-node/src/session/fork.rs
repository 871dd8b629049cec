//! A fork is (session, seq, tree): it copies no log. Its story is its parent's up to that event, then its own;
//! its budget is the one of the session that the family began with.

use std::ops::ControlFlow;
use std::sync::Arc;

use atoll_api::{Caller, Error, ForkRequest, SessionView, codes};
use atoll_domain::{Body, Commitment, Cost, Event, SessionForked, SessionId, SessionState};
use atoll_ports::log::{self, Filter, SessionRow};

use crate::shared::{Origin, Shared, lock, log_error};

const PAGE: usize = 500;
/// Forks of forks of forks, at most.
const DEPTH_MAX: usize = 32;
/// How many sessions are looked at for a family's.
const SESSIONS_MAX: usize = 10_000;

/// A part of a session's story: the events of `session` up to `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) session: SessionId,
    pub(crate) upto: u64,
}

/// Where a fork begins.
struct Point {
    session: SessionId,
    seq: u64,
    tree: Commitment,
}

impl Shared {
    /// What a session began with: `SessionOpened` or `SessionForked`.
    pub(crate) fn first_event(&self, session: &SessionId) -> Result<Option<Event>, log::Error> {
        let filter = Filter {
            session: Some(*session),
            kinds: vec!["SessionOpened".into(), "SessionForked".into()],
            topic: None,
        };
        Ok(self.log.events(0, 1, &filter)?.into_iter().next())
    }

    /// The parts of a session's story, the oldest first; the last is its own, without an end.
    pub(crate) fn lineage(&self, session: &SessionId) -> Result<Vec<Stretch>, log::Error> {
        let mut parts = vec![Stretch {
            session: *session,
            upto: u64::MAX,
        }];
        // A fork comes after its parent's event, so that this ends; the bound is for a log that lies.
        while parts.len() <= DEPTH_MAX {
            let Some(first) = self.first_event(&parts[0].session)? else {
                break;
            };
            let Body::SessionForked(b) = first.typed() else {
                break;
            };
            let upto = b.seq.min(parts[0].upto);
            parts.insert(
                0,
                Stretch {
                    session: b.parent,
                    upto,
                },
            );
        }
        Ok(parts)
    }

    /// The session whose budget pays: the one that the family began with.
    pub(crate) fn purse_of(&self, session: &SessionId) -> SessionId {
        let parts = self.lineage(session).unwrap_or_default();
        parts.first().map_or(*session, |part| part.session)
    }

    /// The events of a session's story, in order, of these kinds (none: all). With `after` only its own after
    /// that one: who has read so far has read its parents'.
    pub(crate) fn story<B>(
        &self,
        session: &SessionId,
        after: u64,
        kinds: &[&str],
        mut each: impl FnMut(Event) -> ControlFlow<B>,
    ) -> Result<Option<B>, log::Error> {
        let own = || {
            vec![Stretch {
                session: *session,
                upto: u64::MAX,
            }]
        };
        let parts = match after {
            0 => self.lineage(session)?,
            _ => own(),
        };
        for part in parts {
            let filter = Filter {
                session: Some(part.session),
                kinds: kinds.iter().map(|k| (*k).to_owned()).collect(),
                topic: None,
            };
            let mut after = after;
            loop {
                let page = self.log.events(after, PAGE, &filter)?;
                let Some(last) = page.last().map(|e| e.seq) else {
                    break;
                };
                for event in page.into_iter().filter(|e| e.seq <= part.upto) {
                    if let ControlFlow::Break(out) = each(event) {
                        return Ok(Some(out));
                    }
                }
                after = last;
                if last >= part.upto {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// What the family spent together. Forks that were deleted are not listed any more and count for
    /// nothing; a day's budget has them.
    pub(crate) fn family_spent(&self, row: &SessionRow, purse: SessionId) -> Cost {
        let rows = self.log.sessions(SESSIONS_MAX).unwrap_or_default();
        let kin = rows.iter().filter(|other| {
            other.id != row.id
                && other.workspace == row.workspace
                && self.purse_of(&other.id) == purse
        });
        kin.fold(row.spent, |sum, other| sum.plus(other.spent))
    }

    /// Whether another session that shares this purse has a task.
    pub(crate) fn purse_in_use(&self, session: SessionId, purse: SessionId) -> bool {
        let live: Vec<SessionId> = lock(&self.sessions).keys().copied().collect();
        live.iter()
            .any(|other| *other != session && self.purse_of(other) == purse)
    }

    /// Forks a session at its last event at rest, or where `turn` ended.
    pub(crate) async fn fork(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        name: &str,
        request: ForkRequest,
    ) -> Result<SessionView, Error> {
        let key = crate::session::caller_key(caller, key);
        let id = SessionId::derive(&[b"fork", key.as_bytes()]);
        if let Some(row) = self.log.session(&id).map_err(log_error)? {
            return Ok(self.session_view(&row));
        }
        let row = self.find_session(name)?;
        let ordinal = format!("s{}", row.ordinal);
        let error = |why: String| {
            Error::new(codes::SESSION_STATE, why).next(format!("atoll session show {ordinal}"))
        };
        if row.mode == "exec" {
            return Err(error(format!(
                "{ordinal} was a single job: there is nothing to fork"
            )));
        }
        if row.state == SessionState::Closed {
            return Err(error(format!("{ordinal} has ended for good")));
        }
        if self.lineage(&row.id).map_err(log_error)?.len() > DEPTH_MAX {
            return Err(error(format!(
                "{ordinal} is a fork of {DEPTH_MAX} forks already"
            )));
        }
        let point = self.fork_point(&row.id, request.turn).map_err(log_error)?;
        let point = point.ok_or_else(|| match request.turn {
            Some(turn) => error(format!("no turn {turn} of {ordinal} has ended")),
            None => error(format!("no turn of {ordinal} has ended yet")),
        })?;
        let tree = self
            .tree(&point.tree)
            .ok_or_else(|| error("the files there were erased".into()))?;
        let draft = Origin::human(&caller.name, Some(id));
        self.append(true, |s| {
            let body = SessionForked {
                id,
                parent: point.session,
                seq: point.seq,
                tree: s.text(tree.as_str()),
            };
            (draft, body)
        })
        .await?;
        let row = self.log.session(&id).map_err(log_error)?;
        let row = row.ok_or_else(|| Error::new(codes::BUG, "the fork is not in the log"))?;
        Ok(self.session_view(&row))
    }

    /// The last event at which the session was at rest: a turn's end, or what was taken back after it.
    fn fork_point(
        &self,
        session: &SessionId,
        turn: Option<u64>,
    ) -> Result<Option<Point>, log::Error> {
        let kinds = [
            "WorkspaceSnapped",
            "ToolResult",
            "SessionResumed",
            "PromptSent",
            "TurnEnded",
            "TurnUndone",
        ];
        let (mut tree, mut found, mut ended) = (None::<Commitment>, None, false);
        let parts = self.lineage(session)?;
        self.story(session, 0, &kinds, |event| {
            match event.typed() {
                Body::WorkspaceSnapped(b) => tree = Some(b.tree),
                Body::ToolResult(b) => tree = b.tree.or(tree),
                Body::SessionResumed(b) => tree = Some(b.tree),
                Body::PromptSent(b) if !b.steer => ended = false,
                Body::TurnEnded(b) => ended = turn.is_none_or(|t| t == b.turn),
                Body::TurnUndone(b) => tree = Some(b.tree),
                _ => {}
            }
            let at_rest = matches!(event.typed(), Body::TurnEnded(_) | Body::TurnUndone(_));
            if let (true, true, Some(tree)) = (ended, at_rest, &tree) {
                let inside = |part: &&Stretch| event.seq <= part.upto;
                found = Some(Point {
                    session: parts.iter().find(inside).map_or(*session, |p| p.session),
                    seq: event.seq,
                    tree: *tree,
                });
                if turn.is_some() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}
