//! A conversation on the terminal, turn by turn.

use atoll_api::{Commands, Error, OnAsk, codes};
use atoll_client::Client;
use atoll_domain::Shown;

use super::editor::{Editor, Read};
use super::slash::{self, Slash};
use super::{Args, Words, code, goes_on, pick};
use crate::app::{App, say};
use crate::commands::signals::Signals;
use crate::commands::talk::Talk;
use crate::commands::watch::Watch;
use crate::term;
use crate::ui;

/// A conversation.
struct Conversation<'a> {
    app: &'a App,
    client: Client,
    args: Args,
    root: String,
    /// Its session, once there were words.
    session: Option<String>,
    /// Another model, from the next turn on.
    model: Option<String>,
    plan: bool,
    on_ask: OnAsk,
}

/// What becomes of the conversation.
enum Next {
    /// The person's turn, with this in the line.
    Read(String),
    /// It is over, with this exit code.
    Over(u8),
}

pub async fn run(app: &App, args: Args, root: String) -> Result<u8, Error> {
    let session = match args.go_on {
        true => Some(pick::latest_in(app, std::path::Path::new(&root), "chat").await?),
        false => None,
    };
    let mut talk = Conversation {
        app,
        client: app.node().await?,
        model: None,
        plan: args.plan,
        on_ask: code::asked(app, args.on_ask).unwrap_or(OnAsk::Wait),
        args,
        root,
        session,
    };
    let hint = format!(
        "Talking about {}. /help lists the commands, /quit ends.",
        Shown::line(&talk.root)
    );
    say(&format!(
        "{}\n",
        ui::wrap(&hint, app.err.columns).join("\n")
    ));
    let mut editor = Some(Editor::new()?);
    let (mut typed, mut interrupted) = (String::new(), false);
    loop {
        let read = match read(&mut editor, std::mem::take(&mut typed)).await? {
            Ok(read) => read,
            Err(code) => return Ok(code),
        };
        let again = std::mem::replace(&mut interrupted, read == Read::Interrupted);
        match read {
            Read::Over => return Ok(0),
            Read::Interrupted if again => return Ok(codes::CANCELLED.exit),
            Read::Interrupted => say("Ctrl-C again ends the conversation.\n"),
            Read::TooLong(bytes) => say(&format!(
                "{bytes} bytes are more than can be sent; nothing was. Put it into a file and name it: @path\n"
            )),
            Read::Words(text) if text.trim().is_empty() => {}
            Read::Words(text) => match talk.said(text).await? {
                Next::Read(left) => typed = left,
                Next::Over(code) => return Ok(code),
            },
        }
    }
}

/// Reads on a thread of its own. `Err`: a signal came, with the exit code.
async fn read(editor: &mut Option<Editor>, typed: String) -> Result<Result<Read, u8>, Error> {
    let mut signals = Signals::new()?;
    // The editor's own mode is left as it is when a signal ends the command in its middle.
    let mode = term::Mode::kept();
    let mut own = match editor.take() {
        Some(editor) => editor,
        None => Editor::new()?,
    };
    let reading = tokio::task::spawn_blocking(move || {
        let read = own.read(&typed);
        (own, read)
    });
    tokio::select! {
        done = reading => {
            let (own, read) = done.map_err(|err| Error::new(codes::BUG, err.to_string()))?;
            *editor = Some(own);
            Ok(Ok(read))
        }
        _ = signals.hup.recv() => Ok(Err(0)),
        _ = signals.term.recv() => {
            drop(mode);
            Ok(Err(143))
        }
    }
}

impl Conversation<'_> {
    async fn said(&mut self, text: String) -> Result<Next, Error> {
        match slash::parse(&text) {
            None => self.turn(text).await,
            Some(Slash::Quit) => Ok(Next::Over(0)),
            Some(Slash::Plan(words)) => {
                self.plan = words.is_some() || !self.plan;
                say(match self.plan {
                    true => {
                        "From now on it only plans: nothing is written or run. /plan ends that.\n"
                    }
                    false => "It does again what is asked.\n",
                });
                match words {
                    Some(words) => self.turn(words).await,
                    None => Ok(Next::Read(String::new())),
                }
            }
            Some(command) => {
                if let Err(err) = self.command(command).await {
                    say(&ui::error(&self.app.err, &err));
                }
                Ok(Next::Read(String::new()))
            }
        }
    }

    async fn command(&mut self, command: Slash) -> Result<(), Error> {
        let caller = self.app.caller();
        let session = self.session.clone();
        let begun = || {
            session
                .clone()
                .ok_or_else(|| Error::new(codes::SESSION_STATE, "nothing was said yet"))
        };
        match command {
            Slash::Help => say(slash::HELP),
            Slash::Wrong(why) => say(&format!("{}\n", Shown::line(&why))),
            Slash::Cost => {
                let detail = self.client.session(&caller, begun()?).await?;
                say(&format!("{}\n", ui::words::cost(&detail.view.spent)));
            }
            Slash::Undo(to) => {
                let session = begun()?;
                let done = match to {
                    None => self.client.session_undo(&caller, session).await?,
                    Some(turn) => self.client.session_undo_to(&caller, session, turn).await?,
                };
                say(&match to {
                    None => format!(
                        "{}: the last turn's changes are taken back.\n",
                        done.ordinal
                    ),
                    Some(turn) => format!("{}: the copy is as after turn {turn}.\n", done.ordinal),
                });
            }
            Slash::Model(None) => match &session {
                Some(session) => {
                    let detail = self.client.session(&caller, session.clone()).await?;
                    say(&format!("{}\n", Shown::line(&detail.view.model)));
                }
                None => {
                    let named = self.args.model.as_deref().unwrap_or("the default model");
                    say(&format!("{}\n", Shown::line(named)));
                }
            },
            Slash::Model(Some(name)) => {
                say(&format!("{} answers next.\n", Shown::line(&name)));
                match session.is_none() {
                    true => self.args.model = Some(name),
                    false => self.model = Some(name),
                }
            }
            Slash::Quit | Slash::Plan(_) => {}
        }
        Ok(())
    }

    /// One turn. What goes wrong in it is said, and the person's turn comes again.
    async fn turn(&mut self, text: String) -> Result<Next, Error> {
        let words = Words {
            text: text.clone(),
            model: self.model.clone(),
            plan: self.plan,
            on_ask: self.on_ask,
        };
        let mut signals = Signals::new()?;
        let caller = self.app.caller();
        let begun = match &self.session {
            Some(session) => {
                let request = goes_on(self.app, words)?;
                let begun = self.client.resume(&caller, session.clone(), request);
                signals.during(begun).await
            }
            None => {
                let request = self.args.opens(self.app, self.root.clone(), words)?;
                let key = Client::fresh_key()?;
                let begun = self.client.chat(&caller, key, request);
                signals.during(begun).await
            }
        };
        let started = match begun {
            Ok(started) => started,
            Err(err) if err.is(codes::CANCELLED) => return Err(err),
            Err(err) => {
                // A model that isn't there is not tried again by itself.
                self.model = None;
                say(&ui::error(&self.app.err, &err));
                // The words are there again, to be sent once more.
                let left = if text.contains('\n') {
                    String::new()
                } else {
                    text
                };
                return Ok(Next::Read(left));
            }
        };
        self.session = Some(started.ordinal.clone());
        self.model = None;
        let watched = Watch::new(self.app, self.client.clone(), started, self.on_ask)
            .talking(Talk::new(self.app))
            .turn(signals)
            .await?;
        if watched.over {
            self.farewell();
            return Ok(Next::Over(watched.code));
        }
        self.line().await;
        Ok(Next::Read(watched.typed))
    }

    /// Model and cost so far.
    async fn line(&self) {
        let Some(session) = &self.session else { return };
        let detail = self.client.session(&self.app.caller(), session.clone());
        if let Ok(detail) = detail.await {
            let view = detail.view;
            let line = ui::chat_line(&self.app.err, &view, self.plan);
            say(&format!("{line}\n"));
        }
    }

    fn farewell(&self) {
        if let Some(session) = &self.session {
            say(&format!("Go on with it: atoll session resume {session}\n"));
        }
    }
}
