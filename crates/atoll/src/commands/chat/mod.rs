//! `atoll chat`: one question, or a conversation on the terminal.

mod actions;
mod begin;
mod complete;
mod editor;
mod slash;
mod turns;

use std::path::{Path, PathBuf};

use atoll_api::{CodeRequest, Commands, Error, OnAsk, ResumeRequest, SessionView, codes};
use atoll_client::Client;

use super::code::{self, Ask};
use super::pick;
use super::signals::Signals;
use super::talk::Talk;
use super::watch::Watch;
use crate::app::{App, env};

/// Talk about a folder: answers, and patches where you ask for changes. Your files stay as they are.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll chat\n  atoll chat \"where is the rounding done? @till/total.py\"\n  atoll chat -c \"and in the web shop?\"\n  git diff | atoll chat - > review.md"
)]
pub struct Args {
    /// One question, answered on standard output; - reads it from standard input. Left out on a terminal: a
    /// conversation.
    prompt: Option<String>,
    /// The folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Go on with the folder's latest conversation.
    #[arg(long = "continue", short = 'c', conflicts_with_all = ["test", "max_steps", "max_cost", "time", "max_tokens", "model", "profile"])]
    go_on: bool,
    /// The test command; found by itself if left out.
    #[arg(long, value_name = "CMD")]
    test: Option<String>,
    /// provider/model.
    #[arg(long, env = "ATOLL_MODEL", value_name = "NAME")]
    model: Option<String>,
    /// Model calls per turn at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    max_steps: Option<u64>,
    /// Money at most, in US dollars; also the leave to spend it on this workspace with this provider.
    #[arg(long, value_name = "USD", value_parser = code::usd)]
    max_cost: Option<u64>,
    /// Wall time per turn at most: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = code::seconds)]
    time: Option<u64>,
    /// Tokens at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    /// Only plan: nothing is written or run.
    #[arg(long)]
    plan: bool,
    /// What a question becomes: wait on a terminal, else deny.
    #[arg(long, value_enum, env = "ATOLL_ON_ASK", value_name = "WHAT")]
    on_ask: Option<Ask>,
    /// The rules to start from: read-only, careful, open.
    #[arg(long, env = "ATOLL_PROFILE", value_name = "NAME", value_parser = code::PROFILES, hide_possible_values = true)]
    profile: Option<String>,
}

/// What a turn of a conversation begins with.
struct Words {
    text: String,
    /// Another model to go on with.
    model: Option<String>,
    plan: bool,
    on_ask: OnAsk,
}

impl Args {
    /// Begins the session with its first words.
    fn opens(&self, app: &App, root: String, words: Words) -> Result<CodeRequest, Error> {
        Ok(CodeRequest {
            root,
            prompt: words.text,
            test: self.test.clone(),
            keys: code::keys(app, self.model.as_deref())?,
            model: self.model.clone(),
            steps_max: self.max_steps,
            micros_max: self.max_cost,
            time_s: self.time,
            tokens_max: self.max_tokens,
            plan: words.plan,
            on_ask: words.on_ask,
            profile: self.profile.clone(),
            home: app.paths.home.display().to_string(),
            path: env("PATH").unwrap_or_default(),
        })
    }
}

/// Goes on with it; `named` is the model that answers then, whose key is needed.
fn goes_on(app: &App, words: Words, named: &str) -> Result<ResumeRequest, Error> {
    Ok(ResumeRequest {
        prompt: Some(words.text),
        keys: code::keys(app, Some(named))?,
        model: words.model,
        plan: Some(words.plan),
        on_ask: words.on_ask,
    })
}

/// Goes on with a conversation on the terminal.
pub async fn converse(app: &App, view: &SessionView, on_ask: Option<Ask>) -> Result<u8, Error> {
    let args = Args {
        repo: PathBuf::from(&view.root),
        on_ask,
        ..Args::default()
    };
    turns::run(app, args, view.root.clone(), Some(view.ordinal.clone())).await
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    let root = code::root(&args.repo)?;
    let terminal = app.terminal;
    let whole = terminal.stdin && terminal.stdout && terminal.stderr && !app.json;
    if args.prompt.is_none() && whole {
        let session = match args.go_on {
            true => Some(pick::latest_in(app, Path::new(&root), "chat").await?),
            false => None,
        };
        return turns::run(app, args, root, session).await;
    }
    let text = match args.prompt.as_deref() {
        Some("-") => code::from_stdin()?,
        Some(text) => text.to_owned(),
        None if !terminal.stdin => code::from_stdin()?,
        None => String::new(),
    };
    if text.trim().is_empty() {
        return Err(Error::new(codes::NO_PROMPT, "there are no words to answer")
            .next("atoll chat \"where is the rounding done?\"")
            .next("atoll chat          on a terminal: a conversation"));
    }
    once(app, &args, root, text).await
}

/// One question, answered.
async fn once(app: &App, args: &Args, root: String, text: String) -> Result<u8, Error> {
    let on_ask = code::asked(app, args.on_ask).unwrap_or(OnAsk::Deny);
    let words = Words {
        text,
        model: None,
        plan: args.plan,
        on_ask,
    };
    let caller = app.caller();
    let (client, begun);
    let mut signals = Signals::new()?;
    if args.go_on {
        let latest = pick::latest_in(app, Path::new(&root), "chat").await?;
        client = app.node().await?;
        let model = client.session(&caller, latest.clone()).await?.view.model;
        let request = goes_on(app, words, &model)?;
        begun = signals
            .during(client.resume(&caller, latest, request))
            .await?;
    } else {
        let request = args.opens(app, root, words)?;
        client = app.node().await?;
        crate::commands::secret::ready(app, &client, false).await?;
        let key = Client::fresh_key()?;
        begun = signals.during(client.chat(&caller, key, request)).await?;
    }
    Watch::new(app, client, begun, on_ask)
        .talking(Talk::new(app))
        .run(false, signals)
        .await
}
