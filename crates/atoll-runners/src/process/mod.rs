//! The node's side of the runner.

use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod abilities;
#[cfg(target_os = "linux")]
mod artifacts;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod exe;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod task;

#[cfg(target_os = "linux")]
pub use abilities::apparmor_profile;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::ProcessRunner;
#[cfg(target_os = "linux")]
pub use runner::ProcessRunner;

/// The user that jobs run as where the node is root: in a range that systemd and distributions leave free.
pub const JOB_UID: u32 = 61_000;

/// How the runner works.
#[derive(Clone)]
pub struct Options {
    /// The program that is the spawner: it must call `spawner_main` first thing when it is given `args`.
    pub exe: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// As root: the uid and gid that jobs run as. They must be nobody else's.
    pub job_owner: (u32, u32),
    /// Start the spawner as this user: a root node that wants an ordinary user's sandbox.
    pub spawner_user: Option<(u32, u32)>,
    /// The name of the user that jobs see.
    pub user: String,
    /// That user's home.
    pub home: String,
    /// Boxes that are made ahead.
    pub pool: usize,
    /// Between SIGTERM and SIGKILL, in milliseconds.
    pub grace_ms: u64,
    /// Entries of a mount's source that are looked at for sockets and pipes.
    pub scan_entries_max: usize,
    /// Levels of a mount's source that are looked at.
    pub scan_depth_max: usize,
    /// Artifacts of one job, together.
    pub artifact_limit_bytes: u64,
    /// Free space of the copy's file system below which jobs are ended.
    pub free_floor_bytes: u64,
    /// The network proxy.
    pub proxy: crate::proxy::Options,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            exe: "/proc/self/exe".into(),
            args: vec!["--spawner".into()],
            job_owner: (JOB_UID, JOB_UID),
            spawner_user: None,
            user: "user".into(),
            home: "/home/user".into(),
            pool: 2,
            grace_ms: 2000,
            scan_entries_max: 4096,
            scan_depth_max: 4,
            artifact_limit_bytes: 64 << 20,
            free_floor_bytes: 256 << 20,
            proxy: crate::proxy::Options::default(),
        }
    }
}

/// Why the runner could not be started. A sandbox that can't be made is no error here: see
/// `Runner::abilities`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spawner could not be started.
    #[error("the spawner can't be started: {0}")]
    Spawner(#[source] std::io::Error),
    /// It ended before it answered.
    #[error("the spawner ended before it answered; is {0} a binary that calls spawner_main?")]
    Silent(String),
    /// There is no runner of processes for this system.
    #[error("jobs can't be isolated on this system yet: only Linux has a sandbox")]
    Unsupported,
}
