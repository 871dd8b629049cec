//! What every command has: where things lie, how to write, how to reach the node.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use atoll_api::{Caller, Commands, Error, Token, VERSION, codes};
use atoll_client::Client;
use atoll_domain::{Ms, Shown};
use serde::Serialize;

use crate::cli::Color;
use crate::daemon;
use crate::paths::Paths;
use crate::ui::{self, COLUMNS, Style};

/// The terminal, where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Standard input is one.
    pub stdin: bool,
    /// Standard output is one.
    pub stdout: bool,
    /// Standard error is one.
    pub stderr: bool,
    /// It only shows text: nothing can be written over.
    pub dumb: bool,
    /// Its columns and rows.
    pub size: (u16, u16),
}

/// What every command has.
pub struct App {
    /// JSON in place of text.
    pub json: bool,
    /// How to write on standard output.
    pub style: Style,
    /// How to write on standard error.
    pub err: Style,
    /// The terminal.
    pub terminal: Terminal,
    /// Where things lie.
    pub paths: Paths,
    /// A node that ends with this command.
    pub own: daemon::Own,
    /// The token that this command acts with, if it brings one.
    pub token: Option<Token>,
}

/// An environment variable that is set and not empty.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// Refuses what would be taken for unset: a variable that says where things lie, and is no text.
fn variables_are_text() -> Result<(), Error> {
    let ours =
        |name: &str| name == "HOME" || ["ATOLL_", "XDG_"].iter().any(|p| name.starts_with(p));
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| ours(name)) else {
            continue;
        };
        if value.to_str().is_none() {
            let err = Error::new(codes::CONFIG, format!("{name} is no text (UTF-8)"));
            return Err(err.next(format!("set {name} anew, or unset it")));
        }
    }
    Ok(())
}

/// The system's wall clock.
pub fn now() -> Ms {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ms(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

/// Writes to standard output. A reader that went away (`| head`) ends the command quietly.
pub fn out(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

/// Writes to standard error; who doesn't read it misses it.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// One line of JSON: `{"v":1,"kind":…,"data":…}`.
pub fn json_line(kind: &str, data: &impl Serialize) -> String {
    let line = serde_json::json!({ "v": 1, "kind": kind, "data": data });
    format!("{}\n", Shown::json(&line.to_string()))
}

/// Columns and rows of the terminal, as it is now.
pub fn size() -> (u16, u16) {
    let size = rustix::termios::tcgetwinsize(std::io::stdout())
        .or_else(|_| rustix::termios::tcgetwinsize(std::io::stderr()));
    match size {
        Ok(size) if size.ws_col > 0 => (size.ws_col, size.ws_row.max(1)),
        _ => (80, 24),
    }
}

/// What is written on a terminal of this size: neither broken into single words nor too wide to read.
fn columns(size: (u16, u16)) -> usize {
    usize::from(size.0).clamp(20, 120)
}

impl App {
    /// How to write on standard error, as wide as the terminal is now.
    pub fn err_now(&self) -> Style {
        self.now_as(self.err, self.terminal.stderr)
    }

    /// How to write on standard output, as wide as the terminal is now.
    pub fn style_now(&self) -> Style {
        self.now_as(self.style, self.terminal.stdout)
    }

    fn now_as(&self, style: Style, on_terminal: bool) -> Style {
        match on_terminal {
            true => Style {
                columns: columns(size()),
                ..style
            },
            false => style,
        }
    }

    /// From flags and environment.
    pub fn new(
        json: bool,
        color: Color,
        token_file: Option<&std::path::Path>,
    ) -> Result<App, Error> {
        variables_are_text()?;
        let terminal = Terminal {
            stdin: std::io::stdin().is_terminal(),
            stdout: std::io::stdout().is_terminal(),
            stderr: std::io::stderr().is_terminal(),
            dumb: env("TERM").is_none_or(|term| term == "dumb"),
            size: size(),
        };
        let style = |on_terminal: bool| Style {
            color: color.wanted(on_terminal),
            columns: if on_terminal {
                columns(terminal.size)
            } else {
                COLUMNS
            },
        };
        Ok(App {
            json,
            style: style(terminal.stdout),
            err: style(terminal.stderr),
            terminal,
            paths: Paths::find(&env)?,
            own: daemon::Own::default(),
            token: crate::token::find(token_file)?,
        })
    }

    /// The caller, as the `Commands` trait wants one; the node takes its own word from the socket.
    pub fn caller(&self) -> Caller {
        Caller::owner(rustix::process::getuid().as_raw(), "")
    }

    /// Shows something: as text, or as one JSON object.
    pub fn show(
        &self,
        kind: &str,
        data: &impl Serialize,
        text: impl FnOnce(&Style) -> String,
    ) -> Result<u8, Error> {
        if self.json {
            out(json_line(kind, data).as_bytes());
        } else {
            out(text(&self.style).as_bytes());
        }
        Ok(0)
    }

    /// Shows something that may be long: through a pager on a terminal, past one screen.
    pub fn show_paged(
        &self,
        kind: &str,
        data: &impl Serialize,
        text: impl FnOnce(&Style) -> String,
    ) -> Result<u8, Error> {
        if self.json || !self.terminal.stdout {
            return self.show(kind, data, text);
        }
        let text = text(&self.style);
        if text.lines().count() < usize::from(self.terminal.size.1) || !crate::term::page(&text) {
            out(text.as_bytes());
        }
        Ok(0)
    }

    /// Says an error: a block on standard error, or JSON on standard output.
    pub fn fail(&self, err: &Error) {
        if self.json {
            out(json_line("error", err).as_bytes());
        } else {
            say(&ui::error(&self.err, err));
        }
    }

    /// The socket: `ATOLL_NODE`'s, or the user's own.
    pub fn socket(&self) -> PathBuf {
        env("ATOLL_NODE").map_or_else(|| self.paths.socket(), PathBuf::from)
    }

    /// The node, if one runs.
    pub async fn running(&self) -> Result<Client, Error> {
        let client = Client::new(self.socket()).with_token(self.token.clone());
        let health = client.health().await?;
        if !health.understands(VERSION) {
            return Err(Error::new(
                codes::NODE_VERSION,
                "node and command speak different versions",
            )
            .found(format!(
                "the node is {} (API {}), this command {}",
                health.version,
                health.api,
                env!("CARGO_PKG_VERSION")
            ))
            .next("atoll restart"));
        }
        Ok(client)
    }

    /// The node; one is started if none runs.
    pub async fn node(&self) -> Result<Client, Error> {
        match self.running().await {
            // With a token nothing is started or ended that is not its to end.
            Ok(client) if self.token.is_some() => Ok(client),
            Ok(client) => daemon::renew(self, client).await,
            Err(err) if err.is(codes::NODE_UNREACHABLE) && self.may_start() => {
                daemon::start(self).await
            }
            Err(err) => Err(err),
        }
    }

    fn may_start(&self) -> bool {
        self.token.is_none() && env("ATOLL_NO_AUTOSTART").is_none() && env("ATOLL_NODE").is_none()
    }
}
