//! The models of a node: providers by configuration, and the models on disk beside them.

use std::sync::Arc;

use atoll_domain::Tick;
use atoll_domain::action::ModelCall;
use atoll_guard::{BoxFuture, Permit, Stop};
use atoll_llama::{Embedded, PROVIDER};
use atoll_models::Registry;
use atoll_ports::Models;
use atoll_ports::models::{Calling, Error, Failure, Key, ModelChoice};

/// Both.
pub struct Plugged {
    registry: Registry,
    embedded: Arc<Embedded>,
    /// The default, where it is one on disk.
    default: Option<String>,
}

/// Whether a name says that the model is on disk.
pub fn is_embedded(name: &str) -> bool {
    let name = name.trim();
    name == PROVIDER || name.split_once('/').is_some_and(|(p, _)| p == PROVIDER)
}

impl Plugged {
    /// `default`: the default, if it is one on disk; any other is the registry's.
    pub fn new(registry: Registry, embedded: Arc<Embedded>, default: Option<String>) -> Plugged {
        Plugged {
            registry,
            embedded,
            default,
        }
    }

    fn missing(&self, name: &str) -> Error {
        let names: Vec<String> = self.embedded.found().into_iter().map(|f| f.name).collect();
        let on_disk = match names.as_slice() {
            [] => "none is on disk".to_owned(),
            names => format!("on disk: {}", names.join(", ")),
        };
        Error {
            failure: Failure::Refused,
            words: format!(
                "`{}` names no model on disk; {on_disk}; `atoll model pull` fetches one",
                name.trim()
            ),
            status: None,
        }
    }
}

impl Models for Plugged {
    fn resolve(&self, name: &str) -> Result<ModelChoice, Error> {
        if is_embedded(name) {
            let found = self.embedded.resolve(name);
            return found.ok_or_else(|| self.missing(name));
        }
        let resolved = self.registry.resolve(name);
        // What a provider has by that name comes first: it was written down.
        resolved.or_else(|err| self.embedded.resolve(name).ok_or(err))
    }

    fn default_model(&self) -> Option<ModelChoice> {
        match &self.default {
            Some(name) => self.embedded.resolve(name),
            None => self.registry.default_model(),
        }
    }

    fn configured(&self) -> Vec<ModelChoice> {
        let mut all = self.registry.configured();
        all.extend(self.embedded.choices());
        all
    }

    fn around(&self) -> BoxFuture<'_, Vec<ModelChoice>> {
        self.registry.around()
    }

    fn server(&self, provider: &str) -> BoxFuture<'_, Option<String>> {
        self.registry.server(provider)
    }

    fn offered(
        &self,
        provider: &str,
        key: Option<Key>,
    ) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        if provider == PROVIDER {
            let names = self.embedded.found().into_iter().map(|f| f.name).collect();
            return Box::pin(std::future::ready(Ok(names)));
        }
        self.registry.offered(provider, key)
    }

    fn call(
        &self,
        permit: Permit<ModelCall>,
        key: Option<Key>,
        now: Tick,
    ) -> BoxFuture<'_, Result<Calling, Stop>> {
        let calling = permit
            .begin(now)
            .and_then(|live| match live.act().model.provider.as_str() {
                PROVIDER => self.embedded.take(live, now),
                _ => self.registry.take(live, key, now),
            });
        Box::pin(std::future::ready(calling))
    }
}
