//! Secrets on their way to a use: admitted by name, taken out late, logged as used. The value goes to who uses it and
//! nowhere else.

use std::sync::Arc;

use atoll_api::{Error, codes};
use atoll_domain::action::{Job, UseSecret};
use atoll_domain::{
    ActorKind, EventId, JobSecret, Purpose, SecretFor, SecretName, SecretUsed, SessionId,
};
use atoll_guard::{End, Permit, Stop};
use atoll_ports::runner::Given;
use atoll_ports::vault::{self, Secret};
use tokio_util::sync::CancellationToken;

use crate::facts::Context;
use crate::gate::Ask;
use crate::labels::Source;
use crate::refused::Refused;
use crate::shared::{Origin, Shared};

/// Secrets of one job.
pub(crate) const GIVEN_MAX: usize = 32;

/// Why a secret that may be used isn't there.
pub(crate) enum NotGiven {
    Refused(Refused),
    Vault(vault::Error),
}

impl NotGiven {
    /// Where only a refusal has words: for a job, whose secrets were looked for before it began.
    fn refused(self) -> Refused {
        match self {
            NotGiven::Refused(refused) => refused,
            NotGiven::Vault(err) => Refused::Stop(Stop::Unable(err.to_string())),
        }
    }
}

impl Shared {
    /// A permit to use one; a person is asked where the policy wants it.
    async fn admit_secret(
        &self,
        context: &Context,
        act: UseSecret,
        place: String,
        cause: Option<EventId>,
        cancel: &CancellationToken,
    ) -> Result<Permit<UseSecret>, Refused> {
        let mut facts = context.facts(self);
        facts.in_box = false;
        let question = atoll_api::Question {
            what: format!("use the secret {}", act.name),
            place,
            detail: format!(
                "secret   {}\nits value goes there; it is masked in what is logged and shown",
                act.name
            ),
            ..Default::default()
        };
        let same = format!("secret {}", act.name);
        self.admit(Ask {
            context,
            act,
            facts,
            key: None,
            cause,
            question,
            same,
            cancel,
        })
        .await
    }

    /// Takes the value out, and logs that it was.
    async fn reveal(
        &self,
        session: Option<SessionId>,
        permit: Permit<UseSecret>,
    ) -> Result<Secret, NotGiven> {
        let (vault, now, granted) = (self.vault.clone(), self.clock.now(), permit.granted());
        let done = tokio::task::spawn_blocking(move || vault.reveal(permit, now)).await;
        let stopped = |stop| NotGiven::Refused(Refused::Stop(stop));
        let done = done.map_err(|err| stopped(Stop::Unable(err.to_string())))?;
        let (live, value) = done.map_err(stopped)?;
        let value = match value {
            Ok(value) => value,
            Err(err) => {
                live.finish(End::failed(None));
                return Err(NotGiven::Vault(err));
            }
        };
        let act = live.finish(End::done());
        let draft = Origin {
            actor: atoll_domain::Actor::system(),
            session,
            cause: Some(granted),
        };
        let (name, used) = (act.name, act.used);
        // What can't be logged is not used.
        let logged = self
            .append(true, |_| (draft, SecretUsed { name, used }))
            .await;
        let full =
            |err: Error| NotGiven::Refused(Refused::Full(atoll_guard::Full::Failed(err.message)));
        logged.map_err(full)?;
        Ok(value)
    }

    /// Permits for all secrets that a job names, before anything else of it is asked.
    pub(crate) async fn admit_secrets(
        &self,
        context: &Context,
        job: &Job,
        cause: Option<EventId>,
        cancel: &CancellationToken,
    ) -> Result<Vec<(JobSecret, Permit<UseSecret>)>, Refused> {
        let mut permits = Vec::new();
        for secret in &job.spec.secrets {
            let act = UseSecret {
                session: context.session,
                name: secret.name.clone(),
                used: SecretFor::Job(job.spec.id),
            };
            let place = format!(
                "{} for the {} job {}",
                secret.var,
                job.purpose.name(),
                crate::job::shell_words(&job.spec.cmd)
            );
            let permit = self
                .admit_secret(context, act, place, cause, cancel)
                .await?;
            permits.push((secret.clone(), permit));
        }
        Ok(permits)
    }

    /// The values, at the moment the job starts; from here on its session has touched a secret.
    pub(crate) async fn give(
        &self,
        session: Option<SessionId>,
        permits: Vec<(JobSecret, Permit<UseSecret>)>,
    ) -> Result<Vec<Given>, Refused> {
        let mut given = Vec::new();
        for (secret, permit) in permits {
            let value = self.reveal(session, permit).await;
            let value = value.map_err(NotGiven::refused)?;
            given.push(Given { secret, value });
        }
        if let Some(session) = session {
            let sources = given
                .iter()
                .map(|g| Source::vault(&g.secret.name))
                .collect();
            let logged = self.mark(session, sources).await;
            logged.map_err(|err| Refused::Full(atoll_guard::Full::Failed(err.message)))?;
        }
        Ok(given)
    }

    /// The key of a provider that the owner configured so. It goes into a header: the context does not touch it.
    pub(crate) async fn provider_key(
        &self,
        context: &Context,
        name: &SecretName,
        provider: &str,
        cause: Option<EventId>,
        cancel: &CancellationToken,
    ) -> Result<Secret, NotGiven> {
        let act = UseSecret {
            session: context.session,
            name: name.clone(),
            used: SecretFor::Provider(provider.to_owned()),
        };
        let place = format!("the key of the provider {provider}");
        let permit = self.admit_secret(context, act, place, cause, cancel).await;
        self.reveal(context.session, permit.map_err(NotGiven::Refused)?)
            .await
    }

    /// Whether all of these can be given: said before anything is begun.
    pub(crate) async fn secrets_are_there(
        self: &Arc<Self>,
        names: &[SecretName],
    ) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let listed = self.vault_call(|vault| vault.list()).await?;
        let missing = names
            .iter()
            .find(|name| listed.iter().all(|l| l.name != **name));
        match missing {
            Some(name) => Err(vault_error(&vault::Error::Missing(name.clone()))),
            None => Ok(()),
        }
    }

    /// Blocking work of the vault, aside.
    pub(crate) async fn vault_call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn atoll_ports::Vault) -> Result<T, vault::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let vault = self.vault.clone();
        let done = tokio::task::spawn_blocking(move || call(&*vault)).await;
        done.map_err(|err| Error::new(codes::BUG, err.to_string()))?
            .map_err(|err| vault_error(&err))
    }
}

/// Whether a job is a person's own command.
pub(crate) fn persons_own(context: &Context, job: &Job) -> bool {
    context.actor.kind == ActorKind::Human && job.purpose == Purpose::Exec
}

/// Trouble with the vault, as people read it.
pub(crate) fn vault_error(err: &vault::Error) -> Error {
    use vault::Error as E;
    let words = err.to_string();
    match err {
        E::Absent => Error::new(codes::VAULT_ABSENT, words)
            .next("atoll secret set NAME makes one, and asks what is to keep its key"),
        E::Made | E::Full => Error::new(codes::SECRET_STATE, words).next("atoll secret list"),
        E::Locked => Error::new(codes::VAULT_LOCKED, words).next("atoll secret unlock"),
        E::Passphrase(_) => Error::new(codes::VAULT_PASSPHRASE, words)
            .next("type it again")
            .next("without it nobody can open this vault: move it away and make a new one"),
        E::Missing(name) => Error::new(codes::NO_SUCH, words)
            .next("atoll secret list")
            .next(format!("atoll secret set {name}")),
        E::Exists(name) => {
            Error::new(codes::SECRET_STATE, words).next(format!("atoll secret rotate {name}"))
        }
        E::Bad { fix, .. } => {
            let error = Error::new(codes::VAULT_BAD, words);
            match fix {
                Some(fix) => error.next(fix.clone()),
                None => error
                    .next("put it back from a backup, or move the vault away and make a new one"),
            }
        }
        E::Keeper(_) => Error::new(codes::VAULT_KEEPER, words).next("atoll doctor"),
        E::Io(_) => Error::new(codes::FILES, words).next("atoll doctor"),
    }
}
