//! `atoll log`.

use std::path::PathBuf;

use atoll_api::{Commands, Error, ExportRequest, Tail, codes};
use atoll_log::PublicKey;
use clap::Subcommand;
use futures::StreamExt;

use crate::app::{App, json_line, out};
use crate::config;
use crate::offline::{self, verify::Against};
use crate::ui;
use crate::wiring;

/// The record of what happened.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// The last events; with -f, those to come too.
    #[command(after_help = "Examples:\n  atoll log tail\n  atoll log tail -f --session s4")]
    Tail {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u64,
        /// Go on as they come.
        #[arg(long, short)]
        follow: bool,
        /// Of this session alone.
        #[arg(long, value_name = "S")]
        session: Option<String>,
    },
    /// A session's events, or one by its number, with what they hold.
    #[command(after_help = "Examples:\n  atoll log show s4\n  atoll log show 1204")]
    Show {
        /// s4, @ for the latest session, or an event's number.
        #[arg(default_value = "@")]
        what: String,
    },
    /// Check the log, or an export of one.
    #[command(
        after_help = "Examples:\n  atoll log verify\n  atoll log verify --checkpoint /media/stick/atoll.notes\n  atoll log verify --from export.ndjson --root did:key:z6Mk…"
    )]
    Verify(Verify),
    /// Write a checkpoint now, and print it: kept elsewhere, it shows a later rewriting.
    #[command(after_help = "Examples:\n  atoll log checkpoint >> /media/stick/atoll.notes")]
    Checkpoint,
    /// Replay a session's recorded inputs, and name the first divergence.
    #[command(after_help = "Examples:\n  atoll log replay s4")]
    Replay {
        /// s4, or @ for the latest.
        session: String,
    },
    /// The log's exact lines, on standard output.
    #[command(
        after_help = "Examples:\n  atoll log export > log.ndjson\n  atoll log export --session s4 --contents > s4.ndjson\n  atoll log export --session s4 --since kept.notes > s4.ndjson"
    )]
    Export {
        /// Of this session alone.
        #[arg(long, value_name = "S")]
        session: Option<String>,
        /// With the words, outputs and files that the events commit to.
        #[arg(long)]
        contents: bool,
        /// With the proof that the log extends the newest checkpoint in this file, for whoever kept it.
        #[arg(long, value_name = "FILE", requires = "session")]
        since: Option<PathBuf>,
    },
    /// Erase what people, models, tools or files said, and keep the chain that proves the rest.
    #[command(
        after_help = "Examples:\n  atoll log erase 118 --field text --why \"a customer's name\"\n  atoll log erase s4 --why \"end of the contract\" --yes"
    )]
    Erase(super::erase::Args),
    /// Drop everything that is made from the log, and make it again.
    #[command(after_help = "Examples:\n  atoll log rebuild")]
    Rebuild,
}

/// What to check, against what.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// An export; the node's own log if left out.
    #[arg(conflicts_with = "from")]
    file: Option<PathBuf>,
    /// The same by name: an export, which needs neither a node nor its data.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The node's root key, as its owner told you: without it a log is held against the one that it names itself.
    #[arg(long, value_name = "KEY")]
    root: Option<PublicKey>,
    /// Checkpoints that you kept elsewhere, to see a later rewriting; may be given again.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

pub async fn run(app: &App, log: Log) -> Result<u8, Error> {
    let caller = app.caller();
    match log {
        Log::Tail {
            lines,
            follow,
            session,
        } => tail(app, lines, follow, session).await,
        Log::Show { what } => show(app, what).await,
        Log::Verify(args) => {
            let against = Against {
                root: args.root,
                kept: args.checkpoint,
            };
            match args.file.or(args.from) {
                Some(file) => offline::verify::file(app, &file, &against),
                None => verify(app, against).await,
            }
        }
        Log::Checkpoint => {
            let note = app.node().await?.checkpoint(&caller).await?;
            app.show("checkpoint", &note, |_| format!("{}\n", note.note))
        }
        Log::Replay { session } => {
            let replayed = app.node().await?.replay(&caller, session).await?;
            app.show("replay", &replayed, |style| ui::replayed(style, &replayed))?;
            Ok(if replayed.divergence.is_some() {
                codes::REPLAY_DIVERGED.exit
            } else {
                0
            })
        }
        Log::Export {
            session,
            contents,
            since,
        } => {
            let request = ExportRequest {
                session,
                contents,
                since: since
                    .map(|file| offline::verify::newest(&file))
                    .transpose()?,
            };
            let mut lines = app.node().await?.export(&caller, request).await?;
            while let Some(line) = lines.next().await {
                let mut line = line?;
                line.push(b'\n');
                out(&line);
            }
            Ok(0)
        }
        Log::Erase(args) => super::erase::run(app, args).await,
        Log::Rebuild => {
            let events = app.node().await?.rebuild(&caller).await?;
            let data = serde_json::json!({ "events": events });
            app.show("rebuilt", &data, |_| {
                format!("Made again from {}.\n", ui::words::plural(events, "event"))
            })
        }
    }
}

async fn tail(app: &App, lines: u64, follow: bool, session: Option<String>) -> Result<u8, Error> {
    let caller = app.caller();
    let client = app.node().await?;
    let tail = Tail {
        last: Some(lines),
        session: session.clone(),
        ..Tail::default()
    };
    let events = client.events(&caller, tail).await?;
    if !follow {
        return app.show("events", &events, |style| ui::events(style, &events, false));
    }
    let last = events.last().map(|e| e.event.seq);
    let print = |view: &atoll_api::EventView| {
        let line = match app.json {
            true => json_line("event", view),
            false => ui::events(&app.style, std::slice::from_ref(view), false),
        };
        out(line.as_bytes());
    };
    events.iter().for_each(print);
    let after = match last {
        Some(seq) => seq,
        // Of a session without events: from its beginning.
        None if session.is_some() => 0,
        None => client.status(&caller).await?.events,
    };
    let mut coming = client.follow(&caller, after, session).await?;
    loop {
        tokio::select! {
            event = coming.next() => match event {
                Some(view) => print(&view),
                None => return Ok(0),
            },
            _ = tokio::signal::ctrl_c() => return Ok(0),
        }
    }
}

async fn show(app: &App, what: String) -> Result<u8, Error> {
    let client = app.node().await?;
    let tail = match what.parse::<u64>() {
        Ok(seq) if seq > 0 => Tail {
            after: seq - 1,
            limit: Some(1),
            ..Tail::default()
        },
        _ => Tail {
            session: Some(what.clone()),
            limit: Some(10_000),
            ..Tail::default()
        },
    };
    let events = client.events(&app.caller(), tail).await?;
    if events.is_empty() {
        return Err(
            Error::new(codes::NO_SUCH, format!("there is no event {what}")).next("atoll log tail"),
        );
    }
    app.show_paged("events", &events, |style| ui::events(style, &events, true))
}

/// The running node's word, else this command's own: no node is started for it. What is held against other things
/// than itself this command reads itself.
async fn verify(app: &App, against: Against) -> Result<u8, Error> {
    let mut against = against;
    let witness = wiring::witness(&config::load(&app.paths.config_file())?);
    // One that is away now is none; whoever names it gets to know.
    against.kept.extend(witness.filter(|path| path.exists()));
    let alone = against.root.is_some() || !against.kept.is_empty();
    let found = match app.running().await {
        _ if alone => offline::verify::own(app, &against)?,
        Ok(client) => client.verify(&app.caller()).await?,
        Err(err) if err.is(codes::NODE_UNREACHABLE) => offline::verify::own(app, &against)?,
        Err(err) => return Err(err),
    };
    app.show("verification", &found, |style| {
        ui::verification(style, &found)
    })?;
    Ok(if found.bad.is_some() {
        codes::LOG_BAD.exit
    } else {
        0
    })
}
