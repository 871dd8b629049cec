//! The spawner as a child of the node, and the socket to it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "starts the spawner, which starts every job, by its permit"
)]

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::net::SendFlags;

use super::{Error, Options};
use crate::wire::{self, Ask, Prepared, Setup};

/// A living spawner. Dropped, it ends, and its jobs with it.
pub struct Link {
    /// Jobs go in here.
    pub socket: OwnedFd,
    /// What it found.
    pub prepared: Prepared,
    child: Mutex<Child>,
}

impl Link {
    /// Starts a spawner and waits for what it finds. Blocking.
    pub fn start(options: &Options) -> Result<Link, Error> {
        let (socket, theirs) = wire::pair().map_err(Error::Spawner)?;
        let mut command = Command::new(&options.exe);
        command
            .args(&options.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        if let Some((uid, gid)) = options.spawner_user {
            std::os::unix::process::CommandExt::uid(&mut command, uid);
            std::os::unix::process::CommandExt::gid(&mut command, gid);
        }
        let mut child = command.spawn().map_err(Error::Spawner)?;
        // The command holds the spawner's end as well.
        drop(command);
        match greet(&socket, options) {
            Some(prepared) => Ok(Link {
                socket,
                prepared,
                child: Mutex::new(child),
            }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(Error::Silent(options.exe.display().to_string()))
            }
        }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .id()
    }
}

fn greet(socket: &OwnedFd, options: &Options) -> Option<Prepared> {
    let (job_uid, job_gid) = options.job_owner;
    let setup = Setup {
        job_uid,
        job_gid,
        user: plain(&options.user),
        home: plain(&options.home),
        pool: options.pool,
    };
    wire::send(socket.as_fd(), &Ask::Setup(setup), &[], SendFlags::empty()).ok()?;
    Some(wire::recv::<Prepared>(socket.as_fd()).ok()??.0)
}

/// Names go into a passwd file: what would break it is left out.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() && *c != ':')
        .take(1024)
        .collect()
}

impl Drop for Link {
    fn drop(&mut self) {
        // Its end of the socket closes it and its jobs; waiting buries it, and makes sure of them.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.wait();
    }
}
