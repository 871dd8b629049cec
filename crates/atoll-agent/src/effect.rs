//! What the agent wants done. The node asks the guard, does it, and appends what came of it.

use atoll_domain::{ActionKey, Conversation, Hash, SessionEnd, SessionId, Step, StepKind};
use serde::Serialize;

use crate::output::ToolOutput;
use crate::state::TestRun;
use crate::tools::ToolRequest;

/// Why a tool is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The model called it.
    Model,
    /// The agent looks around at the start of a session, or reads what a small model is shown.
    Survey,
    /// The agent runs the tests before any change.
    Baseline,
    /// The agent runs the tests before it proposes the patch.
    Check,
    /// A person named a file in their words: `@path`.
    Attach,
}

/// What a finished turn proposes: the node makes the patch of it, with base, diff and cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// A short title, one line. The model's words: show it through `Shown`.
    pub title: String,
    /// What was wrong and what changed. The model's words.
    pub summary: String,
    /// The last test run, if it was on what is proposed.
    pub tests: Option<TestRun>,
    /// The test run before any change.
    pub before: Option<TestRun>,
}

/// An effect. One step each; ids and keys derive from (session, step).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Wait `wait_ms`, then call the model.
    CallModel {
        /// The step.
        step: Step,
        /// How long to wait first, in milliseconds: backoff after a failed call.
        wait_ms: u64,
        /// What is sent.
        conversation: Conversation,
        /// The most tokens to write.
        output_tokens_max: u64,
        /// An upper estimate of the tokens read.
        input_tokens_estimate: u64,
    },
    /// Use a tool.
    UseTool {
        /// The step.
        step: Step,
        /// The call that it answers; empty if the agent uses it by itself.
        call_id: String,
        /// Why.
        by: By,
        /// What.
        tool: ToolRequest,
    },
    /// Record that a call was malformed: nothing is done.
    RejectCall {
        /// The step.
        step: Step,
        /// The call that it answers.
        call_id: String,
        /// The name that the model wrote, bounded. From outside.
        name: String,
        /// What the model is told.
        why: String,
    },
    /// Record a summary in place of the oldest part of the conversation.
    Compact {
        /// The step.
        step: Step,
        /// Up to which step.
        upto: Step,
        /// The tokens it saves, estimated.
        saved_tokens: u64,
        /// The summary.
        summary: String,
    },
    /// End the turn.
    FinishTurn {
        /// The step.
        step: Step,
        /// The turn.
        turn: u64,
        /// How.
        end: SessionEnd,
        /// What is said of it to people. May hold the model's words: show it through `Shown`.
        words: String,
        /// What is proposed, with [`SessionEnd::Patch`].
        proposal: Option<Proposal>,
    },
}

impl Effect {
    /// Its step.
    pub fn step(&self) -> Step {
        match self {
            Effect::CallModel { step, .. }
            | Effect::UseTool { step, .. }
            | Effect::RejectCall { step, .. }
            | Effect::Compact { step, .. }
            | Effect::FinishTurn { step, .. } => *step,
        }
    }

    /// Which kind of step it is; `None` for a summary, which has an event of its own.
    pub fn kind(&self) -> Option<StepKind> {
        match self {
            Effect::CallModel { .. } => Some(StepKind::Model),
            Effect::UseTool { .. } | Effect::RejectCall { .. } => Some(StepKind::Tool),
            Effect::FinishTurn { .. } => Some(StepKind::Finish),
            Effect::Compact { .. } => None,
        }
    }

    /// The idempotency key of the action that it becomes.
    pub fn key(&self, session: &SessionId) -> ActionKey {
        ActionKey::of(session, self.step())
    }

    /// SHA-256 of its canonical JSON: what `ModelAsked.effect` and `ToolCall.effect` commit to (as the text
    /// `sha256:…`) and what a replay compares.
    pub fn digest(&self) -> Hash {
        // Effects are text and integers below 2^53; were one not, its plain JSON is as stable.
        let bytes = atoll_domain::canonical_json(self)
            .or_else(|_| serde_json::to_vec(self))
            .unwrap_or_default();
        Hash::of(&bytes)
    }

    /// The name that `ToolCall.tool` records: one of ours, else `unknown`.
    pub fn tool_name(&self) -> Option<&'static str> {
        match self {
            Effect::UseTool { tool, .. } => Some(tool.name()),
            Effect::RejectCall { name, .. } => {
                Some(crate::tools::tool_of(name).unwrap_or("unknown"))
            }
            _ => None,
        }
    }

    /// What a rejected call is answered with: record it as its `ToolResult`.
    pub fn rejection(&self) -> Option<ToolOutput> {
        match self {
            Effect::RejectCall { why, .. } => Some(ToolOutput::rejected(why)),
            _ => None,
        }
    }

    /// In a few words, for a divergence.
    pub fn describe(&self) -> String {
        match self {
            Effect::CallModel { conversation, .. } => {
                format!(
                    "call the model with {} messages",
                    conversation.messages.len()
                )
            }
            Effect::UseTool { tool, .. } => format!("{} {}", tool.name(), tool.target()),
            Effect::RejectCall { name, .. } => format!("reject a call of {name}"),
            Effect::Compact { upto, .. } => format!("summarise up to step {}", upto.0),
            Effect::FinishTurn { end, .. } => format!("end the turn: {end:?}"),
        }
    }
}
