//! The spawner: makes boxes, hands them jobs, buries them. When the node goes, all of them go.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::net::SendFlags;

use crate::inside::cgroup::{Bases, Group};
use crate::inside::idmap::Idmaps;
use crate::inside::ready::{self, Ready, Shared};
use crate::inside::sys::{self, Failed, Tried};
use crate::inside::template::Pieces;
use crate::inside::{exec, fence, init, mounts, template};
use crate::wire::{self, Ask, Plan, Prepared, Report, Setup};

/// How long it is idle before it makes boxes ahead, so as not to stand in a starting job's way.
const REFILL_AFTER_MS: i32 = 1;

/// How long it waits after it failed to make a box.
const FAILED_MS: i32 = 500;
/// At its end, how often and in what steps it looks whether groups are empty at last.
const LATE_LOOKS_MAX: u32 = 200;
const LATE_LOOK_MS: u64 = 5;
/// Network namespaces that wait for a box.
const NETWORKS_MAX: usize = 8;

/// The whole life of a spawner, on the socket at descriptor 0. To be called first thing in `main`, before
/// there is any other thread. Gives the exit code.
pub fn spawner_main() -> i32 {
    match serve() {
        Ok(()) => 0,
        Err(failed) => {
            eprintln!("atoll spawner: {failed}");
            1
        }
    }
}

fn serve() -> Result<(), Failed> {
    let node = exec::take_socket().tried("take the node's socket over")?;
    // A terminal's signals are the node's business.
    let _ = rustix::process::setsid();
    sys::default_signals();
    sys::block_signals().tried("signals")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let Some((Ask::Setup(setup), _)) = wire::recv(node.as_fd()).tried("read the settings")? else {
        return Ok(());
    };
    let mut prepared = Prepared::default();
    let mut spawner = match prepare(setup, &mut prepared) {
        Ok(spawner) => spawner,
        Err(failed) => {
            prepared.failed = Some(failed.0);
            let _ = wire::send(node.as_fd(), &prepared, &[], SendFlags::empty());
            return Ok(());
        }
    };
    wire::send(node.as_fd(), &prepared, &[], SendFlags::empty()).tried("answer the node")?;
    spawner.run(&node);
    Ok(())
}

fn prepare(mut setup: Setup, prepared: &mut Prepared) -> Result<Spawner, Failed> {
    let root = rustix::process::geteuid().is_root();
    prepared.root = root;
    prepared.landlock_abi = fence::abi();
    if prepared.landlock_abi == 0 {
        prepared.notes.push("Landlock is off in this kernel".into());
    }
    let bases = Bases::find();
    let [memory, pids, cpu] = bases.names();
    let filter = exec::filter(!memory.is_empty())?;
    (prepared.memory, prepared.pids, prepared.cpu) = (memory, pids, cpu);
    if root {
        sys::unshare(libc::CLONE_NEWNS).tried("a mount namespace")?;
        exec::renounce()?;
    } else {
        setup.job_uid = rustix::process::geteuid().as_raw();
        setup.job_gid = rustix::process::getegid().as_raw();
        user(&setup)?;
    }
    // What the host mounts later is seen; what is mounted here isn't.
    sys::mount("", "/", "", libc::MS_REC | libc::MS_SLAVE, "").tried("slave mounts")?;
    let pieces = Pieces::find();
    let template = template::make(&setup, &pieces, root)?;
    let mut idmaps = Idmaps::default();
    if root {
        prepared.idmap = idmaps.swap((0, 0), (setup.job_uid, setup.job_gid)).is_ok();
    }
    let landlock_abi = prepared.landlock_abi;
    let shared = Rc::new(Shared {
        setup,
        root,
        template,
        pieces,
        bases,
        filter,
        landlock_abi,
    });
    let mut spawner = Spawner {
        shared,
        idmaps,
        idle: Vec::new(),
        live: HashMap::new(),
        networks: Vec::new(),
        failing: false,
        late: Vec::new(),
        made: 0,
        events: sys::child_events().tried("signalfd")?,
    };
    spawner.try_first()?;
    Ok(spawner)
}

/// A user namespace in which this user stays itself: root in it for mounts alone.
fn user(setup: &Setup) -> Result<(), Failed> {
    let (uid, gid) = (setup.job_uid, setup.job_gid);
    let why = "user namespaces are forbidden to ordinary users here";
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).tried(why)?;
    fs::write("/proc/self/setgroups", "deny").tried(why)?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1\n")).tried(why)?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1\n")).tried(why)
}

struct Spawner {
    shared: Rc<Shared>,
    idmaps: Idmaps,
    idle: Vec<Ready>,
    /// Boxes that have a job, by their init.
    live: HashMap<libc::pid_t, Ready>,
    /// Network namespaces that their boxes left as they were made.
    networks: Vec<OwnedFd>,
    /// Not to try again in one breath what failed.
    failing: bool,
    /// Groups that could not be removed yet.
    late: Vec<Group>,
    made: u64,
    events: OwnedFd,
}

impl Spawner {
    fn make(&mut self) -> Result<Ready, Failed> {
        self.made += 1;
        let network = self.networks.pop();
        ready::make(&self.shared, self.made, network).tried("make a box")
    }

    /// Makes the first box and hears whether it works: what it says holds for all.
    fn try_first(&mut self) -> Result<(), Failed> {
        let mut first = self.make()?;
        first.hear()?;
        self.idle.push(first);
        Ok(())
    }

    fn run(&mut self, node: &OwnedFd) {
        loop {
            let wants = self.idle.len() < self.shared.setup.pool || !self.late.is_empty();
            let timeout = match (wants, self.idle.is_empty()) {
                (false, _) => -1,
                (true, _) if self.failing => FAILED_MS,
                (true, false) => REFILL_AFTER_MS,
                // The next job would have to wait for a box.
                (true, true) => 0,
            };
            let ready = sys::poll(&[node.as_fd(), self.events.as_fd()], timeout);
            if ready[0] {
                match wire::recv::<Ask>(node.as_fd()) {
                    Ok(Some((Ask::Start(plan), fds))) => self.start(&plan, fds),
                    Ok(Some((Ask::Setup(_), _))) => {}
                    // The node has gone, or is broken: every box ends with its control socket.
                    Ok(None) | Err(_) => return self.end(),
                }
            }
            if ready[1] {
                sys::drain_events(self.events.as_fd());
                self.bury();
            }
            if !ready[0] && !ready[1] && wants {
                self.refill();
            }
        }
    }

    fn refill(&mut self) {
        self.late.retain(|group| !group.remove());
        if self.idle.len() < self.shared.setup.pool {
            let made = self.make();
            self.failing = made.is_err();
            self.idle.extend(made);
        }
    }

    fn start(&mut self, plan: &Plan, mut fds: Vec<OwnedFd>) {
        if fds.is_empty() {
            return;
        }
        let job = fds.remove(0);
        if let Err(failed) = self.hand_over(plan, &job, fds) {
            let report = Report::Refused {
                why: failed.0,
                changed: false,
            };
            let _ = wire::send(job.as_fd(), &report, &[], SendFlags::DONTWAIT);
        }
    }

    fn hand_over(&mut self, plan: &Plan, job: &OwnedFd, fds: Vec<OwnedFd>) -> Result<(), Failed> {
        let setup = &self.shared.setup;
        let user = self.shared.root.then_some((setup.job_uid, setup.job_gid));
        let sources = mounts::open(plan, &mut self.idmaps, user)?;
        let ready = match self.idle.pop() {
            Some(ready) => ready,
            None => self.make()?,
        };
        let all: Vec<_> = [job]
            .into_iter()
            .chain(&fds)
            .chain(&sources)
            .map(AsFd::as_fd)
            .collect();
        let sent = wire::send(ready.control.as_fd(), plan, &all, SendFlags::DONTWAIT);
        self.live.insert(ready.pid, ready);
        sent.tried("hand the job to its box")
    }

    fn bury(&mut self) {
        while let Some(reaped) = sys::reap(false) {
            let idle = self.idle.iter().position(|ready| ready.pid == reaped.pid);
            let dead = match idle {
                Some(at) => Some(self.idle.swap_remove(at)),
                None => self.live.remove(&reaped.pid),
            };
            let Some(dead) = dead else { continue };
            let group = dead.group.clone();
            self.late.extend(group.filter(|group| !group.remove()));
            let clean =
                libc::WIFEXITED(reaped.status) && libc::WEXITSTATUS(reaped.status) == init::CLEAN;
            if clean && self.networks.len() < NETWORKS_MAX {
                self.networks.extend(dead.network());
            }
        }
    }

    fn end(&mut self) {
        for ready in self.idle.drain(..) {
            self.live.insert(ready.pid, ready);
        }
        for pid in self.live.keys() {
            sys::kill(*pid);
        }
        // An init is reaped when all of its box is gone.
        while let Some(reaped) = sys::reap(true) {
            if let Some(dead) = self.live.remove(&reaped.pid) {
                self.late.extend(dead.group.filter(|group| !group.remove()));
            }
        }
        // A group may count a process for a moment longer than its init is there to be reaped.
        for _ in 0..LATE_LOOKS_MAX {
            self.late.retain(|group| !group.remove());
            if self.late.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(LATE_LOOK_MS));
        }
        // Those of a spawner before this one may only now be empty.
        self.shared.bases.sweep();
    }
}
