//! Running jobs.

use atoll_domain::action::{Job, Stdin};
use atoll_domain::{Artifact, Enforced, JobSecret, Outcome, Tick};
use atoll_guard::{BoxFuture, End, Live, Permit, Stop};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::vault::Secret;

/// Which of a job's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, or the terminal.
    Out,
    /// Standard error.
    Err,
}

/// A chunk of output: at most 64 KiB or 250 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// From which stream.
    pub stream: Stream,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A kept file with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path, digest and length.
    pub artifact: Artifact,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// How a job ended, with what was kept.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The outcome; its `artifacts` name what is in `kept`.
    pub outcome: Outcome,
    /// The files that were kept.
    pub kept: Vec<Kept>,
}

/// A handle on a running job. Dropping it does not stop the job; [`Control::stop`] does.
pub trait Control: Send + Sync {
    /// Feeds standard input; empty bytes close it. Waits while the pipe is full.
    fn stdin(&self, permit: Permit<Stdin>, now: Tick) -> BoxFuture<'_, Result<Live<Stdin>, Stop>>;
    /// Changes the terminal's size.
    fn resize(&self, cols: u16, rows: u16);
    /// Ends the whole tree: SIGTERM, a short grace, SIGKILL. The outcome says `cancelled`.
    fn stop(&self);
}

/// A job under way.
pub struct Running {
    /// The permit, for the node to finish with the outcome.
    pub live: Live<Job>,
    /// Its output, in order. Bounded: a reader that stops reading stops the job's writes.
    pub output: BoxStream<'static, Chunk>,
    /// Stdin, size, stop.
    pub control: std::sync::Arc<dyn Control>,
    /// Resolves when the whole tree is gone.
    pub end: BoxFuture<'static, Ended>,
}

/// How strong the sandbox is here, found by trying.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// `full`, or `none` with the reason in `why`.
    pub level: String,
    /// Why it is not full, and what to do.
    pub why: Option<String>,
    /// Whether the node runs as root and drops to a dedicated uid.
    pub root: bool,
    /// How each limit would be kept.
    pub enforced: Enforced,
    /// More for `doctor`: name, what was found, whether it is fine.
    pub checks: Vec<Check>,
}

/// One line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What was found.
    pub found: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What to do, if not.
    pub fix: Option<String>,
}

/// A secret's value, for the variable of a job that its spec names. Never in the spec, in a process's arguments, or in
/// what is kept of the job: its output is masked as it comes, whatever quotes it.
pub struct Given {
    /// Which secret, and in which variable.
    pub secret: JobSecret,
    /// Its value.
    pub value: Secret,
}

/// A runner of jobs.
pub trait Runner: Send + Sync {
    /// Starts the job. An error after the permit was begun has closed it as failed.
    fn start(&self, permit: Permit<Job>, now: Tick) -> BoxFuture<'_, Result<Running, Stop>>;
    /// Starts a job that is given these secrets, the ones that its spec names. One that can't keep them out of what it
    /// logs and shows refuses: so does any that doesn't say otherwise.
    fn start_with(
        &self,
        permit: Permit<Job>,
        given: Vec<Given>,
        now: Tick,
    ) -> BoxFuture<'_, Result<Running, Stop>> {
        if given.is_empty() {
            return self.start(permit, now);
        }
        Box::pin(async move {
            permit.begin(now)?.finish(End::failed(None));
            Err(Stop::Unable("this runner gives no secrets to jobs".into()))
        })
    }
    /// How strong it is here. Cheap: tried once.
    fn abilities(&self) -> Abilities;
    /// The uid and gid that private copies must belong to, if jobs run as another user than the node.
    fn owner(&self) -> Option<(u32, u32)>;
}
