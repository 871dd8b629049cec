//! `atoll log erase`.

use atoll_api::{Commands, EraseRequest, Erasure, Error, codes};

use crate::app::App;
use crate::term;
use crate::ui::words::{bytes, plural};

/// What to erase, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An event's number, or a session: s4, @ for the latest.
    what: String,
    /// This content of the event alone, as `log show` names it.
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
    /// The reason; it stays in the log.
    #[arg(long, value_name = "WORDS")]
    why: String,
    /// Don't ask.
    #[arg(long, short)]
    yes: bool,
}

fn counted(found: &Erasure) -> String {
    format!(
        "{} of {}, {}",
        plural(found.contents, "content"),
        plural(found.events, "event"),
        bytes(found.bytes)
    )
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    let client = app.node().await?;
    let caller = app.caller();
    let request = EraseRequest {
        what: args.what.clone(),
        field: args.field,
        why: args.why,
        dry: true,
    };
    let found = client.erase(&caller, request.clone()).await?;
    if found.contents > 0 && !args.yes {
        confirmed(app, &args.what, &found)?;
    }
    let request = EraseRequest {
        dry: false,
        ..request
    };
    let erased = match found.contents {
        0 => found,
        _ => client.erase(&caller, request).await?,
    };
    app.show("erased", &erased, |_| match erased.contents {
        0 => format!("Nothing is left to erase in {}.\n", args.what),
        _ => format!(
            "Erased {}. The events and their chain stay: atoll log verify\n\
             Exports and backups made before keep theirs.\n",
            counted(&erased)
        ),
    })
}

/// Asks on the terminal; where there is none, `--yes` must say it.
fn confirmed(app: &App, what: &str, found: &Erasure) -> Result<(), Error> {
    if !app.terminal.stdin || !app.terminal.stderr || app.json {
        let words = format!("erasing {} can't be taken back", counted(found));
        return Err(Error::new(codes::USAGE, words)
            .found("there is no terminal to ask on")
            .next("say --yes as well"));
    }
    let ask = format!(
        "Erase {} of {what}? It can't be taken back. [y/N] ",
        counted(found)
    );
    match term::line(&ask).as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        _ => Err(Error::new(codes::CANCELLED, "nothing was erased")),
    }
}
