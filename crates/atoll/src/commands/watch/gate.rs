//! A gate in the middle of a session that is watched.

use std::sync::Arc;

use atoll_api::{AnswerRequest, Commands, Error, GateView, OnAsk, codes};
use atoll_client::Client;
use tokio::sync::Notify;

use super::{End, TICK, Watch};
use crate::app::say;
use crate::ask::{Asked, ask};
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
        // An old gate of the log that is replayed to this watcher may be answered long since.
        let caller = self.app.caller();
        let fresh = self.client.gate(&caller, gate.gate.to_string()).await?;
        if fresh.answer.is_some() {
            return Ok(None);
        }
        let answered = Arc::new(Notify::new());
        let looking = tokio::spawn(elsewhere(
            self.client.clone(),
            caller.clone(),
            gate.gate.to_string(),
            answered.clone(),
        ));
        // One reader of the keyboard at a time.
        let typed = match self.hands.take() {
            Some(hands) => Some(hands.rest().await),
            None => None,
        };
        let asked = ask(self.app, &fresh, answered.notified()).await;
        looking.abort();
        self.hands = typed.and_then(Hands::new);
        match asked {
            Asked::Gone => Ok(None),
            Asked::Later => {
                say(&format!(
                    "Gate {} stays open and {} waits for it.\n  answer it    atoll gate answer {}\n  watch again  atoll session resume {}\n",
                    gate.ordinal, self.started.ordinal, gate.ordinal, self.started.ordinal
                ));
                self.left = Some(gate.ordinal.clone());
                Ok(Some(End::Code(codes::NEEDS_PERSON.exit)))
            }
            Asked::Answer(answer, why) => {
                let request = AnswerRequest {
                    answer,
                    why,
                    gate: gate.gate,
                };
                match self
                    .client
                    .gate_answer(&caller, gate.gate.to_string(), request)
                    .await
                {
                    Err(err) if err.is(codes::GATE_CLOSED) => {
                        say("It was answered elsewhere meanwhile.\n");
                        Ok(None)
                    }
                    Err(err) => Err(err),
                    Ok(_) => Ok(None),
                }
            }
        }
    }
}

/// Looks whether a gate was answered by somebody else.
async fn elsewhere(client: Client, caller: atoll_api::Caller, gate: String, answered: Arc<Notify>) {
    loop {
        tokio::time::sleep(TICK).await;
        match client.gate(&caller, gate.clone()).await {
            Ok(view) if view.answer.is_none() => {}
            _ => {
                answered.notify_one();
                return;
            }
        }
    }
}
