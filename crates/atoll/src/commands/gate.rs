//! `atoll gate`.

use atoll_api::{AnswerRequest, Commands, Error, GATES_AT_ONCE_MAX, GateView, codes};
use atoll_client::Client;
use atoll_domain::{GateAnswerKind, SessionState};
use clap::{Subcommand, ValueEnum};

use crate::app::{App, now, say};
use crate::ask::{Decided, LOOK, decide};
use crate::ui;

/// What needs you.
#[derive(Debug, Subcommand)]
pub enum Gate {
    /// Open gates; with --all, those that were answered too.
    #[command(
        after_help = "Examples:\n  atoll gate list\n  atoll gate list --all\n  atoll gate list --wait"
    )]
    List {
        /// Those that were answered too.
        #[arg(long)]
        all: bool,
        /// Wait until one is open; Ctrl-C ends it.
        #[arg(long, conflicts_with = "all")]
        wait: bool,
    },
    /// One gate with all its detail.
    #[command(after_help = "Examples:\n  atoll gate show g3")]
    Show {
        /// g3, or @ for the latest.
        #[arg(default_value = "@")]
        gate: String,
    },
    /// Answer one: with a word, or by a key after reading it.
    #[command(
        after_help = "Examples:\n  atoll gate answer g3\n  atoll gate answer g3 once\n  atoll gate answer g3 once --like\n  atoll gate answer g3 no --why \"use the vendored copy\""
    )]
    Answer {
        /// g3.
        gate: String,
        /// once, session or no; left out: you are asked, on a terminal.
        #[arg(value_enum)]
        answer: Option<Answer>,
        /// A reason, for the agent and the log.
        #[arg(long, default_value = "")]
        why: String,
        /// For all open gates that ask the same, too.
        #[arg(long, requires = "answer")]
        like: bool,
    },
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Answer {
    /// Yes, this once.
    Once,
    /// Yes, for this exact widening in this session.
    Session,
    /// No.
    No,
}

impl Answer {
    fn kind(self) -> GateAnswerKind {
        match self {
            Answer::Once => GateAnswerKind::Once,
            Answer::Session => GateAnswerKind::Session,
            Answer::No => GateAnswerKind::No,
        }
    }
}

pub async fn run(app: &App, gate: Gate) -> Result<u8, Error> {
    let caller = app.caller();
    let client = app.node().await?;
    match gate {
        Gate::List { all, wait } => {
            let mut gates = client.gates(&caller, !all).await?;
            while wait && gates.is_empty() {
                tokio::time::sleep(LOOK).await;
                gates = client.gates(&caller, true).await?;
            }
            app.show("gates", &gates, |style| ui::gates(style, &gates, now()))
        }
        Gate::Show { gate } => {
            let gate = client.gate(&caller, gate).await?;
            app.show_paged("gate", &gate, |style| ui::gate(style, &gate, now(), true))
        }
        Gate::Answer {
            gate,
            answer,
            why,
            like,
        } => {
            let gate = client.gate(&caller, gate).await?;
            match answer {
                Some(answer) => said(app, &client, gate, answer.kind(), why, like).await,
                None => asked(app, &client, gate).await,
            }
        }
    }
}

/// The answer stands in the command.
async fn said(
    app: &App,
    client: &Client,
    gate: GateView,
    answer: GateAnswerKind,
    why: String,
    like: bool,
) -> Result<u8, Error> {
    let caller = app.caller();
    let mut others = Vec::new();
    if like {
        others = client.gates(&caller, true).await?;
        others.retain(|other| other.is_like(&gate));
        others.truncate(GATES_AT_ONCE_MAX - 1);
    }
    let request = AnswerRequest {
        answer,
        why,
        gate: gate.gate,
        also: others.iter().map(|other| other.gate).collect(),
    };
    let view = client
        .gate_answer(&caller, gate.gate.to_string(), request)
        .await?;
    others.insert(0, view);
    for other in &mut others[1..] {
        *other = client.gate(&caller, other.gate.to_string()).await?;
    }
    let parked = parked(app, client, &others).await;
    let words = others
        .iter()
        .map(|g| told(&g.ordinal, answer))
        .collect::<String>()
        + &parked;
    match like {
        true => app.show("gates", &others, |_| words.clone()),
        false => app.show("gate", &others[0], |_| words.clone()),
    }
}

/// The answer is a key.
async fn asked(app: &App, client: &Client, gate: GateView) -> Result<u8, Error> {
    if let Some(answer) = gate.answer {
        let words = format!("{} is answered already: {}", gate.ordinal, answer.words());
        let mut err = Error::new(codes::GATE_CLOSED, words);
        if let Some(by) = &gate.by {
            err = err.found(format!("by {by}"));
        }
        return Err(err.next(format!("atoll gate show {}", gate.ordinal)));
    }
    if !(app.terminal.stdin && app.terminal.stderr) || app.json {
        let words = "say what the answer is: there is no terminal to ask on";
        return Err(Error::new(codes::USAGE, words)
            .next(format!("atoll gate answer {} once", gate.ordinal))
            .next(format!(
                "atoll gate answer {} no --why REASON",
                gate.ordinal
            )));
    }
    match decide(app, client, &gate).await? {
        Decided::Here(answer, more) => {
            let words = told(&gate.ordinal, answer);
            let more = match more {
                0 => String::new(),
                more => format!("And {more} like it.\n"),
            };
            say(&format!(
                "{words}{more}{}",
                parked(app, client, &[gate]).await
            ));
            Ok(0)
        }
        Decided::Elsewhere => Ok(codes::GATE_CLOSED.exit),
        Decided::Later => {
            say(&format!("Gate {} stays open.\n", gate.ordinal));
            Ok(codes::NEEDS_PERSON.exit)
        }
    }
}

fn told(gate: &str, answer: GateAnswerKind) -> String {
    let words = match answer {
        GateAnswerKind::No => "refused",
        GateAnswerKind::Session => "allowed in this session",
        _ => "allowed once",
    };
    format!("Gate {gate}: {words}.\n")
}

/// Sessions that don't wait any more go on only when they are told to.
async fn parked(app: &App, client: &Client, gates: &[GateView]) -> String {
    let mut out = String::new();
    for name in gates
        .iter()
        .filter_map(|gate| gate.session_ordinal.as_ref())
    {
        let session = client.session(&app.caller(), name.clone()).await;
        if session.is_ok_and(|s| s.view.state == SessionState::Parked) {
            out.push_str(&format!(
                "  {name} is parked; it goes on with: atoll session resume {name}\n"
            ));
        }
    }
    out
}
