//! `atoll session`.

use atoll_api::{Commands, DeclassifyRequest, Error, ForkRequest, OnAsk, ResumeRequest};
use atoll_client::Client;
use atoll_domain::{Label, SessionState};
use clap::Subcommand;

use super::code;
use super::signals::Signals;
use super::talk::Talk;
use super::watch::Watch;
use crate::app::{App, now, say};
use crate::export;
use crate::ui;

/// Lines of work.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// Sessions, the newest first.
    #[command(
        after_help = "Examples:\n  atoll session list\n  atoll session list --limit 100 --json"
    )]
    List {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
    },
    /// One session, step by step.
    #[command(after_help = "Examples:\n  atoll session show s4\n  atoll session show @")]
    Show {
        /// s4, or @ for the latest.
        #[arg(default_value = "@")]
        session: String,
    },
    /// Go on with a session: where it was parked, or with more words.
    #[command(
        after_help = "Examples:\n  atoll session resume               pick one\n  atoll session resume s4\n  atoll session resume @ \"now also update the changelog\"\n  atoll session resume @ --model ollama/qwen2.5-coder:7b"
    )]
    Resume {
        /// s4, or @ for the latest; on a terminal a list to pick from.
        session: Option<String>,
        /// More words; - reads them from standard input. Not needed where the last turn was cut off.
        prompt: Option<String>,
        /// Another model to go on with: provider/model. What it can't read of the one before is said.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        /// What a question becomes: wait, deny, fail.
        #[arg(long, value_enum, env = "ATOLL_ON_ASK")]
        on_ask: Option<code::Ask>,
        /// Start it and leave it.
        #[arg(long)]
        detach: bool,
    },
    /// Go on beside a session: a new one, from where the last turn of this one ended.
    #[command(
        after_help = "Examples:\n  atoll session fork s4\n  atoll session fork s4 \"try it without the cache\"\n  atoll session fork s4 --turn 2 \"another way\""
    )]
    Fork {
        /// s4, or @ for the latest.
        session: String,
        /// What the fork is to do; - reads it from standard input. Without words it waits for a resume.
        prompt: Option<String>,
        /// From the end of this turn.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        turn: Option<u64>,
        /// What a question becomes: wait, deny, fail.
        #[arg(long, value_enum, env = "ATOLL_ON_ASK")]
        on_ask: Option<code::Ask>,
        /// Start it and leave it.
        #[arg(long)]
        detach: bool,
    },
    /// Take the last turn's changes of the private copy back, or those of more turns.
    #[command(
        after_help = "Examples:\n  atoll session undo s4\n  atoll session undo s4 --to 2       as it was after turn 2\n  atoll session undo s4 --to 0       as it was at the beginning"
    )]
    Undo {
        /// s4, or @ for the latest.
        session: String,
        /// Back to the end of this turn; 0 is the beginning. `session show` names the turns.
        #[arg(long, value_name = "TURN")]
        to: Option<u64>,
    },
    /// One session as a zip: to read, to hand on, and to check without this node. Without what looks like a secret.
    #[command(
        after_help = "Examples:\n  atoll session export s4\n  atoll session export s4 -o /tmp/for-audit.zip --max-size 10MiB\n  atoll session export @ --whole"
    )]
    Export(export::Args),
    /// What a session's context touched: each label with the events that set it.
    #[command(after_help = "Examples:\n  atoll session labels s4\n  atoll session labels @ --json")]
    Labels {
        /// s4, or @ for the latest.
        #[arg(default_value = "@")]
        session: String,
    },
    /// Clear a label: you looked at what set it, and vouch for it. The log keeps who and why.
    #[command(
        after_help = "Examples:\n  atoll session declassify s4 --label untrusted --why \"I read the page\"\n  atoll session declassify s4 --label untrusted --file docs/notes.md --why \"reviewed\"\n\nA new source sets the label again. secret and private can't be cleared."
    )]
    Declassify {
        /// s4, or @ for the latest.
        session: String,
        /// untrusted, the one that can be cleared.
        #[arg(long, value_parser = label)]
        label: Label,
        /// Why.
        #[arg(long, value_name = "WORDS")]
        why: String,
        /// Not the session's context, but this file of its workspace, or all below this folder.
        #[arg(long, value_name = "PATH")]
        file: Option<String>,
    },
    /// Remove a session's private copy and hide it; the log stays.
    #[command(after_help = "Examples:\n  atoll session delete s4")]
    Delete {
        /// s4, or @ for the latest.
        session: String,
    },
}

fn label(word: &str) -> Result<Label, String> {
    let found = Label::ALL.into_iter().find(|l| l.name() == word);
    found.ok_or_else(|| "it is untrusted, private or secret".into())
}

pub async fn run(app: &App, session: Session) -> Result<u8, Error> {
    let caller = app.caller();
    match session {
        Session::List { limit } => {
            let sessions = app.node().await?.sessions(&caller, limit).await?;
            app.show("sessions", &sessions, |style| {
                ui::sessions(style, &sessions, now())
            })
        }
        Session::Show { session } => {
            let detail = app.node().await?.session(&caller, session).await?;
            app.show_paged("session", &detail, |style| {
                ui::session(style, &detail, now())
            })
        }
        Session::Resume {
            session,
            prompt,
            model,
            on_ask,
            detach,
        } => {
            let session = match session {
                Some(session) => session,
                None => super::pick::session(app).await?,
            };
            let more = Resume {
                prompt,
                model,
                on_ask,
                detach,
            };
            resume(app, session, more).await
        }
        Session::Fork {
            session,
            prompt,
            turn,
            on_ask,
            detach,
        } => {
            let more = Resume {
                prompt,
                model: None,
                on_ask,
                detach,
            };
            fork(app, session, turn, more).await
        }
        Session::Export(args) => export::run(app, args).await,
        Session::Labels { session } => labels(app, session).await,
        Session::Declassify {
            session,
            label,
            why,
            file,
        } => declassify(app, session, DeclassifyRequest { label, why, file }).await,
        Session::Undo { session, to } => undo(app, session, to).await,
        Session::Delete { session } => {
            app.node()
                .await?
                .session_delete(&caller, session.clone())
                .await?;
            let data = serde_json::json!({ "session": session });
            app.show("deleted", &data, |_| {
                "Its private copy is gone; the log keeps what happened.\n".into()
            })
        }
    }
}

async fn labels(app: &App, session: String) -> Result<u8, Error> {
    let detail = app.node().await?.session(&app.caller(), session).await?;
    let data = serde_json::json!({ "session": detail.view.ordinal,
        "labels": detail.view.labels, "sources": detail.sources });
    app.show("labels", &data, |style| ui::labels(style, &detail))
}

async fn declassify(app: &App, session: String, request: DeclassifyRequest) -> Result<u8, Error> {
    let (client, caller) = (app.node().await?, app.caller());
    let cleared = client.session_declassify(&caller, session, request).await?;
    app.show("declassified", &cleared, |_| ui::cleared(&cleared))
}

async fn undo(app: &App, session: String, to: Option<u64>) -> Result<u8, Error> {
    let (client, caller) = (app.node().await?, app.caller());
    let view = match to {
        None => client.session_undo(&caller, session).await?,
        Some(turn) => client.session_undo_to(&caller, session, turn).await?,
    };
    let back = match to {
        None => "the last turn's changes of its copy are taken back".to_owned(),
        Some(0) => "its copy is as it was at the beginning".to_owned(),
        Some(turn) => format!("its copy is as it was after turn {turn}"),
    };
    app.show("session", &view, |_| {
        format!("Session {}: {back}.\n", view.ordinal)
    })
}

/// Forks a session; with words the fork goes on at once.
async fn fork(app: &App, session: String, turn: Option<u64>, how: Resume) -> Result<u8, Error> {
    let prompt = match how.prompt.as_deref() {
        Some("-") => Some(code::from_stdin()?),
        _ => how.prompt,
    };
    let client = app.node().await?;
    let request = ForkRequest { turn };
    let key = Client::fresh_key()?;
    let view = client
        .session_fork(&app.caller(), key, session, request)
        .await?;
    if prompt.is_none() {
        let ordinal = &view.ordinal;
        return app.show("session", &view, |_| {
            format!(
                "Session {ordinal} is the fork.\n\nNext  atoll session resume {ordinal} \"…\"\n"
            )
        });
    }
    if !app.json {
        say(&format!("Session {} is the fork.\n", view.ordinal));
    }
    resume(app, view.ordinal, Resume { prompt, ..how }).await
}

/// How to go on.
pub struct Resume {
    /// More words; `-` reads them from standard input.
    pub prompt: Option<String>,
    /// Another model to go on with; `None`: the one it has.
    pub model: Option<String>,
    /// What a question becomes.
    pub on_ask: Option<code::Ask>,
    /// Start it and leave it.
    pub detach: bool,
}

/// Goes on with a session.
pub async fn resume(app: &App, session: String, how: Resume) -> Result<u8, Error> {
    let prompt = match how.prompt.as_deref() {
        Some("-") => Some(code::from_stdin()?),
        _ => how.prompt,
    };
    let on_ask: OnAsk = code::on_ask(app, how.on_ask);
    let client = app.node().await?;
    let caller = app.caller();
    let view = client.session(&caller, session.clone()).await?.view;
    let terminal = app.terminal;
    let whole = terminal.stdin && terminal.stdout && terminal.stderr && !app.json;
    let bare = prompt.is_none() && how.model.is_none() && !how.detach;
    if view.mode == "chat" && view.state == SessionState::Idle && whole && bare {
        return super::chat::converse(app, &view, how.on_ask).await;
    }
    let talks = view.mode == "chat";
    // The key of the model that goes on, which need not be a configured one.
    let goes_on = how.model.clone().unwrap_or(view.model);
    let request = ResumeRequest {
        prompt,
        plan: None,
        on_ask,
        keys: code::keys(app, Some(&goes_on))?,
        model: how.model,
    };
    super::secret::ready(app, &client, false).await?;
    let mut signals = Signals::new()?;
    let begun = client.resume(&caller, session, request);
    let started = signals.during(begun).await?;
    let watch = Watch::new(app, client, started, on_ask);
    let watch = match talks {
        true => watch.talking(Talk::new(app)),
        false => watch,
    };
    watch.run(how.detach, signals).await
}
