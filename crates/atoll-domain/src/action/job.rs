//! Running a job, and feeding it.

use std::collections::BTreeSet;

use crate::{
    Act, Again, Canonical, CopyRef, Cost, Covers, Exe, JobId, JobSpec, Kind, Network, Purpose,
    SessionId,
};

/// Run a job in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Job {
    /// What is run.
    pub spec: JobSpec,
    /// Why.
    pub purpose: Purpose,
    /// In which session, if in one.
    pub session: Option<SessionId>,
    /// The private copy that stands at the checkout's path inside, writable.
    pub copy: Option<CopyRef>,
    /// The executable outside the workspace that `cmd[0]` stands for.
    pub exe: Option<Exe>,
}

impl Act for Job {
    const KIND: Kind = Kind::Run;
    fn again(&self) -> Again {
        if self.spec.network.is_none() {
            Again::Free
        } else {
            Again::Never
        }
    }
    fn sync(&self) -> bool {
        true
    }
    /// Names argv, the executable's digest, environment names, cwd, mounts, hosts, limits and the
    /// snapshot; not the environment's values.
    fn canonical(&self) -> Canonical {
        let s = &self.spec;
        let given = s.secrets.iter().map(|secret| &secret.var);
        let env: BTreeSet<&String> = s.env.keys().chain(given).collect();
        let secrets: Vec<_> = s.secrets.iter().map(|secret| &secret.name).collect();
        let value = serde_json::json!({
            "job": s.id, "runner": s.runner, "purpose": self.purpose, "session": self.session,
            "cmd": s.cmd, "exe": self.exe, "env": env, "workdir": s.workdir,
            "copy": self.copy, "mounts": s.mounts, "limits": s.limits, "ttl_s": s.ttl_s, "stdin": s.stdin,
            "tty": s.tty.is_some(), "network": s.network, "secrets": secrets, "artifacts": s.artifacts,
            "snapshot": s.snapshot,
        });
        Canonical::of(Self::KIND, &value)
    }
    fn ceiling(&self) -> Cost {
        Cost {
            runs: 1,
            ms: self.spec.ttl_s.saturating_mul(1000),
            ..Cost::ZERO
        }
    }
    fn hosts(&self) -> Vec<String> {
        let hosts = self.spec.network.hosts();
        hosts.iter().map(ToString::to_string).collect()
    }
    /// The same command line with the same hosts.
    fn widening(&self) -> Option<String> {
        let Network::Allow(hosts) = &self.spec.network else {
            return None;
        };
        let mut hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        hosts.sort();
        Some(format!(
            "network {} for {:?}",
            hosts.join(","),
            self.spec.cmd
        ))
    }
}

/// Bytes for a running job's standard input.
#[derive(Clone, PartialEq, Eq)]
pub struct Stdin {
    /// Which job.
    pub job: JobId,
    /// The bytes; empty closes it.
    pub bytes: Vec<u8>,
}

impl Act for Stdin {
    const KIND: Kind = Kind::Stdin;
    fn again(&self) -> Again {
        Again::Never
    }
    fn sync(&self) -> bool {
        false
    }
    fn canonical(&self) -> Canonical {
        let value = serde_json::json!({
            "job": self.job, "bytes": self.bytes.len(), "sha256": crate::Hash::of(&self.bytes),
        });
        Canonical::of(Self::KIND, &value)
    }
    fn ceiling(&self) -> Cost {
        Cost::ZERO
    }
}

impl Covers<Stdin> for Job {
    fn covers(&self, b: &Stdin) -> bool {
        self.spec.stdin && self.spec.id == b.job
    }
}
