//! An entry in a box: a private copy, the toolchains' mounts, the runner, as an agent's `run` has them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_domain::action::{Accept, AcceptTo, FileRead, FileWrite, Job, ReadOp, Snap, WriteOp};
use atoll_domain::{
    Act, CopyRef, HostPort, JobId, JobSpec, Limits, Ms, Network, PatchId, Purpose, RunnerKind,
    SessionId, Tick, TreeId, WorkspaceId,
};
use atoll_guard::{End, Guard};
use atoll_ports::toolchain::{Toolchains as _, Want};
use atoll_ports::workspace::{Diffed, Edit, Error, ReadOut};
use atoll_ports::{Did, Runner as _, Workspaces as _};
use atoll_runners::ProcessRunner;
use atoll_runners::toolchain::Finder;
use atoll_workspace::Workspaces;
use futures::StreamExt as _;
use testkit::permits;

use super::corpus::Entry;
use super::pristine::Pristine;
use super::world::{PATH, Seen, World, is_root, marked};

const NOW: Tick = Tick(1);
/// Nobody in particular, for the ordinary user's mode.
pub const NOBODY: u32 = 65_534;

/// Who makes the boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Root,
    User,
}

/// The modes that this process can start.
pub fn modes() -> Vec<Mode> {
    match is_root() {
        true => vec![Mode::Root, Mode::User],
        false => vec![Mode::User],
    }
}

/// The user that a box's jobs are: everything outside is theirs, too.
pub fn owner(mode: Mode) -> u32 {
    match mode {
        Mode::Root => atoll_runners::Options::default().job_owner.0,
        Mode::User if is_root() => NOBODY,
        Mode::User => rustix::process::geteuid().as_raw(),
    }
}

/// A bench that entries are tried on one after the other: a place outside, and what a node has.
pub struct Bench {
    pub mode: Mode,
    pub base: PathBuf,
    pristine: Arc<Pristine>,
    runner: ProcessRunner,
    files: Workspaces,
    finder: Finder,
    guard: Guard,
    count: u64,
}

/// A copy that an entry has for itself.
pub struct Copy {
    session: SessionId,
    workspace: WorkspaceId,
    root: String,
    pub tree: TreeId,
    pub place: CopyRef,
}

async fn done<A: Act, T>(did: Did<A, T, Error>) -> Result<T, Error> {
    let (live, result) = did.unwrap_or_else(|stop| panic!("not begun: {stop}"));
    live.finish(match result {
        Ok(_) => End::done(),
        Err(_) => End::failed(None),
    });
    result
}

/// Lets everyone through a folder and those above it, up to `base`: in the user's mode the node would be that user.
fn open(base: &Path, place: &Path) {
    for folder in place
        .ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(base))
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder, mode).unwrap();
    }
}

impl Bench {
    pub fn new(
        mode: Mode,
        base: PathBuf,
        pristine: Arc<Pristine>,
        proxy: atoll_runners::proxy::Options,
    ) -> Bench {
        std::fs::create_dir_all(&base).unwrap();
        let home = base.join("home");
        let runner = ProcessRunner::start(atoll_runners::Options {
            exe: env!("CARGO_BIN_EXE_atoll").into(),
            spawner_user: (mode == Mode::User && is_root()).then_some((NOBODY, NOBODY)),
            pool: 1,
            grace_ms: 100,
            home: home.display().to_string(),
            proxy,
            ..atoll_runners::Options::default()
        })
        .unwrap();
        let abilities = runner.abilities();
        assert_eq!(abilities.level, "full", "{mode:?}: {abilities:?}");
        let options = atoll_workspace::Options {
            home: Some(home),
            ..atoll_workspace::Options::new(base.join("data"))
        };
        Bench {
            mode,
            runner,
            files: Workspaces::open(options).unwrap(),
            finder: Finder::new(atoll_runners::toolchain::Options {
                cache_dir: base.join("cache"),
                etc_dir: "/etc".into(),
                ..Default::default()
            }),
            guard: permits::guard().0,
            count: 0,
            base,
            pristine,
        }
    }

    pub fn world(&self, entry: &Entry) -> World {
        let mark = format!("box-{:?}-{}", self.mode, entry.id).to_lowercase();
        World::new(&self.base, &self.pristine, owner(self.mode), &mark)
    }

    /// A private copy of the world's checkout, as a new session gets it.
    pub async fn copy(&mut self, world: &World) -> Copy {
        self.count += 1;
        let session = SessionId::derive(&[b"evasion", &self.count.to_be_bytes()]);
        let found = self.files.identify(&world.shop()).unwrap();
        let act = Snap {
            workspace: found.workspace,
            root: found.root.clone(),
        };
        let permit = permits::permit(&self.guard, act).await;
        let tree = done(self.files.snapshot(permit, NOW).await)
            .await
            .unwrap()
            .tree;
        let owner = owner(self.mode);
        let owner = is_root().then_some((owner, owner));
        let made = self
            .files
            .checkout(session, found.workspace, &found.root, &tree, owner);
        let place = made.await.unwrap();
        if self.mode == Mode::User && is_root() {
            open(&self.base, Path::new(&place.host));
        }
        Copy {
            session,
            workspace: found.workspace,
            root: found.root,
            tree,
            place,
        }
    }

    /// The job, as the node makes an agent's.
    pub fn job(
        &self,
        world: &World,
        copy: &Copy,
        shell: &str,
        text: &str,
        hosts: Vec<HostPort>,
    ) -> Job {
        let detected = self.files.detect(copy.session, "").unwrap();
        let cmd: Vec<String> = vec![shell.into(), "-c".into(), text.into()];
        let want = Want {
            root: copy.root.clone().into(),
            home: world.home(),
            path: PATH.into(),
            languages: detected.languages.clone(),
            cmd: cmd.clone(),
            extra: Vec::new(),
        };
        let found = self.finder.find(&want);
        let mut env = found.env.clone();
        env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
        env.insert("ATOLL_TEST_MARK".into(), world.mark.clone());
        let spec = JobSpec {
            id: JobId::new(Ms(self.count), [7; 10]),
            runner: RunnerKind::Process,
            language: detected.languages.first().copied(),
            image: None,
            cmd,
            stdin: false,
            tty: None,
            env,
            workdir: copy.root.clone(),
            mounts: found.mounts.clone(),
            limits: Limits::default(),
            ttl_s: 20,
            network: match hosts.is_empty() {
                true => Network::None,
                false => Network::Allow(hosts),
            },
            secrets: Vec::new(),
            artifacts: vec!["artifacts/**".into()],
            snapshot: None,
        };
        Job {
            spec,
            purpose: Purpose::Run,
            session: Some(copy.session),
            copy: Some(copy.place.clone()),
            exe: found.exe,
        }
    }

    /// Runs a job to its end: everything that came out of it.
    pub async fn run(&self, job: Job) -> (Vec<u8>, atoll_ports::runner::Ended) {
        let permit = permits::permit(&self.guard, job).await;
        let mut running = self.runner.start(permit, NOW).await.unwrap();
        let mut all = Vec::new();
        while let Some(chunk) = running.output.next().await {
            all.extend(chunk.bytes);
        }
        let ended = running.end.await;
        running.live.finish(End::done());
        for kept in &ended.kept {
            all.extend(&kept.bytes);
        }
        (all, ended)
    }

    /// What the copy became, as a patch.
    pub async fn patch(&self, copy: &Copy) -> Result<(TreeId, Diffed), Error> {
        let tree = self.files.capture(copy.session).await?.tree;
        let diffed = self.files.diff(copy.workspace, &copy.tree, &tree).await?;
        Ok((tree, diffed))
    }

    /// Accepts a patch, as it is said to be.
    pub async fn accept(
        &self,
        copy: &Copy,
        tree: &TreeId,
        diffed: &Diffed,
        class: atoll_domain::PatchClass,
    ) -> Result<(), Error> {
        let act = Accept {
            message: String::new(),
            patch: PatchId::derive(&[&self.count.to_be_bytes()]),
            workspace: copy.workspace,
            root: copy.root.clone(),
            base: copy.tree.clone(),
            tree: tree.clone(),
            paths: diffed
                .summary
                .files
                .iter()
                .map(|f| f.path.clone())
                .collect(),
            class,
            to: AcceptTo::Files,
        };
        let permit = permits::permit(&self.guard, act).await;
        done(self.files.accept(permit, NOW).await).await.map(|_| ())
    }

    pub async fn read(&self, copy: &Copy, op: ReadOp) -> Result<ReadOut, Error> {
        let act = FileRead {
            session: copy.session,
            op,
        };
        let permit = permits::permit(&self.guard, act).await;
        done(self.files.read(permit, NOW).await).await
    }

    pub async fn write(&self, copy: &Copy, path: &str, text: &str) -> Result<(), Error> {
        let whole = Edit::Whole {
            content: text.into(),
        };
        let planned = self.files.plan_edit(copy.session, path, &whole)?;
        let act = FileWrite {
            session: copy.session,
            path: path.into(),
            before: planned.before,
            op: planned.content.map_or(WriteOp::Delete, WriteOp::Put),
        };
        let permit = permits::permit(&self.guard, act).await;
        done(self.files.write(permit, NOW).await).await.map(|_| ())
    }

    /// Ends an entry: its copy goes, and what outlived its job is named.
    pub async fn end(&self, world: &World, copy: Copy, seen: &mut Seen) {
        let mark = copy.place.host.clone();
        for _ in 0..50 {
            let left = marked(world.owner(), &[&mark, &world.mark]);
            seen.left = left.into_iter().map(|(_, words)| words).collect();
            if seen.left.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        self.files.remove(copy.session).unwrap();
    }

    /// A command in its box: what it did outside, what it said, and whether it began at all.
    pub async fn command(
        &mut self,
        entry: &Entry,
        hosts: impl Fn(&World) -> Vec<HostPort>,
        ready: impl Fn(&mut World),
    ) -> (Seen, String) {
        let mut world = self.world(entry);
        ready(&mut world);
        world.lay(&entry.files);
        if !entry.before.is_empty() {
            super::bare::script(&world, "sh", &world.fill(&entry.before), &[]);
            world.own();
        }
        let copy = self.copy(&world).await;
        world.note();
        let text = format!("echo began-{}\n{}", world.mark, world.fill(&entry.run));
        let job = self.job(&world, &copy, &entry.shell, &text, hosts(&world));
        let (out, ended) = self.run(job).await;
        let said = String::from_utf8_lossy(&out).into_owned();
        assert!(
            said.contains(&format!("began-{}", world.mark)),
            "{}: it never began: {said} {:?}",
            entry.id,
            ended.outcome
        );
        let mut seen = world.seen();
        seen.look("the output", &out);
        if let Ok((_, diffed)) = self.patch(&copy).await {
            seen.look("the patch", diffed.diff.as_bytes());
        }
        self.end(&world, copy, &mut seen).await;
        (seen, said)
    }
}
