//! The `Workspaces` port over this crate's parts: a thin shell that opens
//! permits, keeps one store per workspace and one copy per session, and runs
//! blocking work on threads of its own.

mod copies;
mod out;
mod pool;
mod port;
mod read;
mod roots;
mod space;
mod sweep;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atoll_domain::{SessionId, WorkspaceId};
use atoll_ports::workspace::Error;

use crate::beneath::Dir;
use crate::walk::Limits;
use copies::Copy;
use pool::Pool;
use space::Space;

/// Settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Atoll's data directory: stores lie in `workspaces/`, copies in `copies/`.
    pub data: PathBuf,
    /// Bounds of snapshots.
    pub limits: Limits,
    /// Name and e-mail address on commits that Atoll makes.
    pub author: (String, String),
    /// The user's home: their own git excludes are read in it, and neither it nor a folder above it is
    /// the workspace of a folder below.
    pub home: Option<PathBuf>,
    /// The user's configuration folder, where it isn't `~/.config`.
    pub config_home: Option<PathBuf>,
}

impl Options {
    /// The defaults, in this data directory.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            limits: Limits::default(),
            author: ("Atoll".into(), "atoll@localhost".into()),
            home: None,
            config_home: None,
        }
    }
}

/// All workspaces of a node. Cheap to clone.
#[derive(Clone)]
pub struct Workspaces {
    inner: Arc<Inner>,
    pool: Arc<Pool>,
}

struct Inner {
    options: Options,
    spaces: Mutex<HashMap<WorkspaceId, Arc<Space>>>,
    copies: Mutex<HashMap<SessionId, Arc<Copy>>>,
}

impl Workspaces {
    /// Workspaces in `options.data`, which is made if it isn't there.
    ///
    /// # Errors
    /// The data directory cannot be made.
    pub fn open(mut options: Options) -> Result<Self, Error> {
        Dir::create(&options.data)?;
        let canonical = options.data.canonicalize();
        options.data =
            canonical.map_err(|e| Error::Io(format!("{}: {e}", options.data.display())))?;
        let inner = Inner {
            options,
            spaces: Mutex::default(),
            copies: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            pool: Arc::default(),
        })
    }
}

/// The root of the workspace that `place` belongs to.
///
/// # Errors
/// It can't be a workspace.
pub fn root_of(place: &Path, options: &Options) -> Result<String, Error> {
    roots::identify(place, options).map(|found| found.root)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole between operations, also after a panic in one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_s() -> i64 {
    crate::store::cache_now_ns() / 1_000_000_000
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod tests;
