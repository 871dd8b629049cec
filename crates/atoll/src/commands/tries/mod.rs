//! `atoll try`: a model mends a failing test in a bundled sample, before one's eyes.

mod choose;
mod laps;
mod sample;
mod told;

use std::path::Path;

use atoll_api::{CodeRequest, Commands, Error, OnAsk, Started};
use atoll_client::Client;
use atoll_domain::SessionEnd;
use serde_json::json;

use self::choose::Chosen;
use self::laps::Laps;
use super::code;
use super::signals::Signals;
use super::watch::{Ended, Watch};
use crate::app::{App, env, json_line, out, say};
use crate::config;

/// The task, as it is put to the model.
const TASK: &str = "Make the failing test pass.";
/// Tries where nobody said how many: a small model gets some, and the tests judge them.
const TRIES_SMALL: u64 = 5;
/// Model calls of one try, at most.
const STEPS_SMALL: u64 = 12;
const STEPS: u64 = 30;

/// See Atoll work: a model mends a failing test in a bundled sample, on a copy, on this machine.
///
/// Without --model it takes what is configured, else a model that Ollama serves here, else one that runs inside
/// Atoll, which is fetched once. A key in the environment is never used by itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll try\n  atoll try --model ollama/qwen2.5-coder:7b\n  atoll try --tries 20 --model smollm2-135m --json"
)]
pub struct Args {
    /// provider/model.
    #[arg(long, env = "ATOLL_MODEL", value_name = "NAME")]
    model: Option<String>,
    /// Sessions at most, each from the start; the tests judge, and the first that mends it ends the rest. 5 for a small model, else 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    tries: Option<u64>,
    /// The status instead, once the sample was mended here: what `./dev run` asks for.
    #[arg(long, hide = true)]
    or_status: bool,
}

/// Sessions that are looked at for an earlier try.
const LOOKED_AT: usize = 1000;

/// How the tries went.
struct Tried {
    tries: u64,
    tries_max: u64,
    started: Started,
    ended: Ended,
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    if args.or_status && was_mended(app).await? {
        return super::status::run(app).await;
    }
    let mut laps = Laps::new();
    sample::runnable()?;
    let chosen = choose::choose(app, args.model.as_deref()).await?;
    say(&told::model(&app.err, &chosen.choice));
    laps.lap("model");
    let client = app.node().await?;
    laps.lap("node");
    let root = sample::unpack(&app.paths)?;
    say(&told::head(&app.err, &chosen.choice));
    let small = chosen.choice.small;
    let tries_max = args.tries.unwrap_or(if small { TRIES_SMALL } else { 1 });
    let mut tries = 0;
    let tried = loop {
        tries += 1;
        if tries_max > 1 {
            say(&format!("try     {tries} of {tries_max}\n"));
        }
        let (started, ended) = once(app, &client, &chosen, &root).await?;
        if over(&ended) || tries == tries_max {
            break Tried {
                tries,
                tries_max,
                started,
                ended,
            };
        }
        say(&told::next_try(&app.err, &ended));
    };
    laps.lap("sample");
    let exit = finish(app, &chosen, &tried).await;
    laps.tell();
    exit
}

/// Whether a patch was made of the sample before.
async fn was_mended(app: &App) -> Result<bool, Error> {
    let (client, caller) = (app.node().await?, app.caller());
    let samples = app.paths.cache.join("samples");
    let samples = samples.canonicalize().unwrap_or(samples);
    let sessions = client.sessions(&caller, LOOKED_AT).await?;
    let of_sample = sessions
        .iter()
        .filter(|s| Path::new(&s.root).starts_with(&samples));
    let ordinals: Vec<&str> = of_sample.map(|s| s.ordinal.as_str()).collect();
    if ordinals.is_empty() {
        return Ok(false);
    }
    let patches = client.patches(&caller).await?;
    Ok(patches
        .iter()
        .any(|p| ordinals.contains(&p.session_ordinal.as_str())))
}

/// Whether another try could not end better: it is mended, or something else than the model is in the way.
fn over(ended: &Ended) -> bool {
    let by_the_model = matches!(
        ended.end,
        Some(SessionEnd::Failed | SessionEnd::Answer | SessionEnd::Limit)
    );
    !by_the_model
}

async fn once(
    app: &App,
    client: &Client,
    chosen: &Chosen,
    root: &Path,
) -> Result<(Started, Ended), Error> {
    let choice = &chosen.choice;
    let name = choice.model.to_string();
    // A model here asks for nothing; elsewhere it is for the person to say, if there is one.
    let on_ask = code::asked(app, None).unwrap_or(OnAsk::Deny);
    let request = CodeRequest {
        root: code::root(root)?,
        prompt: TASK.into(),
        test: None,
        keys: code::keys(app, Some(&name))?,
        model: Some(name),
        steps_max: Some(if choice.small { STEPS_SMALL } else { STEPS }),
        micros_max: None,
        time_s: None,
        tokens_max: None,
        plan: false,
        on_ask,
        profile: None,
        home: app.paths.home.display().to_string(),
        path: env("PATH").unwrap_or_default(),
    };
    let mut signals = Signals::new()?;
    let caller = app.caller();
    crate::commands::secret::ready(app, client, false).await?;
    let begun = client.code(&caller, Client::fresh_key()?, request);
    let mut started = signals.during(begun).await?;
    // Nothing here is asked, and the sample is no repository of anyone's.
    let said = |note: &str| match choice.remote {
        true => !note.starts_with("git history"),
        false => !note.starts_with("git history") && !note.starts_with("nobody is asked"),
    };
    started.notes.retain(|note| said(note));
    let watch = Watch::new(app, client.clone(), started.clone(), on_ask);
    Ok((started, watch.until_end(signals).await?))
}

/// Says how it went; the exit code.
async fn finish(app: &App, chosen: &Chosen, tried: &Tried) -> Result<u8, Error> {
    let ended = &tried.ended;
    let mended = ended.patch.is_some();
    let name = chosen.choice.model.to_string();
    if mended && chosen.by_itself {
        config::set(&app.paths.config_file(), "model.default", &name)?;
        super::config::reload(app).await;
    }
    let exit = match (mended, ended.code) {
        // An answer without a change mends nothing.
        (false, 0) if ended.end.is_some() => 1,
        (_, code) => code,
    };
    if app.json {
        let data = json!({
            "mended": mended,
            "tries": tried.tries,
            "tries_max": tried.tries_max,
            "model": name,
            "session": tried.started.ordinal,
            "patch": ended.patch.as_ref().map(|p| &p.view.ordinal),
            "end": ended.end,
            "words": ended.words,
            "spent": ended.spent,
            "steps": ended.steps,
            "exit": exit,
        });
        out(json_line("result", &data).as_bytes());
        return Ok(exit);
    }
    if ended.end.is_none() {
        return Ok(exit); // the watcher went, and said so
    }
    let page = match &ended.patch {
        Some(patch) => told::mended(&app.style, patch, tried.tries, chosen.by_itself),
        None => {
            let tries = (tried.tries, tried.tries_max);
            told::not_mended(
                &app.style,
                &chosen.choice,
                &tried.started.ordinal,
                ended,
                tries,
            )
        }
    };
    out(page.as_bytes());
    Ok(exit)
}
