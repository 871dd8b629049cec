//! What the commands within a conversation do.

use atoll_api::{Commands, Error, PatchView, SessionDetail, codes};
use atoll_domain::Shown;

use super::begin::answers;
use super::slash::{self, Slash};
use super::turns::{Conversation, Next};
use crate::app::say;
use crate::commands::{gate, patch};
use crate::offline;
use crate::ui;

impl Conversation<'_> {
    /// Does what is commanded; a turn, where one begins with it.
    pub(super) async fn command(&mut self, command: Slash) -> Result<Option<Next>, Error> {
        match command {
            Slash::Help => say(slash::HELP),
            Slash::Wrong(why) => say(&format!("{}\n", Shown::line(&why))),
            Slash::Quit => return Ok(Some(Next::Over(0))),
            Slash::Plan(words) => return self.plans(words).await,
            Slash::New => self.anew(),
            Slash::Cost => {
                let spent = self.detail().await?.view.spent;
                say(&format!("{}\n", ui::words::cost(&spent)));
            }
            Slash::Undo(to) => self.undo(to).await?,
            Slash::Model(name) => self.models(name).await?,
            Slash::Patch(named) => {
                let patch = self.patch(named).await?;
                patch::run(self.app, patch::Patch::Show { patch }).await?;
            }
            Slash::Accept(named) => {
                let patch = self.patch(named).await?;
                let accept = patch::Patch::Accept {
                    patch,
                    branch: None,
                    confirm_runs_outside: false,
                };
                patch::run(self.app, accept).await?;
            }
            Slash::Reject(why) => {
                let patch = self.patch(None).await?;
                let why = why.unwrap_or_default();
                patch::run(self.app, patch::Patch::Reject { patch, why }).await?;
            }
            Slash::Gate => return self.gate().await.map(Some),
        }
        Ok(None)
    }

    async fn plans(&mut self, words: Option<String>) -> Result<Option<Next>, Error> {
        self.plan = words.is_some() || !self.plan;
        say(match self.plan {
            true => "From now on it only plans: nothing is written or run. /plan ends that.\n",
            false => "It does again what is asked.\n",
        });
        match words {
            Some(words) => self.turn(words).await.map(Some),
            None => Ok(None),
        }
    }

    fn anew(&mut self) {
        if let Some(before) = self.session.take() {
            self.args.model = self.model.take().or(self.args.model.take());
            (self.waits, self.context_tokens) = (None, None);
            say(&format!(
                "The next words begin a new conversation. The one before: atoll session resume {before}\n"
            ));
        }
    }

    /// The session as it is now.
    async fn detail(&self) -> Result<SessionDetail, Error> {
        let Some(session) = self.session.clone() else {
            return Err(Error::new(codes::SESSION_STATE, "nothing was said yet"));
        };
        self.client.session(&self.app.caller(), session).await
    }

    async fn undo(&mut self, to: Option<u64>) -> Result<(), Error> {
        let session = self.detail().await?.view.ordinal;
        let caller = self.app.caller();
        let done = match to {
            None => self.client.session_undo(&caller, session).await?,
            Some(turn) => self.client.session_undo_to(&caller, session, turn).await?,
        };
        let what = match to {
            None => "the last turn's changes are taken back".to_owned(),
            Some(turn) => format!("the copy is as after turn {turn}"),
        };
        say(&format!("{}: {what}.\n", done.ordinal));
        Ok(())
    }

    async fn models(&mut self, name: Option<String>) -> Result<(), Error> {
        self.models = self.client.models(&self.app.caller()).await?;
        let Some(name) = name else {
            let now = match (&self.model, &self.session, &self.args.model) {
                (Some(next), ..) => Some(next.clone()),
                (None, Some(_), _) => Some(self.detail().await?.view.model),
                (None, None, named) => named.clone(),
            };
            if let Some(now) = now {
                say(&format!("{} answers.\n", Shown::line(&now)));
            }
            say(&ui::models(&self.app.err_now(), &self.models));
            say("/model NAME changes it.\n");
            return Ok(());
        };
        let choice = offline::models::resolve(&self.app.paths, &name)?;
        let full = choice.model.to_string();
        say(&match choice.remote {
            true => format!(
                "{} answers next, at {}: code is sent there, within the policy.\n",
                Shown::line(&full),
                Shown::line(&choice.endpoint)
            ),
            false => format!("{} answers next, here.\n", Shown::line(&full)),
        });
        match self.session.is_none() {
            true => self.args.model = Some(full),
            false => self.model = Some(full),
        }
        Ok(())
    }

    /// The patch that is named, else the latest of the conversation.
    async fn patch(&self, named: Option<String>) -> Result<String, Error> {
        if let Some(named) = named {
            return Ok(named);
        }
        let patches = self.detail().await?.patches;
        let latest = patches.iter().max_by_key(|patch: &&PatchView| {
            patch
                .ordinal
                .trim_start_matches('p')
                .parse::<u64>()
                .unwrap_or(0)
        });
        latest.map(|patch| patch.ordinal.clone()).ok_or_else(|| {
            Error::new(codes::NO_SUCH, "this conversation has no patch yet")
                .next("ask for a change: what it changes becomes a patch")
        })
    }

    /// Asks again at the gate that was left open.
    async fn gate(&mut self) -> Result<Next, Error> {
        let open = self.detail().await?.gates;
        if open.is_empty() {
            say("No gate is open.\n");
            return Ok(Next::Read(String::new()));
        }
        match self.waits {
            Some(_) => self.goes_on_watching().await,
            None => {
                let gate = gate::Gate::Answer {
                    gate: open[0].ordinal.clone(),
                    answer: None,
                    why: String::new(),
                    like: false,
                };
                gate::run(self.app, gate).await?;
                Ok(Next::Read(String::new()))
            }
        }
    }

    /// Who answers, and where.
    pub(super) fn who(&self, name: &str) -> String {
        answers(&self.models, name)
    }
}
