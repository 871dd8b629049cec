//! `atoll log`.

use std::path::PathBuf;

use atoll_api::{ArchiveRequest, Commands, Error, ExportRequest, Tail, codes};
use atoll_domain::Shown;
use atoll_log::PublicKey;
use clap::Subcommand;
use futures::StreamExt;

use super::policy::{Age, age};
use crate::app::{App, json_line, out, say};
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
    /// Check the log, an export of one, or its segments.
    #[command(
        after_help = "Examples:\n  atoll log verify\n  atoll log verify --checkpoint /media/stick/atoll.notes\n  atoll log verify --from export.ndjson --root did:key:z6Mk…\n  atoll log verify --from /media/archive"
    )]
    Verify(Verify),
    /// Write a checkpoint now, and print it: kept elsewhere, it shows a later rewriting.
    #[command(after_help = "Examples:\n  atoll log checkpoint >> /media/stick/atoll.notes")]
    Checkpoint,
    /// Put old events away as segments, in the folder `log.archive`; the log keeps them, too.
    #[command(
        after_help = "Examples:\n  atoll log archive\n  atoll log archive --older 90d\n  atoll log archive --all"
    )]
    Archive {
        /// Those that are so old; `log.archive_after_days` if left out.
        #[arg(long, value_name = "TIME", value_parser = age)]
        older: Option<Age>,
        /// All that there are.
        #[arg(long, conflicts_with = "older")]
        all: bool,
    },
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
    /// An export, segments, or a folder of segments; the node's own log if left out.
    file: Vec<PathBuf>,
    /// The same by name, which needs neither a node nor its data; may be given again.
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
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
            let files = [args.file, args.from].concat();
            match files.is_empty() {
                false => offline::verify::files(app, &files, &against),
                true => verify(app, against).await,
            }
        }
        Log::Checkpoint => {
            let note = app.node().await?.checkpoint(&caller).await?;
            app.show("checkpoint", &note, |_| format!("{}\n", note.note))
        }
        Log::Archive { older, all } => archive(app, older, all).await,
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

/// One segment after another, until nothing else is old enough.
async fn archive(app: &App, older: Option<Age>, all: bool) -> Result<u8, Error> {
    let caller = app.caller();
    let client = app.node().await?;
    let older_s = match (older, all) {
        (_, true) | (Some(Age::All), _) => Some(0),
        (Some(Age::Seconds(s)), _) => Some(s),
        (None, false) => None,
    };
    // What comes while it is being done is left for another time.
    let until = match older_s {
        Some(0) => client.checkpoint(&caller).await?.size,
        _ => u64::MAX,
    };
    let mut segments = Vec::new();
    let (place, last) = loop {
        let done = client.archive(&caller, ArchiveRequest { older_s }).await?;
        let (place, last) = (done.place, done.last);
        let Some(segment) = done.segment else {
            break (place, last);
        };
        if !app.json {
            say(&format!(
                "        {}: events {} to {}, {}\n",
                Shown::line(&segment.name),
                segment.first,
                segment.last,
                ui::words::bytes(segment.bytes)
            ));
        }
        segments.push(segment);
        if last >= until {
            break (place, last);
        }
    };
    let data = serde_json::json!({ "place": place, "last": last, "segments": segments });
    app.show("archived", &data, |_| {
        let (new, place) = (segments.len() as u64, Shown::line(&place));
        match last {
            0 => format!("Nothing is old enough; {place} holds no events yet.\n"),
            last => format!(
                "{} more; {place} holds the events up to {}. The log keeps them, too.\n",
                ui::words::plural(new, "segment"),
                ui::words::count(last)
            ),
        }
    })
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
