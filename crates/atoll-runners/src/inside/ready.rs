//! A box that is made ahead: its namespaces, its groups, its init, waiting for a job.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use seccompiler::BpfProgram;

use crate::inside::cgroup::{Bases, Files, Group};
use crate::inside::exec::Child;
use crate::inside::sys::{self, Failed, Tried};
use crate::inside::template::Pieces;
use crate::inside::{init, root};
use crate::wire::Setup;

/// What all boxes of a spawner share.
pub struct Shared {
    /// The settings.
    pub setup: Setup,
    /// Whether it is root.
    pub root: bool,
    /// The template's mount namespace.
    pub template: OwnedFd,
    /// Its parts.
    pub pieces: Pieces,
    /// Where groups are made.
    pub bases: Bases,
    /// The seccomp filter.
    pub filter: BpfProgram,
    /// The Landlock version.
    pub landlock_abi: i32,
}

/// A waiting box.
pub struct Ready {
    /// Its init, in the spawner's PID namespace.
    pub pid: libc::pid_t,
    /// Where its job is sent; its end ends the box.
    pub control: OwnedFd,
    /// Its network namespace, for one box at a time. `None`: its init sends it, see [`Ready::network`].
    network: Option<OwnedFd>,
    /// Its groups, to be removed after it.
    pub group: Option<Group>,
}

const NAMESPACES: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Starts a box. `network`: a namespace that a box before it left as it was made. What fails inside is told
/// to its first job.
pub fn make(shared: &Rc<Shared>, number: u64, network: Option<OwnedFd>) -> io::Result<Ready> {
    let group = match shared.bases.group(number) {
        Ok(group) => Some(group),
        Err(err) => return Err(err),
    };
    let (ours, theirs) = crate::wire::pair()?;
    let inner = crate::wire::pair()?;
    let fresh = if network.is_none() {
        libc::CLONE_NEWNET
    } else {
        0
    };
    let pid = match sys::clone(NAMESPACES | fresh) {
        Ok(pid) => pid,
        Err(err) => {
            group.as_ref().map(Group::remove);
            return Err(err);
        }
    };
    if pid == 0 {
        drop(ours);
        let prepared = prepare(shared, group.as_ref(), &theirs, network.as_ref(), inner);
        init::serve(shared, prepared, theirs);
    }
    Ok(Ready {
        pid,
        control: ours,
        network,
        group,
    })
}

impl Ready {
    /// Hears whether it could be made.
    pub fn hear(&mut self) -> Result<(), Failed> {
        type Told = Result<(), String>;
        match crate::wire::recv::<Told>(self.control.as_fd()).tried("hear the box")? {
            Some((Ok(()), fds)) => {
                self.network = self.network.take().or(fds.into_iter().next());
                Ok(())
            }
            Some((Err(why), _)) => Err(Failed(why)),
            None => Err(Failed("the box ended early".into())),
        }
    }

    /// Its network namespace, when it is dead.
    pub fn network(mut self) -> Option<OwnedFd> {
        if self.network.is_none() {
            let _ = self.hear();
        }
        self.network
    }
}

/// What an init has when its box is made.
pub struct Prepared {
    /// Its groups' files.
    pub files: Files,
    /// Its children's ends.
    pub events: OwnedFd,
    /// What will be the job.
    pub child: Child,
    /// A network namespace that was made for this box, for the spawner.
    pub network: Option<OwnedFd>,
}

fn prepare(
    shared: &Shared,
    group: Option<&Group>,
    control: &OwnedFd,
    network: Option<&OwnedFd>,
    inner: (OwnedFd, OwnedFd),
) -> Result<Prepared, Failed> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0).tried("parent-death signal")?;
    let files = match group {
        Some(group) => group.enter().tried("enter the control groups")?,
        None => Files::none(),
    };
    if shared.root {
        // The kernel is to end the job before its init. Root in a container may not lower it; the job
        // raises its own in any case.
        let _ = fs::write("/proc/self/oom_score_adj", "-900");
    }
    sys::unshare(libc::CLONE_NEWCGROUP).tried("a cgroup namespace")?;
    if let Some(network) = network {
        sys::setns(network.as_fd(), libc::CLONE_NEWNET).tried("enter the network namespace")?;
    }
    root::make(shared.template.as_fd(), &shared.pieces)?;
    if network.is_none() {
        root::loopback()?;
    }
    root::hostname()?;
    let events = sys::child_events().tried("signalfd")?;
    let fresh = match network {
        Some(_) => None,
        None => Some(
            fs::File::open("/proc/self/ns/net")
                .tried("open the network namespace")?
                .into(),
        ),
    };
    // The spawner's other descriptors would keep other boxes' lifelines open.
    let mut keep = files.fds();
    keep.extend(fresh.as_ref().map(|fd: &OwnedFd| fd.as_raw_fd()));
    keep.extend([control, &events, &inner.0, &inner.1].map(|fd| fd.as_raw_fd()));
    sys::close_all_but(&keep).tried("close_range")?;
    // The job shares its user and must neither read nor trace it.
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0).tried("undumpable")?;
    let child = Child::make(shared, inner)?;
    Ok(Prepared {
        child,
        network: fresh,
        files,
        events,
    })
}
