//! The action of a case, as the node would put it: in its canonical form.

use std::collections::BTreeMap;

use atoll_domain::action::{
    Accept, AcceptTo, FileRead, FileWrite, Job, ModelCall, ReadOp, Snap, Stdin, Undo, UseSecret,
    WriteOp,
};
use atoll_domain::{
    Act, ActionKey, Canonical, Conversation, Hash, JobId, JobSecret, JobSpec, Kind, Limits,
    ModelRef, Mount, MountKind, Ms, Network, PatchClass, PatchId, Price, Purpose, RunnerKind,
    SecretFor, SecretName, SessionId, Step, TreeId, WorkspaceId,
};
use serde::Deserialize;

/// What stands where bytes of a case are counted only. Longer ones can't be asked about.
const BYTES_MAX: usize = 1 << 20;

/// What is wanted; `action` says which kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Question {
    Snapshot {},
    Read {
        path: Option<String>,
        search: Option<String>,
        list: Option<String>,
    },
    Write {
        path: String,
        #[serde(default)]
        bytes: usize,
        #[serde(default)]
        creates: bool,
        #[serde(default)]
        deletes: bool,
    },
    Run(Box<Run>),
    Stdin {
        #[serde(default)]
        bytes: usize,
    },
    Call {
        model: String,
        endpoint: Option<String>,
        #[serde(default)]
        remote: bool,
        #[serde(default)]
        priced: bool,
        output_tokens_max: Option<u64>,
    },
    Accept {
        paths: Vec<String>,
        class: Option<PatchClass>,
        branch: Option<String>,
    },
    Undo {
        paths: Vec<String>,
        branch: Option<String>,
    },
    /// For a job, or for the provider that is named.
    Secret {
        secret: String,
        provider: Option<String>,
    },
}

/// A job. Its command is a list of words, or a line for `sh -c`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    command: Command,
    purpose: Option<Purpose>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    mounts: Vec<String>,
    #[serde(default)]
    mounts_writable: Vec<String>,
    ttl_s: Option<u64>,
    memory_bytes: Option<u64>,
    workdir: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Command {
    Words(Vec<String>),
    Line(String),
}

impl Question {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Question::Snapshot {} => Kind::Snapshot,
            Question::Read { .. } => Kind::Read,
            Question::Write { .. } => Kind::Write,
            Question::Run(_) => Kind::Run,
            Question::Stdin { .. } => Kind::Stdin,
            Question::Call { .. } => Kind::Call,
            Question::Accept { .. } => Kind::Accept,
            Question::Undo { .. } => Kind::Undo,
            Question::Secret { .. } => Kind::Secret,
        }
    }

    /// Whether it carries data out by itself: hosts, a model elsewhere.
    pub(crate) fn leaves(&self) -> bool {
        match self {
            Question::Run(run) => !run.hosts.is_empty(),
            other => other.remote(),
        }
    }

    /// Whether it stays in the box: accepted patches don't.
    pub(crate) fn in_box(&self) -> bool {
        !matches!(self, Question::Accept { .. } | Question::Undo { .. })
    }

    pub(crate) fn remote(&self) -> bool {
        matches!(self, Question::Call { remote: true, .. })
    }

    pub(crate) fn canonical(&self, root: &str) -> Result<Canonical, String> {
        Ok(match self {
            Question::Snapshot {} => snapshot(root).canonical(),
            Question::Read { path, search, list } => read(path, search, list)?.canonical(),
            Question::Write {
                path,
                bytes,
                creates,
                deletes,
            } => write(path, *bytes, *creates, *deletes)?.canonical(),
            Question::Run(run) => run.job(root)?.canonical(),
            Question::Stdin { bytes } => {
                let (job, bytes) = (job(), filled(*bytes)?);
                Stdin { job, bytes }.canonical()
            }
            Question::Call { .. } => self.call()?.canonical(),
            Question::Accept {
                paths,
                class,
                branch,
            } => accept(root, paths, *class, branch)?.canonical(),
            Question::Undo { paths, branch } => undo(root, paths, branch)?.canonical(),
            Question::Secret { secret, provider } => used(secret, provider)?.canonical(),
        })
    }

    fn call(&self) -> Result<ModelCall, String> {
        let Question::Call {
            model,
            endpoint,
            remote,
            priced,
            output_tokens_max,
        } = self
        else {
            return Err("it calls no model".into());
        };
        let wrong = || format!("model = \"{model}\" is not written as provider/model");
        let (provider, name) = model.split_once('/').ok_or_else(wrong)?;
        let price = Price {
            dated: "2026-01-01".into(),
            input_micros: 1,
            cached_micros: 1,
            cache_write_micros: None,
            output_micros: 1,
        };
        let nearby = if *remote {
            "elsewhere:443"
        } else {
            "127.0.0.1:0"
        };
        Ok(ModelCall {
            session: Some(session()),
            key: ActionKey::of(&session(), Step(1)),
            model: ModelRef {
                provider: provider.to_owned(),
                model: name.to_owned(),
            },
            endpoint: endpoint.clone().unwrap_or_else(|| nearby.to_owned()),
            remote: *remote,
            conversation: Conversation::default(),
            output_tokens_max: output_tokens_max.unwrap_or(4096),
            input_tokens_estimate: 0,
            price: priced.then_some(price),
            ttl_s: 600,
        })
    }
}

impl Run {
    fn job(&self, root: &str) -> Result<Job, String> {
        let cmd = match &self.command {
            Command::Words(words) => words.clone(),
            Command::Line(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        };
        let mut hosts = Vec::new();
        for host in &self.hosts {
            let parsed = host.parse();
            hosts.push(parsed.map_err(|_| format!("\"{host}\" is not written as host:port"))?);
        }
        let network = if hosts.is_empty() {
            Network::None
        } else {
            Network::Allow(hosts)
        };
        let mount = |src: &String, ro: bool| Mount {
            kind: MountKind::Bind,
            src: src.clone(),
            dst: src.clone(),
            ro,
        };
        let kept = self.mounts_writable.iter().map(|src| mount(src, false));
        let mounts = self.mounts.iter().map(|src| mount(src, true)).chain(kept);
        let mut limits = Limits::default();
        limits.memory_bytes = self.memory_bytes.unwrap_or(limits.memory_bytes);
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|name| secret_name(name).map(JobSecret::of));
        let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
        let spec = JobSpec {
            id: job(),
            runner: RunnerKind::Process,
            language: None,
            image: None,
            cmd,
            stdin: false,
            tty: None,
            env: BTreeMap::new(),
            workdir: self.workdir.clone().unwrap_or_else(|| root.to_owned()),
            mounts: mounts.collect(),
            limits,
            ttl_s: self.ttl_s.unwrap_or(600),
            network,
            secrets,
            artifacts: Vec::new(),
            snapshot: None,
        };
        Ok(Job {
            spec,
            purpose: self.purpose.unwrap_or(Purpose::Run),
            session: Some(session()),
            copy: None,
            exe: None,
        })
    }
}

fn session() -> SessionId {
    SessionId::new(Ms(1), [1; 10])
}
fn job() -> JobId {
    JobId::new(Ms(1), [2; 10])
}
fn patch() -> PatchId {
    PatchId::new(Ms(1), [3; 10])
}

fn filled(bytes: usize) -> Result<Vec<u8>, String> {
    match bytes {
        0..=BYTES_MAX => Ok(vec![b'x'; bytes]),
        _ => Err(format!("bytes = {bytes}: {BYTES_MAX} is the most here")),
    }
}

fn snapshot(root: &str) -> Snap {
    Snap {
        workspace: WorkspaceId::derive(&[root.as_bytes()]),
        root: root.to_owned(),
    }
}

fn read(
    path: &Option<String>,
    search: &Option<String>,
    list: &Option<String>,
) -> Result<FileRead, String> {
    let op = match (path, search, list) {
        (Some(path), None, None) => ReadOp::Read {
            path: path.clone(),
            start_line: None,
            lines_max: None,
        },
        (path, Some(pattern), None) => ReadOp::Search {
            pattern: pattern.clone(),
            literal: true,
            path: path.clone(),
            glob: None,
            context: None,
        },
        (None, None, Some(path)) => ReadOp::List {
            path: path.clone(),
            depth: None,
        },
        _ => return Err("a read has a path, a search or a list".into()),
    };
    let session = session();
    Ok(FileRead { session, op })
}

fn write(path: &str, bytes: usize, creates: bool, deletes: bool) -> Result<FileWrite, String> {
    let op = match (creates, deletes) {
        (true, true) => return Err("a write creates or deletes, not both".into()),
        (_, true) => WriteOp::Delete,
        _ => WriteOp::Put(filled(bytes)?),
    };
    Ok(FileWrite {
        session: session(),
        path: path.to_owned(),
        before: (!creates).then(|| Hash::of(b"before")),
        op,
    })
}

fn tree(digit: &str) -> Result<TreeId, String> {
    TreeId::parse(&digit.repeat(40)).ok_or_else(|| "no tree".to_owned())
}

fn to(branch: &Option<String>) -> AcceptTo {
    match branch {
        Some(name) => AcceptTo::Branch(name.clone()),
        None => AcceptTo::Files,
    }
}

fn accept(
    root: &str,
    paths: &[String],
    class: Option<PatchClass>,
    branch: &Option<String>,
) -> Result<Accept, String> {
    Ok(Accept {
        message: String::new(),
        patch: patch(),
        workspace: WorkspaceId::derive(&[root.as_bytes()]),
        root: root.to_owned(),
        base: tree("a")?,
        tree: tree("b")?,
        paths: paths.to_vec(),
        class: class.unwrap_or(PatchClass::Ordinary),
        to: to(branch),
    })
}

fn used(name: &str, provider: &Option<String>) -> Result<UseSecret, String> {
    let used = match provider {
        Some(provider) => SecretFor::Provider(provider.clone()),
        None => SecretFor::Job(job()),
    };
    Ok(UseSecret {
        session: Some(session()),
        name: secret_name(name)?,
        used,
    })
}

fn secret_name(name: &str) -> Result<SecretName, String> {
    name.parse().map_err(|err| format!("\"{name}\": {err}"))
}

fn undo(root: &str, paths: &[String], branch: &Option<String>) -> Result<Undo, String> {
    Ok(Undo {
        patch: patch(),
        workspace: WorkspaceId::derive(&[root.as_bytes()]),
        root: root.to_owned(),
        base: tree("a")?,
        tree: tree("b")?,
        paths: paths.to_vec(),
        to: to(branch),
    })
}
