//! What a person types while a turn runs: words that steer, and Esc that stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::Receiver;

use crate::term::{self, Mode};

/// Words that wait for Enter, in bytes: a prompt is no longer.
const TYPED_BYTES_MAX: usize = 256 << 10;

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Stop the turn.
    Stop,
    /// Words for the running turn.
    Words(String),
    /// The words changed.
    More,
    /// More than can be sent was typed: the rest is dropped.
    TooLong,
}

/// The line that is being typed, and the bytes that don't make a character yet.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
    bytes: Vec<u8>,
    escape: Escape,
    long: bool,
}

/// Where in an escape sequence of a key the bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Began,
    /// `ESC [` or `ESC O`: until a letter or `~`.
    Sequence,
}

impl Line {
    /// Takes bytes in; what they mean. A lone Esc is one that nothing follows at once.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut out = Vec::new();
        for byte in bytes {
            self.byte(*byte, &mut out);
        }
        if self.escape == Escape::Began {
            self.escape = Escape::None;
            out.push(Typed::Stop);
        }
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<Typed>) {
        match (self.escape, byte) {
            (Escape::Began, b'[' | b'O') => self.escape = Escape::Sequence,
            // Alt and a key: no words.
            (Escape::Began, _) => self.escape = Escape::None,
            (Escape::Sequence, b'A'..=b'Z' | b'a'..=b'z' | b'~') => self.escape = Escape::None,
            (Escape::Sequence, _) => {}
            (Escape::None, 0x1b) => self.escape = Escape::Began,
            (Escape::None, b'\r' | b'\n') => {
                self.bytes.clear();
                let long = std::mem::take(&mut self.long);
                let text = std::mem::take(&mut self.text);
                match (long, text.trim().is_empty()) {
                    (true, _) => out.push(Typed::TooLong),
                    (false, true) => out.push(Typed::More),
                    (false, false) => out.push(Typed::Words(text)),
                }
            }
            (Escape::None, 0x7f | 0x08) => {
                self.text.pop();
                out.push(Typed::More);
            }
            // Ctrl-U: the line away.
            (Escape::None, 0x15) => {
                self.text.clear();
                out.push(Typed::More);
            }
            (Escape::None, b'\t') => self.push("    ", out),
            (Escape::None, byte) if byte < 0x20 => {}
            (Escape::None, byte) => self.letter(byte, out),
        }
    }

    fn letter(&mut self, byte: u8, out: &mut Vec<Typed>) {
        self.bytes.push(byte);
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => {
                let text = text.to_owned();
                self.bytes.clear();
                self.push(&text, out);
            }
            // More of the character is to come, unless it can't be one.
            Err(err) if err.error_len().is_none() && self.bytes.len() < 4 => {}
            Err(_) => self.bytes.clear(),
        }
    }

    fn push(&mut self, text: &str, out: &mut Vec<Typed>) {
        if self.text.len() + text.len() > TYPED_BYTES_MAX {
            self.long = true;
            return;
        }
        self.text.push_str(text);
        out.push(Typed::More);
    }
}

/// The keyboard while a turn runs.
pub struct Hands {
    keys: Receiver<Vec<u8>>,
    stop: Arc<AtomicBool>,
    mode: Option<Mode>,
    line: Line,
}

impl Hands {
    /// `None`: there is no terminal. `typed` stands in the line already.
    pub fn new(typed: String) -> Option<Hands> {
        let mode = Mode::keys()?;
        let stop = Arc::new(AtomicBool::new(false));
        Some(Hands {
            keys: term::stdin_bytes(stop.clone()),
            stop,
            mode: Some(mode),
            line: Line {
                text: typed,
                ..Line::default()
            },
        })
    }

    /// What is typed next; never, once the terminal ended.
    pub async fn next(&mut self) -> Vec<Typed> {
        match self.keys.recv().await {
            Some(bytes) => self.line.take(&bytes),
            None => std::future::pending().await,
        }
    }

    /// The line as it stands.
    pub fn text(&self) -> &str {
        &self.line.text
    }

    /// Lets go of the terminal: nobody reads it after this. What was typed without Enter.
    pub async fn rest(mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(bytes) = self.keys.recv().await {
            // Lines that come this late are the next words.
            for typed in self.line.take(&bytes) {
                if let Typed::Words(words) = typed {
                    self.line.text = words;
                }
            }
        }
        drop(self.mode.take());
        std::mem::take(&mut self.line.text)
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[Typed]) -> Vec<&str> {
        let word = |t: &'_ Typed| matches!(t, Typed::Words(_));
        all.iter()
            .filter(|t| word(t))
            .map(|t| match t {
                Typed::Words(w) => w.as_str(),
                _ => "",
            })
            .collect()
    }

    #[test]
    fn esc_alone_stops_and_keys_that_begin_with_it_do_not() {
        let mut line = Line::default();
        assert_eq!(line.take(b"\x1b"), [Typed::Stop]);
        for key in [
            &b"\x1b[A"[..],
            b"\x1bOP",
            b"\x1b[3~",
            b"\x1b[200~",
            b"\x1bx",
        ] {
            assert!(!line.take(key).contains(&Typed::Stop), "{key:?}");
        }
        assert_eq!(line.text, "");
    }

    #[test]
    fn words_are_lines_and_can_be_mended() {
        let mut line = Line::default();
        let typed = line.take("nö\x7fot this\u{15}use é\rand".as_bytes());
        assert_eq!(words(&typed), ["use é"]);
        assert_eq!(line.text, "and");
        let halves: Vec<Typed> = "ü\n".bytes().flat_map(|b| line.take(&[b])).collect();
        assert_eq!(words(&halves), ["andü"]);
        assert!(words(&line.take(b"  \n\xff\xfe\x00\n")).is_empty());
    }

    #[test]
    fn a_megabyte_is_not_kept() {
        let mut line = Line::default();
        line.take(&vec![b'x'; 1 << 20]);
        assert!(line.text.len() <= TYPED_BYTES_MAX);
        assert_eq!(line.take(b"\n"), [Typed::TooLong]);
        assert_eq!(line.take(b"y\n"), [Typed::More, Typed::Words("y".into())]);
    }
}
