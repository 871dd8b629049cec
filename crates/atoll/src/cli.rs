//! The command line.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;

/// What `atoll --help` says. Only what exists is in it; a test compares.
pub const HELP: &str = "\
AI agents that work on your machines, by your rules, with receipts.

Usage: atoll [COMMAND]

Work       code         give an agent a task in a repository; get a tested patch
           chat         talk about a folder: answers, and patches where you ask for changes
           exec         run a command in the sandbox, on a private copy
           try          see a model mend a failing test in a bundled sample
Decide     gate         list show answer: what needs you
           patch        list show accept reject edit undo
Look back  session      list show resume fork undo labels declassify export delete
           log          tail show verify checkpoint archive replay export rebuild erase
Trust      policy       show check init edit test why simulate suggest
           secret       set list rotate remove import unlock lock
           grant        mint list attenuate revoke: tokens for others and for scripts
Models     model        list use pull add remove test
Settings   config       get set show trust
This node  up down restart status doctor explain completion

Options:
      --json           one JSON object, or JSON lines while something works
      --color <WHEN>   auto, always, never [default: auto]
      --token-file <FILE>  act with the token in this file, else in ATOLL_TOKEN
  -h, --help           a command's page: atoll COMMAND --help
  -V, --version        the version

Without a command: status. IDs are short (s4, p7, g3, j9); @ is the latest.

Examples:
  atoll code \"make the failing test pass\"
  atoll patch show @
  atoll exec -- make test
";

/// AI agents that work on your machines, by your rules, with receipts.
#[derive(Debug, Parser)]
#[command(name = "atoll", version, override_help = HELP, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// One JSON object, or JSON lines while something works.
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Colour.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, hide_possible_values = true, help_heading = "Output")]
    pub color: Color,
    /// Act with the token in this file alone; else with the one in ATOLL_TOKEN, if it is set.
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub token_file: Option<std::path::PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// When to write in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to, on a terminal or not.
    pub fn wanted(self, on_terminal: bool) -> bool {
        let env = crate::app::env;
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                on_terminal && env("NO_COLOR").is_none() && env("TERM").as_deref() != Some("dumb")
            }
        }
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give an agent a task in a repository; get a tested patch.
    Code(commands::code::Args),
    /// Talk about a folder: answers, and patches where you ask for changes.
    Chat(commands::chat::Args),
    /// Run a command in the sandbox, on a private copy.
    Exec(commands::exec::Args),
    /// See a model mend a failing test in a bundled sample.
    Try(commands::tries::Args),
    /// What needs you.
    #[command(subcommand)]
    Gate(commands::gate::Gate),
    /// Proposed changes.
    #[command(subcommand)]
    Patch(commands::patch::Patch),
    /// Lines of work.
    #[command(subcommand)]
    Session(commands::session::Session),
    /// The record of what happened.
    #[command(subcommand)]
    Log(commands::log::Log),
    /// The rules.
    #[command(subcommand)]
    Policy(commands::policy::Policy),
    /// The vault: keys and passwords, used by name.
    #[command(subcommand)]
    Secret(commands::secret::Secret),
    /// Tokens: what others may do here, until when, up to how much.
    #[command(subcommand)]
    Grant(commands::grant::Grant),
    /// Language models.
    #[command(subcommand)]
    Model(commands::model::Model),
    /// Start the node.
    Up(commands::up::Args),
    /// Stop the node, in order.
    Down(commands::down::Args),
    /// Stop the node and start it again.
    #[command(after_help = "Examples:\n  atoll restart")]
    Restart,
    /// What needs you, what runs, what it cost.
    #[command(after_help = "Examples:\n  atoll status\n  atoll status --json")]
    Status,
    /// What this machine can do, and what is missing.
    Doctor(commands::doctor::Args),
    /// Settings.
    #[command(subcommand)]
    Config(commands::config::Config),
    /// What an error code means, and what to do.
    Explain(commands::explain::Args),
    /// Completion for a shell.
    Completion(commands::completion::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn walk(command: &clap::Command, path: &str, visit: &mut dyn FnMut(&str, &clap::Command)) {
        for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            visit(&path, sub);
            walk(sub, &path, visit);
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_command_is_in_the_help_and_has_an_example() {
        walk(&Cli::command(), "atoll", &mut |path, command| {
            let words: Vec<&str> = path.split(' ').collect();
            for word in &words {
                assert!(HELP.contains(word), "{path}: {word} is not in the help");
            }
            if command.get_subcommands().next().is_none() {
                let after = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(after.contains(path), "{path} has no example");
            }
        });
    }

    #[test]
    fn the_help_names_nothing_that_does_not_exist() {
        let mut known: Vec<String> = Vec::new();
        walk(&Cli::command(), "", &mut |_, c| {
            known.push(c.get_name().to_owned())
        });
        for line in HELP
            .lines()
            .skip_while(|l| !l.starts_with("Work"))
            .take_while(|l| !l.is_empty())
        {
            let body = line.get(11..).unwrap_or_default();
            let verbs = body.split(':').next().unwrap_or_default();
            let noun = verbs.split_whitespace().next().unwrap_or_default();
            assert!(known.iter().any(|k| k == noun), "{noun} does not exist");
            if !["code", "chat", "exec", "try"].contains(&noun) {
                for verb in verbs.split_whitespace() {
                    assert!(known.iter().any(|k| k == verb), "{verb} does not exist");
                }
            }
        }
    }
}
