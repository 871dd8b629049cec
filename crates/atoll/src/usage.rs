//! Reading the command line; what can't be understood is an error like any other.

use atoll_api::{Error, codes};
use clap::Parser;
use clap::error::ErrorKind;

use crate::app::{json_line, out, say};
use crate::cli::{Cli, Color};
use crate::commands::exec::OWN;
use crate::ui::{self, COLUMNS, Style};

/// The command line, or the exit code of a command that is over already.
pub fn parse() -> Result<Cli, u8> {
    let err = match Cli::try_parse() {
        Ok(cli) => return Ok(cli),
        Err(err) => err,
    };
    if matches!(
        err.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        out(err.render().to_string().as_bytes());
        return Err(0);
    }
    if err.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        say(&err.render().to_string());
        return Err(codes::USAGE.exit);
    }
    // What is no text is none of the words that are looked for here.
    let words = std::env::args_os().skip(1);
    let words: Vec<String> = words.map(|w| w.to_string_lossy().into_owned()).collect();
    let told = error(&err.render().to_string());
    if words
        .iter()
        .take_while(|w| *w != "--")
        .any(|w| w == "--json")
    {
        out(json_line("error", &told).as_bytes());
    } else {
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let style = Style {
            color: Color::Auto.wanted(on_terminal),
            columns: COLUMNS,
        };
        say(&ui::error(&style, &told));
    }
    let exec = words
        .iter()
        .find(|w| !w.starts_with('-'))
        .is_some_and(|w| w == "exec");
    Err(if exec { OWN } else { codes::USAGE.exit })
}

/// Clap's words in our form: the first paragraph is the message, tips are what to do.
fn error(text: &str) -> Error {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let mut parts = text.split("\n\n");
    let message: Vec<&str> = parts
        .next()
        .unwrap_or_default()
        .lines()
        .map(str::trim)
        .collect();
    let mut err = Error::new(codes::USAGE, message.join(" "));
    for part in parts {
        for line in part.lines().map(str::trim) {
            if let Some(tip) = line.strip_prefix("tip: ") {
                err = err.next(tip);
            } else if let Some(usage) = line.strip_prefix("Usage: ") {
                err = err.next(usage);
            }
        }
    }
    err.next("atoll --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let err = Cli::try_parse_from(["atoll", "patch", "acept"]).unwrap_err();
        let told = error(&err.render().to_string());
        assert!(told.is(codes::USAGE), "{told:?}");
        assert!(told.message.contains("acept"), "{told:?}");
        assert!(told.next.iter().any(|n| n.contains("'accept'")), "{told:?}");
        assert!(!told.message.contains('\n'));
    }
}
