//! How a conversation's answers are told: streamed on a terminal, whole and raw where they are piped.

use atoll_api::{PatchDetail, Progress};
use atoll_domain::{SessionEnd, Shown};

use crate::app::{App, out, say};
use crate::ui::{self, Markdown, Style};

/// What was told of the reply that comes in.
pub struct Talk {
    /// `None`: standard output is no terminal.
    markdown: Option<Markdown>,
    /// What was written of the reply, as it came.
    streamed: String,
    /// The last reply, whole.
    last: String,
    mid_line: bool,
    /// Whether an empty line is due before the next words: other lines stand above.
    apart: bool,
    /// Whether the person's next turn follows on the same terminal.
    conversation: bool,
    /// Whether the last thing that was told is why the model failed.
    failed: bool,
}

impl Talk {
    pub fn new(app: &App) -> Talk {
        let style: Style = app.style_now();
        Talk {
            markdown: app.terminal.stdout.then(|| Markdown::new(style)),
            streamed: String::new(),
            last: String::new(),
            mid_line: false,
            apart: true,
            conversation: false,
            failed: false,
        }
    }

    /// The person's next turn follows on the same terminal.
    pub fn in_conversation(self) -> Talk {
        Talk {
            conversation: true,
            ..self
        }
    }

    /// The column in which a line of an answer stands unfinished on the terminal.
    pub fn column(&self) -> Option<usize> {
        let column = self.markdown.as_ref().map_or(0, Markdown::column);
        (column > 0).then_some(column)
    }

    /// The page is so wide now.
    pub fn fit(&mut self, columns: usize) {
        if let Some(markdown) = &mut self.markdown {
            markdown.fit(columns);
        }
    }

    /// Other lines were written: the next words stand apart from them.
    pub fn apart(&mut self) {
        self.pause();
        self.apart = true;
    }

    /// Whether this update writes something on the terminal.
    pub fn hears(&self, progress: &Progress) -> bool {
        self.markdown.is_some()
            && matches!(progress, Progress::Text { .. } | Progress::Replied { .. })
    }

    /// Takes in what the model says.
    pub fn take(&mut self, progress: &Progress) {
        match progress {
            Progress::Asking { .. } | Progress::Retrying { .. } => {
                self.pause();
                self.streamed.clear();
                self.failed = false;
            }
            Progress::ReplyFailed { reason, .. } => self.failed = reason != "cancelled",
            Progress::Text { text } => {
                let text = match self.streamed.is_empty() {
                    true => text.trim_start(),
                    false => text,
                };
                self.streamed.push_str(text);
                self.write(text);
            }
            Progress::Replied { text, .. } => self.replied(text),
            _ => {}
        }
    }

    /// The reply is whole: pieces that a slow watcher lost are told now.
    fn replied(&mut self, text: &str) {
        let streamed = std::mem::take(&mut self.streamed);
        match text.trim_start().strip_prefix(streamed.trim_end()) {
            // Its end is the same but for spaces.
            Some(rest) if rest.trim().is_empty() => {}
            Some(rest) => self.write(rest),
            None => {
                self.pause();
                self.write(text);
            }
        }
        self.pause();
        if !text.trim().is_empty() {
            self.last = text.trim().to_owned();
        }
    }

    fn write(&mut self, text: &str) {
        if let Some(markdown) = &mut self.markdown {
            let mut lines = markdown.feed(text);
            if !text.trim().is_empty() {
                if std::mem::take(&mut self.apart) {
                    lines.insert(0, '\n');
                }
                self.mid_line = true;
            }
            out(lines.as_bytes());
        }
    }

    /// Ends the line that is being written.
    pub fn pause(&mut self) {
        if let Some(markdown) = &mut self.markdown {
            out(markdown.end().as_bytes());
        }
        self.mid_line = false;
    }

    /// The turn is over: the answer for a pipe, then what else came of it, for people.
    pub fn ended(
        &mut self,
        app: &App,
        ordinal: &str,
        end: SessionEnd,
        words: &str,
        patch: Option<&PatchDetail>,
    ) {
        self.pause();
        let answers = matches!(end, SessionEnd::Answer | SessionEnd::Patch);
        if answers && self.markdown.is_none() {
            let answer = if self.last.is_empty() {
                words
            } else {
                &self.last
            };
            out(format!("{}\n", Shown::text(answer.trim())).as_bytes());
        }
        match patch {
            Some(patch) if self.conversation => {
                say(&format!("\n{}", ui::ready_in_chat(&app.err_now(), patch)));
            }
            Some(patch) => say(&format!("\n{}", ui::ready(&app.err_now(), patch))),
            None if answers => {}
            None if self.conversation => {
                // Why the model failed is said once.
                let words = if self.failed { "" } else { words };
                say(&ui::no_answer_in_chat(&app.err_now(), end, words));
            }
            None => say(&ui::no_answer(&app.err_now(), ordinal, end, words)),
        }
    }
}
