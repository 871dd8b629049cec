//! A conversation on the terminal, turn by turn.

use std::path::PathBuf;

use atoll_api::{Commands, Error, ModelView, OnAsk, Started, codes};
use atoll_client::Client;
use atoll_domain::SessionState;

use super::complete::Completions;
use super::editor::{Editor, Read};
use super::{Args, Words, begin, code, goes_on, slash};
use crate::app::{App, say};
use crate::commands::signals::Signals;
use crate::commands::talk::Talk;
use crate::commands::watch::Watch;
use crate::term;
use crate::ui;

const PROMPT: &str = "> ";
const PROMPT_PLAN: &str = "plan> ";

/// A conversation.
pub(super) struct Conversation<'a> {
    pub(super) app: &'a App,
    pub(super) client: Client,
    pub(super) args: Args,
    root: String,
    /// Its session, once there were words.
    pub(super) session: Option<String>,
    /// Another model, from the next turn on.
    pub(super) model: Option<String>,
    /// What models there are.
    pub(super) models: Vec<ModelView>,
    pub(super) plan: bool,
    on_ask: OnAsk,
    /// Where to watch again from, while it waits at a gate that was left open.
    pub(super) waits: Option<u64>,
    /// Tokens of the last call: what of the window is in use.
    pub(super) context_tokens: Option<u64>,
}

/// What becomes of the conversation.
pub(super) enum Next {
    /// The person's turn, with this in the line.
    Read(String),
    /// It is over, with this exit code.
    Over(u8),
}

/// Begins a conversation, or goes on with `session`.
pub async fn run(
    app: &App,
    args: Args,
    root: String,
    session: Option<String>,
) -> Result<u8, Error> {
    let client = app.node().await?;
    crate::commands::secret::ready(app, &client, false).await?;
    // Without them there is only less to complete.
    let models = client.models(&app.caller()).await.unwrap_or_default();
    let mut talk = Conversation {
        app,
        client,
        model: None,
        models,
        plan: args.plan,
        on_ask: code::asked(app, args.on_ask).unwrap_or(OnAsk::Wait),
        args,
        root,
        session,
        waits: None,
        context_tokens: None,
    };
    talk.greet().await?;
    let mut editor = Some(talk.editor().await?);
    let code = talk.turns(&mut editor).await?;
    talk.farewell();
    Ok(code)
}

/// Reads on a thread of its own. `Err`: a signal came, with the exit code.
async fn read(
    editor: &mut Option<Editor>,
    prompt: &'static str,
    typed: String,
) -> Result<Result<Read, u8>, Error> {
    let mut signals = Signals::new()?;
    // The editor's own mode is left as it is when a signal ends the command in its middle.
    let mode = term::Mode::kept();
    let Some(mut own) = editor.take() else {
        return Ok(Ok(Read::Over));
    };
    let reading = tokio::task::spawn_blocking(move || {
        let read = own.read(prompt, &typed);
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
    async fn greet(&mut self) -> Result<(), Error> {
        let detail = match &self.session {
            Some(session) => {
                let caller = self.app.caller();
                Some(self.client.session(&caller, session.clone()).await?)
            }
            None => None,
        };
        let before = detail.as_ref().map(|detail| detail.view.model.clone());
        let named = before.or(self.args.model.clone());
        begin::greet(self.app, &self.root, &self.models, named.as_deref());
        if let Some(detail) = detail {
            self.context_tokens = detail.context_tokens;
            begin::recall(self.app, &detail);
        }
        Ok(())
    }

    async fn editor(&self) -> Result<Editor, Error> {
        let completions = Completions {
            root: PathBuf::from(&self.root),
            models: self.models.iter().map(|m| m.name.clone()).collect(),
        };
        let mut editor = Editor::new(completions)?;
        // A conversation is no worse for a history that can't be read.
        let said = begin::said_before(self.app, &self.client, &self.root).await;
        said.unwrap_or_default()
            .iter()
            .for_each(|words| editor.remember(words));
        Ok(editor)
    }

    /// Until it is over; the exit code.
    async fn turns(&mut self, editor: &mut Option<Editor>) -> Result<u8, Error> {
        let (mut typed, mut interrupted) = (String::new(), false);
        loop {
            let prompt = if self.plan { PROMPT_PLAN } else { PROMPT };
            let read = match read(editor, prompt, std::mem::take(&mut typed)).await? {
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
                Read::Words(text) => match self.said(text).await? {
                    Next::Read(left) => typed = left,
                    Next::Over(code) => return Ok(code),
                },
            }
        }
    }

    async fn said(&mut self, text: String) -> Result<Next, Error> {
        let Some(command) = slash::parse(&text) else {
            return self.turn(text).await;
        };
        match self.command(command).await {
            Ok(next) => Ok(next.unwrap_or(Next::Read(String::new()))),
            Err(err) if err.is(codes::CANCELLED) => Err(err),
            Err(err) => {
                say(&ui::error(&self.app.err_now(), &err));
                Ok(Next::Read(String::new()))
            }
        }
    }

    /// Begins a turn with these words, or gives them to the one that waits at a gate.
    async fn begins(&mut self, words: Words, signals: &mut Signals) -> Result<Started, Error> {
        let caller = self.app.caller();
        let Some(session) = self.session.clone() else {
            let request = self.args.opens(self.app, self.root.clone(), words)?;
            let key = Client::fresh_key()?;
            return signals
                .during(self.client.chat(&caller, key, request))
                .await;
        };
        if let Some(cursor) = self.waits {
            let state = self
                .client
                .session(&caller, session.clone())
                .await?
                .view
                .state;
            if matches!(state, SessionState::Running | SessionState::NeedsYou) {
                let said = self.client.say(&caller, session, words.text);
                let started = signals.during(said).await?;
                return Ok(Started { cursor, ..started });
            }
            self.waits = None;
        }
        let named = match &words.model {
            Some(model) => model.clone(),
            None => {
                self.client
                    .session(&caller, session.clone())
                    .await?
                    .view
                    .model
            }
        };
        let request = goes_on(self.app, words, &named)?;
        let begun = self.client.resume(&caller, session, request);
        signals.during(begun).await
    }

    /// One turn. What goes wrong in it is said, and the person's turn comes again.
    pub(super) async fn turn(&mut self, text: String) -> Result<Next, Error> {
        let words = Words {
            text: text.clone(),
            model: self.model.clone(),
            plan: self.plan,
            on_ask: self.on_ask,
        };
        let mut signals = Signals::new()?;
        let started = match self.begins(words, &mut signals).await {
            Ok(started) => started,
            Err(err) if err.is(codes::CANCELLED) => return Err(err),
            Err(err) => {
                // A model that isn't there is not tried again by itself.
                self.model = None;
                say(&ui::error(&self.app.err_now(), &err));
                // The words are there again, to be sent once more.
                return Ok(Next::Read(text));
            }
        };
        self.session = Some(started.ordinal.clone());
        self.model = None;
        self.watch(started, signals).await
    }

    /// Watches the turn that waits at a gate again, and is asked once more.
    pub(super) async fn goes_on_watching(&mut self) -> Result<Next, Error> {
        let (Some(session), Some(cursor)) = (self.session.clone(), self.waits) else {
            return Ok(Next::Read(String::new()));
        };
        let view = self.client.session(&self.app.caller(), session).await?.view;
        let started = Started {
            ordinal: view.ordinal,
            session: view.session,
            cursor,
            notes: Vec::new(),
        };
        self.watch(started, Signals::new()?).await
    }

    async fn watch(&mut self, started: Started, signals: Signals) -> Result<Next, Error> {
        let watched = Watch::new(self.app, self.client.clone(), started, self.on_ask)
            .talking(Talk::new(self.app).in_conversation())
            .turn(signals)
            .await?;
        self.waits = watched.waits;
        self.context_tokens = watched.context_tokens.or(self.context_tokens);
        if watched.over {
            return Ok(Next::Over(watched.code));
        }
        self.line().await;
        Ok(Next::Read(watched.typed))
    }

    /// Where the conversation stands: the model, what of its window is in use, the cost.
    async fn line(&self) {
        let Some(session) = &self.session else { return };
        let detail = self.client.session(&self.app.caller(), session.clone());
        let Ok(detail) = detail.await else { return };
        let view = detail.view;
        let known = self.models.iter().find(|model| model.name == view.model);
        let window = known.map(|model| model.context_tokens);
        let used = self.context_tokens.zip(window.filter(|window| *window > 0));
        let who = self.who(&view.model);
        let line = ui::chat_line(&self.app.err_now(), &view, &who, used);
        say(&format!("\n{line}\n"));
    }

    fn farewell(&self) {
        if let Some(session) = &self.session {
            say(&format!("Go on with it: atoll session resume {session}\n"));
        }
    }
}
