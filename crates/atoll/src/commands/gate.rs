//! `atoll gate`.

use atoll_api::{AnswerRequest, Commands, Error, GateView, codes};
use atoll_client::Client;
use atoll_domain::GateAnswerKind;
use clap::{Subcommand, ValueEnum};

use crate::app::{App, now, say};
use crate::ask::{Asked, ask};
use crate::ui;

/// What needs you.
#[derive(Debug, Subcommand)]
pub enum Gate {
    /// Open gates; with --all, those that were answered too.
    #[command(after_help = "Examples:\n  atoll gate list\n  atoll gate list --all")]
    List {
        /// Those that were answered too.
        #[arg(long)]
        all: bool,
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
        after_help = "Examples:\n  atoll gate answer g3\n  atoll gate answer g3 once\n  atoll gate answer g3 no --why \"use the vendored copy\""
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
        Gate::List { all } => {
            let gates = client.gates(&caller, !all).await?;
            app.show("gates", &gates, |style| ui::gates(style, &gates, now()))
        }
        Gate::Show { gate } => {
            let gate = client.gate(&caller, gate).await?;
            app.show_paged("gate", &gate, |style| ui::gate(style, &gate, now(), true))
        }
        Gate::Answer { gate, answer, why } => {
            let gate = client.gate(&caller, gate).await?;
            answered(app, &client, gate, answer, why).await
        }
    }
}

async fn answered(
    app: &App,
    client: &Client,
    gate: GateView,
    answer: Option<Answer>,
    why: String,
) -> Result<u8, Error> {
    if gate.answer.is_some() {
        return Err(Error::new(
            codes::GATE_CLOSED,
            format!("gate {} is answered already", gate.ordinal),
        )
        .next(format!("atoll gate show {}", gate.ordinal)));
    }
    let (kind, why) = match answer {
        Some(answer) => (answer.kind(), why),
        None if app.terminal.stdin && app.terminal.stderr && !app.json => {
            match ask(app, &gate, std::future::pending()).await {
                Asked::Answer(kind, why) => (kind, why),
                Asked::Later | Asked::Gone => {
                    say(&format!("Gate {} stays open.\n", gate.ordinal));
                    return Ok(codes::NEEDS_PERSON.exit);
                }
            }
        }
        None => {
            return Err(Error::new(
                codes::USAGE,
                "say what the answer is: there is no terminal to ask on",
            )
            .next(format!("atoll gate answer {} once", gate.ordinal))
            .next(format!(
                "atoll gate answer {} no --why REASON",
                gate.ordinal
            )));
        }
    };
    let request = AnswerRequest {
        answer: kind,
        why,
        gate: gate.gate,
    };
    let view = client
        .gate_answer(&app.caller(), gate.gate.to_string(), request)
        .await?;
    app.show("gate", &view, |_| {
        let words = match kind {
            GateAnswerKind::No => "refused",
            GateAnswerKind::Session => "allowed in this session",
            _ => "allowed once",
        };
        format!("Gate {}: {words}.\n", gate.ordinal)
    })
}
