//! What the provider answers: a list of replies, or a function of the request.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool call of a reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// A JSON value, or a string that is sent as it is (which may be no JSON at all).
    #[serde(default)]
    pub arguments: Value,
    /// Its id; one is made up otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// How a reply goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Status 200 and a stream; after the content comes `error` as an event.
    ErrorInStream,
    /// Status 200, `application/json`, and no JSON.
    GarbageBody,
    /// Status 200 and events whose data is no JSON.
    GarbageEvents,
    /// A web page in place of a reply.
    WebPage,
    /// Status 200 and nothing.
    Empty,
    /// The connection breaks after this many events.
    Cut(usize),
    /// The connection breaks inside a character of the content.
    HalfCharacter,
    /// The stream ends, in all order, inside a character of the content.
    HalfCharacterAtEnd,
    /// The content's first character beyond ASCII is half of one.
    BadCharacter,
    /// All is said, and the connection breaks in place of the end.
    BreakAtEnd,
    /// Each byte is a chunk of its own.
    Bytewise,
    /// The request is taken and never answered.
    Hang,
    /// The stream stops after this many events, without an end.
    HangAfter(usize),
    /// So many milliseconds between events.
    Drip(u64),
    /// All tool calls have the same id.
    SameIds,
    /// Tool calls have no id.
    NoIds,
    /// Tool calls have no index, and come whole.
    NoIndex,
    /// All tool calls have index 0, and come whole.
    IndexZero,
    /// Each piece of a tool call has an id of its own.
    ChangingIds,
    /// Arguments are objects, not text.
    ObjectArguments,
    /// No `[DONE]` or `message_stop` at the end; no line feed behind Ollama's last line.
    NoDone,
    /// `finish_reason` stays null.
    NoFinish,
    /// No usage, even if it was asked for.
    NoUsage,
    /// The content is this many bytes.
    Huge(usize),
    /// One line of this many bytes, without an end.
    LongLine(usize),
    /// Fields that nobody knows, and null where there is nothing.
    UnknownFields,
    /// A whole JSON reply, though a stream was asked for.
    NotStreamed,
    /// Lines end in CR LF, comments and event names come between, data comes in several lines.
    OddEvents,
    /// A redirect to this address.
    Redirect(String),
}

/// One reply. In JSON it is what the files of recorded sessions hold: `{"content": "…"}`,
/// `{"tool_calls": [{"name": "read_file", "arguments": {"path": "a"}}]}`, `{"status": 429, "error": "slow down"}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// Text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What the model thinks, before the text: `reasoning_content`, a `thinking` block with a signature, `thinking`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// A thought that stays encrypted; the messages wire alone has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// Tool calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Call>>,
    /// `finish_reason`; `tool_calls` or `stop` otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// The HTTP status; 500 if there is only an `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The error's type; `server_error` otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The `Retry-After` header: seconds or an HTTP date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// How long to think first, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The usage object in the words of chat completions, true or not; four characters a token otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    /// What goes wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Reply {
    /// A text.
    pub fn text(content: impl Into<String>) -> Reply {
        Reply {
            content: Some(content.into()),
            ..Reply::default()
        }
    }
    /// One tool call.
    pub fn call(name: impl Into<String>, arguments: Value) -> Reply {
        Reply::calls([(name.into(), arguments)])
    }
    /// Several tool calls.
    pub fn calls(calls: impl IntoIterator<Item = (String, Value)>) -> Reply {
        let calls = calls.into_iter().map(|(name, arguments)| Call {
            name,
            arguments,
            id: None,
        });
        Reply {
            tool_calls: Some(calls.collect()),
            ..Reply::default()
        }
    }
    /// A refusal with an HTTP status.
    pub fn refusal(status: u16, error: impl Into<String>) -> Reply {
        Reply {
            status: Some(status),
            error: Some(error.into()),
            ..Reply::default()
        }
    }
    /// The same, going wrong.
    pub fn with(mut self, fault: Fault) -> Reply {
        self.faults.push(fault);
        self
    }
    /// The same, with this `Retry-After`.
    pub fn retry_after(mut self, value: impl Into<String>) -> Reply {
        self.retry_after = Some(value.into());
        self
    }
    /// The same, claiming this usage.
    pub fn usage(mut self, usage: Value) -> Reply {
        self.usage = Some(usage);
        self
    }
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }
}

/// A text that is no script.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadScript {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

type Function = Box<dyn Fn(&Value) -> Reply + Send + Sync>;

enum Kind {
    List(Mutex<VecDeque<Reply>>),
    Function(Function),
}

/// What the provider answers, request by request.
pub struct Script(Kind);

impl Script {
    /// These replies in turn; afterwards each request is refused with status 400.
    pub fn list(replies: impl IntoIterator<Item = Reply>) -> Script {
        Script(Kind::List(Mutex::new(replies.into_iter().collect())))
    }

    /// The reply that `answer` gives to a request's JSON.
    pub fn by_function(answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Script {
        Script(Kind::Function(Box::new(answer)))
    }

    /// Reads a JSON array of replies, or lines that each hold a reply or a recorded exchange
    /// (`{"request": …, "reply": {…}}`).
    pub fn parse(text: &str) -> Result<Script, BadScript> {
        if text.trim_start().starts_with('[') {
            let replies: Vec<Reply> = serde_json::from_str(text).map_err(|err| BadScript {
                line: err.line(),
                why: err.to_string(),
            })?;
            return Ok(Script::list(replies));
        }
        let mut replies = Vec::new();
        for (n, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let bad = |err: serde_json::Error| BadScript {
                line: n + 1,
                why: err.to_string(),
            };
            let mut value: Value = serde_json::from_str(line).map_err(bad)?;
            if let Some(reply) = value.get_mut("reply") {
                value = reply.take();
            }
            replies.push(serde_json::from_value(value).map_err(bad)?);
        }
        Ok(Script::list(replies))
    }

    pub(crate) fn answer(&self, request: &Value) -> Reply {
        match &self.0 {
            Kind::Function(answer) => answer(request),
            Kind::List(list) => {
                let mut list = list
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                list.pop_front()
                    .unwrap_or_else(|| Reply::refusal(400, "the script has no reply left"))
            }
        }
    }
}
