//! The one list of what is plugged into a node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atoll_api::{Error, codes};
use atoll_domain::Budget;
use atoll_grant::Keyring;
use atoll_llama::Embedded;
use atoll_node::{Adapters, Machine, Options, Reloaded, SystemEntropy};
use atoll_policy::{Engine, Profile, Source};
use atoll_ports::{Archive, Mirror, Witness};
use atoll_redact::Classes;
use atoll_runners::ProcessRunner;
use atoll_runners::toolchain::{CALLER_VARS, Finder};
use atoll_store::{ArchiveFolder, MirrorFile, Store, WitnessFile};
use atoll_vault::AgeVault;
use atoll_workspace::Workspaces;

use crate::config::{self, Config};
use crate::offline;
use crate::paths::Paths;

/// A repository's own rules are read up to this length, in bytes.
const RULES_BYTES_MAX: u64 = 256 << 10;

fn store_error(err: atoll_ports::log::Error) -> Error {
    use atoll_ports::log::Error as E;
    let words = err.to_string();
    match err {
        E::Locked { .. } => Error::new(codes::STORE_LOCKED, words)
            .next("atoll status")
            .next("atoll down"),
        E::Newer { .. } => Error::new(codes::STORE_NEWER, words).next("run the newer atoll again"),
        E::Damaged { .. } => Error::new(codes::LOG_BAD, words).next("atoll log verify"),
        E::Io(_) | E::Unusable(_) | E::Missing(_) => {
            Error::new(codes::STORE_UNUSABLE, words).next("atoll doctor")
        }
    }
}

/// The store at its place.
pub fn store(paths: &Paths) -> Result<Arc<Store>, Error> {
    Store::open(atoll_store::Options::new(&paths.data))
        .map(Arc::new)
        .map_err(store_error)
}

/// The runner of processes. To be started before the node's own threads.
pub fn runner(paths: &Paths) -> Result<Arc<ProcessRunner>, Error> {
    let home = paths.home.display().to_string();
    let options = atoll_runners::Options {
        home,
        ..atoll_runners::Options::default()
    };
    ProcessRunner::start(options).map(Arc::new).map_err(|err| {
        Error::new(
            codes::SANDBOX_FAILED,
            "the sandbox's spawner can't be started",
        )
        .found(err.to_string())
        .next("atoll doctor")
    })
}

/// What workspaces are told.
pub fn files(paths: &Paths) -> atoll_workspace::Options {
    let config_home = crate::app::env("XDG_CONFIG_HOME").map(PathBuf::from);
    atoll_workspace::Options {
        home: Some(paths.home.clone()),
        config_home: config_home.filter(|dir| dir.is_absolute()),
        ..atoll_workspace::Options::new(paths.data.join("workspaces"))
    }
}

/// The vault. Nothing is opened yet.
pub fn vault(paths: &Paths) -> AgeVault {
    let credentials = crate::app::env("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    AgeVault::new(atoll_vault::Options {
        credentials: credentials.filter(|dir| dir.is_absolute()),
        ..atoll_vault::Options::new(paths.data.join("vault"))
    })
}

/// Everything.
pub fn adapters(
    paths: &Paths,
    store: Arc<Store>,
    runner: Arc<ProcessRunner>,
) -> Result<Adapters, Error> {
    let workspaces = Workspaces::open(files(paths))
        .map_err(|err| Error::new(codes::STORE_UNUSABLE, err.to_string()).next("atoll doctor"))?;
    let vars: BTreeMap<String, String> = CALLER_VARS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), crate::app::env(name)?)))
        .collect();
    let cache_dir = paths.cache.join("deps");
    let toolchains = Finder::new(atoll_runners::toolchain::Options {
        cache_dir,
        etc_dir: "/etc".into(),
        vars,
    });
    let identity = store.node().to_owned();
    // One for the node's whole life: what runs is kept over a new reading of the configuration.
    let embedded = offline::models::embedded(paths, &config::load(&paths.config_file())?);
    let paths = paths.clone();
    Ok(Adapters {
        log: store,
        runner,
        toolchains: Arc::new(toolchains),
        workspaces: Arc::new(workspaces),
        vault: Arc::new(vault(&paths)),
        clock: Arc::new(Machine::default()),
        entropy: Arc::new(SystemEntropy),
        redaction_key: crate::daemon::redaction_key(&paths.data)?,
        grants: Arc::new(Keyring::new(&paths.data, Arc::new(SystemEntropy))),
        load: Box::new(move || load(&paths, &identity, &embedded)),
    })
}

/// The file that checkpoints are appended to.
pub fn witness(config: &Config) -> Option<PathBuf> {
    let path = config.get("log.witness");
    (!path.is_empty()).then(|| path.into())
}

/// The file that every event is appended to.
fn mirror(config: &Config) -> Option<PathBuf> {
    let path = config.get("log.mirror");
    (!path.is_empty()).then(|| path.into())
}

/// The folder that segments are put into.
fn archive(config: &Config) -> Option<PathBuf> {
    let path = config.get("log.archive");
    (!path.is_empty()).then(|| path.into())
}

/// Reads the configuration: settings, models, rules.
fn load(paths: &Paths, identity: &str, embedded: &Arc<Embedded>) -> Result<Reloaded, Error> {
    let config = config::load(&paths.config_file())?;
    let models = offline::models::registry(paths, &config, embedded.clone())?;
    let options = options(paths, &config, identity);
    let owner = offline::policy::sources(paths)?;
    let engine = engine(&owner, options.trusted.clone())?;
    let profile: Profile = options.profile.parse().unwrap_or_default();
    let rules = engine
        .rules(profile)
        .iter()
        .map(offline::policy::rule)
        .collect();
    Ok(Reloaded {
        options,
        models: Arc::new(models),
        engine: Box::new(engine),
        rules,
        mirror: mirror(&config)
            .map(|path| Arc::new(MirrorFile::new(path, &paths.data)) as Arc<dyn Mirror>),
        archive: archive(&config)
            .map(|path| Arc::new(ArchiveFolder::new(path)) as Arc<dyn Archive>),
        witness: witness(&config).map(|path| Arc::new(WitnessFile::new(path)) as Arc<dyn Witness>),
    })
}

/// The profiles, the owner's rules, and those of workspaces that the owner vouches for as they are.
pub fn engine(
    owner: &[Source],
    trusted: impl IntoIterator<Item = (String, Option<atoll_domain::Hash>)>,
) -> Result<Engine, Error> {
    let mut engine = Engine::new(owner).map_err(|problems| offline::policy::bad(&problems))?;
    for (root, hash) in trusted {
        let now = offline::trust::of(&root).ok().and_then(|(now, _)| now);
        let file = Path::new(&root).join(".atoll/policy.cedar");
        let small =
            std::fs::metadata(&file).is_ok_and(|m| m.is_file() && m.len() <= RULES_BYTES_MAX);
        if now != hash || !small {
            continue; // changed since it was trusted: inert
        }
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let source = Source::new(file.display().to_string(), text);
        engine = engine
            .with_workspace(&root, &[source])
            .map_err(|problems| offline::policy::bad(&problems))?;
    }
    Ok(engine)
}

fn options(paths: &Paths, config: &Config, identity: &str) -> Options {
    let d = Options::default();
    let whole = |key: &str, default: u64| config.whole(key).unwrap_or(default);
    let size =
        |key: &str, default: usize| usize::try_from(whole(key, default as u64)).unwrap_or(default);
    Options {
        profile: config.get("policy.profile"),
        redact: Classes {
            cards: config.get("redact.cards") == "true",
            ibans: config.get("redact.ibans") == "true",
            emails: config.get("redact.emails") == "true",
            phones: config.get("redact.phones") == "true",
        },
        day: Budget {
            micros_max: config.micros("budget.day.usd"),
            tokens_max: config.whole("budget.day.tokens"),
            ..Budget::default()
        },
        providers: config.provider_budgets(),
        session: Budget {
            micros_max: config.micros("budget.session.usd"),
            tokens_max: config.whole("budget.session.tokens"),
            ms_max: config.whole("budget.session.time_s").map(|s| s * 1000),
            ..Budget::default()
        },
        steps_max: whole("limits.steps", d.steps_max),
        gate_ttl_s: whole("limits.gate_ttl_s", d.gate_ttl_s),
        gates_per_hour_max: whole("limits.gates_per_hour", d.gates_per_hour_max),
        job_ttl_s: whole("limits.job_ttl_s", d.job_ttl_s),
        call_ttl_s: whole("limits.call_ttl_s", d.call_ttl_s),
        sessions_max: size("limits.sessions", d.sessions_max),
        calls_max: size("limits.calls", d.calls_max),
        jobs_max: size("limits.jobs", d.jobs_max),
        files_max: d.files_max,
        sweep_s: whole("limits.sweep_s", d.sweep_s),
        copy_ttl_s: whole("limits.copy_ttl_s", d.copy_ttl_s),
        deps_limit_bytes: whole("limits.deps_mib", d.deps_limit_bytes >> 20) << 20,
        archive_after_s: config
            .whole("log.archive_after_days")
            .map_or(d.archive_after_s, |days| days.saturating_mul(86_400)),
        sandbox_floor: config.get("sandbox.floor"),
        trusted: config
            .trust
            .iter()
            .map(|t| (t.path.clone(), t.hash))
            .collect(),
        socket: paths.socket(),
        data: paths.data.clone(),
        build: crate::daemon::build(),
        identity: identity.to_owned(),
    }
}
