//! Errors as people and programs read them: a code, a sentence, what to do next.

use serde::{Deserialize, Serialize};

/// One error code: `ATL-0412`, with the exit code of a command that ends with it. Its page is
/// `docs/errors/ATL-0412.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Four digits.
    pub number: u16,
    /// Exit code: 1 failed, 2 usage, 3 denied, 4 needs a person, 5 a limit, 6 unreachable, 7 conflict, 8 integrity, 70 bug.
    pub exit: u8,
    /// What it is, in a few words.
    pub title: &'static str,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ATL-{:04}", self.number)
    }
}

/// An error at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// `ATL-0412`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// What was found, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What was changed before it failed; `None` is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// What to do next: commands, or a sentence each.
    #[serde(default)]
    pub next: Vec<String>,
    /// The exit code.
    pub exit: u8,
}

impl Error {
    /// An error of `code` that says `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error {
            code: code.to_string(),
            message: message.into(),
            found: None,
            changed: None,
            next: Vec::new(),
            exit: code.exit,
        }
    }
    /// With what was found.
    pub fn found(mut self, found: impl Into<String>) -> Error {
        self.found = Some(found.into());
        self
    }
    /// With what was changed.
    pub fn changed(mut self, changed: impl Into<String>) -> Error {
        self.changed = Some(changed.into());
        self
    }
    /// With one more thing to do next.
    pub fn next(mut self, next: impl Into<String>) -> Error {
        self.next.push(next.into());
        self
    }
    /// Whether it is of `code`.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.to_string()
    }
}
