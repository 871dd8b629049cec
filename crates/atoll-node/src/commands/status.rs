//! The node's state: health, status, models, policy, reload.

use std::sync::Arc;

use atoll_api::{Caller, Error, Health, ModelView, NeedsYou, PolicyView, Status, VERSION};
use atoll_domain::{Enforcement, SessionState};
use atoll_ports::log::PatchState;
use atoll_ports::models::ModelChoice;

use crate::clock::day_of;
use crate::facts::dollars;
use crate::shared::{Current, Shared, lock, log_error};

impl Shared {
    pub(crate) fn health(&self) -> Health {
        let options = &self.current().options;
        Health {
            version: env!("CARGO_PKG_VERSION").into(),
            api: VERSION,
            pid: std::process::id(),
            node: options.identity.clone(),
            build: options.build.clone(),
        }
    }

    pub(crate) fn status(&self, caller: &Caller) -> Result<Status, Error> {
        let current = self.current();
        let seen = self.sees(caller)?;
        let alive: Vec<_> = lock(&self.sessions).keys().copied().collect();
        let rows = alive
            .iter()
            .filter_map(|id| self.log.session(id).ok().flatten());
        let running = rows
            .map(|row| self.session_view(&row))
            .filter(|v| v.state != SessionState::Closed && seen(self, &v.session))
            .collect();
        let proposed = self.log.patches(200).map_err(log_error)?.into_iter();
        let patches = proposed
            .filter(|p| p.state == PatchState::Proposed && seen(self, &p.session))
            .map(|p| self.patch_view(&p))
            .collect();
        let (_, full) = self.log.room();
        let wall = self.clock.wall();
        let checkpoint = self.last_checkpoint()?;
        let grants = self.grants_list(caller)?;
        let gates = self.gates(true)?.into_iter();
        Ok(Status {
            needs_you: NeedsYou {
                gates: gates
                    .filter(|g| g.session.is_none_or(|s| seen(self, &s)))
                    .collect(),
                patches,
            },
            running,
            model: current
                .models
                .default_model()
                .map(|m| self.model_view(&current, &m)),
            policy: policy_words(&current.options.profile),
            sandbox: self.sandbox_words(),
            today: self.log.spent_on(day_of(wall)).map_err(log_error)?,
            day_micros_max: current.options.day.micros_max,
            providers_left: self.providers_left(),
            grants: grants.iter().filter(|g| g.state == "good").count() as u64,
            grant: grants.into_iter().next().filter(|_| caller.grant.is_some()),
            events: self.log.head(),
            checkpoint: checkpoint.map(|event| wall.since(event.ts) / 1000),
            vault: Some(self.vault_view()).filter(|v| v.keeper.is_some()),
            witness: lock(&self.witnessed).clone(),
            mirror: lock(&self.mirrored).clone(),
            archive: self.archive_view(),
            full,
            disk: *lock(&self.disk),
            up_s: self.clock.now().0 / 1_000_000_000,
            rss_bytes: rss_bytes(),
            health: self.health(),
            socket: current.options.socket.display().to_string(),
            data: current.options.data.display().to_string(),
        })
    }

    /// `full, except memory: polled`.
    pub(crate) fn sandbox_words(&self) -> String {
        let abilities = self.runner.abilities();
        if abilities.level != "full" {
            return format!("{}: {}", abilities.level, abilities.why.unwrap_or_default());
        }
        let weak = abilities
            .enforced
            .0
            .iter()
            .filter(|(_, how)| **how != Enforcement::Enforced);
        let weak: Vec<String> = weak
            .map(|(name, how)| {
                format!(
                    "{name}: {}",
                    if *how == Enforcement::Polled {
                        "polled"
                    } else {
                        "not limited"
                    }
                )
            })
            .collect();
        if weak.is_empty() {
            "full".into()
        } else {
            format!("full, except {}", weak.join(", "))
        }
    }

    fn model_view(&self, current: &Current, m: &ModelChoice) -> ModelView {
        let price = match (&m.price, m.priced) {
            (Some(p), _) => format!("{} / {}", dollars(p.input_micros), dollars(p.output_micros)),
            (None, true) => "$0".into(),
            (None, false) => "unknown".into(),
        };
        let key = match (&m.key_env, m.key_stored) {
            _ if m.key_secret.is_some() => m
                .key_secret
                .as_ref()
                .map_or(String::new(), |name| format!("secret:{name}")),
            (None, _) => "none".into(),
            (Some(_), true) => "stored".into(),
            (Some(env), false) => format!("from {env}"),
        };
        ModelView {
            name: m.model.to_string(),
            endpoint: m.endpoint.clone(),
            remote: m.remote,
            price,
            context_tokens: m.context_tokens,
            key,
            default: current
                .models
                .default_model()
                .is_some_and(|d| d.model == m.model),
            found: false,
            tools: m.tools,
        }
    }

    /// What is configured, and what answers on this machine by itself.
    pub(crate) async fn models(&self) -> Vec<ModelView> {
        let current = self.current();
        let configured = current.models.configured();
        let around = current.models.around().await;
        let view = |m: &ModelChoice| self.model_view(&current, m);
        let found = around.iter().map(|m| ModelView {
            found: true,
            ..view(m)
        });
        configured.iter().map(view).chain(found).collect()
    }

    pub(crate) fn policy(&self) -> PolicyView {
        let current = self.current();
        PolicyView {
            profile: current.options.profile.clone(),
            hash: current.guard.policy_hash(),
            rules: current.rules.clone(),
        }
    }

    /// Reads the configuration again. What is wrong changes nothing.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        self.put(self.loaded()?);
        Ok(())
    }

    /// Reloads if the rules are others by now. If not, answers for a session stay.
    pub(crate) fn reload_rules(&self) -> Result<(), Error> {
        let loaded = self.loaded()?;
        if loaded.guard.policy_hash() != self.current().guard.policy_hash() {
            self.put(loaded);
        }
        Ok(())
    }

    fn loaded(&self) -> Result<Current, Error> {
        let (log, ledger) = (self.log.clone(), self.ledger.clone());
        let loaded = (self.load)()?;
        let entropy = self.entropy.clone();
        Ok(crate::node::current_of(loaded, log, ledger, entropy))
    }

    fn put(&self, current: Current) {
        *self
            .current
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(current);
    }
}

fn policy_words(profile: &str) -> String {
    match profile {
        "careful" => "careful: asks for network, spending, outside writes".into(),
        "read-only" => "read-only: nothing is written or run".into(),
        "open" => "open: asks only for what runs outside the box".into(),
        other => other.into(),
    }
}

/// The node's resident memory, in bytes; 0 where the system doesn't say.
fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|p| p.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
