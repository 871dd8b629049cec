//! What the tests share: a runner per mode, and a job in a line or two.

use std::collections::BTreeMap;
use std::path::Path;

use atoll_domain::action::Job;
use atoll_domain::{
    CopyRef, JobId, JobSpec, Limits, Mount, MountKind, Ms, Network, Outcome, Purpose, RunnerKind,
    Tick,
};
use atoll_guard::{End, Stop};
use atoll_ports::Runner;
use atoll_ports::runner::{Ended, Running};
use atoll_runners::{Options, ProcessRunner};
use futures::StreamExt;
use testkit::permits;

/// Nobody in particular, for the ordinary user's mode.
const NOBODY: u32 = 65_534;

/// Who makes the boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Root,
    User,
}

/// The modes that this process can start.
pub fn modes() -> Vec<Mode> {
    if is_root() {
        vec![Mode::Root, Mode::User]
    } else {
        vec![Mode::User]
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn options(mode: Mode) -> Options {
    Options {
        exe: env!("CARGO_BIN_EXE_atoll-box").into(),
        spawner_user: (mode == Mode::User && is_root()).then_some((NOBODY, NOBODY)),
        pool: 1,
        grace_ms: 300,
        ..Options::default()
    }
}

pub fn runner(mode: Mode) -> ProcessRunner {
    let runner = ProcessRunner::start(options(mode)).unwrap();
    let abilities = runner.abilities();
    assert_eq!(abilities.level, "full", "{mode:?}: {abilities:?}");
    runner
}

/// The user that jobs run as, whom copies must belong to.
pub fn owner(runner: &ProcessRunner, mode: Mode) -> u32 {
    match mode {
        Mode::Root => runner.owner().unwrap().0,
        Mode::User if is_root() => NOBODY,
        Mode::User => rustix::process::geteuid().as_raw(),
    }
}

/// A job that runs `cmd` in `/tmp`.
pub fn job(cmd: &[&str]) -> Job {
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin:/usr/sbin:/sbin".into())]);
    Job {
        spec: JobSpec {
            id: JobId::new(Ms(1), [7; 10]),
            runner: RunnerKind::Process,
            language: None,
            image: None,
            cmd: cmd.iter().map(|word| (*word).to_owned()).collect(),
            stdin: false,
            tty: None,
            env,
            workdir: "/tmp".into(),
            mounts: Vec::new(),
            limits: Limits {
                memory_bytes: 512 << 20,
                disk_bytes: 64 << 20,
                ..Limits::default()
            },
            ttl_s: 60,
            network: Network::None,
            secrets: Vec::new(),
            artifacts: Vec::new(),
            snapshot: None,
        },
        purpose: Purpose::Run,
        session: None,
        copy: None,
        exe: None,
    }
}

/// A shell's job.
pub fn sh(script: &str) -> Job {
    job(&["/bin/sh", "-c", script])
}

/// Starts a job.
pub async fn start(runner: &ProcessRunner, job: Job) -> Result<Running, Stop> {
    let (guard, _) = permits::guard();
    let permit = permits::permit(&guard, job).await;
    runner.start(permit, Tick(1)).await
}

/// Reads a job's output and waits for its end.
pub async fn finish(mut running: Running) -> (Vec<u8>, Ended) {
    let mut all = Vec::new();
    while let Some(chunk) = running.output.next().await {
        all.extend(chunk.bytes);
    }
    let ended = running.end.await;
    running.live.finish(End::done());
    (all, ended)
}

/// Runs a job to its end.
pub async fn run(runner: &ProcessRunner, job: Job) -> Outcome {
    let running = start(runner, job).await.unwrap();
    finish(running).await.1.outcome
}

/// A private copy for `owner` at `/made/shop` inside.
pub fn copy(job: &mut Job, dir: &Path, owner: u32) {
    std::os::unix::fs::chown(dir, Some(owner), Some(owner)).unwrap();
    let inside = "/made/shop".to_owned();
    job.copy = Some(CopyRef {
        host: dir.to_str().unwrap().into(),
        inside: inside.clone(),
    });
    job.spec.workdir = inside;
}

/// A mount of a host's folder.
pub fn bind(src: &Path, dst: &str, ro: bool) -> Mount {
    Mount {
        kind: MountKind::Bind,
        src: src.to_str().unwrap().into(),
        dst: dst.into(),
        ro,
    }
}

/// [`bind`], with a discarded layer above.
pub fn overlay(src: &Path, dst: &str) -> Mount {
    Mount {
        kind: MountKind::Overlay,
        ..bind(src, dst, false)
    }
}

/// A folder that the modes' users can reach. Removed when dropped.
pub fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    dir
}

/// The test's own tool, for what a shell can't do.
pub fn with_tool(mut job: Job) -> Job {
    let tool = Path::new(env!("CARGO_BIN_EXE_atoll-box"));
    job.spec.mounts.push(bind(tool, "/opt/tool", true));
    job
}
