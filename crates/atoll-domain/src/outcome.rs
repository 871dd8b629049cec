//! How a job ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Hash, JobId, TreeId};

/// How a limit was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// By the kernel.
    Enforced,
    /// By looking now and then: what is fast can pass it.
    Polled,
    /// Not at all.
    None,
}

/// Each limit and how it was kept, by name: `cpu`, `memory`, `pids`, `disk`, `network`, ….
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Enforced(pub BTreeMap<String, Enforcement>);

/// Why a job did not end by itself, or could not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The subset's interpreter does not know a construct.
    OutsideSubset,
    /// Its time was up.
    Timeout,
    /// Its memory was used up.
    Memory,
    /// Too many processes.
    Pids,
    /// Too much written.
    Disk,
    /// Too much output.
    Output,
    /// The sandbox could not be made.
    Sandbox,
    /// The guard refused.
    Denied,
    /// Someone stopped it.
    Cancelled,
    /// The node ended while it ran: what it did is unknown.
    Lost,
}

impl Reason {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Reason::OutsideSubset => "outside_subset",
            Reason::Timeout => "timeout",
            Reason::Memory => "memory",
            Reason::Pids => "pids",
            Reason::Disk => "disk",
            Reason::Output => "output",
            Reason::Sandbox => "sandbox",
            Reason::Denied => "denied",
            Reason::Cancelled => "cancelled",
            Reason::Lost => "lost",
        }
    }
}

/// What a job used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
    /// CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory at once, in bytes.
    pub peak_memory_bytes: u64,
}

/// A file that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its path, relative to the job's working directory.
    pub path: String,
    /// Its content's digest.
    pub sha256: Hash,
    /// Its length.
    pub bytes: u64,
}

/// What a person can do about a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The construct or call that was at fault.
    pub construct: Option<String>,
    /// Its line, from 1.
    pub line: Option<u64>,
    /// Its column, from 1.
    pub column: Option<u64>,
    /// What to do.
    pub hint: Option<String>,
}

/// How a job ended. `stdout` and `stderr` are what was kept of them, head and tail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which job.
    pub job: JobId,
    /// Whether it did what it was for: exit code 0 and no reason.
    pub ok: bool,
    /// Its exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it wrote; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote on standard error (empty with a terminal).
    pub stderr: String,
    /// Whether output was dropped.
    pub truncated: bool,
    /// What it returned, for runners with values.
    pub value: Option<String>,
    /// The workspace after it, if it changed one.
    pub tree: Option<TreeId>,
    /// What it used.
    pub usage: Resources,
    /// How its limits were kept.
    pub enforced: Enforced,
    /// What was kept of its files.
    pub artifacts: Vec<Artifact>,
    /// Why it did not end by itself.
    pub reason: Option<Reason>,
    /// More about the reason.
    pub detail: Option<Detail>,
}

impl Outcome {
    /// An outcome of a job that never ran, or whose end nobody saw.
    pub fn unrun(job: JobId, reason: Reason, hint: impl Into<String>) -> Outcome {
        Outcome {
            job,
            ok: false,
            exit_code: None,
            signal: None,
            stdout: String::new(),
            stderr: String::new(),
            truncated: false,
            value: None,
            tree: None,
            usage: Resources::default(),
            enforced: Enforced::default(),
            artifacts: Vec::new(),
            reason: Some(reason),
            detail: Some(Detail {
                hint: Some(hint.into()),
                ..Detail::default()
            }),
        }
    }
}
