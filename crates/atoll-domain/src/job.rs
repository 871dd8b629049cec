//! The job spec: what is to be executed, with everything it may touch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Hash, JobId, JobSecret, TreeId};

/// What executes a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerKind {
    /// A language subset's interpreter.
    Subset,
    /// A process in the sandbox.
    Process,
    /// A container.
    Container,
    /// A Nix build.
    Nix,
    /// A WebAssembly module.
    Wasm,
}

/// A language whose toolchain is found and mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// Python.
    Python,
    /// JavaScript and TypeScript, by Node.js.
    Node,
    /// Go.
    Go,
    /// Anything run by make.
    Make,
}

/// Why a job is run; policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A person's `exec`.
    Exec,
    /// A command that an agent runs.
    Run,
    /// The workspace's test command.
    Test,
    /// Git, on plain data, for the node.
    Git,
    /// Fetching dependencies by a lock file.
    Fetch,
    /// Trying the sandbox itself.
    Probe,
}

impl Purpose {
    /// Its name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Exec => "exec",
            Purpose::Run => "run",
            Purpose::Test => "test",
            Purpose::Git => "git",
            Purpose::Fetch => "fetch",
            Purpose::Probe => "probe",
        }
    }
}

/// How a mount is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// The host's file or folder itself.
    Bind,
    /// The host's folder below, a discarded bounded tmpfs above: writes are lost.
    Overlay,
    /// A bounded tmpfs; `src` is empty.
    Tmpfs,
}

/// One mount of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// How it is made.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// An absolute path on the host.
    pub src: String,
    /// An absolute path inside.
    pub dst: String,
    /// Read-only.
    pub ro: bool,
}

/// A host by name and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// A DNS name, lowercase, without a trailing dot.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl std::str::FromStr for HostPort {
    type Err = &'static str;
    fn from_str(s: &str) -> Result<HostPort, &'static str> {
        const WANT: &str = "expected host:port, such as example.org:443";
        let (host, port) = s.rsplit_once(':').ok_or(WANT)?;
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
        if host.is_empty() || host.len() > 253 || !host.chars().all(fine) {
            return Err(WANT);
        }
        let port = port.parse().map_err(|_| WANT)?;
        if port == 0 {
            return Err(WANT);
        }
        Ok(HostPort { host, port })
    }
}

/// What of the network a job may reach: nothing, or named hosts through the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// No network but its own loopback.
    #[default]
    None,
    /// These hosts and ports.
    Allow(Vec<HostPort>),
}

impl Network {
    /// The allowed hosts.
    pub fn hosts(&self) -> &[HostPort] {
        match self {
            Network::None => &[],
            Network::Allow(hosts) => hosts,
        }
    }
    /// Whether nothing is reachable.
    pub fn is_none(&self) -> bool {
        self.hosts().is_empty()
    }
}

/// What a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time over all its processes, in milliseconds.
    pub cpu_ms: u64,
    /// Memory over all its processes, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at once.
    pub pids_max: u32,
    /// What it may write, in bytes.
    pub disk_bytes: u64,
    /// Output kept, in bytes; what is beyond is dropped and said.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cpu_ms: 30 * 60_000,
            memory_bytes: 4 << 30,
            pids_max: 512,
            disk_bytes: 4 << 30,
            output_bytes: 8 << 20,
        }
    }
}

/// A terminal for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tty {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// What files the job starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Snapshot {
    /// A git commit.
    Git {
        /// Its id.
        commit: String,
    },
    /// A tree of Atoll's own store.
    Tree {
        /// Its id.
        id: TreeId,
    },
    /// A tar archive.
    Tar {
        /// Its digest.
        sha256: Hash,
    },
}

/// Anything that is executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Its id.
    pub id: JobId,
    /// What executes it.
    pub runner: RunnerKind,
    /// The language whose toolchain it wants, if one.
    pub language: Option<Language>,
    /// A container image, for runners that take one.
    pub image: Option<String>,
    /// The command and its arguments; `cmd[0]` is looked up in `env["PATH"]` inside.
    pub cmd: Vec<String>,
    /// Whether its standard input is open and fed by stdin actions; closed and empty otherwise.
    pub stdin: bool,
    /// A terminal, if it has one.
    pub tty: Option<Tty>,
    /// Its whole environment: nothing of the caller's leaks in.
    pub env: BTreeMap<String, String>,
    /// Its working directory, inside.
    pub workdir: String,
    /// What is mounted beyond the minimal root, parents first.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub limits: Limits,
    /// Wall time, in seconds.
    pub ttl_s: u64,
    /// What it may reach.
    pub network: Network,
    /// Secrets by name, and the variables that hold them. Their values come to the job another way, and late.
    pub secrets: Vec<JobSecret>,
    /// Globs, relative to `workdir`, of files that are kept.
    pub artifacts: Vec<String>,
    /// The files it starts from.
    pub snapshot: Option<Snapshot>,
}

/// An executable found outside the workspace, bound by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exe {
    /// Its resolved absolute path on the host.
    pub path: String,
    /// Its content's digest.
    pub sha256: Hash,
}

/// Where a private copy lies and where it stands inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRef {
    /// The copy's folder on the host.
    pub host: String,
    /// The checkout's own absolute path, where the copy stands inside.
    pub inside: String,
}

/// A command as it can be pasted into a shell: words that need it are quoted.
pub fn shell_words(cmd: &[String]) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let words = cmd.iter().map(|word| {
        if !word.is_empty() && word.chars().all(fine) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_parsed_strictly() {
        let ok: HostPort = "Registry.Example.org.:443".parse().unwrap();
        assert_eq!(ok.to_string(), "registry.example.org:443");
        for bad in [
            "example.org",
            "example.org:0",
            "exa mple:1",
            ":443",
            "a:99999",
            "http://a:1",
            "*.org:443",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}
