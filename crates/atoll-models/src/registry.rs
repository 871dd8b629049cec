//! The `Models` port over all configured providers.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use atoll_domain::action::ModelCall;
use atoll_domain::{Cost, Entropy, Tick};
use atoll_guard::{BoxFuture, End, Live, Permit, Stop};
use atoll_ports::Models;
use atoll_ports::models::{Calling, Error, Failure, Key, ModelChoice};

use crate::around;
use crate::client::{Clients, unsent};
use crate::config::{BadConfig, Config, ProviderConfig, Retries, Timeouts};
use crate::fault::Fault;
use crate::keys;
use crate::preset;
use crate::provider::Provider;
use crate::talk::{self, Plan};
use crate::wire::{self, Sheet};

const PROVIDERS_MAX: usize = 100;
const LISTING_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// A list of models is quick, or it isn't coming.
const LISTING_MS: u64 = 30_000;
/// As many names are told in an error.
const NAMES_TOLD_MAX: usize = 12;

/// All models. Cheap until the first call: no client, no certificate, no pattern is loaded before.
pub struct Registry {
    providers: Vec<Arc<Provider>>,
    default: Option<String>,
    notice: bool,
    timeouts: Timeouts,
    retries: Retries,
    keys_file: Option<PathBuf>,
    entropy: Arc<dyn Entropy>,
    clients: Arc<Clients>,
}

impl Registry {
    /// The models of `config`. Keys that callers don't bring are looked for in `keys_file` (see
    /// [`crate::KEYS_FILE`]); waits between attempts take their jitter from `entropy`.
    pub fn new(
        config: Config,
        keys_file: Option<PathBuf>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Registry, BadConfig> {
        if config.providers.len() > PROVIDERS_MAX {
            return Err(BadConfig::TooMany {
                what: "providers",
                count: config.providers.len(),
                max: PROVIDERS_MAX,
            });
        }
        check(&config)?;
        let (mut names, mut providers) = (HashSet::new(), Vec::new());
        for provider in &config.providers {
            if !names.insert(&provider.name) {
                return Err(BadConfig::Name(provider.name.clone()));
            }
            providers.push(Arc::new(Provider::of(provider)?));
        }
        let registry = Registry {
            providers,
            default: config.default,
            notice: config.notice,
            timeouts: config.timeouts,
            retries: config.retries,
            keys_file,
            entropy,
            clients: Arc::new(Clients::new(config.timeouts.connect_ms)),
        };
        if let Some(name) = &registry.default {
            registry.find(name).map_err(BadConfig::Default)?;
        }
        Ok(registry)
    }

    /// A provider by its name: configured, or well known.
    fn provider(&self, name: &str) -> Option<Arc<Provider>> {
        let configured = self.providers.iter().find(|p| p.name == name);
        configured.cloned().or_else(|| {
            preset::find(name)?;
            let config = ProviderConfig {
                name: name.into(),
                ..ProviderConfig::default()
            };
            Provider::of(&config).ok().map(Arc::new)
        })
    }

    /// Provider and model of a name, or why not.
    fn find(&self, name: &str) -> Result<ModelChoice, String> {
        if let Some((provider, model)) = name.split_once('/')
            && let Some(provider) = self.provider(provider)
        {
            return self
                .choice(&provider, model)
                .ok_or_else(|| format!("`{model}` can't be a model's name"));
        }
        let having: Vec<_> = self
            .providers
            .iter()
            .filter(|p| p.model_names().any(|m| m == name))
            .collect();
        match having.as_slice() {
            [one] => return self.choice(one, name).ok_or_else(|| self.unknown(name)),
            [] => {}
            many => {
                let names = many.iter().map(|p| format!("{}/{name}", p.name));
                return Err(format!(
                    "several providers have `{name}`: say {}",
                    told(names)
                ));
            }
        }
        let Some(provider) = self.provider(name) else {
            return Err(self.unknown(name));
        };
        let default = provider.default_model().map(str::to_owned);
        default
            .and_then(|model| self.choice(&provider, &model))
            .ok_or_else(|| {
                format!(
                    "`{name}` has no default model: say `{name}/MODEL` (`atoll model list {name}` shows them)"
                )
            })
    }

    fn unknown(&self, name: &str) -> String {
        let models = self
            .providers
            .iter()
            .flat_map(|p| p.model_names().map(|m| format!("{}/{m}", p.name)));
        let models = told(models);
        let presets = preset::preset_names().collect::<Vec<_>>().join(", ");
        let name = crate::fault::clip(name);
        if models.is_empty() {
            format!(
                "there is no model `{name}`, and none is configured; name one of a known provider, such as `ollama/MODEL` ({presets})"
            )
        } else {
            format!(
                "there is no model `{name}`; configured: {models}; others by PROVIDER/MODEL ({presets})"
            )
        }
    }

    fn choice(&self, provider: &Provider, model: &str) -> Option<ModelChoice> {
        // A provider whose key is in the vault has no other.
        let stored = match provider.key_secret {
            Some(_) => Ok(None),
            None => self.stored(&provider.name),
        };
        provider.choice(model, matches!(stored, Ok(Some(_))))
    }

    fn stored(&self, provider: &str) -> Result<Option<Key>, keys::BadKeys> {
        match &self.keys_file {
            Some(file) => keys::stored(file, provider),
            None => Ok(None),
        }
    }

    /// The caller's key, else the stored one. A provider on another machine that wants one isn't called without.
    fn key(&self, provider: &Provider, brought: Option<Key>) -> Result<Option<Key>, Fault> {
        let auth = |words: String| Fault::lasting(Failure::Auth, words).unspent();
        if let Some(key) = brought.filter(|k| !k.expose().is_empty()) {
            if !keys::sendable(key.expose()) {
                return Err(auth(
                    "the key can't be sent: it holds odd characters".into(),
                ));
            }
            return Ok(Some(key));
        }
        if let Some(name) = &provider.key_secret {
            return Err(auth(format!(
                "its key is the vault's secret {name}, which was not given"
            )));
        }
        let stored = self
            .stored(&provider.name)
            .map_err(|err| auth(err.to_string()))?;
        if stored.is_some() {
            return Ok(stored);
        }
        match &provider.key_env {
            Some(name) if provider.remote => Err(auth(format!(
                "there is no key: set {name}, or put `{} = \"…\"` into {}",
                provider.name,
                keys::KEYS_FILE
            ))),
            _ => Ok(None),
        }
    }

    /// The provider of a call, if all that was permitted still holds of it.
    fn permitted(&self, call: &ModelCall) -> Result<Arc<Provider>, Stop> {
        let changed = |what: &str| {
            Err(Stop::Changed(format!(
                "provider `{}` {what}",
                call.model.provider
            )))
        };
        let Some(provider) = self.provider(&call.model.provider) else {
            return changed("is gone");
        };
        if provider.endpoint.authority != call.endpoint {
            return changed(&format!("is at {} now", provider.endpoint.authority));
        }
        if provider.remote && !call.remote {
            return changed("is on another machine now");
        }
        match provider.choice(&call.model.model, false) {
            Some(choice) if choice.price == call.price => Ok(provider),
            Some(_) => changed("has another price now"),
            None => changed("can't have a model of that name"),
        }
    }

    fn begin(
        &self,
        permit: Permit<ModelCall>,
        key: Option<Key>,
        now: Tick,
    ) -> Result<Calling, Stop> {
        self.take(permit.begin(now)?, key, now)
    }

    /// Makes a call whose permit was opened, by who chose between this and other sources of models.
    pub fn take(
        &self,
        mut live: Live<ModelCall>,
        key: Option<Key>,
        now: Tick,
    ) -> Result<Calling, Stop> {
        let provider = match self.permitted(live.act()) {
            Ok(provider) => provider,
            Err(stop) => return Err(undone(live, stop)),
        };
        let one = Cost {
            runs: 1,
            ..Cost::ZERO
        };
        if let Err(stop) = live.charge(one, now) {
            return Err(undone(live, stop));
        }
        let key = match self.key(&provider, key) {
            Ok(key) => key,
            Err(fault) => {
                let error = fault.error(None);
                let deltas = Box::pin(futures::stream::iter([Err(error)]));
                return Ok(Calling { live, deltas });
            }
        };
        let deltas = talk::deltas(self.plan(&live, provider, key, now));
        Ok(Calling { live, deltas })
    }

    fn plan(
        &self,
        live: &Live<ModelCall>,
        provider: Arc<Provider>,
        key: Option<Key>,
        now: Tick,
    ) -> Plan {
        let call = live.act();
        let outgoing = wire::request(provider.wire, call, provider.manners(&call.model.model));
        let sheet = Sheet {
            model: call.model.model.clone(),
            key: call.key,
            sent: outgoing.sent,
            output_tokens_max: call.output_tokens_max,
            form: call.conversation.form.clone(),
        };
        let ttl_ms = call
            .ttl_s
            .saturating_mul(1000)
            .min(live.expires().ms_since(now));
        Plan {
            // What isn't known to be free is treated as money.
            priced: call.price.is_some() || call.remote,
            provider,
            clients: self.clients.clone(),
            timeouts: self.timeouts,
            retries: self.retries,
            entropy: self.entropy.clone(),
            key,
            outgoing,
            sheet,
            ttl_ms,
        }
    }

    async fn list(&self, provider: &Provider, key: Option<&Key>) -> Result<Vec<String>, Fault> {
        let (path, read) = wire::listing(provider.wire);
        let client = self.clients.reaching(provider)?;
        let request = client
            .get(provider.endpoint.route(path))
            .headers(provider.headers.clone())
            .headers(wire::headers(provider.wire, key)?);
        let authority = &provider.endpoint.authority;
        let mut response = request.send().await.map_err(|err| unsent(err, authority))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(bytes) = response
            .chunk()
            .await
            .map_err(|err| unsent(err, authority))?
        {
            body.extend_from_slice(&bytes);
            if body.len() > LISTING_LIMIT_BYTES {
                return Err(Fault::garbage(format!(
                    "the list of models passes {LISTING_LIMIT_BYTES} bytes"
                )));
            }
        }
        if status != reqwest::StatusCode::OK {
            return Err(wire::refusal(status.as_u16(), &body));
        }
        read(&body)
    }
}

/// Closes a call that was begun and that sent nothing.
fn undone(live: Live<ModelCall>, stop: Stop) -> Stop {
    live.finish(End::failed(None).cost(Cost::ZERO));
    stop
}

fn refused(words: String) -> Error {
    Error {
        failure: Failure::Refused,
        words,
        status: None,
    }
}

/// The first of some names, and how many more there are.
fn told(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(NAMES_TOLD_MAX);
    let mut out = names[..names.len() - more].join(", ");
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}

fn check(config: &Config) -> Result<(), BadConfig> {
    const HOUR_MS: u64 = 3_600_000;
    let (t, r) = (&config.timeouts, &config.retries);
    for (name, value, min, max) in [
        ("connect_ms", t.connect_ms, 1, HOUR_MS),
        ("first_byte_ms", t.first_byte_ms, 1, 24 * HOUR_MS),
        ("idle_ms", t.idle_ms, 1, 24 * HOUR_MS),
        ("attempts_max", r.attempts_max.into(), 1, 20),
        ("wait_ms_min", r.wait_ms_min, 1, HOUR_MS),
        ("wait_ms_max", r.wait_ms_max, r.wait_ms_min, HOUR_MS),
    ] {
        if !(min..=max).contains(&value) {
            return Err(BadConfig::Limit { name, min, max });
        }
    }
    Ok(())
}

impl Models for Registry {
    fn resolve(&self, name: &str) -> Result<ModelChoice, Error> {
        self.find(name.trim()).map_err(refused)
    }

    fn default_model(&self) -> Option<ModelChoice> {
        self.find(self.default.as_deref()?).ok()
    }

    fn configured(&self) -> Vec<ModelChoice> {
        let of = |p: &Arc<Provider>| {
            p.model_names()
                .filter_map(|m| self.choice(p, m))
                .collect::<Vec<_>>()
        };
        self.providers.iter().flat_map(of).collect()
    }

    fn around(&self) -> BoxFuture<'_, Vec<ModelChoice>> {
        let mut providers = self.providers.clone();
        // Configured by that name it stands where its owner says.
        let unnamed = self.notice && !self.providers.iter().any(|p| p.name == preset::NOTICED);
        providers.extend(unnamed.then(|| self.provider(preset::NOTICED)).flatten());
        Box::pin(async move { around::look(&providers, &self.clients).await })
    }

    fn server(&self, provider: &str) -> BoxFuture<'_, Option<String>> {
        let provider = self.provider(provider);
        Box::pin(async move { around::server(&*provider?, &self.clients).await })
    }

    fn offered(
        &self,
        provider: &str,
        key: Option<Key>,
    ) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        let name = provider.to_owned();
        Box::pin(async move {
            let Some(provider) = self.provider(&name) else {
                return Err(refused(self.unknown(&name)));
            };
            let key = self
                .key(&provider, key)
                .map_err(|fault| fault.error(None))?;
            let limit =
                std::time::Duration::from_millis(LISTING_MS.min(self.timeouts.first_byte_ms));
            let listed = tokio::time::timeout(limit, self.list(&provider, key.as_ref())).await;
            let listed = listed.unwrap_or_else(|_| {
                let words = format!("{} lists no models", provider.endpoint.authority);
                Err(Fault::lasting(Failure::Timeout, words))
            });
            listed.map_err(|fault| fault.error(key.as_ref()))
        })
    }

    fn call(
        &self,
        permit: Permit<ModelCall>,
        key: Option<Key>,
        now: Tick,
    ) -> BoxFuture<'_, Result<Calling, Stop>> {
        // Nothing waits here: the request is sent when the deltas are polled.
        let calling = self.begin(permit, key, now);
        Box::pin(async move { calling })
    }
}
