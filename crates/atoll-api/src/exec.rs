//! `atoll exec`.

use std::collections::BTreeMap;

use atoll_domain::{HostPort, JobId, JobSecret, Ms, Outcome, SessionId, Tty};
use serde::{Deserialize, Serialize};

use crate::OnAsk;

/// A command in the sandbox, on a private copy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The workspace's absolute path.
    pub root: String,
    /// The working directory, absolute, in `root` or the same.
    pub cwd: String,
    /// The command.
    pub cmd: Vec<String>,
    /// A Python program to run in place of a command: name and content.
    #[serde(default)]
    pub python: Option<(String, String)>,
    /// Whether standard input will be fed.
    #[serde(default)]
    pub stdin: bool,
    /// A terminal.
    #[serde(default)]
    pub tty: Option<Tty>,
    /// Whether dependencies that a lock file names and this machine lacks are fetched first.
    #[serde(default)]
    pub fetch: bool,
    /// Hosts that it may reach.
    #[serde(default)]
    pub net: Vec<HostPort>,
    /// Globs of files to keep.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// Environment that the caller named with `--env`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Secrets of the vault, by name, and the variables that they are given in.
    #[serde(default)]
    pub secrets: Vec<JobSecret>,
    /// Wall time, in seconds.
    #[serde(default)]
    pub ttl_s: Option<u64>,
    /// Memory, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// What an ask becomes.
    #[serde(default)]
    pub on_ask: OnAsk,
    /// The caller's home.
    #[serde(default)]
    pub home: String,
    /// The caller's PATH.
    #[serde(default)]
    pub path: String,
}

/// A job under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecStarted {
    /// Its id.
    pub job: JobId,
    /// The session that holds it.
    pub session: SessionId,
    /// `s4`.
    pub session_ordinal: String,
    /// Updates after this event number belong to it.
    pub cursor: u64,
    /// Things to say at the start.
    pub notes: Vec<String>,
}

/// A job, for `session show` and `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecView {
    /// `j9`.
    pub ordinal: String,
    /// Its id.
    pub job: JobId,
    /// Why it was run.
    pub purpose: String,
    /// When it started.
    pub started: Ms,
    /// How it ended, once it did.
    pub outcome: Option<Outcome>,
}
