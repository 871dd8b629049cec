//! The vault, for its owner: made, unlocked, filled. What changes in it is logged by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api::{
    Caller, Error, SecretPut, SecretView, SecretsView, VaultMake, VaultUnlock, VaultView, codes,
};
use atoll_domain::{Body, Event, Ms, SecretFor, SecretName, SecretRemoved, SecretSet};
use atoll_ports::log::Filter;
use atoll_ports::vault::{Keep, PASSPHRASE_BYTES_MAX, Secret, Strength};

use crate::shared::{Origin, Shared, log_error};

/// Events that are read at once.
const PAGE: usize = 500;

/// Its name on the wire.
fn keeper(strength: Strength) -> &'static str {
    match strength {
        Strength::Keychain => "keychain",
        Strength::Passphrase => "passphrase",
        Strength::Credentials => "credentials",
        Strength::KeyFile => "key-file",
        Strength::Memory => "memory",
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(codes::SECRET_BAD, why).next("atoll secret --help")
}

fn passphrase(text: atoll_api::Hidden) -> Result<Secret, Error> {
    let phrase = Secret::new(text.0).map_err(|_| bad("the passphrase is empty, or no text"))?;
    match phrase.expose().len() {
        n if n > PASSPHRASE_BYTES_MAX => Err(bad(format!(
            "a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes"
        ))),
        _ => Ok(phrase),
    }
}

/// When and for what a secret was used.
#[derive(Default)]
struct Used {
    uses: u64,
    last: Option<(Ms, String)>,
}

impl Shared {
    pub(crate) fn vault_view(&self) -> VaultView {
        let state = self.vault.state();
        VaultView {
            keeper: state.strength.map(|s| keeper(s).to_owned()),
            strength: state.strength.map_or("", Strength::words).to_owned(),
            locked: state.locked,
            place: state.place,
            problem: state.problem,
            offers: state
                .offers
                .into_iter()
                .map(|s| keeper(s).to_owned())
                .collect(),
        }
    }

    pub(crate) async fn vault_make(
        self: &Arc<Self>,
        request: VaultMake,
    ) -> Result<VaultView, Error> {
        let keep = match (request.keeper.as_str(), request.passphrase) {
            ("keychain", None) => Keep::Keychain,
            ("credentials", None) => Keep::Credentials,
            ("key-file", None) => Keep::KeyFile,
            ("passphrase", Some(phrase)) => Keep::Passphrase(passphrase(phrase)?),
            ("passphrase", None) => return Err(bad("a vault with a passphrase needs one")),
            _ => {
                return Err(bad(
                    "a vault's key is kept by `keychain`, `passphrase`, `credentials` or `key-file`",
                ));
            }
        };
        self.vault_call(|vault| vault.make(keep)).await?;
        Ok(self.vault_view())
    }

    pub(crate) async fn vault_unlock(
        self: &Arc<Self>,
        request: VaultUnlock,
    ) -> Result<VaultView, Error> {
        let phrase = passphrase(request.passphrase)?;
        self.vault_call(|vault| vault.unlock(phrase)).await?;
        Ok(self.vault_view())
    }

    pub(crate) fn vault_lock(&self) -> VaultView {
        self.vault.lock();
        self.vault_view()
    }

    pub(crate) async fn secrets(self: &Arc<Self>) -> Result<SecretsView, Error> {
        let vault = self.vault_view();
        if vault.keeper.is_none() {
            return Ok(SecretsView {
                vault,
                secrets: Vec::new(),
            });
        }
        let listed = self.vault_call(|vault| vault.list()).await?;
        let mut used = self.secrets_used()?;
        let view = |l: atoll_ports::vault::Listed| {
            let Used { uses, last } = used.remove(&l.name).unwrap_or_default();
            let (used, used_by) = last.unzip();
            SecretView {
                name: l.name,
                set: l.set,
                rotated: l.rotated,
                used,
                used_by,
                uses,
            }
        };
        let secrets = listed.into_iter().map(view).collect();
        Ok(SecretsView {
            vault: self.vault_view(),
            secrets,
        })
    }

    /// Every use that the log has, by name.
    fn secrets_used(&self) -> Result<BTreeMap<SecretName, Used>, Error> {
        let filter = Filter {
            kinds: vec!["SecretUsed".into()],
            ..Filter::default()
        };
        let (mut all, mut after) = (BTreeMap::<SecretName, Used>::new(), 0);
        loop {
            let page = self.log.events(after, PAGE, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                return Ok(all);
            };
            after = last.seq;
            for event in page {
                let Body::SecretUsed(body) = event.typed() else {
                    continue;
                };
                let words = self.used_words(&event, &body.used);
                let used = all.entry(body.name).or_default();
                used.uses += 1;
                used.last = Some((event.ts, words));
            }
        }
    }

    fn used_words(&self, event: &Event, used: &SecretFor) -> String {
        let what = match used {
            SecretFor::Job(_) => "job".to_owned(),
            SecretFor::Provider(name) => format!("provider {name}"),
        };
        match &event.session {
            Some(session) => format!("{what} in {}", self.ordinal_of(session)),
            None => what,
        }
    }

    pub(crate) async fn secret_put(
        self: &Arc<Self>,
        caller: &Caller,
        request: SecretPut,
    ) -> Result<(), Error> {
        let SecretPut {
            name,
            value,
            rotate,
        } = request;
        let value = Secret::new(value.0).map_err(|err| bad(err.to_string()))?;
        let (now, of) = (self.clock.wall(), name.clone());
        self.vault_call(move |vault| vault.set(&of, value, rotate, now))
            .await?;
        let origin = Origin::human(&caller.name, None);
        let body = SecretSet {
            name,
            rotated: rotate,
        };
        self.append(true, |_| (origin, body)).await.map(|_| ())
    }

    pub(crate) async fn secret_remove(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
    ) -> Result<(), Error> {
        let name: SecretName = name
            .parse()
            .map_err(|err: atoll_domain::BadSecretName| bad(err.to_string()))?;
        let of = name.clone();
        self.vault_call(move |vault| vault.remove(&of)).await?;
        let origin = Origin::human(&caller.name, None);
        self.append(true, |_| (origin, SecretRemoved { name }))
            .await
            .map(|_| ())
    }
}
