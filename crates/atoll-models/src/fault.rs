//! How an attempt failed: what becomes a retry, or the port's error.

use std::time::Duration;

use atoll_ports::models::{Error, Failure, Key};
use atoll_redact::redact;

/// A provider's words are cut here.
const WORDS_LIMIT_BYTES: usize = 800;

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) failure: Failure,
    pub(crate) words: String,
    pub(crate) status: Option<u16>,
    /// How long the provider asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Whether another attempt may go better.
    pub(crate) passing: bool,
    /// Whether it is known that nothing was written, and so nothing is billed.
    pub(crate) unspent: bool,
}

impl Fault {
    /// A failure that another attempt won't mend.
    pub(crate) fn lasting(failure: Failure, words: impl Into<String>) -> Fault {
        Fault {
            failure,
            words: words.into(),
            status: None,
            retry_after: None,
            passing: false,
            unspent: false,
        }
    }
    /// A failure that may pass. Whether anything was written is unknown.
    pub(crate) fn passing(failure: Failure, words: impl Into<String>) -> Fault {
        Fault {
            passing: true,
            ..Fault::lasting(failure, words)
        }
    }
    pub(crate) fn garbage(words: impl Into<String>) -> Fault {
        Fault::lasting(Failure::Garbage, words)
    }
    pub(crate) fn cut(words: impl Into<String>) -> Fault {
        Fault::passing(Failure::Cut, words)
    }
    pub(crate) fn unspent(self) -> Fault {
        Fault {
            unspent: true,
            ..self
        }
    }

    /// For the caller. A provider may quote the key that it was sent: its words are cleaned of it.
    pub(crate) fn error(self, key: Option<&Key>) -> Error {
        let mut words = self.words;
        if let Some(key) = key {
            words = words.replace(key.expose(), "[redacted:key]");
        }
        let (_, words) = redact(&words);
        Error {
            failure: self.failure,
            words: clip(&words),
            status: self.status,
        }
    }
}

/// The first bytes of a text, whole characters, on one line.
pub(crate) fn clip(text: &str) -> String {
    let mut end = text.len().min(WORDS_LIMIT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = text[..end].split_whitespace().collect::<Vec<_>>().join(" ");
    if end < text.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_and_without_the_key() {
        let key = Key::new("s3cret");
        let words = format!(
            "you sent s3cret and sk-ant-api03-{}\n{}",
            "aB3".repeat(20),
            "é".repeat(5000)
        );
        let error = Fault::lasting(Failure::Auth, words).error(Some(&key));
        assert!(
            !error.words.contains("s3cret") && !error.words.contains("aB3aB3"),
            "{}",
            error.words
        );
        assert!(error.words.len() < 1000 && !error.words.contains('\n'));
        assert!(
            error
                .words
                .starts_with("you sent [redacted:key] and [redacted:anthropic]")
        );
    }
}
