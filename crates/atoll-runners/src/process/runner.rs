//! The runner itself: the spawner's other end.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use atoll_domain::action::Job;
use atoll_domain::{Reason, Tick};
use atoll_guard::{BoxFuture, End, Live, Permit, Stop};
use atoll_ports::Runner;
use atoll_ports::runner::{Abilities, Given, Running};
use atoll_redact::Masks;
use rustix::net::SendFlags;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, oneshot};

use super::control::{Handle, Input};
use super::exe::Digests;
use super::link::Link;
use super::output::{self, Flow};
use super::scan::Scanned;
use super::task::{self, Task};
use super::{Error, Options, abilities, artifacts, plan, secrets};
use crate::wire::{self, Ask, Plan, Report};

/// Runs jobs as processes in boxes.
pub struct ProcessRunner {
    options: Options,
    /// Replaced when a spawner was killed: its jobs are lost, the next ones need not be.
    link: std::sync::Mutex<Arc<Link>>,
    digests: Arc<Digests>,
    scanned: Arc<Scanned>,
}

impl ProcessRunner {
    /// Starts the spawner and waits until it is prepared. Blocking, a few milliseconds; may be called
    /// from any thread, once per process. Its jobs live as long as the runner.
    pub fn start(options: Options) -> Result<ProcessRunner, Error> {
        let link = Link::start(&options)?;
        Ok(ProcessRunner {
            options,
            link: std::sync::Mutex::new(Arc::new(link)),
            digests: Arc::default(),
            scanned: Arc::default(),
        })
    }

    /// The spawner's pid.
    pub fn spawner_pid(&self) -> u32 {
        self.link().pid()
    }

    fn link(&self) -> Arc<Link> {
        let link = self.link.lock();
        link.unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// A new spawner in place of `dead`, unless another job has seen to it.
    async fn relink(&self, dead: &Arc<Link>) -> Result<(), Stop> {
        if !Arc::ptr_eq(&self.link(), dead) {
            return Ok(());
        }
        tracing::warn!("the spawner has ended and is started again");
        let options = self.options.clone();
        let started = tokio::task::spawn_blocking(move || Link::start(&options)).await;
        let fresh = match started {
            Ok(Ok(fresh)) => Arc::new(fresh),
            Ok(Err(err)) => return Err(Stop::Sandbox(err.to_string())),
            Err(err) => return Err(Stop::Sandbox(err.to_string())),
        };
        let mut link = self
            .link
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if Arc::ptr_eq(&link, dead) {
            *link = fresh;
        }
        Ok(())
    }

    async fn launch(&self, live: &Live<Job>, given: Vec<Given>) -> Result<Launched, Stop> {
        if let Some(why) = &self.link().prepared.failed {
            return Err(Stop::Sandbox(why.clone()));
        }
        let job = live.act();
        let spec = &job.spec;
        let plan = Arc::new(plan::of(job, &self.options)?);
        let secrets = secrets::Secrets::of(spec, given)?;
        let globs = if spec.artifacts.is_empty() {
            None
        } else {
            Some(artifacts::globs(&spec.artifacts).map_err(Stop::Unable)?)
        };
        self.check(job, &plan).await?;
        let failed = |err: std::io::Error| Stop::Sandbox(format!("prepare the job: {err}"));
        let (ours, theirs) = wire::pair().map_err(failed)?;
        let ours = Arc::new(watched(ours).map_err(failed)?);
        let streams = Streams::new(spec.tty.is_some(), spec.stdin).map_err(failed)?;
        let mut fds: Vec<BorrowedFd<'_>> = vec![theirs.as_fd()];
        fds.extend(secrets.memory.iter().map(AsFd::as_fd));
        fds.extend(streams.inside.iter().map(AsFd::as_fd));
        self.send(&Ask::Start(Box::new(Plan::clone(&plan))), &fds)
            .await?;
        drop(fds);
        drop((theirs, streams.inside));
        let (port, mut passed) = begun(task::report(&ours).await)?;
        let missing = || Stop::Sandbox("the box did not pass what it should".into());
        let terminal = match spec.tty {
            Some(_) => {
                let master = watched(passed.next().ok_or_else(missing)?).map_err(failed)?;
                Some(Arc::new(master))
            }
            None => None,
        };
        let proxy = match port {
            Some(_) => {
                let listener = passed.next().ok_or_else(missing)?;
                let allow = spec.network.hosts().to_vec();
                let options = self.options.proxy.clone();
                let served = crate::proxy::Proxy::serve(listener, allow, options);
                Some(served.map_err(|err| Stop::Sandbox(err.to_string()))?)
            }
            None => None,
        };
        let mut outside = streams.outside;
        let mut input = streams.input;
        if let Some(master) = &terminal {
            outside = vec![master.clone()];
            input = if spec.stdin {
                Input::Terminal(master.clone())
            } else {
                Input::Closed
            };
        }
        Ok(Launched {
            plan,
            globs,
            ours,
            terminal,
            proxy,
            outside,
            input,
            masks: secrets.masks,
        })
    }

    /// What blocks: files that are read before the job, unless they are known.
    async fn check(&self, job: &Job, plan: &Arc<Plan>) -> Result<(), Stop> {
        let copy = job.copy.as_ref().map(|copy| copy.inside.clone());
        let exe = job.exe.clone().filter(|exe| !self.digests.known(exe));
        let scanned = self.scanned.known(plan, copy.as_deref());
        if exe.is_none() && scanned {
            return Ok(());
        }
        let (digests, scans) = (self.digests.clone(), self.scanned.clone());
        let (plan, options) = (plan.clone(), self.options.clone());
        let check = tokio::task::spawn_blocking(move || {
            if let Some(exe) = exe {
                digests.check(&exe)?;
            }
            scans.check(&plan, copy.as_deref(), &options)
        });
        check.await.map_err(|err| Stop::Sandbox(err.to_string()))?
    }

    /// Sends to the spawner, waiting while it is behind.
    async fn send(&self, ask: &Ask, fds: &[BorrowedFd<'_>]) -> Result<(), Stop> {
        const TRIES: u32 = 10_000;
        let mut again = true;
        for _ in 0..TRIES {
            let link = self.link();
            match wire::send(link.socket.as_fd(), ask, fds, SendFlags::DONTWAIT) {
                Ok(()) => return Ok(()),
                Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe && again => {
                    again = false;
                    self.relink(&link).await?;
                }
                Err(err) => {
                    return Err(Stop::Sandbox(format!(
                        "the spawner can't be reached: {err}"
                    )));
                }
            }
        }
        Err(Stop::Sandbox("the spawner does not answer".into()))
    }

    fn running(&self, live: Live<Job>, launched: Launched) -> Running {
        let spec = &live.act().spec;
        let Launched {
            plan,
            globs,
            ours,
            terminal,
            proxy,
            outside,
            input,
            masks,
        } = launched;
        let flow = Flow::new(spec.limits.output_bytes);
        let (tx, rx) = output::channel();
        let pumps = task::pumps(outside, terminal.is_some(), &flow, &tx, masks.as_ref());
        let task = Task {
            id: spec.id,
            enforced: task::enforced(&self.link().prepared, Some(&plan)),
            plan,
            job: ours.clone(),
            pumps,
            flow,
            globs,
            masks,
            artifact_limit_bytes: self.options.artifact_limit_bytes,
            free_floor_bytes: self.options.free_floor_bytes,
            output_bytes: spec.limits.output_bytes,
            proxy,
        };
        let id = spec.id;
        let (told, hear) = oneshot::channel();
        tokio::spawn(async move {
            let _ = told.send(task.run().await);
        });
        let end = Box::pin(async move {
            hear.await.unwrap_or_else(|_| atoll_ports::runner::Ended {
                outcome: atoll_domain::Outcome::unrun(id, Reason::Lost, "the node is ending"),
                kept: Vec::new(),
            })
        });
        let control = Arc::new(Handle {
            job: ours,
            terminal,
            input: Mutex::new(input),
        });
        Running {
            live,
            output: output::stream(rx),
            control,
            end,
        }
    }
}

struct Launched {
    plan: Arc<Plan>,
    globs: Option<globset::GlobSet>,
    ours: Arc<AsyncFd<OwnedFd>>,
    terminal: Option<Arc<AsyncFd<OwnedFd>>>,
    proxy: Option<crate::proxy::Handle>,
    outside: Vec<Arc<AsyncFd<OwnedFd>>>,
    input: Input,
    masks: Option<Arc<Masks>>,
}

/// A job's pipes: the ends that stay, and those that go inside.
struct Streams {
    inside: Vec<OwnedFd>,
    outside: Vec<Arc<AsyncFd<OwnedFd>>>,
    input: Input,
}

impl Streams {
    fn new(tty: bool, stdin: bool) -> std::io::Result<Streams> {
        use rustix::pipe::{PipeFlags, pipe_with};
        if tty {
            let (inside, outside) = (Vec::new(), Vec::new());
            return Ok(Streams {
                inside,
                outside,
                input: Input::Closed,
            });
        }
        let (in_inside, input) = if stdin {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            (read, Input::Pipe(watched(write)?))
        } else {
            (std::fs::File::open("/dev/null")?.into(), Input::Closed)
        };
        let (out, out_inside) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, err_inside) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Streams {
            inside: vec![in_inside, out_inside, err_inside],
            outside: vec![Arc::new(watched(out)?), Arc::new(watched(err)?)],
            input,
        })
    }
}

/// What the box's first report says: the port of its proxy, and the descriptors that it passed.
fn begun(
    report: Option<(Report, Vec<OwnedFd>)>,
) -> Result<(Option<u16>, std::vec::IntoIter<OwnedFd>), Stop> {
    match report {
        Some((Report::Started { port }, fds)) => Ok((port, fds.into_iter())),
        Some((Report::Refused { why, changed }, _)) => Err(match changed {
            true => Stop::Changed(why),
            false => Stop::Sandbox(why),
        }),
        Some((Report::Ended(_), _)) | None => {
            Err(Stop::Sandbox("its box ended before the job began".into()))
        }
    }
}

/// Makes a descriptor nonblocking and watches it.
fn watched(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    let flags = rustix::fs::fcntl_getfl(&fd)? | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&fd, flags)?;
    // SAFETY: an OwnedFd is open until it is dropped, and nothing replaces it inside the AsyncFd.
    unsafe { AsyncFd::register(fd) }.map_err(Into::into)
}

impl Runner for ProcessRunner {
    fn start(&self, permit: Permit<Job>, now: Tick) -> BoxFuture<'_, Result<Running, Stop>> {
        self.start_with(permit, Vec::new(), now)
    }

    fn start_with(
        &self,
        permit: Permit<Job>,
        given: Vec<Given>,
        now: Tick,
    ) -> BoxFuture<'_, Result<Running, Stop>> {
        Box::pin(async move {
            let live = permit.begin(now)?;
            match self.launch(&live, given).await {
                Ok(launched) => Ok(self.running(live, launched)),
                Err(stop) => {
                    let reason = matches!(stop, Stop::Sandbox(_)).then_some(Reason::Sandbox);
                    live.finish(End::failed(reason));
                    Err(stop)
                }
            }
        })
    }

    fn abilities(&self) -> Abilities {
        abilities::of(&self.link().prepared)
    }

    fn owner(&self) -> Option<(u32, u32)> {
        self.link().prepared.root.then_some(self.options.job_owner)
    }
}
