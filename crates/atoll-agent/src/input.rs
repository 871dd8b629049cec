//! What happened, contents resolved: the only thing that a fold reads.

use atoll_domain::{
    Body, Commitment, Hash, Message, PromptSent, ReplyReceived, SessionEnd, Step, ToolResult, Usage,
};

use crate::config::SessionConfig;
use crate::output::ToolOutput;

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The session was opened.
    Opened(Box<SessionConfig>),
    /// The workspace's snapshot was taken: the base.
    Snapped {
        /// The tree's id.
        tree: String,
    },
    /// A person's words: they begin a turn, or steer the running one.
    Prompt {
        /// The turn.
        turn: u64,
        /// The words.
        text: String,
        /// Whether a turn was running.
        steer: bool,
    },
    /// An effect is under way: `ModelAsked` or `ToolCall` was appended.
    Started {
        /// The step.
        step: Step,
        /// The effect's digest, as recorded.
        effect: Option<Hash>,
    },
    /// The model answered.
    Reply {
        /// The step.
        step: Step,
        /// The message.
        message: Message,
        /// Why it ended: `stop`, `tool_calls`, `length`, ….
        finish: String,
        /// Tokens.
        usage: Usage,
    },
    /// The model did not answer.
    ReplyFailed {
        /// The step.
        step: Step,
        /// A failure of the models port, or `denied`, `needs_person`, `limit` or `lost`.
        reason: String,
        /// What was said.
        words: String,
    },
    /// A tool gave a result.
    ToolDone {
        /// The step.
        step: Step,
        /// The result.
        output: ToolOutput,
        /// The tree after it, if it changed.
        tree: Option<String>,
    },
    /// A summary was recorded.
    Compacted {
        /// Up to which step.
        upto: Step,
        /// The summary.
        summary: String,
    },
    /// The turn is to stop: `cancelled`, `needs_person`, or a limit: `money`, `tokens`, `seconds`, `runs`.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The turn ended.
    TurnEnded {
        /// The turn.
        turn: u64,
        /// How.
        end: SessionEnd,
        /// What was said of it.
        words: String,
    },
    /// The session goes on after its node ended: what was under way and has no outcome is proposed again.
    Resumed {
        /// The tree it goes on from.
        tree: String,
    },
    /// The session goes on with another model.
    Switched {
        /// Its window, in tokens.
        context_tokens: u64,
        /// The most it writes in one reply, in tokens.
        output_tokens_max: u64,
    },
    /// From now on the agent only plans, or does what is asked again.
    Planning {
        /// Whether it only plans.
        on: bool,
    },
    /// A person undid a turn.
    Undone {
        /// The turn.
        turn: u64,
        /// The tree.
        tree: String,
    },
    /// The session ended for good.
    Closed,
}

/// Why an event can't be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its content was erased, or is not there.
    #[error("the content of {kind} is gone: what came of it can't be worked out again")]
    Gone {
        /// The event's kind.
        kind: String,
    },
    /// Its content is not what its kind holds.
    #[error("the content of {kind} can't be read: {why}")]
    Malformed {
        /// The event's kind.
        kind: String,
        /// Why.
        why: String,
    },
}

/// Opens a commitment: the content, unless it is gone.
pub type Resolve<'a> = &'a dyn Fn(&Commitment) -> Option<Vec<u8>>;

struct Reader<'a> {
    kind: &'a str,
    resolve: Resolve<'a>,
}

impl Reader<'_> {
    fn bytes(&self, commitment: &Commitment) -> Result<Vec<u8>, Unreadable> {
        (self.resolve)(commitment).ok_or_else(|| Unreadable::Gone {
            kind: self.kind.to_owned(),
        })
    }
    fn text(&self, commitment: &Commitment) -> Result<String, Unreadable> {
        Ok(String::from_utf8_lossy(&self.bytes(commitment)?).into_owned())
    }
    fn json<T: serde::de::DeserializeOwned>(&self, c: &Commitment) -> Result<T, Unreadable> {
        serde_json::from_slice(&self.bytes(c)?).map_err(|err| self.malformed(&err))
    }
    fn hash(&self, commitment: &Commitment) -> Result<Hash, Unreadable> {
        let text = self.text(commitment)?;
        text.parse().map_err(|err| self.malformed(&err))
    }
    fn malformed(&self, err: &dyn std::fmt::Display) -> Unreadable {
        Unreadable::Malformed {
            kind: self.kind.to_owned(),
            why: err.to_string(),
        }
    }
}

impl Input {
    /// The kinds of events that mean something to an agent; all others may be left out where they are read.
    pub const KINDS: [&'static str; 16] = [
        "SessionOpened",
        "WorkspaceSnapped",
        "PromptSent",
        "ModelAsked",
        "ToolCall",
        "ReplyReceived",
        "ReplyFailed",
        "ToolResult",
        "Compacted",
        "TurnStopped",
        "TurnEnded",
        "SessionResumed",
        "ModelSwitched",
        "TurnUndone",
        "PlanSet",
        "SessionClosed",
    ];

    /// What an event of a session means to its agent; `None` if it means nothing to it.
    pub fn from_event(body: &Body, resolve: Resolve<'_>) -> Result<Option<Input>, Unreadable> {
        let kind = body.kind();
        if !Input::KINDS.contains(&kind) {
            return Ok(None);
        }
        let r = Reader { kind, resolve };
        let input = match body {
            Body::SessionOpened(b) => Input::Opened(Box::new(r.json(&b.config)?)),
            Body::WorkspaceSnapped(b) => Input::Snapped {
                tree: r.text(&b.tree)?,
            },
            Body::PromptSent(PromptSent { turn, steer, text }) => Input::Prompt {
                turn: *turn,
                text: r.text(text)?,
                steer: *steer,
            },
            Body::ModelAsked(b) => Input::Started {
                step: b.step,
                effect: Some(r.hash(&b.effect)?),
            },
            Body::ToolCall(b) => Input::Started {
                step: b.step,
                effect: Some(r.hash(&b.effect)?),
            },
            Body::ReplyReceived(b) => reply(&r, b)?,
            Body::ReplyFailed(b) => Input::ReplyFailed {
                step: b.step,
                reason: b.reason.clone(),
                words: r.text(&b.words)?,
            },
            Body::ToolResult(b) => tool_done(&r, b)?,
            Body::Compacted(b) => Input::Compacted {
                upto: b.upto,
                summary: r.text(&b.summary)?,
            },
            Body::TurnStopped(b) => Input::Stopped {
                reason: b.reason.clone(),
            },
            Body::TurnEnded(b) => Input::TurnEnded {
                turn: b.turn,
                end: b.end,
                words: r.text(&b.words)?,
            },
            Body::SessionResumed(b) => Input::Resumed {
                tree: r.text(&b.tree)?,
            },
            Body::TurnUndone(b) => Input::Undone {
                turn: b.turn,
                tree: r.text(&b.tree)?,
            },
            Body::ModelSwitched(b) => Input::Switched {
                context_tokens: b.context_tokens,
                output_tokens_max: b.output_tokens_max,
            },
            Body::PlanSet(b) => Input::Planning { on: b.on },
            Body::SessionClosed(_) => Input::Closed,
            _ => return Ok(None),
        };
        Ok(Some(input))
    }
}

fn reply(r: &Reader<'_>, b: &ReplyReceived) -> Result<Input, Unreadable> {
    Ok(Input::Reply {
        step: b.step,
        message: r.json(&b.message)?,
        finish: r.text(&b.finish)?,
        usage: b.usage,
    })
}

fn tool_done(r: &Reader<'_>, b: &ToolResult) -> Result<Input, Unreadable> {
    Ok(Input::ToolDone {
        step: b.step,
        output: r.json(&b.result)?,
        tree: b.tree.as_ref().map(|t| r.text(t)).transpose()?,
    })
}
