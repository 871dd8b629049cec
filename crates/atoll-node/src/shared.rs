//! What all of the node's parts share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use atoll_api::{Error, codes};
use atoll_domain::{Commitment, Draft, Entropy, Hash, Sealer, SessionId, TreeId};
use atoll_guard::{Appended, Entry, Full, Guard};
use atoll_ports::{Log, Models, Runner, Toolchains, Vault, Workspaces};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::gate::Gates;
use crate::hub::Hub;
use crate::options::{Load, Options};
use crate::session::Handle;

/// The adapters, as the binary plugs them in.
pub struct Adapters {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The runner.
    pub runner: Arc<dyn Runner>,
    /// The toolchains.
    pub toolchains: Arc<dyn Toolchains>,
    /// The workspaces.
    pub workspaces: Arc<dyn Workspaces>,
    /// The vault.
    pub vault: Arc<dyn Vault>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Makes and reads tokens.
    pub grants: Arc<dyn atoll_ports::Grants>,
    /// Reads the configuration: settings, models, policy.
    pub load: Load,
    /// A secret of the node's own, from which each session's placeholders are made. It outlives restarts.
    pub redaction_key: [u8; 32],
}

/// What a reload replaces.
pub(crate) struct Current {
    pub(crate) options: Options,
    pub(crate) models: Arc<dyn Models>,
    pub(crate) guard: Guard,
    pub(crate) rules: Vec<atoll_api::RuleView>,
    pub(crate) witness: Option<Arc<dyn atoll_ports::Witness>>,
    pub(crate) mirror: Option<Arc<dyn atoll_ports::Mirror>>,
    pub(crate) archive: Option<Arc<dyn atoll_ports::Archive>>,
}

/// Everything.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) toolchains: Arc<dyn Toolchains>,
    pub(crate) workspaces: Arc<dyn Workspaces>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) load: Load,
    pub(crate) ledger: Arc<atoll_guard::Ledger>,
    pub(crate) current: RwLock<Arc<Current>>,
    pub(crate) gates: Gates,
    pub(crate) grants: crate::grants::Held,
    pub(crate) hub: Hub,
    pub(crate) sessions: Mutex<HashMap<SessionId, Handle>>,
    pub(crate) jobs: Mutex<HashMap<atoll_domain::JobId, crate::job::JobHandle>>,
    pub(crate) calls: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// What was taken out of what was sent, by sessions.
    pub(crate) keeps: crate::redaction::Keeps,
    pub(crate) redaction_key: [u8; 32],
    pub(crate) job_slots: Semaphore,
    pub(crate) file_slots: Semaphore,
    /// Patches that are being edited, by their copies.
    pub(crate) edits: Mutex<HashMap<SessionId, crate::commands::edits::Edit>>,
    /// What the last sweep found.
    pub(crate) disk: Mutex<Option<atoll_api::DiskView>>,
    /// What became of the last handing over of checkpoints.
    pub(crate) witnessed: Mutex<Option<atoll_api::WitnessView>>,
    /// Held while checkpoints are handed over.
    pub(crate) witnessing: tokio::sync::Mutex<()>,
    /// The same of events to the mirror, and that one does it at a time.
    pub(crate) mirrored: Mutex<Option<atoll_api::WitnessView>>,
    pub(crate) mirroring: Mutex<()>,
    /// The same of segments.
    pub(crate) archived: Mutex<Option<atoll_api::ArchiveView>>,
    pub(crate) archiving: Arc<tokio::sync::Mutex<()>>,
    pub(crate) sweeping: std::sync::atomic::AtomicBool,
    pub(crate) down: tokio_util::sync::CancellationToken,
}

/// A lock whose holder panicked is taken all the same: what it guards is replaced whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Settings, models and guard as they are now.
    pub(crate) fn current(&self) -> Arc<Current> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The calls' semaphore of a provider.
    pub(crate) fn calls_of(&self, provider: &str) -> Arc<Semaphore> {
        let max = self.current().options.calls_max;
        lock(&self.calls)
            .entry(provider.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(max)))
            .clone()
    }

    /// Appends one event whose body is made with a sealer.
    pub(crate) async fn append<B: Into<atoll_domain::Body>>(
        &self,
        sync: bool,
        make: impl FnOnce(&mut Sealer<'_>) -> (Origin, B),
    ) -> Result<Appended, Error> {
        let entry = self.entry(make);
        self.log
            .append(entry, sync)
            .await
            .map_err(|full| full_error(&full))
    }

    /// An entry whose body is made with a sealer.
    pub(crate) fn entry<B: Into<atoll_domain::Body>>(
        &self,
        make: impl FnOnce(&mut Sealer<'_>) -> (Origin, B),
    ) -> Entry {
        let mut sealer = Sealer::new(&*self.entropy);
        let (d, body) = make(&mut sealer);
        let draft = Draft {
            topic: d.session.map_or_else(atoll_domain::Topic::node, |s| {
                atoll_domain::Topic::session(&s)
            }),
            actor: d.actor,
            session: d.session,
            cause: d.cause,
            body: body.into(),
            sides: sealer.into_sides(),
        };
        Entry::plain(draft)
    }

    /// A content as text; empty if it was erased.
    pub(crate) fn words(&self, commitment: &Commitment) -> String {
        let bytes = self.opened(commitment).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A content; one that was changed counts as erased, and is told in the node's own words.
    fn opened(&self, commitment: &Commitment) -> Option<Vec<u8>> {
        self.log.content(commitment).unwrap_or_else(|err| {
            tracing::error!(%err, "a content can't be used");
            None
        })
    }

    /// A content as JSON; `None` if it was erased or is of another version.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        commitment: &Commitment,
    ) -> Option<T> {
        let bytes = self.opened(commitment)?;
        serde_json::from_slice(&bytes).ok()
    }

    /// A tree's id out of its content.
    pub(crate) fn tree(&self, commitment: &Commitment) -> Option<TreeId> {
        TreeId::parse(self.words(commitment).trim())
    }

    /// A digest out of its content.
    pub(crate) fn digest(&self, commitment: &Commitment) -> Option<Hash> {
        self.words(commitment).parse().ok()
    }
}

/// Who and where, of an event to come.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) actor: atoll_domain::Actor,
    pub(crate) session: Option<SessionId>,
    pub(crate) cause: Option<atoll_domain::EventId>,
}

impl Origin {
    pub(crate) fn system(session: SessionId) -> Origin {
        Origin {
            actor: atoll_domain::Actor::system(),
            session: Some(session),
            cause: None,
        }
    }
    pub(crate) fn agent(session: SessionId) -> Origin {
        Origin {
            actor: atoll_domain::Actor::ai("agent"),
            session: Some(session),
            cause: None,
        }
    }
    pub(crate) fn human(name: &str, session: Option<SessionId>) -> Origin {
        Origin {
            actor: atoll_domain::Actor::human(name),
            session,
            cause: None,
        }
    }
}

/// A log that takes nothing, as people read it.
pub(crate) fn full_error(full: &Full) -> Error {
    match full {
        Full::Disk { .. } => Error::new(codes::LOG_FULL, full.to_string())
            .found("what is under way can still end and be logged; nothing new begins")
            .next("free some space where the data directory lies, then try again"),
        Full::Failed(_) => Error::new(codes::STORE_UNUSABLE, full.to_string()).next("atoll doctor"),
        Full::Malformed(_) => Error::new(codes::BUG, full.to_string()),
    }
}

/// A log that can't be read, as people read it.
pub(crate) fn log_error(err: atoll_ports::log::Error) -> Error {
    use atoll_ports::log::Error as E;
    match &err {
        E::Damaged { .. } => Error::new(codes::LOG_BAD, err.to_string()).next("atoll log verify"),
        E::Missing(_) => Error::new(codes::NO_SUCH, err.to_string()),
        E::Newer { .. } => Error::new(codes::STORE_NEWER, err.to_string()),
        E::Locked { .. } => Error::new(codes::STORE_LOCKED, err.to_string()),
        E::Io(_) | E::Unusable(_) => {
            Error::new(codes::STORE_UNUSABLE, err.to_string()).next("atoll doctor")
        }
    }
}

/// Trouble with files, as people read it.
pub(crate) fn files_error(err: atoll_ports::workspace::Error) -> Error {
    use atoll_ports::workspace::Error as E;
    match &err {
        E::Missing(_) => Error::new(codes::WORKSPACE_BAD, err.to_string()),
        E::Forbidden { .. } | E::Masked(_) | E::Invalid(_) | E::Edit(_) | E::TooLarge { .. } => {
            Error::new(codes::WORKSPACE_BAD, err.to_string())
        }
        E::Conflict(paths) => Error::new(
            codes::PATCH_OVERLAP,
            "files were changed meanwhile; nothing was written",
        )
        .found(paths.join(", "))
        .next("commit or undo your changes to these files, then try again")
        .next("or let it out onto a branch: atoll patch accept PATCH --branch NAME"),
        E::Branch { todo, .. } => {
            let error = Error::new(codes::PATCH_BRANCH, err.to_string());
            match todo.is_empty() {
                true => error,
                false => error.next(todo.clone()),
            }
        }
        E::Refused(_) => Error::new(codes::PATCH_REFUSED, err.to_string()),
        E::Io(_) => Error::new(codes::FILES, err.to_string()).next("atoll doctor"),
    }
}

/// A thing whose name means nothing here.
pub(crate) fn no_such(what: &str, name: &str, list: &str) -> Error {
    Error::new(codes::NO_SUCH, format!("there is no {what} {name:?}")).next(list.to_owned())
}
