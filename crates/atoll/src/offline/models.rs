//! What the configuration says of models, without a node.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use atoll_api::{Error, codes};
use atoll_llama::Embedded;
use atoll_models::{Config, KEYS_FILE, ProviderConfig, Registry};
use atoll_ports::Models;
use atoll_ports::models::ModelChoice;
use toml::Value;

use crate::config;
use crate::paths::Paths;
use crate::plugged::{Plugged, is_embedded};

fn wrong(paths: &Paths, why: impl std::fmt::Display) -> Error {
    Error::new(codes::CONFIG, "the models' configuration is wrong")
        .found(why.to_string())
        .next(format!("mend it: {}", paths.config_file().display()))
}

/// The models' section, out of the file.
pub fn section(paths: &Paths, config: &config::Config) -> Result<Config, Error> {
    let mut section = Config::default();
    let default = config.get("model.default");
    section.default = (!default.is_empty() && !is_embedded(&default)).then_some(default);
    section.notice = config.get("model.notice") == "true";
    for (name, table) in &config.providers {
        let mut table = table.clone();
        // Money is the node's to keep: see `budgets`.
        table.remove("budget_usd_per_day");
        table.insert("name".into(), Value::String(name.clone()));
        let provider: Result<ProviderConfig, _> = Value::Table(table).try_into();
        let provider = provider.map_err(|err| {
            wrong(
                paths,
                format!("providers.{name}: {}", err.to_string().trim()),
            )
        })?;
        section.providers.push(provider);
    }
    let whole = |key: &str, default: u64| config.whole(key).unwrap_or(default);
    let (t, r) = (&mut section.timeouts, &mut section.retries);
    t.connect_ms = whole("timeouts.connect_ms", t.connect_ms);
    t.first_byte_ms = whole("timeouts.first_byte_ms", t.first_byte_ms);
    t.idle_ms = whole("timeouts.idle_ms", t.idle_ms);
    r.attempts_max = u32::try_from(whole("retries.attempts_max", r.attempts_max.into()))
        .unwrap_or(r.attempts_max);
    r.wait_ms_min = whole("retries.wait_ms_min", r.wait_ms_min);
    r.wait_ms_max = whole("retries.wait_ms_max", r.wait_ms_max);
    Ok(section)
}

/// The key file.
pub fn keys_file(paths: &Paths) -> PathBuf {
    paths.config.join(KEYS_FILE)
}

/// How the engine runs.
pub fn engine(config: &config::Config) -> atoll_llama::Options {
    let d = atoll_llama::Options::default();
    let whole = |key: &str| config.whole(key);
    let small = |key: &str| whole(key).and_then(|n| u32::try_from(n).ok());
    atoll_llama::Options {
        context_tokens: small("engine.context_tokens").unwrap_or(d.context_tokens),
        threads: small("engine.threads"),
        idle_ms: whole("engine.idle_s").map_or(d.idle_ms, |s| s * 1000),
        spare_bytes: whole("engine.spare_mib").map_or(d.spare_bytes, |mib| mib << 20),
        ..d
    }
}

/// The models on disk.
pub fn embedded(paths: &Paths, config: &config::Config) -> Arc<Embedded> {
    Arc::new(Embedded::new(paths.models(), engine(config)))
}

/// All models of the configuration, and those on disk. Nothing is contacted or started.
pub fn registry(
    paths: &Paths,
    config: &config::Config,
    embedded: Arc<Embedded>,
) -> Result<Plugged, Error> {
    let section = section(paths, config)?;
    let entropy = Arc::new(atoll_node::SystemEntropy);
    let registry =
        Registry::new(section, Some(keys_file(paths)), entropy).map_err(|err| wrong(paths, err))?;
    let default = config.get("model.default");
    let default = is_embedded(&default).then_some(default);
    Ok(Plugged::new(registry, embedded, default))
}

/// Whether the models' configuration holds.
pub fn check(paths: &Paths) -> Result<(), Error> {
    let config = config::load(&paths.config_file())?;
    registry(paths, &config, embedded(paths, &config)).map(|_| ())
}

/// Finds a model by its name. A wrong default doesn't keep another from being chosen.
pub fn resolve(paths: &Paths, name: &str) -> Result<ModelChoice, Error> {
    let mut config = config::load(&paths.config_file())?;
    config.set.remove("model.default");
    let registry = registry(paths, &config, embedded(paths, &config))?;
    registry.resolve(name).map_err(|err| {
        Error::new(codes::MODEL_UNKNOWN, format!("there is no model {name:?}"))
            .found(err.words)
            .next("atoll model list")
    })
}

/// The environment variables that hold keys of configured providers, and of the model that is asked for.
pub fn key_names(paths: &Paths, model: Option<&str>) -> Result<BTreeSet<String>, Error> {
    let config = config::load(&paths.config_file())?;
    let registry = registry(paths, &config, embedded(paths, &config))?;
    let named = model.and_then(|name| registry.resolve(name).ok());
    let all = registry
        .configured()
        .into_iter()
        .chain(registry.default_model())
        .chain(named);
    Ok(all.filter_map(|choice| choice.key_env).collect())
}
