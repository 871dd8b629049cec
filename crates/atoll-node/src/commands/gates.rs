//! Gates: list, show, answer.

use atoll_api::{AnswerRequest, Caller, Error, GateView, codes};
use atoll_domain::{GateAnswerKind, GateAnswered};

use crate::gate::Answered;
use crate::shared::{Origin, Shared, log_error};

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

    pub(crate) async fn gate_answer(
        &self,
        caller: &Caller,
        name: &str,
        request: AnswerRequest,
    ) -> Result<GateView, Error> {
        let row = self.find_gate(name)?;
        let closed =
            |why: &str| Error::new(codes::GATE_CLOSED, why.to_owned()).next("atoll gate list");
        if row.id != request.gate {
            return Err(closed(
                "this name means another gate by now; look at it again before you answer",
            ));
        }
        if row.answer.is_some() {
            return Err(closed("the gate is answered already"));
        }
        if row.expires <= self.clock.wall() {
            return Err(closed("the gate ran out").next("atoll session resume SESSION asks again"));
        }
        if !matches!(
            request.answer,
            GateAnswerKind::Once | GateAnswerKind::Session | GateAnswerKind::No
        ) {
            return Err(Error::new(codes::USAGE, "an answer is once, session or no"));
        }
        if request.why.len() > WHY_BYTES_MAX {
            return Err(Error::new(
                codes::USAGE,
                format!("a reason has at most {WHY_BYTES_MAX} bytes"),
            ));
        }
        let view = self.gate_view(&row);
        if request.answer == GateAnswerKind::Session && view.question.widening.is_none() {
            return Err(Error::new(
                codes::USAGE,
                "this can be answered once only, not for the session",
            )
            .next(format!("atoll gate answer {} once", view.ordinal)));
        }
        let draft = Origin::human(&caller.name, row.session);
        let body = |s: &mut atoll_domain::Sealer<'_>| {
            (
                draft,
                GateAnswered {
                    gate: row.id,
                    answer: request.answer,
                    why: s.text(&request.why),
                },
            )
        };
        self.append(true, body).await?;
        let counts = self
            .answer_of(&row.id)
            .ok_or_else(|| Error::new(codes::BUG, "a gate's answer is not to be found"))?;
        let ours = counts.kind == request.answer;
        let why = if ours { request.why } else { String::new() };
        // Nobody waits when the session is parked: its resume finds the answer in the log.
        self.gates.answer(&row.id, Answered { why, ..counts });
        // Of two answers at the same time the log's first counts, for everyone.
        if !ours {
            return Err(closed("the gate was answered by somebody else just now"));
        }
        Ok(GateView {
            answer: Some(request.answer),
            ..view
        })
    }
}
