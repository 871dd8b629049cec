//! How a conversation begins: what it is about, who answers, and what was said before.

use atoll_api::{Commands, Error, ModelView, SessionDetail};
use atoll_client::Client;
use atoll_domain::Shown;

use crate::app::{App, say};
use crate::ui;

/// Earlier conversations of the folder whose words the arrow keys bring back.
const EARLIER_MAX: usize = 5;
/// How far back they are looked for.
const LOOKED_AT: usize = 200;
/// Lines of the last answer that are shown again.
const ANSWER_LINES_MAX: usize = 6;

/// Who answers, and where: `mine/m1, here`.
pub fn answers(models: &[ModelView], name: &str) -> String {
    let known = models.iter().find(|model| model.name == name);
    let place = match known.map(|model| model.remote) {
        Some(true) => ", remote",
        Some(false) => ", here",
        None => "",
    };
    format!("{name}{place}")
}

/// A path as people write it: `~/shop`.
fn short(app: &App, path: &str) -> String {
    let home = app.paths.home.canonicalize().ok();
    match home.and_then(|home| {
        Some(
            std::path::Path::new(path)
                .strip_prefix(home)
                .ok()?
                .to_owned(),
        )
    }) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.to_owned(),
    }
}

/// The first lines: the folder, the model, the way to more.
pub fn greet(app: &App, root: &str, models: &[ModelView], named: Option<&str>) {
    let default = models.iter().find(|model| model.default);
    let model = named.or(default.map(|model| model.name.as_str()));
    let who = match model {
        Some(name) => format!("with {}", answers(models, name)),
        None => "with no model yet: /model shows what there is".to_owned(),
    };
    let hint = format!(
        "Talking about {} {who}. Tab completes /commands and @files; /help lists them, /quit ends.",
        Shown::line(&short(app, root))
    );
    let lines = ui::wrap(Shown::line(&hint).as_str(), app.err_now().columns);
    say(&format!("{}\n", lines.join("\n")));
}

/// Where a conversation stands that is gone on with: its last words and their answer.
pub fn recall(app: &App, detail: &SessionDetail) {
    let style = app.err_now();
    let view = &detail.view;
    let turns = ui::words::plural(view.turns, "turn");
    say(&format!(
        "Going on with {}, {turns} so far.\n",
        view.ordinal
    ));
    let (Some(said), Some(answer)) = (detail.said.last(), &detail.answer) else {
        return;
    };
    let said = Shown::line(&format!("> {}", said.trim()));
    say(&format!(
        "\n{}\n",
        style.dim(said.cut(style.columns).as_str())
    ));
    let lines = ui::wrap(Shown::text(answer).as_str(), style.columns);
    for line in lines.iter().take(ANSWER_LINES_MAX) {
        say(&format!("{}\n", style.dim(line)));
    }
    if lines.len() > ANSWER_LINES_MAX {
        let more = ui::words::plural((lines.len() - ANSWER_LINES_MAX) as u64, "more line");
        say(&format!("{}\n", style.dim(&format!("… {more} …"))));
    }
    say("\n");
}

/// What people said of this folder before, the latest last. It is read off the log, so that what was erased
/// there comes back nowhere; nothing else keeps it.
pub async fn said_before(app: &App, client: &Client, root: &str) -> Result<Vec<String>, Error> {
    let caller = app.caller();
    let all = client.sessions(&caller, LOOKED_AT).await?;
    let here = |view: &&atoll_api::SessionView| view.mode == "chat" && view.root == root;
    let mut earlier: Vec<String> = all.iter().filter(here).map(|v| v.ordinal.clone()).collect();
    earlier.truncate(EARLIER_MAX);
    let mut said = Vec::new();
    for ordinal in earlier.into_iter().rev() {
        said.extend(client.session(&caller, ordinal).await?.said);
    }
    Ok(said)
}
