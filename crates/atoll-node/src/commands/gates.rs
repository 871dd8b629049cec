//! Gates: list, show, answer.

use atoll_api::{AnswerRequest, Caller, Error, GATES_AT_ONCE_MAX, GateView, codes};
use atoll_domain::{Actor, GateAnswerKind, GateAnswered, GateId};
use atoll_ports::log::GateRow;

use crate::gate::Answered;
use crate::shared::{Origin, Shared, full_error, log_error, no_such};

const GATES_MAX: usize = 1000;
/// A reason's length, in bytes.
const WHY_BYTES_MAX: usize = 4096;

impl Shared {
    pub(crate) fn gates(&self, open: bool) -> Result<Vec<GateView>, Error> {
        let rows = self.log.gates(open, GATES_MAX).map_err(log_error)?;
        let now = self.clock.wall();
        Ok(rows
            .iter()
            .filter(|g| !open || g.expires > now)
            .map(|g| self.gate_view(g))
            .collect())
    }

    /// Answers a gate, and those that go with it: all of them or none. Of several answers the first is the only one.
    pub(crate) async fn gate_answer(
        &self,
        caller: &Caller,
        name: &str,
        request: AnswerRequest,
    ) -> Result<GateView, Error> {
        let row = self.find_gate(name)?;
        if row.id != request.gate {
            return Err(closed(
                "this name means another gate by now; look at it again before you answer",
            ));
        }
        plausible(&request)?;
        for gate in [&row.id].into_iter().chain(&request.also) {
            self.may_answer(caller, gate)?;
        }
        let _one_at_a_time = self.gates.answering.lock().await;
        let mut rows = vec![self.answerable(row.id, &request)?];
        for gate in &request.also {
            if rows.iter().all(|row| row.id != *gate) {
                rows.push(self.answerable(*gate, &request)?);
            }
        }
        let entry = |row: &GateRow| {
            self.entry(|s| {
                let body = GateAnswered {
                    gate: row.id,
                    answer: request.answer,
                    why: s.text(&request.why),
                };
                (Origin::human(&caller.name, row.session), body)
            })
        };
        let entries = rows.iter().map(entry).collect();
        let appended = self.log.append_all(entries, true).await;
        appended.map_err(|full| full_error(&full))?;
        for row in &rows {
            let answered = Answered {
                kind: request.answer,
                by: Actor::human(caller.name.clone()),
                why: request.why.clone(),
            };
            // Nobody waits when the session is parked: its resume finds the answer in the log.
            self.gates.answer(&row.id, answered);
        }
        self.find_gate(name).map(|row| self.gate_view(&row))
    }

    /// The gate, if it takes this answer.
    fn answerable(&self, gate: GateId, request: &AnswerRequest) -> Result<GateRow, Error> {
        let row = self.log.gate(&gate).map_err(log_error)?;
        let row = row.ok_or_else(|| no_such("gate", &gate.to_string(), "atoll gate list"))?;
        let view = self.gate_view(&row);
        if let (Some(answer), by) = (view.answer, view.by.as_deref()) {
            let who = by.unwrap_or("nobody");
            let words = format!("{} is answered already: {}", view.ordinal, answer.words());
            return Err(closed(&words).found(format!("by {who}")));
        }
        if row.expires <= self.clock.wall() {
            let words = format!("{} ran out", view.ordinal);
            return Err(closed(&words).next("atoll session resume SESSION asks again"));
        }
        if request.answer == GateAnswerKind::Session && view.question.widening.is_none() {
            let words = format!(
                "{} can be answered once only, not for the session",
                view.ordinal
            );
            return Err(Error::new(codes::USAGE, words)
                .next(format!("atoll gate answer {} once", view.ordinal)));
        }
        Ok(row)
    }
}

fn closed(why: &str) -> Error {
    Error::new(codes::GATE_CLOSED, why.to_owned()).next("atoll gate list")
}

/// Whether it can be an answer at all.
fn plausible(request: &AnswerRequest) -> Result<(), Error> {
    use GateAnswerKind as Kind;
    if !matches!(request.answer, Kind::Once | Kind::Session | Kind::No) {
        return Err(Error::new(codes::USAGE, "an answer is once, session or no"));
    }
    if request.why.len() > WHY_BYTES_MAX {
        let words = format!("a reason has at most {WHY_BYTES_MAX} bytes");
        return Err(Error::new(codes::USAGE, words));
    }
    if request.also.len() >= GATES_AT_ONCE_MAX {
        let words = format!("one answer is for at most {GATES_AT_ONCE_MAX} gates");
        return Err(Error::new(codes::USAGE, words));
    }
    Ok(())
}
