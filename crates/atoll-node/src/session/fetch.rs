//! Fetching what a project's lock file names and this machine lacks: offered once, at a gate.

use std::sync::atomic::{AtomicBool, Ordering};

use atoll_domain::action::Job;
use atoll_domain::{JobId, JobSpec, Limits, Network, Purpose, RunnerKind, Step};
use atoll_ports::toolchain::FetchPlan;

use crate::gate::Refused;
use crate::job::RunJob;
use crate::session::Drive;

/// How long a fetch may take, in seconds.
const TTL_S: u64 = 900;
/// Fetches in a row: one a language.
const PLANS_MAX: usize = 4;

/// Whether it was offered, and whether something came of it.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    offered: AtomicBool,
    fetched: AtomicBool,
}

impl Fetch {
    /// Whether something was fetched since the last look.
    pub(crate) fn take_fetched(&self) -> bool {
        self.fetched.swap(false, Ordering::SeqCst)
    }
}

impl Drive {
    /// Fetches what is missing for `cmd`, if a person lets it; whether anything was fetched. A no is no
    /// failure: the work goes on without.
    pub(crate) async fn fetch_missing(&self, step: Step, cmd: &[String]) -> Result<bool, Refused> {
        if self.fetch.offered.swap(true, Ordering::SeqCst) {
            return Ok(false);
        }
        let mut any = false;
        for n in 0..PLANS_MAX {
            let Some(plan) = self.shared.fetch_plan(&self.opened.launch, cmd).await? else {
                break;
            };
            self.shared.say_note(self.session, &plan.what);
            let job = self.fetch_job(step, n, plan);
            let run = RunJob {
                context: &self.context,
                job,
                key: None,
                cause: None,
                cancel: &self.cancel,
            };
            match self.shared.run_job(run).await {
                Ok(done) if done.outcome.ok => any = true,
                Ok(done) => {
                    self.shared.say_note(
                        self.session,
                        &format!("the fetch failed: {}", done.outcome.stderr),
                    );
                    break;
                }
                Err(Refused::Denied { .. }) => break,
                Err(refused) => return Err(refused),
            }
        }
        self.fetch.fetched.fetch_or(any, Ordering::SeqCst);
        Ok(any)
    }

    fn fetch_job(&self, step: Step, n: usize, plan: FetchPlan) -> Job {
        let parts: [&[u8]; 4] = [
            b"fetch",
            self.session.as_bytes(),
            &step.0.to_be_bytes(),
            &n.to_be_bytes(),
        ];
        let spec = JobSpec {
            id: JobId::derive(&parts),
            runner: RunnerKind::Process,
            language: None,
            image: None,
            cmd: plan.cmd,
            stdin: false,
            tty: None,
            env: plan.env,
            workdir: self.opened.launch.project().to_owned(),
            mounts: plan.mounts,
            limits: Limits::default(),
            ttl_s: TTL_S,
            network: Network::Allow(plan.hosts),
            secrets: Vec::new(),
            artifacts: Vec::new(),
            snapshot: None,
        };
        Job {
            spec,
            purpose: Purpose::Fetch,
            session: Some(self.session),
            copy: Some(self.copy.clone()),
            exe: None,
        }
    }
}
