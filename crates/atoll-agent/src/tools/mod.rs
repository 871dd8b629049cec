//! The tools: what a model is told of them, and what its calls mean.

mod args;
mod extract;
mod json;
mod parse;
mod rescue;
mod spec;

use atoll_domain::Edit;
use atoll_domain::action::ReadOp;
use serde::{Deserialize, Serialize};

pub use extract::ValueForm;
pub use parse::{Parsed, parse_call};
pub(crate) use parse::{first_sentence, known as tool_of};
pub(crate) use rescue::rescue;
pub use spec::specs;

/// Values that are taken out of unread contents in one turn, at most.
pub const EXTRACTS_MAX: u64 = 8;

/// What is answered of one reply at most; further calls are dropped and said.
pub const CALLS_MAX: usize = 16;

/// A well-formed tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case")]
pub enum ToolRequest {
    /// `read_file`, `list` and `search`: the op of a `FileRead`.
    Read {
        /// What is read.
        what: ReadOp,
    },
    /// Change one file of the copy.
    Edit {
        /// Its path, relative to the workspace.
        path: String,
        /// How.
        edit: Edit,
    },
    /// Run a command in the sandbox, in the workspace's root.
    Run {
        /// The command and its arguments.
        cmd: Vec<String>,
        /// Wall time wished for, in seconds; the node bounds it.
        ttl_s: Option<u64>,
    },
    /// Run the workspace's test command.
    Test {
        /// The command, as configured.
        cmd: Vec<String>,
    },
    /// Take one value out of a content that stays unread.
    Extract {
        /// A file's path, `job:j4` for a job's output, or `artifact:j4/PATH`.
        from: String,
        /// What is asked of it.
        question: String,
        /// The value's form.
        form: ValueForm,
    },
    /// End the work. Handled by the agent itself: never the tool of a `UseTool`.
    Finish {
        /// A short title.
        title: String,
        /// What was wrong and what changed, or the answer.
        summary: String,
        /// Whether the task is done.
        solved: bool,
        /// The model's claim that the tests that still fail have nothing to do with the task.
        unrelated_failures: bool,
    },
}

impl ToolRequest {
    /// The tool's name, as the model knows it and as `ToolCall.tool` records it.
    pub fn name(&self) -> &'static str {
        match self {
            ToolRequest::Read { what } => match what {
                ReadOp::Read { .. } => "read_file",
                ReadOp::List { .. } => "list",
                ReadOp::Search { .. } => "search",
            },
            ToolRequest::Edit { .. } => "edit",
            ToolRequest::Run { .. } => "run",
            ToolRequest::Test { .. } => "test",
            ToolRequest::Extract { .. } => "extract",
            ToolRequest::Finish { .. } => "finish",
        }
    }

    /// What it is about, for people and for the transcript: a path, a pattern, a command. From outside:
    /// show it through `Shown`.
    pub fn target(&self) -> String {
        match self {
            ToolRequest::Read { what } => match what {
                ReadOp::Read {
                    path, start_line, ..
                } => match start_line {
                    Some(line) => format!("{path}:{line}"),
                    None => path.clone(),
                },
                ReadOp::List { path, .. } if path.is_empty() => ".".into(),
                ReadOp::List { path, .. } => path.clone(),
                ReadOp::Search { pattern, path, .. } => match path {
                    Some(path) => format!("{pattern} in {path}"),
                    None => pattern.clone(),
                },
            },
            ToolRequest::Edit { path, .. } => path.clone(),
            ToolRequest::Extract { from, .. } => from.clone(),
            ToolRequest::Run { cmd, .. } | ToolRequest::Test { cmd } => command_line(cmd),
            ToolRequest::Finish { title, .. } => title.clone(),
        }
    }
}

/// A command as a person would type it; `sh -c TEXT` is shown as its text.
pub(crate) fn command_line(cmd: &[String]) -> String {
    if let [sh, flag, text] = cmd
        && sh == "sh"
        && flag == "-c"
    {
        return text.clone();
    }
    atoll_domain::shell_words(cmd)
}
