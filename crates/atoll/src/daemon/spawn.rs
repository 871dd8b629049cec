//! Starting the node's process.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "starts the node itself, from this very binary, and opens its log of words"
)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::process::{Child, ChildStdout, Command, Stdio};

use atoll_api::{Error, codes};

use crate::app::App;
use crate::paths::Paths;

/// The node's words are kept up to twice this length, in bytes.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// What the node says first is no longer, in bytes.
const FIRST_BYTES_MAX: u64 = 64 << 10;

fn failed(what: &str, err: &std::io::Error) -> Error {
    Error::new(codes::STORE_UNUSABLE, format!("{what}: {err}")).next("atoll doctor")
}

/// The file of the node's words; an old one is put aside when it is long.
fn words(paths: &Paths) -> Result<File, Error> {
    let path = paths.node_log();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&paths.state);
    made.map_err(|err| failed(&paths.state.display().to_string(), &err))?;
    if std::fs::metadata(&path).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
        let _ = std::fs::rename(&path, path.with_extension("log.old")); // else it grows on
    }
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    opened.map_err(|err| failed(&path.display().to_string(), &err))
}

/// Starts the node in the background. `own`: it ends when the pipe to its standard input does.
pub fn node(app: &App, own: bool) -> Result<(Child, ChildStdout), Error> {
    let words = words(&app.paths)?;
    let mut command = Command::new("/proc/self/exe");
    command.args(["up", "--background"]);
    if own {
        command.arg("--lifeline").stdin(Stdio::piped());
    } else {
        command.stdin(Stdio::null());
    }
    // Not the folder of whoever happens to start it: that would keep it from being unmounted.
    command.current_dir("/").stdout(Stdio::piped()).stderr(words);
    let mut child = command.spawn().map_err(|err| failed("the node can't be started", &err))?;
    let ready = child.stdout.take();
    let ready = ready.ok_or_else(|| Error::new(codes::BUG, "the node's output is not to be had"))?;
    Ok((child, ready))
}

/// What the node says first: that it is up, or why it is not.
pub fn first_line(ready: ChildStdout) -> Result<(), Error> {
    let mut line = String::new();
    let read = BufReader::new(ready.take(FIRST_BYTES_MAX)).read_line(&mut line);
    if read.is_ok() && line.trim() == "ready" {
        return Ok(());
    }
    let said: Result<Error, _> = serde_json::from_str(line.trim());
    Err(said.unwrap_or_else(|_| {
        Error::new(codes::NODE_UNREACHABLE, "the node ended before it was up").next("atoll up --foreground")
    }))
}

/// Whether a node holds the data directory.
pub fn locked(paths: &Paths) -> bool {
    let Ok(file) = File::open(paths.data.join("node.lock")) else { return false };
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Ok(()) => false, // let go when the file is closed, here
        Err(err) => err == rustix::io::Errno::WOULDBLOCK,
    }
}
