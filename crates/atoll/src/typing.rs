//! What a person types while a turn runs: words that steer, and Esc that stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

use crate::term::{self, Mode};

/// What a terminal puts around a paste, once it is asked to (xterm's bracketed paste mode).
const PASTE_BEGINS: &[u8] = b"200~";
const PASTE_ENDS: &[u8] = b"201~";
const PASTE_ON: &str = "\x1b[?2004h";
const PASTE_OFF: &str = "\x1b[?2004l";
/// A key's sequence, in bytes; a longer one is none.
const SEQUENCE_BYTES_MAX: usize = 32;
/// A key's sequence that begins with Esc comes in one piece, but for a slow line; after this it is no sequence.
const ESC_ALONE: Duration = Duration::from_millis(50);
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
    /// The sequence's bytes so far.
    sequence: Vec<u8>,
    /// Within a paste, as the terminal marks it: new lines are a part of the words.
    paste: bool,
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
    /// Takes bytes in; what they mean. An Esc at their end is none until it is [settled](Line::settle).
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut out = Vec::new();
        for byte in bytes {
            self.byte(*byte, &mut out);
        }
        out
    }

    /// Whether an Esc waits for what may follow. Within a paste something does: the sequence that ends it.
    fn waits(&self) -> bool {
        self.escape == Escape::Began && !self.paste
    }

    /// Nothing followed: an Esc that waits is one.
    fn settle(&mut self) -> Vec<Typed> {
        match self.waits() {
            true => {
                self.escape = Escape::None;
                vec![Typed::Stop]
            }
            false => Vec::new(),
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<Typed>) {
        match (self.escape, byte) {
            (Escape::Began, b'[' | b'O') => {
                self.sequence.clear();
                self.escape = Escape::Sequence;
            }
            // Alt-Enter: another line.
            (Escape::Began, b'\r' | b'\n') => {
                self.escape = Escape::None;
                self.push("\n", out);
            }
            // Alt and a key: no words.
            (Escape::Began, _) => self.escape = Escape::None,
            (Escape::Sequence, byte) => self.sequence(byte),
            (Escape::None, 0x1b) => self.escape = Escape::Began,
            (Escape::None, b'\r' | b'\n') if self.paste => self.push("\n", out),
            (Escape::None, b'\r' | b'\n') if self.text.ends_with('\\') => {
                self.text.pop();
                self.push("\n", out);
            }
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
            // Ctrl-W: the last word away.
            (Escape::None, 0x17) => {
                let kept = self.text.trim_end().rfind(char::is_whitespace);
                self.text.truncate(kept.map_or(0, |at| at + 1));
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

    /// A byte of a key's sequence, which a letter or `~` ends.
    fn sequence(&mut self, byte: u8) {
        self.sequence.push(byte);
        if !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'~')
            && self.sequence.len() < SEQUENCE_BYTES_MAX
        {
            return;
        }
        self.escape = Escape::None;
        match self.sequence.as_slice() {
            PASTE_BEGINS => self.paste = true,
            PASTE_ENDS => self.paste = false,
            _ => {}
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
    /// When an Esc that waits is one.
    settles: Option<Instant>,
}

impl Hands {
    /// `None`: there is no terminal. `typed` stands in the line already.
    pub fn new(typed: String) -> Option<Hands> {
        // In the background, a change of the terminal's mode would stop the command.
        if !term::in_front() {
            return None;
        }
        let mode = Mode::keys()?;
        crate::app::say(PASTE_ON);
        let stop = Arc::new(AtomicBool::new(false));
        Some(Hands {
            keys: term::stdin_bytes(stop.clone()),
            stop,
            mode: Some(mode),
            line: Line {
                text: typed,
                ..Line::default()
            },
            settles: None,
        })
    }

    /// What is typed next; never, once the terminal ended.
    pub async fn next(&mut self) -> Vec<Typed> {
        // The moment stays the same when this is called again before it came.
        let bytes = match self.settles {
            Some(at) => match timeout_at(at, self.keys.recv()).await {
                Ok(bytes) => bytes,
                Err(_) => {
                    self.settles = None;
                    return self.line.settle();
                }
            },
            None => self.keys.recv().await,
        };
        let Some(bytes) = bytes else {
            return std::future::pending().await;
        };
        let typed = self.line.take(&bytes);
        self.settles = self.line.waits().then(|| Instant::now() + ESC_ALONE);
        typed
    }

    /// The line as it stands.
    pub fn text(&self) -> &str {
        &self.line.text
    }

    /// Lets go of the terminal: nobody reads it after this. What was typed without Enter.
    pub async fn rest(mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let mut left = Vec::new();
        while let Some(bytes) = self.keys.recv().await {
            // Lines that come this late are the next words.
            left.extend(self.line.take(&bytes).into_iter().filter_map(|t| match t {
                Typed::Words(words) => Some(words),
                _ => None,
            }));
        }
        self.lets_go();
        left.push(std::mem::take(&mut self.line.text));
        left.retain(|words| !words.trim().is_empty());
        left.join("\n")
    }
}

impl Hands {
    fn lets_go(&mut self) {
        if self.mode.take().is_some() {
            crate::app::say(PASTE_OFF);
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.lets_go();
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
        assert!(line.take(b"\x1b").is_empty());
        assert_eq!(line.settle(), [Typed::Stop]);
        assert!(line.settle().is_empty());
        for key in [
            &b"\x1b[A"[..],
            b"\x1bOP",
            b"\x1b[3~",
            b"\x1b[200~",
            b"\x1bx",
        ] {
            // Whole, and cut behind the Esc.
            line.take(key);
            assert!(line.settle().is_empty(), "{key:?}");
            line.take(&key[..1]);
            line.take(&key[1..]);
            assert!(line.settle().is_empty(), "{key:?}");
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
    fn a_paste_is_one_message_until_enter() {
        let mut line = Line::default();
        let paste = b"\x1b[200~one\r\x1b[31mtwo\n\ttwo and a half\x1b[201~";
        assert!(words(&line.take(paste)).is_empty());
        assert_eq!(line.text, "one\ntwo\n    two and a half");
        // Cut anywhere, also behind the Esc that its end begins with.
        let mut cut = Line::default();
        let typed: Vec<Typed> = paste.iter().flat_map(|b| cut.take(&[*b])).collect();
        assert!(!typed.contains(&Typed::Stop) && cut.settle().is_empty());
        assert_eq!(cut.text, line.text);
        assert_eq!(words(&line.take(b"\r")), ["one\ntwo\n    two and a half"]);
        // Alt-Enter and a backslash go on in another line; Ctrl-W takes a word back.
        assert_eq!(words(&line.take(b"a\x1b\rb\\\rc dd\x17e\r")), ["a\nb\nc e"]);
        line.take(b"\x1b");
        assert_eq!(line.settle(), [Typed::Stop]);
        line.take(&[b"\x1b[".to_vec(), vec![b'1'; 1000], b"x".to_vec()].concat());
        assert!(line.sequence.len() <= SEQUENCE_BYTES_MAX && line.text.ends_with('x'));
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
