//! How jobs of a workspace are made: its private copy, its toolchains, its environment.

use std::path::PathBuf;
use std::sync::Arc;

use atoll_api::Error;
use atoll_domain::action::{Job, Snap};
use atoll_domain::{
    CopyRef, HostPort, JobId, JobSecret, JobSpec, Language, Limits, Mount, Network, Purpose,
    RunnerKind, SessionId, Step, Tty, WorkspaceId, WorkspaceSnapped,
};
use atoll_guard::End;
use atoll_ports::toolchain::{self, FetchPlan, Found, Want};
use atoll_ports::workspace::{Detected, Identified, Snapped};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::facts::Context;
use crate::gate::Ask;
use crate::refused::Refused;
use crate::shared::{Origin, Shared, files_error};

/// What a session needs to make jobs again after a restart. Lies beside the log, with its configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The checkout's absolute path.
    pub(crate) root: String,
    /// The project's absolute path, where it is a folder below the root; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) project: String,
    /// The caller's home.
    pub(crate) home: String,
    /// The caller's PATH.
    pub(crate) path: String,
    /// The languages found.
    pub(crate) languages: Vec<Language>,
    /// Mounts that the owner trusts.
    pub(crate) extra: Vec<Mount>,
}

impl Launch {
    /// Of a prepared workspace; its own mounts count only if the owner vouches for it.
    pub(crate) fn of(prepared: &Prepared, home: &str, path: &str) -> Launch {
        let extra = match prepared.trusted {
            true => prepared.detected.suggested_mounts.clone(),
            false => Vec::new(),
        };
        let project = &prepared.detected.project;
        Launch {
            root: prepared.root.clone(),
            project: match project.is_empty() {
                true => String::new(),
                false => format!("{}/{project}", prepared.root),
            },
            home: home.to_owned(),
            path: path.to_owned(),
            languages: prepared.detected.languages.clone(),
            extra,
        }
    }

    /// Where the project's manifests lie.
    pub(crate) fn project(&self) -> &str {
        match self.project.is_empty() {
            true => &self.root,
            false => &self.project,
        }
    }
}

/// A session's files, ready for work.
pub(crate) struct Prepared {
    pub(crate) workspace: WorkspaceId,
    pub(crate) root: String,
    /// Where the folder that the caller named lies below it; empty for the workspace itself.
    pub(crate) below: String,
    pub(crate) snapped: Snapped,
    pub(crate) copy: CopyRef,
    pub(crate) detected: Detected,
    pub(crate) trusted: bool,
    pub(crate) notes: Vec<String>,
}

impl Prepared {
    /// The absolute path of the folder that the caller named.
    pub(crate) fn place(&self) -> String {
        match self.below.is_empty() {
            true => self.root.clone(),
            false => format!("{}/{}", self.root, self.below),
        }
    }

    /// The workspace's name, for the agent.
    pub(crate) fn name(&self) -> String {
        let name = self.root.rsplit('/').next().unwrap_or_default();
        match self.below.is_empty() {
            true => name.to_owned(),
            false => format!("{name} (the person works in {}/ of it)", self.below),
        }
    }
}

/// What a job is to be.
pub(crate) struct Shape {
    pub(crate) id: JobId,
    pub(crate) cmd: Vec<String>,
    pub(crate) purpose: Purpose,
    pub(crate) ttl_s: u64,
    pub(crate) workdir: Option<String>,
    pub(crate) stdin: bool,
    pub(crate) tty: Option<Tty>,
    pub(crate) net: Vec<HostPort>,
    pub(crate) artifacts: Vec<String>,
    pub(crate) env: std::collections::BTreeMap<String, String>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) secrets: Vec<JobSecret>,
}

impl Shape {
    /// A plain command at the root of the copy.
    pub(crate) fn plain(id: JobId, cmd: Vec<String>, purpose: Purpose, ttl_s: u64) -> Shape {
        Shape {
            id,
            cmd,
            purpose,
            ttl_s,
            workdir: None,
            stdin: false,
            tty: None,
            net: Vec::new(),
            artifacts: Vec::new(),
            env: Default::default(),
            memory_bytes: None,
            secrets: Vec::new(),
        }
    }
}

/// The job that `session` runs at `step`: the same id again after a restart.
pub(crate) fn job_id(session: &SessionId, step: Step) -> JobId {
    JobId::derive(&[b"job", session.as_bytes(), &step.0.to_be_bytes()])
}

impl Shared {
    /// Takes the snapshot of the workspace that `place` belongs to, and makes the private copy of a new
    /// session.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        context: &Context,
        session: SessionId,
        place: &str,
    ) -> Result<Prepared, Error> {
        let place = self
            .workspaces
            .identify(place.as_ref())
            .map_err(files_error)?;
        let (snapped, copy) = self.copied(context, session, &place).await?;
        let prepared = self.look(session, place, snapped, copy).await;
        if prepared.is_err() {
            let _ = self.workspaces.remove(session); // nothing was logged: nothing stays
        }
        prepared
    }

    /// The snapshot of a workspace, and the private copy that is made of it.
    async fn copied(
        self: &Arc<Self>,
        context: &Context,
        session: SessionId,
        place: &Identified,
    ) -> Result<(Snapped, CopyRef), Error> {
        let root = &place.root;
        let cancel = self.down.child_token();
        let act = Snap {
            workspace: place.workspace,
            root: root.clone(),
        };
        let same = format!("snapshot {root}");
        let mut facts = context.facts(self);
        facts.workspace = Some(root.clone());
        let question = atoll_api::Question {
            what: same.clone(),
            ..Default::default()
        };
        let ask = Ask {
            context,
            act,
            facts,
            key: None,
            cause: None,
            question,
            same,
            cancel: &cancel,
        };
        let permit = self.admit(ask).await.map_err(|r| r.error())?;
        let slot = self.file_slots.acquire().await;
        let done = self.workspaces.snapshot(permit, self.clock.now()).await;
        drop(slot);
        let (live, result) = done.map_err(|stop| Refused::Stop(stop).error())?;
        let both = async {
            let snapped = result?;
            let owner = self.runner.owner();
            let made =
                self.workspaces
                    .checkout(session, place.workspace, root, &snapped.tree, owner);
            Ok((made.await?, snapped))
        };
        match both.await {
            Ok((copy, snapped)) => {
                live.finish(End::done());
                Ok((snapped, copy))
            }
            Err(err) => {
                live.finish(End::failed(None));
                Err(files_error(err))
            }
        }
    }

    /// What is found in a new copy.
    async fn look(
        self: &Arc<Self>,
        session: SessionId,
        place: Identified,
        snapped: Snapped,
        copy: CopyRef,
    ) -> Result<Prepared, Error> {
        let Identified {
            workspace,
            root,
            below,
        } = place;
        let detected = self.detect(session, below.clone()).await?;
        let (trusted, mut notes) = self.trust(&root, &detected);
        if !below.is_empty() {
            notes.push(format!(
                "{below}/ is part of {root}, which is the workspace"
            ));
        }
        notes.extend(self.workspaces.git_note(session).map_err(files_error)?);
        Ok(Prepared {
            workspace,
            root,
            below,
            snapped,
            copy,
            detected,
            trusted,
            notes,
        })
    }

    async fn detect(
        self: &Arc<Self>,
        session: SessionId,
        below: String,
    ) -> Result<Detected, Error> {
        let shared = self.clone();
        let look = move || shared.workspaces.detect(session, &below);
        let found = tokio::task::spawn_blocking(look).await;
        found
            .map_err(|err| Error::new(atoll_api::codes::BUG, err.to_string()))?
            .map_err(files_error)
    }

    /// Whether the owner vouches for the workspace as it is, and what to say of its `.atoll/`.
    fn trust(&self, root: &str, detected: &Detected) -> (bool, Vec<String>) {
        let current = self.current();
        let row = current
            .options
            .trusted
            .iter()
            .find(|(path, _)| path == root);
        let mut notes = detected.problems.clone();
        let trusted = row.is_some_and(|(_, hash)| *hash == detected.atoll_hash);
        if detected.atoll_hash.is_some() && !trusted {
            let why = if row.is_some() {
                "changed since you trusted it"
            } else {
                "not trusted"
            };
            // Rules that were vouched for are none of what stands there now: they go, too.
            if row.is_some()
                && let Err(err) = self.reload_rules()
            {
                notes.push(err.to_string());
            }
            notes.push(format!(
                ".atoll/ of this workspace is inert ({why}); atoll config trust {root}"
            ));
        }
        (trusted, notes)
    }

    /// The event that says what was taken.
    pub(crate) fn snapped_entry(&self, session: SessionId, p: &Prepared) -> atoll_guard::Entry {
        self.entry(|s| {
            let body = WorkspaceSnapped {
                workspace: p.workspace,
                tree: s.text(p.snapped.tree.as_str()),
                files: p.snapped.files,
                bytes: p.snapped.bytes,
                masked: p.snapped.masked.len() as u64,
                skipped: p.snapped.skipped.len() as u64,
                notes: s.json(&(&p.snapped.masked, &p.snapped.skipped)),
            };
            (Origin::system(session), body)
        })
    }

    /// A job of `launch`'s workspace. Finds toolchains: blocking work is moved aside.
    pub(crate) async fn make_job(
        self: &Arc<Self>,
        session: SessionId,
        launch: &Launch,
        copy: Option<CopyRef>,
        shape: Shape,
    ) -> Result<(Job, Found), Refused> {
        let want = want(launch, &shape.cmd);
        let shared = self.clone();
        let slot = self.file_slots.acquire().await;
        let found = tokio::task::spawn_blocking(move || shared.toolchains.find(&want)).await;
        drop(slot);
        let found =
            found.map_err(|err| Refused::Stop(atoll_guard::Stop::Unable(err.to_string())))?;
        let mut env = found.env.clone();
        // What Python leaves beside sources would land in patches.
        env.entry("PYTHONDONTWRITEBYTECODE".into())
            .or_insert_with(|| "1".into());
        env.extend(shape.env);
        let mut limits = Limits::default();
        if let Some(bytes) = shape.memory_bytes {
            limits.memory_bytes = bytes;
        }
        let spec = JobSpec {
            id: shape.id,
            runner: RunnerKind::Process,
            language: launch.languages.first().copied(),
            image: None,
            cmd: shape.cmd,
            stdin: shape.stdin,
            tty: shape.tty,
            env,
            workdir: shape.workdir.unwrap_or_else(|| launch.root.clone()),
            mounts: found.mounts.clone(),
            limits,
            ttl_s: shape.ttl_s,
            network: if shape.net.is_empty() {
                Network::None
            } else {
                Network::Allow(shape.net)
            },
            secrets: shape.secrets,
            artifacts: shape.artifacts,
            snapshot: None,
        };
        let job = Job {
            spec,
            purpose: shape.purpose,
            session: Some(session),
            copy,
            exe: found.exe.clone(),
        };
        Ok((job, found))
    }

    /// How to fetch what a workspace lacks for `cmd`, if its lock file says what that is.
    pub(crate) async fn fetch_plan(
        self: &Arc<Self>,
        launch: &Launch,
        cmd: &[String],
    ) -> Result<Option<FetchPlan>, toolchain::Error> {
        let (shared, want) = (self.clone(), want(launch, cmd));
        let plan = tokio::task::spawn_blocking(move || shared.toolchains.fetch(&want)).await;
        plan.unwrap_or_else(|err| Err(toolchain::Error::Cache(err.to_string())))
    }

    /// A token that ends with the node.
    pub(crate) fn until_down(&self) -> CancellationToken {
        self.down.child_token()
    }
}

fn want(launch: &Launch, cmd: &[String]) -> Want {
    Want {
        root: PathBuf::from(launch.project()),
        home: PathBuf::from(&launch.home),
        path: launch.path.clone(),
        languages: launch.languages.clone(),
        cmd: cmd.to_vec(),
        extra: launch.extra.clone(),
    }
}
