//! Making the vault, and unlocking it: the passphrase is typed unseen, or lies in a file that a variable names.

use std::io::Read;
use std::os::unix::fs::MetadataExt;

use atoll_api::{Commands, Error, Hidden, VaultMake, VaultUnlock, VaultView, codes};
use atoll_client::Client;
use atoll_ports::vault::PASSPHRASE_BYTES_MAX;
use zeroize::Zeroizing;

use super::value;
use crate::app::{App, env, say};
use crate::config;

/// What can keep a vault's key.
pub const KEEPERS: [&str; 4] = ["keychain", "passphrase", "credentials", "key-file"];
/// The variable that names the file with the passphrase; a descriptor is `/dev/fd/3`.
const FILE: &str = "ATOLL_VAULT_PASSPHRASE_FILE";

/// Does something with the vault, and unlocks it first if it must be.
pub async fn with<T>(
    app: &App,
    client: &Client,
    call: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    match call().await {
        Err(err) if err.is(codes::VAULT_LOCKED) => {
            unlock(app, client).await?;
            call().await
        }
        other => other,
    }
}

/// Sees to it that keys in the vault can be had, where something is about to want one: a secret that was named, or the
/// key of a provider that is configured so.
pub async fn ready(app: &App, client: &Client, named: bool) -> Result<(), Error> {
    let configured = || {
        let config = config::load(&app.paths.config_file());
        config.is_ok_and(|c| c.providers.values().any(|p| p.contains_key("key")))
    };
    if (named || configured()) && client.vault(&app.caller()).await?.locked {
        unlock(app, client).await?;
    }
    Ok(())
}

/// Unlocks it.
pub async fn unlock(app: &App, client: &Client) -> Result<VaultView, Error> {
    crate::private::no_dumps()?;
    let view = client.vault(&app.caller()).await?;
    if !view.locked {
        return match view.keeper {
            Some(_) => Ok(view),
            None => Err(absent()),
        };
    }
    let Some(passphrase) = passphrase(app, "Passphrase of the vault (not shown): ")? else {
        return Err(Error::new(
            codes::VAULT_LOCKED,
            "the vault is locked, and there is no terminal to ask on",
        )
        .next("atoll secret unlock")
        .next(format!("{FILE}=FILE atoll secret unlock")));
    };
    client
        .vault_unlock(&app.caller(), VaultUnlock { passphrase })
        .await
}

fn absent() -> Error {
    Error::new(codes::VAULT_ABSENT, "there is no vault yet").next("atoll secret set NAME")
}

/// Makes a vault. What keeps its key is what was said, else the best that this system has, else a passphrase.
pub async fn make(app: &App, client: &Client, keep_by: Option<&str>) -> Result<VaultView, Error> {
    let view = client.vault(&app.caller()).await?;
    let offered = view.offers.first().map(String::as_str);
    let offered = offered.filter(|_| keep_by.is_none() && env(FILE).is_none());
    let asked = env(FILE).is_some() || app.terminal.stdin;
    if let Some(keeper) = offered {
        match made(app, client, keeper).await {
            // There is a session, and no keychain in it: that shows only when it is spoken to.
            Err(err) if err.is(codes::VAULT_KEEPER) && asked => {
                say(&format!(
                    "note    {}\n",
                    atoll_domain::Shown::line(&err.message)
                ));
            }
            other => return other,
        }
    }
    match keep_by {
        Some(keeper) => made(app, client, keeper).await,
        None if asked => made(app, client, "passphrase").await,
        None => Err(Error::new(
            codes::VAULT_ABSENT,
            "there is no vault yet, and nobody to ask what is to keep its key",
        )
        .next(format!(
            "{FILE}=FILE atoll secret set NAME         by the passphrase in it"
        ))
        .next(
            "atoll secret set NAME --keep-by key-file      by a file beside it, which is weaker",
        )),
    }
}

async fn made(app: &App, client: &Client, keeper: &str) -> Result<VaultView, Error> {
    let new = (keeper == "passphrase")
        .then(|| new_passphrase(app))
        .transpose()?;
    let request = VaultMake {
        keeper: keeper.to_owned(),
        passphrase: new,
    };
    let done = client.vault_make(&app.caller(), request).await;
    let done = done.map_err(|err| match err.is(codes::VAULT_KEEPER) {
        true => err
            .next("atoll secret set NAME --keep-by passphrase")
            .next("atoll secret set NAME --keep-by key-file      which is weaker"),
        false => err,
    })?;
    say(&format!("note    new vault: {}\n", done.strength));
    Ok(done)
}

fn new_passphrase(app: &App) -> Result<Hidden, Error> {
    if env(FILE).is_none() && app.terminal.stdin {
        say("A new vault. Whoever knows its passphrase can open it, and without it nobody can.\n");
    }
    let wanted = "a vault with a passphrase needs one, and there is no terminal to ask on";
    let none = || {
        Error::new(codes::VAULT_ABSENT, wanted).next(format!("{FILE}=FILE atoll secret set NAME"))
    };
    let first = passphrase(app, "New passphrase (not shown): ")?.ok_or_else(none)?;
    if env(FILE).is_none() {
        let again = passphrase(app, "The same again: ")?.ok_or_else(none)?;
        if *first.0 != *again.0 {
            return Err(Error::new(
                codes::SECRET_BAD,
                "the two are not the same; there is still no vault",
            ));
        }
    }
    Ok(first)
}

/// From the file, else the terminal; `None`: there is neither.
fn passphrase(app: &App, prompt: &str) -> Result<Option<Hidden>, Error> {
    match env(FILE) {
        Some(path) => value::checked(of_file(&path)?).map(Some),
        None if app.terminal.stdin && app.terminal.stderr => {
            value::checked(value::typed(prompt)?).map(Some)
        }
        None => Ok(None),
    }
}

fn of_file(path: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bad = |why: &str| {
        Error::new(
            codes::SECRET_BAD,
            format!("the passphrase's file can't be used: {why}"),
        )
        .found(format!("{FILE}={path}"))
    };
    let file = std::fs::File::open(path).map_err(|err| bad(&err.to_string()))?;
    let meta = file.metadata().map_err(|err| bad(&err.to_string()))?;
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        return Err(bad("others can read it")
            .next(format!("chmod 600 {path}, and choose another passphrase")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 2));
    let read = file
        .take(PASSPHRASE_BYTES_MAX as u64 + 2)
        .read_to_end(&mut bytes);
    read.map_err(|err| bad(&err.to_string()))?;
    if let Some(end) = bytes.iter().position(|b| *b == b'\n') {
        bytes.truncate(end);
    }
    Ok(bytes)
}
