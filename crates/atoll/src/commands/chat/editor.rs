//! The line that is edited: history, several lines, and a bound on what is typed or pasted.
//!
//! The history is kept by the log alone: in a file of its own it would outlive `log erase`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atoll_api::{Error, codes};
use rustyline::error::ReadlineError;
use rustyline::history::{History, MemHistory};
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Event, EventContext, EventHandler,
    KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use super::complete::Completions;

const HISTORY_MAX: usize = 1000;
/// What the node takes at most, in bytes.
const WORDS_BYTES_MAX: usize = 256 << 10;
/// What can be typed key by key, in bytes: each key at the end of a longer line writes all of it anew. A paste
/// that the terminal says is one is bounded by [`WORDS_BYTES_MAX`].
const TYPED_BYTES_MAX: usize = 32 << 10;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    Words(String),
    /// More than can be sent.
    TooLong(usize),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    Over,
}

/// Drops keys that would make the line too long, and remembers that it did.
struct Bound(Arc<AtomicBool>);

impl ConditionalEventHandler for Bound {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, ctx: &EventContext) -> Option<Cmd> {
        let letter = matches!(
            event.get(0),
            Some(KeyEvent(KeyCode::Char(_), mods)) if !mods.intersects(Modifiers::CTRL | Modifiers::ALT)
        );
        if !letter || ctx.line().len() < TYPED_BYTES_MAX {
            return None;
        }
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::Noop)
    }
}

/// The editor of a conversation.
pub struct Editor {
    line: rustyline::Editor<Completions, MemHistory>,
    long: Arc<AtomicBool>,
}

impl Editor {
    pub fn new(completions: Completions) -> Result<Editor, Error> {
        let trouble = |err: ReadlineError| {
            Error::new(codes::BUG, format!("the terminal can't be used: {err}"))
        };
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)
            .map_err(trouble)?
            .auto_add_history(false)
            .bracketed_paste(true)
            .completion_type(CompletionType::List)
            .build();
        let history = MemHistory::with_config(&config);
        let mut line = rustyline::Editor::with_history(config, history).map_err(trouble)?;
        line.set_helper(Some(completions));
        let long = Arc::new(AtomicBool::new(false));
        let bound = Box::new(Bound(long.clone()));
        line.bind_sequence(Event::Any, EventHandler::Conditional(bound));
        line.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
        Ok(Editor { line, long })
    }

    /// Words that the arrow keys bring back.
    pub fn remember(&mut self, words: &str) {
        if !words.trim().is_empty() {
            // A history that takes nothing more is no reason to stop.
            let _ = self.line.history_mut().add(words);
        }
    }

    /// Reads what the person says next; `typed` stands there already.
    pub fn read(&mut self, prompt: &str, typed: &str) -> Read {
        self.long.store(false, Ordering::Relaxed);
        let read = self.line.readline_with_initial(prompt, (typed, ""));
        let long = self.long.load(Ordering::Relaxed);
        match read {
            Ok(text) if long || text.len() > WORDS_BYTES_MAX => Read::TooLong(text.len()),
            Ok(text) => {
                let text = text.replace("\\\n", "\n").replace('\r', "\n");
                self.remember(&text);
                Read::Words(text)
            }
            Err(ReadlineError::Interrupted) => Read::Interrupted,
            Err(_) => Read::Over,
        }
    }
}
