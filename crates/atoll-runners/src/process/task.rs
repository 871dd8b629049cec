//! One job's life in the node: its streams are pumped, its limits watched, its end told.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use atoll_domain::{Detail, Enforced, Enforcement, JobId, Outcome, Reason, Resources};
use atoll_ports::runner::{Ended, Stream};
use atoll_redact::Masks;
use globset::GlobSet;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::output::{self, Flow, Keep};
use super::{artifacts, control, disk};
use crate::wire::{self, End, Plan, Report, Why};

/// Everything that a running job needs in the node.
pub struct Task {
    /// Its id.
    pub id: JobId,
    /// What is executed.
    pub plan: Arc<Plan>,
    /// The init's socket.
    pub job: Arc<AsyncFd<OwnedFd>>,
    /// The pumps of its streams: output, then errors unless it has a terminal.
    pub pumps: Vec<JoinHandle<Keep>>,
    /// What the pumps share.
    pub flow: Arc<Flow>,
    /// How its limits are kept.
    pub enforced: Enforced,
    /// What is kept of its files.
    pub globs: Option<GlobSet>,
    /// What is masked in its output, and must not stand in what is kept.
    pub masks: Option<Arc<Masks>>,
    /// See `Options`.
    pub artifact_limit_bytes: u64,
    /// See `Options`.
    pub free_floor_bytes: u64,
    /// What is kept of its output.
    pub output_bytes: u64,
    /// Its way out, as long as it lives.
    pub proxy: Option<crate::proxy::Handle>,
}

/// Starts the pumps of a job.
pub fn pumps(
    sources: Vec<Arc<AsyncFd<OwnedFd>>>,
    tty: bool,
    flow: &Arc<Flow>,
    to: &UnboundedSender<(
        atoll_ports::runner::Chunk,
        Option<tokio::sync::OwnedSemaphorePermit>,
    )>,
    masks: Option<&Arc<Masks>>,
) -> Vec<JoinHandle<Keep>> {
    let each = sources.into_iter().zip([Stream::Out, Stream::Err]);
    each.map(|(from, which)| {
        let masked = output::Masked::new(masks.cloned());
        let (flow, to) = (flow.clone(), to.clone());
        tokio::spawn(output::pump(from, which, tty, masked, flow, to))
    })
    .collect()
}

/// The next report on a job's socket; `None`: its box has gone.
pub async fn report(job: &AsyncFd<OwnedFd>) -> Option<(Report, Vec<OwnedFd>)> {
    loop {
        let mut ready = job.readable().await.ok()?;
        match ready.try_io(|fd| wire::recv::<Report>(fd.get_ref().as_fd())) {
            Ok(got) => return got.ok().flatten(),
            Err(_would_block) => {}
        }
    }
}

impl Task {
    /// Runs until the whole tree is dead.
    pub async fn run(mut self) -> Ended {
        let mut hint = None;
        let told = self.watch(&mut hint).await;
        self.flow.ended();
        drop(self.proxy.take());
        let mut kept = Vec::new();
        for pump in self.pumps.drain(..) {
            kept.push(pump.await.unwrap_or_else(|_| Keep::new(0)));
        }
        let Some((end, dir)) = told else {
            return self.lost(kept);
        };
        let found = self.artifacts(dir).await;
        let outcome = self.outcome(&end, kept, hint.or(found.note));
        let artifacts = found
            .kept
            .iter()
            .map(|kept| kept.artifact.clone())
            .collect();
        Ended {
            outcome: Outcome {
                artifacts,
                ..outcome
            },
            kept: found.kept,
        }
    }

    /// Waits for the end, ending the job where the node keeps a limit.
    async fn watch(&self, hint: &mut Option<String>) -> Option<(End, Option<OwnedFd>)> {
        let mut full = std::pin::pin!(disk::exceeded(&self.plan, self.free_floor_bytes));
        let mut excess = std::pin::pin!(self.flow.exceeded());
        let (mut is_full, mut is_excess) = (false, false);
        loop {
            tokio::select! {
                biased;
                got = report(&self.job) => match got? {
                    (Report::Ended(end), fds) => return Some((end, fds.into_iter().next())),
                    (Report::Started { .. }, _) => {}
                    (Report::Refused { .. }, _) => return None,
                },
                why = &mut full, if !is_full => {
                    is_full = true;
                    hint.get_or_insert(why);
                    control::order(&self.job, Why::Disk);
                }
                () = &mut excess, if !is_excess => {
                    is_excess = true;
                    control::order(&self.job, Why::Output);
                }
            }
        }
    }

    async fn artifacts(&mut self, dir: Option<OwnedFd>) -> artifacts::Found {
        let (Some(globs), Some(dir)) = (self.globs.take(), dir) else {
            return artifacts::Found::default();
        };
        let limit = self.artifact_limit_bytes;
        let masks = self.masks.clone();
        let read = move || artifacts::read(&dir, &globs, limit, masks.as_deref());
        let read = tokio::task::spawn_blocking(read);
        read.await.unwrap_or_default()
    }

    fn lost(&self, mut kept: Vec<Keep>) -> Ended {
        let mut outcome = Outcome::unrun(
            self.id,
            Reason::Lost,
            "the box ended without saying how: its init or the spawner was killed",
        );
        outcome.enforced = self.enforced.clone();
        self.texts(&mut outcome, &mut kept);
        Ended {
            outcome,
            kept: Vec::new(),
        }
    }

    fn texts(&self, outcome: &mut Outcome, kept: &mut [Keep]) {
        if let [out, err] = kept
            && out.len() + err.len() > self.output_bytes
        {
            err.shrink((self.output_bytes / 2).max(self.output_bytes.saturating_sub(out.len())));
            out.shrink(self.output_bytes.saturating_sub(err.len()));
        }
        outcome.truncated = kept.iter().any(Keep::truncated);
        let mut texts = kept.iter_mut().map(Keep::text);
        outcome.stdout = texts.next().unwrap_or_default();
        outcome.stderr = texts.next().unwrap_or_default();
    }

    fn outcome(&self, end: &End, mut kept: Vec<Keep>, hint: Option<String>) -> Outcome {
        let (reason, words) = reason(end, &self.plan, hint.as_deref());
        let hint = end.exec_failed.clone().or(words).or(hint);
        let mut outcome = Outcome {
            job: self.id,
            ok: end.exit == Some(0) && reason.is_none(),
            exit_code: end.exit,
            signal: end.signal,
            stdout: String::new(),
            stderr: String::new(),
            truncated: false,
            value: None,
            tree: None,
            usage: Resources {
                wall_ms: end.wall_us.div_ceil(1000),
                cpu_ms: end.cpu_us / 1000,
                peak_memory_bytes: end.peak_bytes,
            },
            enforced: self.enforced.clone(),
            artifacts: Vec::new(),
            reason,
            detail: hint.map(|hint| Detail {
                hint: Some(hint),
                ..Detail::default()
            }),
        };
        self.texts(&mut outcome, &mut kept);
        outcome
    }
}

/// Why a job did not end by itself, and words for a person.
fn reason(end: &End, plan: &Plan, disk: Option<&str>) -> (Option<Reason>, Option<String>) {
    let failed = end.exit != Some(0);
    let said = |reason, words: String| (Some(reason), Some(words));
    if end.oom_kills > 0 && !matches!(end.why, Some(Why::Cancelled)) {
        let words = format!(
            "the kernel ended {} of its processes for memory",
            end.oom_kills
        );
        return said(
            Reason::Memory,
            format!("{words} (limit {} bytes)", plan.memory_bytes),
        );
    }
    let cpu = || format!("its {} ms of CPU time were up", plan.cpu_ms);
    match (end.why, end.signal) {
        (Some(Why::Time), _) => {
            let words = format!("its {} ms of time were up", plan.ttl_ms);
            return said(Reason::Timeout, words);
        }
        (Some(Why::Cpu), _) | (None, Some(libc::SIGXCPU)) => return said(Reason::Timeout, cpu()),
        (Some(Why::Memory), _) => {
            let words = format!("it used more than {} bytes", plan.memory_bytes);
            return said(Reason::Memory, words);
        }
        (Some(Why::Disk), _) => {
            let words = disk.unwrap_or("it wrote more than it may");
            return said(Reason::Disk, words.to_owned());
        }
        (Some(Why::Output), _) => {
            let words = "it wrote far more output than is kept";
            return said(Reason::Output, words.into());
        }
        (Some(Why::Cancelled), _) => return (Some(Reason::Cancelled), None),
        (None, Some(libc::SIGXFSZ)) => {
            let words = "a file became larger than it may write";
            return said(Reason::Disk, words.into());
        }
        (None, _) => {}
    }
    if failed && end.pids_hits > 0 {
        let words = format!(
            "it wanted more than {} processes and threads",
            plan.pids_max
        );
        return said(Reason::Pids, words);
    }
    (None, None)
}

/// How each limit of a job is kept.
pub fn enforced(found: &wire::Prepared, plan: Option<&Plan>) -> Enforced {
    use Enforcement::{Enforced as Kernel, Polled};
    let memory = if found.memory.is_empty() {
        Polled
    } else {
        Kernel
    };
    // A tmpfs has a size; the host's own folders are looked at.
    let host = |plan: &Plan| {
        plan.mounts
            .iter()
            .any(|m| m.how == wire::How::Bind && !m.ro)
    };
    let disk = if plan.is_none_or(host) {
        Polled
    } else {
        Kernel
    };
    let rows = [
        ("cpu", Polled),
        ("memory", memory),
        ("pids", Kernel),
        ("disk", disk),
        ("network", Kernel),
        ("output", Kernel),
        ("time", Kernel),
    ];
    Enforced(
        rows.into_iter()
            .map(|(name, how)| (name.to_owned(), how))
            .collect(),
    )
}
