//! Real actions with real canonical forms, as the node would propose them.

use std::collections::BTreeMap;

use atoll_domain::action::{
    Accept, AcceptTo, FileRead, FileWrite, Job, ModelCall, ReadOp, Snap, Stdin, Undo, UseSecret,
    WriteOp,
};
use atoll_domain::*;
use atoll_guard::{Decision, PolicyEngine, PolicyError, Question, Verdict};
use atoll_policy::{Engine, Profile, Source};

pub const ROOT: &str = "/home/ana/shop";

/// A question that owns its parts.
#[derive(Clone, Debug)]
pub struct Case {
    pub actor: Actor,
    pub facts: Facts,
    pub kind: Kind,
    pub action: Canonical,
}

impl Case {
    /// By an agent, in a workspace, under `careful`.
    pub fn of<A: Act>(act: &A) -> Case {
        let mut facts = Facts::of(Role::Agent, "careful");
        facts.workspace = Some(ROOT.into());
        facts.ceiling = act.ceiling();
        Case {
            actor: Actor::ai("coder"),
            facts,
            kind: A::KIND,
            action: act.canonical(),
        }
    }
    pub fn by(mut self, actor: Actor, role: Role) -> Case {
        self.actor = actor;
        self.facts.role = role;
        self
    }
    pub fn owner(self) -> Case {
        self.by(Actor::human("ana"), Role::Owner)
    }
    pub fn under(mut self, profile: Profile) -> Case {
        self.facts.profile = profile.name().into();
        self
    }
    pub fn facts(mut self, change: impl FnOnce(&mut Facts)) -> Case {
        change(&mut self.facts);
        self
    }
    pub fn judge(&self, engine: &dyn PolicyEngine) -> Result<Verdict, PolicyError> {
        engine.judge(&Question {
            actor: &self.actor,
            kind: self.kind,
            action: &self.action,
            facts: &self.facts,
        })
    }
    /// As the guard takes it: an error is a deny.
    pub fn decision(&self, engine: &dyn PolicyEngine) -> Decision {
        self.judge(engine).map_or(Decision::Deny, |v| v.decision)
    }
    /// `allow`, `ask careful.network`, `deny guard.error`.
    pub fn said(&self, engine: &dyn PolicyEngine) -> String {
        match self.judge(engine) {
            Ok(v) => format!("{} {}", word(v.decision), v.rule_ids().join(", ")),
            Err(err) => format!("error {}", err.0),
        }
    }
}

pub fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Ask => "ask",
        Decision::Deny => "deny",
    }
}

/// The profiles alone.
pub fn engine() -> &'static Engine {
    static MADE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    MADE.get_or_init(|| Engine::new(&[]).unwrap())
}
pub fn with_owner(text: &str) -> Engine {
    Engine::new(&[Source::new("mine.cedar", text)]).unwrap()
}
pub fn with_workspace(text: &str) -> Engine {
    let files = [Source::new(".atoll/policy.cedar", text)];
    engine().with_workspace(ROOT, &files).unwrap()
}

fn session() -> SessionId {
    SessionId::new(Ms(1), [1; 10])
}
fn workspace() -> WorkspaceId {
    WorkspaceId::derive(&[ROOT.as_bytes()])
}
fn tree(digit: char) -> TreeId {
    TreeId::parse(&digit.to_string().repeat(40)).unwrap()
}

pub fn snapshot() -> Snap {
    Snap {
        workspace: workspace(),
        root: ROOT.into(),
    }
}
pub fn read(path: &str) -> FileRead {
    let op = ReadOp::Read {
        path: path.into(),
        start_line: None,
        lines_max: Some(200),
    };
    FileRead {
        session: session(),
        op,
    }
}
pub fn search(pattern: &str) -> FileRead {
    let op = ReadOp::Search {
        pattern: pattern.into(),
        literal: true,
        path: None,
        glob: None,
        context: None,
    };
    FileRead {
        session: session(),
        op,
    }
}
pub fn write(path: &str) -> FileWrite {
    FileWrite {
        session: session(),
        path: path.into(),
        before: Some(Hash::of(b"old")),
        op: WriteOp::Put(b"new".to_vec()),
    }
}
pub fn run(purpose: Purpose, cmd: &[&str]) -> Job {
    let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]);
    Job {
        spec: JobSpec {
            id: JobId::new(Ms(2), [2; 10]),
            runner: RunnerKind::Process,
            language: None,
            image: None,
            cmd: cmd.iter().map(|word| (*word).to_owned()).collect(),
            stdin: false,
            tty: None,
            env: path,
            workdir: ROOT.into(),
            mounts: vec![
                mount(MountKind::Bind, "/home/ana/.rustup/toolchains", true),
                mount(MountKind::Overlay, "/home/ana/shop/target", false),
                mount(MountKind::Tmpfs, "", false),
            ],
            limits: Limits::default(),
            ttl_s: 600,
            network: Network::None,
            secrets: Vec::new(),
            artifacts: Vec::new(),
            snapshot: Some(Snapshot::Tree { id: tree('a') }),
        },
        purpose,
        session: Some(session()),
        copy: Some(CopyRef {
            host: "/var/lib/atoll/copy".into(),
            inside: ROOT.into(),
        }),
        exe: Some(Exe {
            path: "/usr/bin/env".into(),
            sha256: Hash::of(b"env"),
        }),
    }
}
pub fn mount(kind: MountKind, src: &str, ro: bool) -> Mount {
    Mount {
        kind,
        src: src.into(),
        dst: src.into(),
        ro,
    }
}
pub fn test_run() -> Job {
    run(Purpose::Test, &["pytest", "-q"])
}
pub fn network_run(hosts: &[&str]) -> Job {
    let mut job = run(Purpose::Fetch, &["npm", "ci", "--ignore-scripts"]);
    let hosts = hosts.iter().map(|host| host.parse().unwrap());
    job.spec.network = Network::Allow(hosts.collect());
    job
}
pub fn stdin() -> Stdin {
    Stdin {
        job: JobId::new(Ms(2), [2; 10]),
        bytes: b"yes\n".to_vec(),
    }
}
pub fn call(remote: bool, priced: bool) -> ModelCall {
    let price = Price {
        dated: "2026-11-01".into(),
        input_micros: 3_000_000,
        cached_micros: 300_000,
        cache_write_micros: None,
        output_micros: 15_000_000,
    };
    let endpoint = if remote {
        "api.example.org:443"
    } else {
        "127.0.0.1:11434"
    };
    ModelCall {
        session: Some(session()),
        key: ActionKey::of(&session(), Step(1)),
        model: ModelRef {
            provider: "lab".into(),
            model: "coder-7b".into(),
        },
        endpoint: endpoint.into(),
        remote,
        conversation: Conversation::default(),
        output_tokens_max: 4096,
        input_tokens_estimate: 1000,
        price: priced.then_some(price),
        ttl_s: 600,
    }
}
pub fn accept(class: PatchClass, paths: &[&str]) -> Accept {
    Accept {
        message: String::new(),
        patch: PatchId::new(Ms(3), [3; 10]),
        workspace: workspace(),
        root: ROOT.into(),
        base: tree('a'),
        tree: tree('b'),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        class,
        to: AcceptTo::Files,
    }
}
pub fn undo() -> Undo {
    Undo {
        patch: PatchId::new(Ms(3), [3; 10]),
        workspace: workspace(),
        root: ROOT.into(),
        base: tree('a'),
        tree: tree('b'),
        paths: vec!["till/total.py".into()],
        to: AcceptTo::Branch("fix".into()),
    }
}
/// A job's secret, or the key of a provider.
pub fn secret(provider: Option<&str>) -> UseSecret {
    let used = match provider {
        Some(name) => SecretFor::Provider(name.into()),
        None => SecretFor::Job(JobId::new(Ms(2), [2; 10])),
    };
    UseSecret {
        session: None,
        name: "deploy.key".parse().unwrap(),
        used,
    }
}
