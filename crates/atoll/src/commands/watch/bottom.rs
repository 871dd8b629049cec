//! The line at the bottom of the terminal while a turn runs: what is typed, what waits to be heard, what goes on.

use std::time::Instant;

use atoll_api::Commands;
use atoll_domain::Shown;

use super::{HEARTBEAT, Watch};
use crate::app::{self, say};
use crate::typing::{Hands, Typed};
use crate::ui;

/// Columns that are needed to say which keys there are.
const KEYS_COLUMNS: usize = 60;
const KEYS: &str = "   Esc stops, typing steers";

/// What is written over. It stands below a line of an answer that is not finished, or where nothing stood.
#[derive(Debug, Default)]
pub(super) struct Bottom {
    stands: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Alone,
    /// Below a line that goes on in this column.
    Below(usize),
}

impl Bottom {
    /// Takes the line away; the cursor is where it was before.
    pub(super) fn clear(&mut self) {
        say(&self.gone());
    }

    fn gone(&mut self) -> String {
        match self.stands.take() {
            None => String::new(),
            Some(Place::Alone) => "\r\x1b[K".into(),
            Some(Place::Below(0)) => "\r\x1b[K\x1b[A".into(),
            Some(Place::Below(column)) => format!("\r\x1b[K\x1b[A\x1b[{column}C"),
        }
    }

    /// Shows `line`, which is shorter than the terminal is wide. `column`: where an answer's line stands unfinished.
    fn show(&mut self, line: &str, column: Option<usize>) {
        let (before, place) = match (self.stands, column) {
            (Some(place), _) => ("\r\x1b[K", place),
            (None, None) => ("\r\x1b[K", Place::Alone),
            (None, Some(column)) => ("\n\r\x1b[K", Place::Below(column)),
        };
        say(&format!("{before}{line}"));
        self.stands = Some(place);
    }
}

impl Watch<'_> {
    /// What was typed while the turn runs.
    pub(super) async fn typed(&mut self, typed: Vec<Typed>) -> Result<(), atoll_api::Error> {
        for typed in typed {
            match typed {
                Typed::Stop => self.interrupt().await?,
                Typed::Words(words) => {
                    let session = self.started.session.to_string();
                    let said = self.client.say(&self.app.caller(), session, words.clone());
                    let said = said.await;
                    // Refused words are not lost either: they are in the line again when the turn ends.
                    self.waiting.push_back(words);
                    if let Err(err) = said {
                        self.clear();
                        self.break_line();
                        say(&ui::error(&self.app.err_now(), &err));
                    }
                }
                Typed::TooLong => {
                    self.clear();
                    self.break_line();
                    say("that is longer than can be sent; nothing was\n");
                }
                Typed::More => {}
            }
        }
        self.status_line();
        Ok(())
    }

    /// Takes the line at the bottom away.
    pub(super) fn clear(&mut self) {
        self.bottom.clear();
    }

    /// Ends a line of an answer that is being written.
    pub(super) fn break_line(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.pause();
        }
    }

    pub(super) fn tick(&mut self) {
        if self.app.json {
            return;
        }
        if self.app.terminal.stderr && !self.app.terminal.dumb {
            self.fit();
            self.status_line();
            return;
        }
        let now = self.now();
        if self.said.elapsed() >= HEARTBEAT {
            self.said = Instant::now();
            say(&format!("        … {now}\n"));
        }
    }

    /// The terminal may be of another size now.
    fn fit(&mut self) {
        self.turn.fit(self.app.err_now().columns);
        if let Some(talk) = &mut self.talk {
            talk.fit(self.app.style_now().columns);
        }
    }

    fn now(&self) -> String {
        let passed = ui::words::span(self.begun.elapsed().as_millis() as u64);
        format!("{}, {passed}", self.turn.now())
    }

    /// The line again, where it was taken away for something else.
    pub(super) fn again(&mut self) {
        if self.hands.is_some() {
            self.status_line();
        }
    }

    /// Shows what is typed, else what waits to be heard, else what goes on.
    pub(super) fn status_line(&mut self) {
        let terminal = self.app.terminal;
        if self.app.json || !terminal.stderr || terminal.dumb {
            return;
        }
        let width = usize::from(app::size().0).max(4);
        let column = self.talk.as_ref().and_then(|talk| talk.column());
        // A line that the terminal itself broke: where it goes on is not known.
        if column.is_some_and(|column| column >= width) {
            return self.clear();
        }
        let line = self.bottom_line(width - 1);
        let line = self.app.err.dim(&line);
        self.bottom.show(&line, column);
    }

    fn bottom_line(&self, room: usize) -> String {
        let typed = self.hands.as_ref().map_or("", Hands::text);
        if !typed.is_empty() {
            let one = format!("> {}", typed.replace('\n', " ⏎ "));
            return Shown::line(&one).cut_left(room).to_string();
        }
        let mut line = match self.waiting.back() {
            Some(words) => format!("to be heard: {words}; {}", self.now()),
            None => self.now(),
        };
        if self.hands.is_some() && self.waiting.is_empty() && room >= KEYS_COLUMNS {
            line.push_str(KEYS);
        }
        Shown::line(&line).cut(room).to_string()
    }
}
