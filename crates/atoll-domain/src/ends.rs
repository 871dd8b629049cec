//! Words that bodies hold: how permits and gates ended, what a step is.

use serde::{Deserialize, Serialize};

/// How a permit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedHow {
    /// The effect was done.
    Done,
    /// It was tried and did not succeed, and that is known.
    Failed,
    /// It began and nobody saw its end: the whole reserve is taken.
    Lost,
    /// It never began.
    Unused,
}

/// What a gate's answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateAnswerKind {
    /// Yes, this once.
    Once,
    /// Yes, for this exact widening in this session.
    Session,
    /// No.
    No,
    /// Nobody answered in time.
    Expired,
    /// The run was headless and asks are denied there.
    Headless,
}

impl GateAnswerKind {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            GateAnswerKind::Once => "once",
            GateAnswerKind::Session => "for this session",
            GateAnswerKind::No => "no",
            GateAnswerKind::Expired => "nobody, it expired",
            GateAnswerKind::Headless => "denied, nobody could be asked",
        }
    }
}

/// Which effect an agent proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Call the model.
    Model,
    /// Use a tool.
    Tool,
    /// End the turn.
    Finish,
}
