//! A gate in the middle of a session that is watched.

use atoll_api::{Error, GateView, OnAsk, codes};

use super::{End, Watch};
use crate::app::say;
use crate::ask::{Decided, decide};
use crate::typing::Hands;
use crate::ui;

impl Watch<'_> {
    /// Asks on the terminal, unless somebody answers elsewhere meanwhile. Without a terminal it is only said.
    pub(super) async fn gate(&mut self, gate: GateView) -> Result<Option<End>, Error> {
        let terminal = self.app.terminal;
        if self.app.json || self.on_ask != OnAsk::Wait || gate.answer.is_some() {
            return Ok(None);
        }
        self.break_line();
        self.clear();
        if !(terminal.stdin && terminal.stderr) {
            say(&ui::gate(&self.app.err, &gate, crate::app::now(), false));
            return Ok(None);
        }
        // One reader of the keyboard at a time.
        let typed = match self.hands.take() {
            Some(hands) => Some(hands.rest().await),
            None => None,
        };
        let decided = decide(self.app, &self.client, &gate).await;
        self.hands = typed.and_then(Hands::new);
        if decided? == Decided::Later {
            say(&format!(
                "Gate {} stays open and {} waits for it.\n  answer it    atoll gate answer {}\n  watch again  atoll session resume {}\n",
                gate.ordinal, self.started.ordinal, gate.ordinal, self.started.ordinal
            ));
            self.left = Some(gate.ordinal.clone());
            return Ok(Some(End::Code(codes::NEEDS_PERSON.exit)));
        }
        Ok(None)
    }
}
