//! The node as a service: started, run until it is told to stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use atoll_api::Error;
use atoll_domain::{Entropy, NodeDown, NodeUp};
use atoll_guard::{Guard, Ledger};
use atoll_ports::Log;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::options::Reloaded;
use crate::shared::{Adapters, Current, Shared, lock};

/// How often a checkpoint is made if anything is new.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How soon after its start, or after it was busy when it was due, the node looks whether to sweep.
const SWEEP_AGAIN: Duration = Duration::from_secs(60);
/// How long a mirror may take for the last events when the node goes down.
const MIRROR_LAST: Duration = Duration::from_secs(2);
/// How long sessions may take to stop when the node goes down.
const DRAIN: Duration = Duration::from_secs(10);

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) fn current_of(
    loaded: Reloaded,
    log: Arc<dyn Log>,
    ledger: Arc<Ledger>,
    entropy: Arc<dyn Entropy>,
) -> Current {
    let guard = Guard::new(loaded.engine, log, ledger, entropy);
    Current {
        options: loaded.options,
        models: loaded.models,
        guard,
        rules: loaded.rules,
        witness: loaded.witness,
        mirror: loaded.mirror,
        archive: loaded.archive,
    }
}

impl Node {
    /// Starts it: reads the configuration, closes what a crash left open, says that it is up.
    pub async fn start(adapters: Adapters) -> Result<Node, Error> {
        let Adapters {
            log,
            runner,
            toolchains,
            workspaces,
            vault,
            clock,
            entropy,
            grants,
            load,
            redaction_key,
        } = adapters;
        let loaded = load()?;
        let (jobs_max, files_max) = (loaded.options.jobs_max, loaded.options.files_max);
        let ledger = Arc::new(Ledger::default());
        let current = current_of(loaded, log.clone(), ledger.clone(), entropy.clone());
        let latest = log.latest().map_err(crate::shared::log_error)?;
        let shared = Arc::new(Shared {
            grants: crate::grants::Held::new(grants, latest),
            log,
            runner,
            toolchains,
            workspaces,
            vault,
            clock,
            entropy,
            load,
            ledger,
            current: RwLock::new(Arc::new(current)),
            gates: Default::default(),
            hub: Default::default(),
            sessions: Mutex::new(HashMap::new()),
            jobs: Mutex::new(HashMap::new()),
            calls: Mutex::new(HashMap::new()),
            keeps: Default::default(),
            redaction_key,
            job_slots: Semaphore::new(jobs_max),
            file_slots: Semaphore::new(files_max),
            edits: Default::default(),
            disk: Default::default(),
            witnessed: Default::default(),
            witnessing: Default::default(),
            mirrored: Default::default(),
            mirroring: Default::default(),
            archived: Default::default(),
            archiving: Default::default(),
            sweeping: Default::default(),
            down: CancellationToken::new(),
        });
        let node = Node { shared };
        let lost = node.shared.recover().await?;
        let up = {
            let current = node.shared.current();
            NodeUp {
                version: env!("CARGO_PKG_VERSION").into(),
                policy: current.guard.policy_hash(),
                profile: current.options.profile.clone(),
                lost,
            }
        };
        let entry = atoll_guard::Entry::plain(atoll_domain::Draft::node(up.into()));
        node.shared
            .log
            .append(entry, true)
            .await
            .map_err(|full| crate::shared::full_error(&full))?;
        Ok(node)
    }

    /// A token that is cancelled when the node is told to go down.
    pub fn downing(&self) -> CancellationToken {
        self.shared.down.clone()
    }

    /// Sessions with a turn under way.
    pub fn busy(&self) -> usize {
        lock(&self.shared.sessions).len()
    }

    /// Runs until it is told to go down: checkpoints meanwhile, an orderly end after.
    pub async fn run(&self, reason: impl Future<Output = &'static str>) {
        let mut reason = std::pin::pin!(reason);
        let mut timer = tokio::time::interval(CHECKPOINT_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        timer.tick().await; // the first is at once
        self.witness_aside();
        tokio::spawn(self.shared.clone().mirror());
        let mut sweep = Instant::now() + self.until_sweep().min(SWEEP_AGAIN);
        let why = loop {
            tokio::select! {
                why = &mut reason => break why,
                () = self.shared.down.cancelled() => break "command",
                _ = timer.tick() => self.tidy().await,
                () = tokio::time::sleep_until(sweep) => sweep = Instant::now() + self.sweep(),
            }
        };
        self.stop(why).await;
    }

    fn until_sweep(&self) -> Duration {
        Duration::from_secs(self.shared.current().options.sweep_s)
    }

    /// Begins a sweep if nothing runs; how long until the next look.
    fn sweep(&self) -> Duration {
        if !self.shared.is_quiet() {
            return self.until_sweep().min(SWEEP_AGAIN);
        }
        let shared = self.shared.clone();
        tokio::spawn(async move {
            shared.sweep().await;
            if shared.is_quiet() {
                shared.archive_due().await;
            }
        });
        self.until_sweep()
    }

    /// Hands checkpoints over beside the node's own loop, which must hear that it is to go down even while the
    /// witness's disk hangs; one at a time.
    fn witness_aside(&self) {
        if self.shared.witnessing.try_lock().is_err() {
            return;
        }
        let shared = self.shared.clone();
        tokio::spawn(async move { shared.witness().await });
    }

    async fn tidy(&self) {
        if let Err(err) = self.shared.log.checkpoint().await {
            tracing::warn!("no checkpoint: {err}");
        }
        self.witness_aside();
        let day = crate::clock::day_of(self.shared.clock.wall());
        self.shared.ledger.forget(day, &[]);
    }

    async fn stop(&self, why: &str) {
        self.shared.down.cancel();
        let drained = async {
            while self.busy() > 0 {
                tokio::time::sleep(crate::job::LOOK).await;
            }
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(
                "{} sessions did not stop in time; they are parked at the next start",
                self.busy()
            );
        }
        let entry = atoll_guard::Entry::plain(atoll_domain::Draft::node(
            NodeDown { reason: why.into() }.into(),
        ));
        let _ = self.shared.log.append(entry, true).await; // a full disk does not keep a node up
        let _ = self.shared.log.checkpoint().await;
        // A place that hangs gets what it lacks another time.
        let _ = tokio::time::timeout(DRAIN, self.shared.witness()).await;
        // What it can't take now it takes at the next start: a share that hangs keeps no node up.
        let _ = tokio::time::timeout(MIRROR_LAST, self.shared.mirror_once()).await;
    }
}
