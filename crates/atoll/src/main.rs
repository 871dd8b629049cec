//! Atoll: AI agents that work on your machines, by your rules, with receipts.
//!
//! The binary wires and shows: commands in `commands/`, what needs no node in `offline/`, what people read
//! in `ui/`, the node's process in `daemon/`, and the one list of what is plugged in in `wiring.rs`.

mod app;
mod ask;
mod cli;
mod commands;
mod config;
mod daemon;
mod export;
mod offline;
mod paths;
mod plugged;
mod private;
mod term;
mod token;
mod typing;
mod ui;
mod usage;
mod wiring;

use std::process::ExitCode;

use atoll_api::{Error, codes};

use crate::app::App;
use crate::cli::Command;

fn main() -> ExitCode {
    // The sandbox's spawner is this binary too, before there is any thread.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "--spawner")
    {
        return code(u8::try_from(atoll_runners::spawner_main()).unwrap_or(1));
    }
    // So is the engine of the models on disk, which fences itself in before there is any thread.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "--engine")
    {
        return code(u8::try_from(atoll_llama::engine_main()).unwrap_or(1));
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "--man")
    {
        let page = std::env::args_os().nth(2);
        return code(manual(page.map(|p| p.to_string_lossy().into_owned())));
    }
    if let Err(err) = token::not_in_words(std::env::args_os().skip(1)) {
        app::say(&ui::error(&ui::Style::PLAIN, &err));
        return code(err.exit);
    }
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(exit) => return code(exit),
    };
    let app = match App::new(cli.json, cli.color, cli.token_file.as_deref()) {
        Ok(app) => app,
        Err(err) => {
            app::say(&ui::error(&ui::Style::PLAIN, &err));
            return code(err.exit);
        }
    };
    if let Some(Command::Up(args)) = &cli.command
        && (args.foreground || args.background)
    {
        return code(daemon::run(&app.paths, args));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(commands::run(&app, cli.command));
            // A thread that waits for a key must not keep the command.
            runtime.shutdown_background();
            done
        }
        Err(err) => Err(Error::new(codes::BUG, format!("no runtime: {err}"))),
    };
    app.own.end();
    match done {
        Ok(exit) => code(exit),
        Err(err) => {
            app.fail(&err);
            code(err.exit)
        }
    }
}

/// A manual page, for whoever packages.
fn manual(page: Option<String>) -> u8 {
    commands::man::run(page.as_deref()).unwrap_or_else(|err| {
        app::say(&ui::error(&ui::Style::PLAIN, &err));
        err.exit
    })
}

fn code(exit: u8) -> ExitCode {
    ExitCode::from(exit)
}
