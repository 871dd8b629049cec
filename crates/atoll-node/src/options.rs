//! The node's settings, with their defaults. Every bound of the node stands here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use atoll_api::Error;
use atoll_domain::{Budget, Hash};
use atoll_guard::PolicyEngine;
use atoll_ports::Models;

/// Settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// The profile: `careful` unless configured.
    pub profile: String,
    /// Which personal data is taken out of what is sent, beside secrets.
    pub redact: atoll_redact::Classes,
    /// The day's budget over all sessions.
    pub day: Budget,
    /// What may be spent in a day with one provider, in millionths of a US dollar, by its name.
    pub providers: BTreeMap<String, u64>,
    /// A session's budget, where the request names none.
    pub session: Budget,
    /// Steps per turn, where the request names none.
    pub steps_max: u64,
    /// How long a gate waits, in seconds.
    pub gate_ttl_s: u64,
    /// Gates that one session may open in an hour; more are denied.
    pub gates_per_hour_max: u64,
    /// How long a test or run may take, in seconds.
    pub job_ttl_s: u64,
    /// How long a model call may take, in seconds.
    pub call_ttl_s: u64,
    /// Sessions with a turn under way, at once.
    pub sessions_max: usize,
    /// Calls to one provider at once.
    pub calls_max: usize,
    /// Jobs at once.
    pub jobs_max: usize,
    /// Blocking file work at once.
    pub files_max: usize,
    /// How often what nobody needs is taken away while the node is idle, in seconds.
    pub sweep_s: u64,
    /// How long the private copy of a session that rests is kept, in seconds: it can be made again.
    pub copy_ttl_s: u64,
    /// The most that fetched dependencies may hold of the disk, in bytes.
    pub deps_limit_bytes: u64,
    /// How old the events of a segment must be before it is put away, in seconds.
    pub archive_after_s: u64,
    /// The sandbox's floor: `full`, or `none` to run nothing.
    pub sandbox_floor: String,
    /// Workspaces that the owner vouches for: path, and the hash of `.atoll/` at that time, if it had one.
    pub trusted: Vec<(String, Option<Hash>)>,
    /// The socket's path, for `status`.
    pub socket: PathBuf,
    /// The data directory, for `status`.
    pub data: PathBuf,
    /// A digest of the running binary.
    pub build: String,
    /// The node's identity.
    pub identity: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            redact: crate::redaction::CLASSES,
            profile: "careful".into(),
            day: Budget {
                micros_max: Some(5_000_000),
                ..Budget::default()
            },
            providers: BTreeMap::new(),
            session: Budget {
                micros_max: Some(2_000_000),
                ms_max: Some(3_600_000),
                ..Budget::default()
            },
            steps_max: 60,
            gate_ttl_s: 24 * 3600,
            gates_per_hour_max: 20,
            job_ttl_s: 600,
            call_ttl_s: 600,
            sessions_max: 64,
            calls_max: 64,
            jobs_max: 4,
            files_max: 4,
            sweep_s: 3600,
            copy_ttl_s: 7 * 24 * 3600,
            deps_limit_bytes: 4 << 30,
            archive_after_s: 30 * 24 * 3600,
            sandbox_floor: "full".into(),
            trusted: Vec::new(),
            socket: PathBuf::new(),
            data: PathBuf::new(),
            build: String::new(),
            identity: String::new(),
        }
    }
}

/// What can change while the node runs.
pub struct Reloaded {
    /// Settings.
    pub options: Options,
    /// Models.
    pub models: Arc<dyn Models>,
    /// The policy.
    pub engine: Box<dyn PolicyEngine>,
    /// Its rules, for people.
    pub rules: Vec<atoll_api::RuleView>,
    /// Where checkpoints are kept beside the log, if the owner chose a place.
    pub witness: Option<Arc<dyn atoll_ports::Witness>>,
    /// Where every event is written a second time, if the owner chose a place.
    pub mirror: Option<Arc<dyn atoll_ports::Mirror>>,
    /// Where old events are put away as segments, if the owner chose a place.
    pub archive: Option<Arc<dyn atoll_ports::Archive>>,
}

/// Reads the configuration. The node calls it at start and on `reload`.
pub type Load = Box<dyn Fn() -> Result<Reloaded, Error> + Send + Sync>;
