//! Which model `atoll try` takes: what is configured, else Ollama, else one on disk, else a download. Never one
//! that costs money or sends code away, unless its owner configured or named it.

use atoll_api::{Error, codes};
use atoll_llama::shelf::CATALOG;
use atoll_llama::{PROVIDER, memory};
use atoll_ports::Models;
use atoll_ports::models::ModelChoice;

use crate::app::{App, env, say};
use crate::commands::shelf;
use crate::config;
use crate::offline;

/// Whether this binary computes models itself.
const ENGINE: bool = cfg!(feature = "embedded");
/// What the default model of the catalog needs beside its file, in bytes.
const WORK_BYTES: u64 = 300 << 20;

/// A model, and how it came to be chosen.
pub struct Chosen {
    pub choice: ModelChoice,
    /// Nobody configured or named it: it was found here, or fetched.
    pub by_itself: bool,
}

/// Chooses, and fetches a model where none is here.
pub async fn choose(app: &App, named: Option<&str>) -> Result<Chosen, Error> {
    if let Some(name) = named {
        let choice = match offline::models::resolve(&app.paths, name) {
            Err(_) if ENGINE && shelf::can_be_pulled(name) => pulled(app, Some(name)).await?,
            found => found?,
        };
        return Ok(Chosen {
            choice,
            by_itself: false,
        });
    }
    let config = config::load(&app.paths.config_file())?;
    let default = config.get("model.default");
    if !default.is_empty() {
        return Ok(Chosen {
            choice: offline::models::resolve(&app.paths, &default)?,
            by_itself: false,
        });
    }
    let engine = offline::models::embedded(&app.paths, &config);
    let models = offline::models::registry(&app.paths, &config, engine)?;
    let configured = models.configured();
    let around = models.around().await;
    // A configured one first; of what is found, what its server says that it can be used.
    let found = pick(&configured).or_else(|| pick(&around));
    if let Some(choice) = found {
        offer_keys(&config);
        return Ok(Chosen {
            choice: choice.clone(),
            by_itself: true,
        });
    }
    if !ENGINE {
        return Err(no_engine(&config));
    }
    offer_keys(&config);
    let on_disk = CATALOG.iter().map(|entry| entry.name);
    let on_disk = on_disk.filter_map(|name| models.resolve(&format!("{PROVIDER}/{name}")).ok());
    let choice = match on_disk
        .chain(configured.into_iter().filter(embedded))
        .next()
    {
        Some(choice) => choice,
        None => pulled(app, fitting()).await?,
    };
    Ok(Chosen {
        choice,
        by_itself: true,
    })
}

fn embedded(choice: &ModelChoice) -> bool {
    choice.model.provider == PROVIDER
}

/// The first that runs here, costs nothing and talks; one that calls tools before one that may not.
fn pick(choices: &[ModelChoice]) -> Option<&ModelChoice> {
    let usable =
        |c: &&ModelChoice| !c.remote && c.price.is_none() && c.chats != Some(false) && !embedded(c);
    let able = |c: &&ModelChoice| usable(c) && c.tools != Some(false) && !c.small;
    let all = || choices.iter();
    // A small one is led, and calls no tools.
    let led = |c: &&ModelChoice| usable(c) && (c.small || c.tools != Some(false));
    all().find(able).or_else(|| all().find(led))
}

/// The model to pull where the default one would not fit into memory.
fn fitting() -> Option<&'static str> {
    let [default, small] = &CATALOG;
    let free = memory::available_here()?;
    if free >= default.size_bytes.saturating_add(WORK_BYTES) {
        return None;
    }
    say(&format!(
        "note    {} MB of memory are free, too few for {}: {} is taken\n",
        free / 1_000_000,
        default.name,
        small.name
    ));
    Some(small.name)
}

async fn pulled(app: &App, name: Option<&str>) -> Result<ModelChoice, Error> {
    let fetched = shelf::fetch(app, name).await;
    let (entry, _) = fetched.map_err(|err| {
        err.changed("nothing")
            .next("atoll try --model ollama/MODEL, with Ollama running")
            .next("atoll try --model PROVIDER/MODEL, with a key: it spends money and sends the sample away")
    })?;
    offline::models::resolve(&app.paths, &format!("{PROVIDER}/{}", entry.name))
}

/// Providers whose key is in the environment, and that nobody configured.
fn keys(config: &config::Config) -> Vec<(&'static str, &'static str)> {
    let unused = |(name, _): &(&str, &str)| !config.providers.contains_key(*name);
    let set = |(_, variable): &(&str, &str)| env(variable).is_some();
    atoll_models::preset_keys()
        .filter(set)
        .filter(unused)
        .collect()
}

/// A key is offered, never picked.
fn offer_keys(config: &config::Config) {
    for (provider, variable) in keys(config) {
        say(&format!(
            "note    {variable} is set and isn't used: that would spend money and send code away\n        atoll try --model {provider}/MODEL uses it\n"
        ));
    }
}

fn no_engine(config: &config::Config) -> Error {
    let mut err = Error::new(codes::MODEL_UNREACHABLE, "there is no model to try with")
        .found("none is configured, Ollama doesn't answer here, and this atoll was built without its own engine")
        .changed("nothing")
        .next("ollama pull qwen2.5-coder:7b, then atoll try")
        .next("atoll try --model PROVIDER/MODEL");
    for (provider, variable) in keys(config) {
        err = err.next(format!(
            "atoll try --model {provider}/MODEL    {variable} is set; it spends money and sends code away"
        ));
    }
    err.next("cargo build --features embedded builds the engine in")
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::ModelRef;

    fn choice(name: &str) -> ModelChoice {
        ModelChoice {
            model: ModelRef {
                provider: "ollama".into(),
                model: name.into(),
            },
            wire: "ollama".into(),
            endpoint: "127.0.0.1:11434".into(),
            remote: false,
            price: None,
            priced: true,
            images: false,
            tools: Some(true),
            chats: Some(true),
            small: false,
            context_tokens: 8192,
            output_tokens_max: 1024,
            key_env: None,
            key_stored: false,
            key_secret: None,
        }
    }

    #[test]
    fn what_embeds_costs_or_is_elsewhere_is_never_picked() {
        let embeds = ModelChoice {
            chats: Some(false),
            ..choice("embeds")
        };
        let passed_on = ModelChoice {
            remote: true,
            ..choice("cloud")
        };
        let toolless = ModelChoice {
            tools: Some(false),
            ..choice("toolless")
        };
        let small = ModelChoice {
            small: true,
            tools: Some(false),
            ..choice("small")
        };
        let bad = [embeds, passed_on, toolless];
        assert_eq!(pick(&bad), None);
        let name = |all: &[ModelChoice]| pick(all).map(|c| c.model.model.clone());
        let mut all = bad.to_vec();
        all.push(small);
        assert_eq!(name(&all).as_deref(), Some("small"));
        all.push(choice("able"));
        assert_eq!(name(&all).as_deref(), Some("able"));
    }
}
