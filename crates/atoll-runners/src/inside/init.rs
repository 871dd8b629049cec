//! PID 1 of a box: takes one job, runs it, reaps, ends the whole tree, tells how it went.
//!
//! It ends, and with it every process of the box, as soon as the spawner or the node closes its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::SendFlags;

use crate::inside::exec;
use crate::inside::mounts::{self, Owner};
use crate::inside::ready::{Prepared, Shared};
use crate::inside::sys::{self, Failed, Tried};
use crate::inside::{meter, root};
use crate::wire::{self, End, Order, Plan, Report, Why};

/// Between looks at what is counted, in milliseconds.
const LOOK_MS: u64 = 100;

/// An init's exit code when its network namespace is as it was made.
pub const CLEAN: i32 = 10;

/// Waits for a job and runs it.
pub fn serve(shared: &Shared, mut prepared: Result<Prepared, Failed>, control: OwnedFd) -> ! {
    let told = prepared.as_ref().map(|_| ()).map_err(|err| err.0.clone());
    let network = prepared.as_mut().ok().and_then(|p| p.network.take());
    let fds: Vec<BorrowedFd<'_>> = network.iter().map(AsFd::as_fd).collect();
    if wire::send(control.as_fd(), &told, &fds, SendFlags::empty()).is_err() {
        sys::exit_now(1);
    }
    drop(fds);
    drop(network);
    let Ok(Some((bytes, mut fds))) = wire::recv_bytes(control.as_fd()) else {
        sys::exit_now(0);
    };
    if fds.is_empty() {
        sys::exit_now(1);
    }
    let job = fds.remove(0);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(failed) => refuse(job.as_fd(), failed.0, false),
    };
    let plan: Plan = match serde_json::from_slice(&bytes).tried("read the job") {
        Ok(plan) => plan,
        Err(failed) => refuse(job.as_fd(), failed.0, false),
    };
    match launch(shared, &prepared, &plan, fds) {
        Ok(launched) => run(&prepared, &plan, launched, job.as_fd(), control.as_fd()),
        Err(failed) => refuse(job.as_fd(), failed.0, false),
    }
}

/// Tells the node why there is no job, and ends the box.
fn refuse(job: BorrowedFd<'_>, why: String, changed: bool) -> ! {
    let report = Report::Refused { why, changed };
    let _ = wire::send(job, &report, &[], SendFlags::empty());
    sys::exit_now(1)
}

struct Launched {
    pass: Vec<OwnedFd>,
    port: Option<u16>,
    began_us: u64,
}

/// The memory file that nobody but the job's own process reads.
fn secrets(plan: &Plan, fds: &mut Vec<OwnedFd>) -> Result<Option<OwnedFd>, Failed> {
    match (plan.secrets, fds.is_empty()) {
        (true, true) => Err(Failed("the job came without its secrets".into())),
        (true, false) => Ok(Some(fds.remove(0))),
        (false, _) => Ok(None),
    }
}

fn launch(
    shared: &Shared,
    prepared: &Prepared,
    plan: &Plan,
    mut fds: Vec<OwnedFd>,
) -> Result<Launched, Failed> {
    let secrets = secrets(plan, &mut fds)?;
    let mut stdio: Vec<OwnedFd> = if plan.tty.is_some() {
        Vec::new()
    } else if fds.len() >= 3 {
        fds.drain(..3).collect()
    } else {
        return Err(Failed("the job came without its streams".into()));
    };
    prepared
        .files
        .limit(plan.memory_bytes, plan.pids_max)
        .tried("set the group's limits")?;
    let owner = Owner {
        uid: shared.setup.job_uid,
        gid: shared.setup.job_gid,
        root: shared.root,
    };
    let room_bytes = if prepared.files.keeps_memory() {
        plan.disk_bytes
    } else {
        // What lies in a tmpfs is memory that nobody counts.
        plan.disk_bytes.min(plan.memory_bytes / 2)
    };
    let writable = mounts::place(plan, fds, owner, room_bytes)?;
    let mut pass = Vec::new();
    let mut port = None;
    let terminal = match plan.tty {
        Some(size) => Some(exec::terminal(size, owner)?),
        None => None,
    };
    let mut env = plan.env.clone();
    let listener = if plan.proxy {
        Some(root::listener()?)
    } else {
        None
    };
    if let Some((_, at)) = &listener {
        port = Some(*at);
        let proxy = crate::proxy::environment(*at);
        env.retain(|(name, _)| !proxy.contains_key(name));
        env.extend(proxy);
    }
    let began_us = sys::now_us();
    let job = exec::Job {
        plan: plan.clone(),
        env,
        writable,
        counted: prepared.files.keeps_pids(),
        memory_counted: prepared.files.keeps_memory(),
    };
    let (master, slave) = terminal.unzip();
    stdio.extend(slave);
    stdio.extend(secrets);
    prepared.child.go(&job, &stdio)?;
    pass.extend(master);
    pass.extend(listener.map(|(fd, _)| fd));
    Ok(Launched {
        pass,
        port,
        began_us,
    })
}

fn run(
    prepared: &Prepared,
    plan: &Plan,
    launched: Launched,
    job: BorrowedFd<'_>,
    control: BorrowedFd<'_>,
) -> ! {
    let Launched {
        pass,
        port,
        began_us,
    } = launched;
    let mut failure = None;
    match prepared.child.executed() {
        Ok(()) => {}
        Err(exec::Failure::Sandbox(why)) => refuse(job, why, false),
        Err(exec::Failure::Changed(why)) => refuse(job, why, true),
        Err(exec::Failure::Command(why)) => failure = Some(why),
    }
    let borrowed: Vec<BorrowedFd<'_>> = pass.iter().map(AsFd::as_fd).collect();
    if wire::send(
        job,
        &Report::Started { port },
        &borrowed,
        SendFlags::empty(),
    )
    .is_err()
    {
        sys::exit_now(1);
    }
    drop(borrowed);
    drop(pass);
    let mut watch = Watch::new(prepared, plan, prepared.child.pid, began_us);
    let status = watch.until_end(job, control);
    // Nobody outlives the command: what it left behind goes now.
    sys::kill_all(libc::SIGKILL);
    while sys::reap(true).is_some() {}
    let mut end = watch.end(status);
    end.exec_failed = failure;
    let dir = plan.keep_workdir.then(|| {
        sys::openat2(
            None,
            &plan.workdir,
            libc::O_RDONLY | libc::O_DIRECTORY,
            0,
            sys::NO_SYMLINKS,
        )
    });
    let dir = dir.and_then(Result::ok);
    let fds: Vec<BorrowedFd<'_>> = dir.iter().map(AsFd::as_fd).collect();
    let _ = wire::send(job, &Report::Ended(end), &fds, SendFlags::empty());
    // Told to the spawner: whether the next box may have this one's network namespace.
    let clean = !plan.proxy && root::network_is_clean();
    sys::exit_now(if clean { CLEAN } else { 0 })
}

/// Watches over a running job.
struct Watch<'a> {
    prepared: &'a Prepared,
    plan: &'a Plan,
    pid: libc::pid_t,
    began_us: u64,
    meter: meter::Meter,
    why: Option<Why>,
    kill_at_us: Option<u64>,
    killed: bool,
}

impl<'a> Watch<'a> {
    fn new(prepared: &'a Prepared, plan: &'a Plan, pid: libc::pid_t, began_us: u64) -> Watch<'a> {
        Watch {
            prepared,
            plan,
            pid,
            began_us,
            meter: meter::Meter::default(),
            why: None,
            kill_at_us: None,
            killed: false,
        }
    }

    /// Waits until the command is reaped; gives its wait status.
    fn until_end(&mut self, job: BorrowedFd<'_>, control: BorrowedFd<'_>) -> i32 {
        let events = self.prepared.events.as_fd();
        loop {
            while let Some(reaped) = sys::reap(false) {
                if reaped.pid == self.pid {
                    return reaped.status;
                }
            }
            let ready = sys::poll(&[job, control, events], LOOK_MS as i32);
            if ready[0] {
                match wire::recv::<Order>(job) {
                    Ok(Some((Order::Stop(why), _))) => self.stop(why),
                    _ => sys::exit_now(1),
                }
            }
            if ready[1] {
                // The spawner says nothing more; it has ended.
                sys::exit_now(1);
            }
            if ready[2] {
                sys::drain_events(events);
            }
            self.look();
        }
    }

    fn stop(&mut self, why: Why) {
        if self.why.is_none() {
            self.why = Some(why);
            self.kill_at_us = Some(sys::now_us() + self.plan.grace_ms * 1000);
            sys::kill_all(libc::SIGTERM);
        }
    }

    fn look(&mut self) {
        let now = sys::now_us();
        if now.saturating_sub(self.began_us) >= self.plan.ttl_ms.saturating_mul(1000) {
            self.stop(Why::Time);
        }
        if !self.meter.due(now, LOOK_MS) && !self.killed {
            return self.kill_late(now);
        }
        let used = self.meter.look(&self.prepared.files);
        if used.cpu_us > self.plan.cpu_ms.saturating_mul(1000) {
            self.stop(Why::Cpu);
        }
        if !self.prepared.files.keeps_memory() && used.memory_bytes > self.plan.memory_bytes {
            self.stop(Why::Memory);
        }
        self.kill_late(now);
    }

    fn kill_late(&mut self, now: u64) {
        if self.kill_at_us.is_some_and(|at| now >= at) {
            self.killed = true;
            sys::kill_all(libc::SIGKILL);
        }
    }

    fn end(&self, status: i32) -> End {
        let files = &self.prepared.files;
        let usage = meter::reaped();
        End {
            exit: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
            why: self.why,
            exec_failed: None,
            cpu_us: files.cpu_us().unwrap_or(0).max(usage.cpu_us),
            peak_bytes: files
                .peak_bytes()
                .unwrap_or(0)
                .max(self.meter.peak_bytes(usage)),
            wall_us: sys::now_us().saturating_sub(self.began_us),
            oom_kills: files.oom_kills(),
            pids_hits: files.pids_hits(),
        }
    }
}
