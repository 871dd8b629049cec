//! Fetching what a project's lock file names and this machine lacks: each fetch is a job of its own, at a
//! gate that names its hosts.

use atoll_domain::action::Job;
use atoll_domain::{
    CopyRef, HostPort, JobId, JobSpec, Limits, Network, Outcome, Purpose, RunnerKind, SessionId,
    Step,
};
use atoll_ports::toolchain::FetchPlan;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::facts::Context;
use crate::job::RunJob;
use crate::launch::Launch;
use crate::refused::Refused;
use crate::shared::Shared;

/// How long a fetch may take, in seconds.
const TTL_S: u64 = 900;
/// Fetches in a row: one a language, and one more where a first try brought the name of another host.
const FETCHES_MAX: usize = 6;

/// Whose dependencies, for which command.
pub(crate) struct Fetching<'a> {
    pub(crate) context: &'a Context,
    pub(crate) session: SessionId,
    pub(crate) launch: &'a Launch,
    pub(crate) copy: &'a CopyRef,
    pub(crate) cmd: &'a [String],
    pub(crate) step: Step,
    pub(crate) cancel: &'a CancellationToken,
}

/// Why not all was fetched.
pub(crate) enum Unfetched {
    /// It was not let, or could not be started.
    Refused(Refused),
    /// No plan could be made, or the job failed; in words.
    Failed(String),
}

/// What came of it: whether anything was fetched, and what stood in the way of the rest.
pub(crate) struct Fetched {
    pub(crate) any: bool,
    pub(crate) rest: Option<Unfetched>,
}

impl Shared {
    /// Fetches what is lacking, one language after the other, until nothing is or something is in the way.
    pub(crate) async fn fetch(self: &Arc<Self>, of: Fetching<'_>) -> Fetched {
        let mut any = false;
        let mut failed = None;
        let mut tried: Vec<(Vec<String>, Vec<HostPort>)> = Vec::new();
        for n in 0..FETCHES_MAX {
            let plan = match self.fetch_plan(of.launch, of.cmd).await {
                Ok(Some(plan)) => plan,
                Ok(None) => {
                    failed = None;
                    break;
                }
                Err(err) => {
                    failed = Some(err.to_string());
                    break;
                }
            };
            let asked = (plan.cmd.clone(), plan.hosts.clone());
            if tried.contains(&asked) {
                break;
            }
            tried.push(asked);
            self.say_note(of.session, &plan.what);
            let run = RunJob {
                context: of.context,
                job: fetch_job(&of, n, plan),
                key: None,
                cause: None,
                fetched: &[],
                cancel: of.cancel,
            };
            match self.run_job(run).await {
                Ok(done) if done.outcome.ok => {
                    any = true;
                    failed = None;
                }
                // It may have brought what names the hosts that it lacked: then the next plan is another.
                Ok(done) => failed = Some(why(&done.outcome)),
                Err(refused) => {
                    let rest = Some(Unfetched::Refused(refused));
                    return Fetched { any, rest };
                }
            }
        }
        let rest = failed.map(Unfetched::Failed);
        Fetched { any, rest }
    }
}

/// The end of what a failed fetch said, else how it ended.
fn why(outcome: &Outcome) -> String {
    const LINES_MAX: usize = 8;
    let lines: Vec<&str> = outcome.stderr.trim().lines().collect();
    let said = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n");
    let hint = outcome.detail.as_ref().and_then(|d| d.hint.clone());
    let code = outcome.exit_code.map(|code| format!("exit code {code}"));
    let ended = outcome.reason.map(|reason| reason.name().to_owned());
    let parts = [Some(said).filter(|s| !s.is_empty()), hint, ended.or(code)];
    let words = parts.into_iter().flatten().next().unwrap_or_default();
    format!("the fetch failed: {words}")
}

fn fetch_job(of: &Fetching<'_>, n: usize, plan: FetchPlan) -> Job {
    let parts: [&[u8]; 4] = [
        b"fetch",
        of.session.as_bytes(),
        &of.step.0.to_be_bytes(),
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
        workdir: of.launch.project().to_owned(),
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
        session: Some(of.session),
        copy: Some(of.copy.clone()),
        exe: None,
    }
}
