//! What makes tests run: the toolchains, caches and dependency folders that a project already has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::sweep::Swept;
use atoll_domain::{Exe, HostPort, Language, Mount};

/// Whose toolchains, for which project.
#[derive(Clone, Debug, Default)]
pub struct Want {
    /// The checkout's absolute path: dependency folders are found in it.
    pub root: PathBuf,
    /// The user's real home.
    pub home: PathBuf,
    /// The caller's PATH.
    pub path: String,
    /// The languages that were detected.
    pub languages: Vec<Language>,
    /// The command that will be run, whose `[0]` is resolved.
    pub cmd: Vec<String>,
    /// Mounts the owner trusts (`.atoll/workspace.toml`).
    pub extra: Vec<Mount>,
}

/// What to mount and set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The mounts, parents first.
    pub mounts: Vec<Mount>,
    /// The job's whole environment.
    pub env: BTreeMap<String, String>,
    /// The executable of `cmd[0]`, if it lies outside the workspace.
    pub exe: Option<Exe>,
    /// What a person should know: "toolchain 1.80 of rust-toolchain.toml is not installed".
    pub notes: Vec<String>,
    /// What is missing for the command to work at all.
    pub missing: Vec<String>,
    /// Mounts that hold what Atoll fetched from a registry, by their place in the box: nobody vouched for it.
    pub fetched: Vec<String>,
}

/// A job that fetches dependencies by the lock file: registry hosts only, no secrets, no scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPlan {
    /// The command.
    pub cmd: Vec<String>,
    /// The hosts it needs.
    pub hosts: Vec<HostPort>,
    /// Mounts, the cache that Atoll owns among them (writable).
    pub mounts: Vec<Mount>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// What it does, for the gate.
    pub what: String,
}

/// Why what is lacking can't be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The user's own registry can't be used.
    #[error("your registry for {language:?} can't be used by a fetch job: {why}")]
    Registry {
        /// Whose packages.
        language: Language,
        /// Why; no part of the URL.
        why: String,
    },
    /// Nothing names a registry: Atoll has none of its own, and takes none from a repository.
    #[error("no registry for {language:?} is known from {looked}; set one: {set}")]
    Unnamed {
        /// Whose packages.
        language: Language,
        /// What was looked at.
        looked: String,
        /// The setting to set.
        set: String,
    },
    /// The cache can't be written.
    #[error("the cache of dependencies can't be written: {0}")]
    Cache(String),
}

/// Finds toolchains. Blocking: it looks at many files, and of those that may hold credentials keeps
/// nothing but settings it knows to be none.
pub trait Toolchains: Send + Sync {
    /// What to mount and set for `want`.
    fn find(&self, want: &Want) -> Found;
    /// How to fetch the dependencies of `want`'s project that this machine lacks, if it has a lock file
    /// that says which. One language's at a time: called again after the job, it plans the next. A plan
    /// may name more hosts once a first try brought what names them.
    fn fetch(&self, want: &Want) -> Result<Option<FetchPlan>, Error>;
    /// Removes of what was fetched what was used longest ago, until the rest holds at most `limit_bytes`.
    /// What was used within `young_s` seconds stays in any case: a job may stand on it. Not while jobs run.
    fn sweep(&self, limit_bytes: u64, young_s: u64) -> Swept;
}
