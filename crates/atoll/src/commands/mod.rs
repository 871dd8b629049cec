//! The commands, one file each.

pub mod chat;
pub mod code;
pub mod completion;
pub mod config;
pub mod doctor;
pub mod down;
pub mod erase;
pub mod exec;
mod exec_args;
mod exec_out;
pub mod explain;
pub mod gate;
pub mod grant;
pub mod log;
pub mod man;
pub mod model;
pub mod patch;
mod pick;
pub mod policy;
pub mod rules;
pub mod secret;
pub mod session;
pub mod shelf;
pub mod signals;
pub mod status;
mod suggest;
mod talk;
pub mod tries;
pub mod up;
mod watch;

use atoll_api::Error;

use crate::app::App;
use crate::cli::Command;

/// Runs a command; the exit code.
pub async fn run(app: &App, command: Option<Command>) -> Result<u8, Error> {
    grant::within(app, command.as_ref())?;
    match command {
        None | Some(Command::Status) => status::run(app).await,
        Some(Command::Chat(args)) => chat::run(app, args).await,
        Some(Command::Code(args)) => code::run(app, args).await,
        Some(Command::Exec(args)) => exec::run(app, args).await,
        Some(Command::Try(args)) => tries::run(app, args).await,
        Some(Command::Gate(gate)) => gate::run(app, gate).await,
        Some(Command::Patch(patch)) => patch::run(app, patch).await,
        Some(Command::Session(session)) => session::run(app, session).await,
        Some(Command::Log(log)) => log::run(app, log).await,
        Some(Command::Policy(policy)) => policy::run(app, policy).await,
        Some(Command::Secret(secret)) => secret::run(app, secret).await,
        Some(Command::Grant(grant)) => grant::run(app, grant).await,
        Some(Command::Model(model)) => model::run(app, model).await,
        Some(Command::Up(args)) => up::run(app, args).await,
        Some(Command::Down(args)) => down::down(app, args).await,
        Some(Command::Restart) => down::restart(app).await,
        Some(Command::Doctor(args)) => doctor::run(app, args).await,
        Some(Command::Config(config)) => config::run(app, config).await,
        Some(Command::Explain(args)) => explain::run(app, &args),
        Some(Command::Completion(args)) => completion::run(&args),
    }
}
