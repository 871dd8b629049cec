//! No sandbox, no jobs: a clear refusal behind the same port.

use atoll_domain::action::Job;
use atoll_domain::{Reason, Tick};
use atoll_guard::{BoxFuture, End, Permit, Stop};
use atoll_ports::Runner;
use atoll_ports::runner::{Abilities, Running};

use super::{Error, Options};

/// The runner of processes, which this system has not.
pub struct ProcessRunner;

impl ProcessRunner {
    /// Gives a runner that refuses every job.
    pub fn start(_: Options) -> Result<ProcessRunner, Error> {
        Ok(ProcessRunner)
    }
}

impl Runner for ProcessRunner {
    fn start(&self, permit: Permit<Job>, now: Tick) -> BoxFuture<'_, Result<Running, Stop>> {
        Box::pin(async move {
            permit
                .begin(now)?
                .finish(End::failed(Some(Reason::Sandbox)));
            Err(Stop::Sandbox(Error::Unsupported.to_string()))
        })
    }
    fn abilities(&self) -> Abilities {
        Abilities {
            level: "none".into(),
            why: Some(Error::Unsupported.to_string()),
            ..Abilities::default()
        }
    }
    fn owner(&self) -> Option<(u32, u32)> {
        None
    }
}
