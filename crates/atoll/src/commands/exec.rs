//! `atoll exec`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atoll_api::{Commands, Error, ExecStarted, GateView, Progress, Update, codes};
use atoll_client::Client;
use atoll_domain::{Outcome, Reason, SessionEnd};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt;
use tokio::signal::unix::SignalKind;

pub use super::exec_args::Args;
use super::exec_args::request;
use super::exec_out::{self, Raw};
use super::signals::{self, Signals};
use crate::app::{App, json_line, out, say};
use crate::ask::{Decided, decide};
use crate::term;

/// Atoll's own failures end with this, so that the command's codes stay its own.
pub const OWN: u8 = 125;
/// What was not run because nobody allowed it ends with this.
const DENIED: u8 = 126;

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    // Atoll's own failures have codes of their own here, so that the command's stay apart.
    let done = run_inner(app, &args).await;
    done.map_err(|err| {
        let exit = match err.exit {
            3 | 4 => DENIED,
            130 => 130,
            _ => OWN,
        };
        Error { exit, ..err }
    })
}

async fn run_inner(app: &App, args: &Args) -> Result<u8, Error> {
    let request = request(app, args)?;
    let tty = request.tty.is_some();
    let client = app.node().await?;
    if !args.secrets.is_empty() {
        super::secret::ready(app, &client, true).await?;
    }
    let mut signals = Signals::new()?;
    let caller = app.caller();
    let begun = client.exec(&caller, Client::fresh_key()?, request);
    let started = signals.during(begun).await?;
    if app.json {
        out(json_line("started", &started).as_bytes());
    }
    for note in &started.notes {
        say(&format!("note    {}\n", atoll_domain::Shown::line(note)));
    }
    let bytes = Raw::new(app.terminal.stdout && !tty, app.terminal.stderr && !tty);
    say_how(app, &started, tty);
    let run = Run {
        app,
        client: client.clone(),
        started: started.clone(),
        tty,
        raw: None,
        bytes,
    };
    let outcome = run.watch(signals).await?;
    let Some(outcome) = outcome else {
        return Ok(OWN);
    };
    keep(app, &client, &started, &outcome, args).await?;
    if app.json {
        let data = serde_json::json!({ "session": started.session_ordinal, "outcome": outcome, "exit": exit_code(&outcome) });
        out(json_line("result", &data).as_bytes());
    } else if outcome.reason.is_none()
        && outcome.exit_code == Some(127)
        && outcome.stderr.is_empty()
    {
        let name = atoll_domain::Shown::line(args.cmd.first().map_or("python3", String::as_str));
        app.fail(&Error::new(
            codes::NOT_FOUND_CMD,
            format!("{name} is not to be found in the sandbox"),
        ));
    } else if let Some(reason) = outcome.reason {
        let hint = outcome
            .detail
            .as_ref()
            .and_then(|d| d.hint.clone())
            .unwrap_or_default();
        say(&format!(
            "atoll: ended: {} {}\n",
            reason.name(),
            atoll_domain::Shown::line(&hint)
        ));
    }
    Ok(exit_code(&outcome))
}

/// What becomes of the output, on a terminal.
fn say_how(app: &App, started: &ExecStarted, tty: bool) {
    if app.json || !app.terminal.stderr {
        return;
    }
    let how = match (tty, app.terminal.stdout) {
        (true, _) => "its terminal is yours, passed through as it is",
        (false, true) => "its output is shown with controls escaped",
        (false, false) => "its output is passed on as it is",
    };
    say(&format!("exec    {}: {how}\n", started.session_ordinal));
}

fn exit_code(outcome: &Outcome) -> u8 {
    match (outcome.reason, outcome.exit_code, outcome.signal) {
        (Some(Reason::Cancelled), ..) => 130,
        (Some(Reason::Denied), ..) => DENIED,
        (Some(_), ..) => OWN,
        (None, Some(code), _) => u8::try_from(code & 0xff).unwrap_or(1),
        (None, None, Some(signal)) => u8::try_from(128 + (signal & 0x7f)).unwrap_or(OWN),
        (None, None, None) => OWN,
    }
}

/// Writes the kept files out, or lists them.
async fn keep(
    app: &App,
    client: &Client,
    started: &ExecStarted,
    outcome: &Outcome,
    args: &Args,
) -> Result<(), Error> {
    for artifact in &outcome.artifacts {
        let shown = atoll_domain::Shown::line(&artifact.path);
        let Some(save) = &args.save else {
            say(&format!(
                "kept    {shown}  {} bytes  {}\n",
                artifact.bytes,
                artifact.sha256.short()
            ));
            continue;
        };
        let bytes = client
            .artifact(
                &app.caller(),
                started.job.to_string(),
                artifact.path.clone(),
            )
            .await?;
        let target = exec_out::save(save, &artifact.path, &bytes)?;
        say(&format!(
            "saved   {}\n",
            atoll_domain::Shown::line(&target.display().to_string())
        ));
    }
    Ok(())
}

struct Run<'a> {
    app: &'a App,
    client: Client,
    started: ExecStarted,
    tty: bool,
    raw: Option<term::Mode>,
    bytes: Raw,
}

impl Run<'_> {
    /// Until the job ended; `None`: it never ran, and why was said.
    async fn watch(mut self, signals: Signals) -> Result<Option<Outcome>, Error> {
        let caller = self.app.caller();
        let job = self.started.job;
        let session = self.started.session.to_string();
        let mut updates = self
            .client
            .watch(&caller, session, self.started.cursor)
            .await?;
        let Signals {
            mut int,
            mut hup,
            mut term,
            mut interrupted,
        } = signals;
        let mut winch = signals::watch(SignalKind::window_change())?;
        if interrupted {
            self.stop().await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut typed = None;
        let mut outcome = None;
        let ended = loop {
            tokio::select! {
                update = updates.next() => match update {
                    None if outcome.is_none() => break Err(self.cut()),
                    None => break Ok(outcome),
                    Some(Update { progress: Progress::JobEnded { outcome: o }, .. }) if o.job == job => outcome = Some(*o),
                    Some(Update { progress: Progress::JobStarted { job: started }, .. }) if started == job => {
                        if self.tty { self.raw = term::Mode::raw(); }
                        typed = Some(term::stdin_bytes(stop.clone()));
                    }
                    Some(Update { progress: Progress::Ended { end, words, .. }, .. }) if outcome.is_none() => {
                        break Err(self.refused(end, &words));
                    }
                    Some(update) => if let Err(err) = self.update(update).await { break Err(err) },
                },
                bytes = next(&mut typed) => {
                    let last = bytes.is_none();
                    if last { typed = None; }
                    self.feed(bytes.unwrap_or_default()).await;
                }
                _ = int.recv() => {
                    if std::mem::replace(&mut interrupted, true) {
                        break Err(Error::new(codes::CANCELLED, "interrupted twice: the job is being stopped"));
                    }
                    self.stop().await;
                }
                _ = term.recv() => self.stop().await,
                // `exec` ends with its terminal.
                _ = hup.recv() => self.stop().await,
                _ = winch.recv() => self.resize().await,
            }
        };
        stop.store(true, Ordering::Relaxed);
        self.bytes.end();
        ended
    }

    /// The stream ended and nothing said how the job did.
    fn cut(&self) -> Error {
        Error::new(codes::NODE_UNREACHABLE, "the node ended the connection")
            .changed("how the job ended is unknown here")
            .next(format!(
                "atoll session show {}",
                self.started.session_ordinal
            ))
    }

    async fn feed(&self, bytes: Vec<u8>) {
        // A job that has ended or doesn't read takes none: that is its own affair.
        let _ = self
            .client
            .exec_stdin(&self.app.caller(), self.started.job.to_string(), bytes)
            .await;
    }

    async fn stop(&self) {
        let _ = self
            .client
            .exec_stop(&self.app.caller(), self.started.job.to_string())
            .await; // it may just have ended
    }

    async fn resize(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) {
            let job = self.started.job.to_string();
            let _ = self
                .client
                .exec_resize(&self.app.caller(), job, size.ws_col, size.ws_row)
                .await; // it may just have ended
        }
    }

    async fn update(&mut self, update: Update) -> Result<(), Error> {
        if self.app.json {
            out(json_line("update", &update).as_bytes());
        }
        match update.progress {
            Progress::Output { job, stream, bytes } if !self.app.json => {
                let bytes = BASE64.decode(bytes).unwrap_or_default();
                // What a fetch says before it is no part of the command's output.
                let own = job == self.started.job;
                self.bytes.write(if own { &stream } else { "err" }, &bytes);
            }
            Progress::Gate { gate } if gate.answer.is_none() && !self.app.json => {
                self.gate(&gate).await?
            }
            Progress::Note { text } if !self.app.json => {
                say(&format!("note    {}\n", atoll_domain::Shown::line(&text)))
            }
            _ => {}
        }
        Ok(())
    }

    async fn gate(&self, gate: &GateView) -> Result<(), Error> {
        if !(self.app.terminal.stdin && self.app.terminal.stderr) {
            say(&format!(
                "needs you  {}: atoll gate answer {}\n",
                gate.ordinal, gate.ordinal
            ));
            return Ok(());
        }
        if decide(self.app, &self.client, gate).await? == Decided::Later {
            say(&format!("It waits: atoll gate answer {}\n", gate.ordinal));
        }
        Ok(())
    }

    fn refused(&self, end: SessionEnd, words: &str) -> Error {
        let code = match end {
            SessionEnd::Denied => codes::DENIED,
            SessionEnd::NeedsYou => codes::NEEDS_PERSON,
            SessionEnd::Limit => codes::JOB_LIMIT,
            SessionEnd::Cancelled => codes::CANCELLED,
            // The command's own failure has an outcome.
            SessionEnd::Failed => codes::NO_FETCH,
            _ => codes::SANDBOX_FAILED,
        };
        let err = Error::new(code, format!("the command was not run: {words}"));
        match end {
            SessionEnd::Denied | SessionEnd::NeedsYou => err
                .next("atoll policy show")
                .next("run it with --on-ask wait, and answer with: atoll gate answer @"),
            SessionEnd::Cancelled => err,
            SessionEnd::Failed => err.next("atoll session show @"),
            _ => err.next("atoll doctor"),
        }
    }
}

/// The next typed bytes; never, before the job reads and after they ended.
async fn next(typed: &mut Option<tokio::sync::mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_childs_code_is_passed_on_and_our_own_is_apart() {
        let job = atoll_domain::JobId::new(atoll_domain::Ms(1), [0; 10]);
        let mut o = Outcome::unrun(job, Reason::Timeout, "");
        assert_eq!(exit_code(&o), OWN);
        (o.reason, o.exit_code) = (None, Some(3));
        assert_eq!(exit_code(&o), 3);
        (o.exit_code, o.signal) = (None, Some(9));
        assert_eq!(exit_code(&o), 137);
    }
}
