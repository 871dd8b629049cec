//! The runner of processes: every job in a box of its own namespaces, without rights, with counted limits.
//!
//! `ProcessRunner` is the node's side. It re-executes the binary as a small, single-threaded **spawner**
//! ([`spawner_main`]), which makes all boxes; a box's own PID 1 runs one job, and ends it when either the
//! node or the spawner goes.

#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod probe;
mod process;
pub mod proxy;
pub mod toolchain;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
pub use inside::spawner_main;
#[cfg(target_os = "linux")]
pub use probe::probe_main;
#[cfg(target_os = "linux")]
pub use process::apparmor_profile;
pub use process::{Error, Options, ProcessRunner};
