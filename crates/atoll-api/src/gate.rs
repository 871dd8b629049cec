//! Gates.

use atoll_domain::{GateAnswerKind, GateId, Ms, SessionId};
use serde::{Deserialize, Serialize};

/// A question as people read it. Its texts are raw: faces show them through `Shown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What: the command, the call, the patch.
    pub what: String,
    /// Where: the job, the workspace, the hosts.
    pub place: String,
    /// Why it is asked: the rule's words.
    pub why: String,
    /// Spent and limit: `$0.04 of $2.00`.
    pub spent: String,
    /// The labels of the context.
    pub labels: Vec<String>,
    /// More: the whole command, the mounts, the diff.
    pub detail: String,
    /// What a session answer would cover; `None`: none is possible.
    pub widening: Option<String>,
    /// The turn and its limit: `turn 6 of 30`.
    pub turn: String,
}

/// A gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateView {
    /// `g3`.
    pub ordinal: String,
    /// Its id.
    pub gate: GateId,
    /// The session's id.
    pub session: Option<SessionId>,
    /// `s4`.
    pub session_ordinal: Option<String>,
    /// The kind of action.
    pub kind: String,
    /// The question; empty if it was erased.
    pub question: Question,
    /// The rules that ask.
    pub rules: Vec<String>,
    /// When it was opened.
    pub opened: Ms,
    /// When it expires.
    pub expires: Ms,
    /// The answer, if there is one.
    pub answer: Option<GateAnswerKind>,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The same for gates that ask the same of the same place, and may be answered together; empty if none can be told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub like: String,
}

impl GateView {
    /// Whether `other` asks the same: both are open, and all but session, cost and detail is equal.
    pub fn is_like(&self, other: &GateView) -> bool {
        let open = self.answer.is_none() && other.answer.is_none();
        open && self.gate != other.gate && !self.like.is_empty() && self.like == other.like
    }
}

/// How many gates one answer may answer.
pub const GATES_AT_ONCE_MAX: usize = 64;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRequest {
    /// `once`, `session` or `no`.
    pub answer: GateAnswerKind,
    /// A reason, for the agent and the log.
    #[serde(default)]
    pub why: String,
    /// The id of the gate as it was shown; refused if the ordinal means another by now.
    pub gate: GateId,
    /// Others that the same answer is for, all of them or none; at most [`GATES_AT_ONCE_MAX`] with the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<GateId>,
}
