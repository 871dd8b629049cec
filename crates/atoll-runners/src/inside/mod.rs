//! What runs beside and inside the box: the spawner, the template of its root, the init, the job's last
//! steps before it is executed. Linux alone. All of it is single-threaded.

#![allow(
    clippy::disallowed_methods,
    reason = "makes the box: its processes, mounts, files in fresh file systems, and its loopback"
)]

mod cgroup;
mod exec;
mod fence;
mod filter;
mod idmap;
mod init;
mod meter;
mod mounts;
mod ready;
mod root;
mod spawner;
pub(crate) mod sys;
mod template;

pub use spawner::spawner_main;
