//! The engines that run: one for a model, started when it is needed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cores;
use crate::supervise::Child;
use crate::wire::Load;

/// Engines at once. One that rests makes room for another.
const ENGINES_MAX: usize = 2;

/// How engines are started and how long they stay.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is the engine.
    pub exe: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The window for each conversation, in tokens, where model and memory allow it.
    pub context_tokens: u32,
    /// Conversations that are computed at once, and whose beginnings are kept.
    pub sequences: u32,
    /// Threads that compute; `None`: as many as there are cores free.
    pub threads: Option<u32>,
    /// How long an engine rests before it ends, in milliseconds.
    pub idle_ms: u64,
    /// How long one may take to hear a stop before it is ended, in milliseconds.
    pub cancel_ms: u64,
    /// Memory that a model must leave to others, in bytes.
    pub spare_bytes: u64,
}

impl Default for Options {
    /// This very program, with `--engine`.
    fn default() -> Options {
        Options {
            exe: "/proc/self/exe".into(),
            args: vec!["--engine".into()],
            context_tokens: 16_384,
            sequences: 2,
            threads: None,
            idle_ms: 300_000,
            cancel_ms: 5_000,
            spare_bytes: 256 << 20,
        }
    }
}

/// The engines of a node.
pub(crate) struct Engines {
    pub(crate) options: Options,
    running: Mutex<Vec<(PathBuf, Arc<Child>)>>,
    next: AtomicU64,
}

impl Engines {
    pub(crate) fn new(options: Options) -> Engines {
        Engines {
            options,
            running: Mutex::default(),
            next: AtomicU64::new(1),
        }
    }

    /// A chat's id.
    pub(crate) fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The engine of a model, started if need be. Those of other models that rest are ended for it.
    pub(crate) fn of(&self, model: &Path) -> Result<Arc<Child>, String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|(_, child)| child.is_open());
        if let Some((_, child)) = running.iter().find(|(path, _)| path == model) {
            return Ok(child.clone());
        }
        running.retain(|(_, child)| {
            let idle = child.is_idle();
            if idle {
                child.retire();
            }
            !idle
        });
        if running.len() >= ENGINES_MAX {
            return Err(format!(
                "{ENGINES_MAX} other models are at work here already"
            ));
        }
        let load = Load {
            path: model.display().to_string(),
            context_tokens: self.options.context_tokens,
            sequences: self.options.sequences,
            threads: self.options.threads.unwrap_or_else(cores::free_here),
            spare_bytes: self.options.spare_bytes,
        };
        let child = Child::start(&self.options, load);
        running.push((model.into(), child.clone()));
        Ok(child)
    }

    /// The processes of the engines that run.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .filter_map(|(_, child)| child.pid())
            .collect()
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, child) in running {
            child.kill();
        }
    }
}
