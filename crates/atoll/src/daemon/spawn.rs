//! Starting the node's process.
#![allow(
    clippy::disallowed_types,
    reason = "starts the node itself, from this very binary"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use atoll_api::{Error, codes};

use super::record;
use crate::app::App;
use crate::paths::Paths;

/// What the node says first is no longer, in bytes.
const FIRST_BYTES_MAX: u64 = 64 << 10;

fn failed(what: &str, err: &std::io::Error) -> Error {
    Error::new(codes::STORE_UNUSABLE, format!("{what}: {err}")).next("atoll doctor")
}

/// Starts the node in the background. `own`: it ends when the pipe to its standard input does.
pub fn node(app: &App, own: bool) -> Result<(Child, ChildStdout), Error> {
    let path = app.paths.node_log();
    let words = record::open(&path).map_err(|err| failed(&path.display().to_string(), &err))?;
    let mut command = Command::new("/proc/self/exe");
    command.args(["up", "--background"]);
    if own {
        command.arg("--lifeline").stdin(Stdio::piped());
    } else {
        command.stdin(Stdio::null());
    }
    // Whoever starts it may hold a token for another node; this one needs none.
    command.env_remove("ATOLL_TOKEN");
    // Not the folder of whoever happens to start it: that would keep it from being unmounted.
    command
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(words);
    let mut child = command
        .spawn()
        .map_err(|err| failed("the node can't be started", &err))?;
    let ready = child.stdout.take();
    let ready =
        ready.ok_or_else(|| Error::new(codes::BUG, "the node's output is not to be had"))?;
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
        Error::new(codes::NODE_UNREACHABLE, "the node ended before it was up")
            .next("atoll up --foreground")
    }))
}

/// Whether a node holds the data directory.
pub fn locked(paths: &Paths) -> bool {
    let Ok(file) = File::open(paths.data.join("node.lock")) else {
        return false;
    };
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Ok(()) => false, // let go when the file is closed, here
        Err(err) => err == rustix::io::Errno::WOULDBLOCK,
    }
}
