//! Which session or model is meant, where nobody named one.

use std::path::Path;

use atoll_api::{Commands, Error, SessionView, codes};
use atoll_domain::SessionState;

use super::shelf::{self, Listed};
use crate::app::{App, now, say};
use crate::{term, ui};

/// How many sessions are offered.
const OFFERED: usize = 10;
/// How far back a folder's latest session is looked for.
const LOOKED_AT: usize = 1000;

fn can_go_on(view: &SessionView) -> bool {
    view.mode != "exec" && matches!(view.state, SessionState::Idle | SessionState::Parked)
}

/// A session that the person picks from the latest ones.
pub async fn session(app: &App) -> Result<String, Error> {
    let unnamed = |words: &str| {
        Error::new(codes::USAGE, words)
            .next("atoll session resume @        the latest")
            .next("atoll session list")
    };
    if !app.terminal.stdin || !app.terminal.stderr || app.json {
        return Err(unnamed("say which session to go on with"));
    }
    let all = app.node().await?.sessions(&app.caller(), LOOKED_AT).await?;
    let some: Vec<SessionView> = all.into_iter().filter(can_go_on).take(OFFERED).collect();
    if some.is_empty() {
        return Err(unnamed("there is no session to go on with"));
    }
    say(&ui::sessions(&app.err, &some, now()));
    let latest = some.first().map_or("@", |s| s.ordinal.as_str());
    let typed = term::line(&format!("Go on with [{latest}]: "));
    let typed = typed.ok_or_else(|| Error::new(codes::CANCELLED, "nothing was picked"))?;
    let named = match typed.parse::<u64>() {
        Ok(n) => format!("s{n}"),
        Err(_) if typed.is_empty() => latest.to_owned(),
        Err(_) => typed,
    };
    match some.iter().any(|s| s.ordinal == named) {
        true => Ok(named),
        false => Err(unnamed("that is none of these sessions").found(named)),
    }
}

/// A model that the person picks: what is configured, what answers here, what lies on disk, what can be pulled.
/// One that isn't here yet is fetched.
pub async fn model(app: &App) -> Result<String, Error> {
    let unnamed = |words: &str| {
        Error::new(codes::USAGE, words)
            .next("atoll model use PROVIDER/MODEL")
            .next("atoll model list")
    };
    if !app.terminal.stdin || !app.terminal.stderr || app.json {
        return Err(unnamed("say which model to use"));
    }
    let listed = shelf::listed(app, app.node().await?.models(&app.caller()).await?)?;
    let to_pull = shelf::to_pull(app);
    say(&ui::pick_models(&app.err, &listed, &to_pull));
    let default = listed.iter().position(|l| l.view.default).unwrap_or(0) + 1;
    let typed = term::line(&format!("Use [{default}]: "));
    let typed = typed.ok_or_else(|| Error::new(codes::CANCELLED, "nothing was picked"))?;
    let at = match typed.parse::<usize>() {
        Ok(n) => n.checked_sub(1),
        Err(_) if typed.is_empty() => Some(default - 1),
        Err(_) => return Ok(typed), // a name, which is looked up as any other
    };
    let name = |listed: &Listed| listed.view.name.clone();
    match at {
        Some(at) if at < listed.len() => Ok(name(&listed[at])),
        Some(at) => match to_pull.get(at - listed.len()) {
            Some(entry) => {
                let (entry, _) = shelf::fetch(app, Some(entry.name)).await?;
                Ok(format!("{}/{}", atoll_llama::PROVIDER, entry.name))
            }
            None => Err(unnamed("that is none of these models").found(typed)),
        },
        None => Err(unnamed("that is none of these models").found(typed)),
    }
}

/// The latest `code` or `chat` of the folder, or of a folder around it.
pub async fn latest_in(app: &App, folder: &Path, mode: &str) -> Result<String, Error> {
    let all = app.node().await?.sessions(&app.caller(), LOOKED_AT).await?;
    let here = |view: &&SessionView| {
        can_go_on(view) && view.mode == mode && folder.starts_with(&view.root)
    };
    let found = all.iter().find(here).map(|view| view.ordinal.clone());
    found.ok_or_else(|| {
        Error::new(codes::NO_SUCH, "this folder has no session to go on with")
            .found(folder.display().to_string())
            .next(format!("atoll {mode} \"…\" begins one"))
            .next("atoll session list")
    })
}
