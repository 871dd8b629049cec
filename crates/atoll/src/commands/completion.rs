//! `atoll completion`.

use atoll_api::Error;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::app::out;
use crate::cli::Cli;

/// A shell's completion, on standard output.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll completion bash > ~/.local/share/bash-completion/completions/atoll\n  atoll completion zsh > ~/.zfunc/_atoll\n  atoll completion fish > ~/.config/fish/completions/atoll.fish"
)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Which,
}

/// Shells.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Bash,
    Zsh,
    Fish,
}

/// The command line without what is hidden: the generators for some shells would offer it.
pub fn shown() -> clap::Command {
    Cli::command().mut_subcommand("up", |up| {
        let args: Vec<clap::Arg> = up
            .get_arguments()
            .filter(|a| !a.is_hide_set())
            .cloned()
            .collect();
        let about = up.get_about().cloned().unwrap_or_default();
        let after = up.get_after_help().cloned().unwrap_or_default();
        clap::Command::new("up")
            .about(about)
            .after_help(after)
            .args(args)
    })
}

pub fn run(args: &Args) -> Result<u8, Error> {
    let shell = match args.shell {
        Which::Bash => Shell::Bash,
        Which::Zsh => Shell::Zsh,
        Which::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), "atoll", &mut script);
    out(&script);
    Ok(0)
}
