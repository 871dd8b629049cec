//! The engine in force, when it may be replaced while a node runs.

use std::sync::{Arc, PoisonError, RwLock};

use atoll_domain::Hash;
use atoll_guard::{PolicyEngine, PolicyError, Question, Verdict};

use crate::Engine;

/// A handle to the engine in force: cheap to clone, all clones see a replacement. A guard takes one and
/// the node keeps another, to put in changed rules or a newly trusted workspace's.
#[derive(Clone, Debug)]
pub struct Current(Arc<RwLock<Arc<Engine>>>);

impl Current {
    /// With `engine` in force.
    pub fn new(engine: Engine) -> Current {
        Current(Arc::new(RwLock::new(Arc::new(engine))))
    }
    /// The engine in force.
    pub fn get(&self) -> Arc<Engine> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    /// Puts another engine in force. Questions under way are judged by the one they began with.
    pub fn replace(&self, engine: Engine) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine);
    }
}

impl PolicyEngine for Current {
    fn judge(&self, question: &Question<'_>) -> Result<Verdict, PolicyError> {
        self.get().judge(question)
    }
    fn hash(&self) -> Hash {
        self.get().hash()
    }
}
