//! `atoll code`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use atoll_api::{CodeRequest, Commands, Error, OnAsk, codes};
use atoll_client::Client;
use clap::ValueEnum;

use super::signals::Signals;
use super::watch::Watch;
use crate::app::{App, env, say};
use crate::config;
use crate::offline;
use crate::term;

/// The longest prompt, in bytes: the node takes no longer one.
const PROMPT_BYTES_MAX: u64 = 256 << 10;

/// The profiles that there are.
pub const PROFILES: [&str; 3] = ["read-only", "careful", "open"];

/// An agent works on a private copy and proposes a patch; your files stay as they are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll code \"make the failing test pass\"\n  atoll code --repo ~/shop --test \"npm test\" --max-cost 0.50 \"fix the rounding in total()\"\n  atoll code -c \"and the same for the web shop\"\n  git log -1 --format=%B | atoll code - --on-ask deny --json"
)]
pub struct Args {
    /// The task in words; - reads it from standard input.
    prompt: Option<String>,
    /// The checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Go on with the checkout's latest session: its copy, its words, its model and limits.
    #[arg(long = "continue", short = 'c', conflicts_with_all = ["test", "max_steps", "max_cost", "time", "max_tokens", "plan"])]
    go_on: bool,
    /// The test command; found by itself if left out.
    #[arg(long, value_name = "CMD")]
    test: Option<String>,
    /// provider/model.
    #[arg(long, env = "ATOLL_MODEL", value_name = "NAME")]
    model: Option<String>,
    /// Model calls at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    max_steps: Option<u64>,
    /// Money at most, in US dollars; also the leave to spend it on this workspace with this provider.
    #[arg(long, value_name = "USD", value_parser = usd)]
    max_cost: Option<u64>,
    /// Wall time at most: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
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
    #[arg(long, env = "ATOLL_PROFILE", value_name = "NAME", value_parser = PROFILES, hide_possible_values = true)]
    profile: Option<String>,
    /// Start it and leave it.
    #[arg(long)]
    detach: bool,
}

/// What a question becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ask {
    /// The session waits for an answer.
    Wait,
    /// No.
    Deny,
    /// The session ends.
    Fail,
}

/// `90`, `90s`, `10m`, `2h`, in seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let want = || format!("{text} is no time; write 90s, 10m or 2h");
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let n: u64 = digits.parse().map_err(|_| want())?;
    n.checked_mul(unit)
        .filter(|s| (1..=7 * 86_400).contains(s))
        .ok_or_else(want)
}

pub fn usd(text: &str) -> Result<u64, String> {
    config::dollars(text).ok_or_else(|| format!("{text} is no amount; write 0.50"))
}

/// The prompt on standard input.
pub fn from_stdin() -> Result<String, Error> {
    term::all_input(PROMPT_BYTES_MAX).ok_or_else(|| {
        Error::new(codes::USAGE, "the words on standard input can't be taken").found(format!(
            "they are longer than {PROMPT_BYTES_MAX} bytes, or no text"
        ))
    })
}

/// What a question becomes; `None` where nobody said and nobody can be asked.
pub fn asked(app: &App, given: Option<Ask>) -> Option<OnAsk> {
    match given {
        Some(Ask::Wait) => Some(OnAsk::Wait),
        Some(Ask::Deny) => Some(OnAsk::Deny),
        Some(Ask::Fail) => Some(OnAsk::Fail),
        None if app.terminal.stdin && app.terminal.stderr && !app.json => Some(OnAsk::Wait),
        None => None,
    }
}

/// What a question becomes; said beforehand where nobody can be asked.
pub fn on_ask(app: &App, given: Option<Ask>) -> OnAsk {
    asked(app, given).unwrap_or_else(|| {
        say(
            "note    no terminal: what would be asked is denied (--on-ask wait leaves it to `atoll gate answer`)\n",
        );
        OnAsk::Deny
    })
}

/// The provider keys that the configuration names, out of the caller's environment.
pub fn keys(app: &App, model: Option<&str>) -> Result<BTreeMap<String, String>, Error> {
    let names = offline::models::key_names(&app.paths, model)?;
    Ok(names
        .into_iter()
        .filter_map(|name| env(&name).map(|key| (name, key)))
        .collect())
}

fn prompt(app: &App, given: Option<String>) -> Result<String, Error> {
    let text = match given.as_deref() {
        Some("-") => from_stdin()?,
        Some(text) => text.to_owned(),
        None if !app.terminal.stdin => from_stdin()?,
        None => String::new(),
    };
    if text.trim().is_empty() {
        return Err(
            Error::new(codes::NO_PROMPT, "there are no words to work on")
                .next("atoll code \"make the failing test pass\"")
                .next("echo \"make the failing test pass\" | atoll code -"),
        );
    }
    Ok(text)
}

/// The checkout's absolute path.
pub fn root(repo: &Path) -> Result<String, Error> {
    let bad = |why: String| {
        Error::new(codes::WORKSPACE_BAD, "the folder can't be a workspace")
            .found(format!("{}: {why}", repo.display()))
    };
    let path = repo.canonicalize().map_err(|err| bad(err.to_string()))?;
    if !path.is_dir() {
        return Err(bad("no folder".into()));
    }
    path.into_os_string()
        .into_string()
        .map_err(|_| bad("its path is no UTF-8".into()))
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    let root = root(&args.repo)?;
    if args.go_on {
        let latest = super::pick::latest_in(app, Path::new(&root), "code").await?;
        let how = super::session::Resume {
            prompt: args.prompt,
            model: args.model,
            on_ask: args.on_ask,
            detach: args.detach,
        };
        return super::session::resume(app, latest, how).await;
    }
    let prompt = prompt(app, args.prompt)?;
    // The node says what a question becomes, among its own notes.
    let on_ask = asked(app, args.on_ask).unwrap_or(OnAsk::Deny);
    let request = CodeRequest {
        root,
        prompt,
        test: args.test,
        keys: keys(app, args.model.as_deref())?,
        model: args.model,
        steps_max: args.max_steps,
        micros_max: args.max_cost,
        time_s: args.time,
        tokens_max: args.max_tokens,
        plan: args.plan,
        on_ask,
        profile: args.profile,
        home: app.paths.home.display().to_string(),
        path: env("PATH").unwrap_or_default(),
    };
    let client = app.node().await?;
    super::secret::ready(app, &client, false).await?;
    if args.detach && app.own.holds() {
        say("note    the node ends with this command (CI is set): the session will be parked\n");
    }
    let mut signals = Signals::new()?;
    let caller = app.caller();
    let begun = client.code(&caller, Client::fresh_key()?, request);
    let started = signals.during(begun).await?;
    Watch::new(app, client, started, on_ask)
        .run(args.detach, signals)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(
            ["90", "90s", "10m", "2h"].map(seconds),
            [Ok(90), Ok(90), Ok(600), Ok(7200)]
        );
        for bad in ["", "0", "m", "-5", "1d", "9999999999h", "1.5h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
