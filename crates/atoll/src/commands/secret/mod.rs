//! `atoll secret`.

mod import;
mod unlock;
mod value;

use std::path::PathBuf;

use atoll_api::{Commands, Error, Hidden, SecretPut, codes};
use atoll_client::Client;
use atoll_domain::SecretName;
use clap::Subcommand;

use crate::app::App;
use crate::ui;

pub use unlock::ready;

/// The vault: keys and passwords, used by name.
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Put a secret in. Its value is typed unseen, or read from standard input, a variable or a file; never an argument.
    #[command(
        after_help = "Examples:\n  atoll secret set npm.token\n  atoll secret set npm.token < token.txt\n  atoll secret set acme.key --from-env ACME_API_KEY\n  atoll secret set deploy.key --from-file ~/.ssh/deploy\n  atoll exec --secret npm.token -- npm publish"
    )]
    Set(Put),
    /// What is in the vault: names, when they were set, rotated and last used. Never a value.
    #[command(after_help = "Examples:\n  atoll secret list\n  atoll secret list --json")]
    List,
    /// Give a secret another value; the old one is gone.
    #[command(
        after_help = "Examples:\n  atoll secret rotate npm.token\n  atoll secret rotate npm.token < token.txt"
    )]
    Rotate(Put),
    /// Take a secret out for good.
    #[command(after_help = "Examples:\n  atoll secret remove npm.token")]
    Remove {
        /// Which.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Take over keys that lie about in plain text: in keys.toml, in your environment, in files that you name.
    #[command(
        after_help = "Examples:\n  atoll secret import\n  atoll secret import --yes\n  atoll secret import --yes .env\n  atoll secret import --yes --take-out"
    )]
    Import(import::Args),
    /// Unlock the vault, until the node ends.
    #[command(
        after_help = "Examples:\n  atoll secret unlock\n  ATOLL_VAULT_PASSPHRASE_FILE=/run/keys/atoll atoll secret unlock"
    )]
    Unlock,
    /// Lock it again.
    #[command(after_help = "Examples:\n  atoll secret lock")]
    Lock,
}

/// A name, and where its value comes from.
#[derive(Debug, clap::Args)]
pub struct Put {
    /// Its name: a-z, 0-9, dot, underscore, hyphen. Names are logged.
    #[arg(value_name = "NAME")]
    name: String,
    /// Whatever else is typed: a value, which must not be.
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    more: Vec<String>,
    /// The value of this variable of your environment.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "from_file")]
    from_env: Option<String>,
    /// The content of this file, without its last line end.
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// What keeps a new vault's key: keychain, passphrase, credentials (systemd-creds) or key-file.
    #[arg(long, value_name = "WHAT", value_parser = unlock::KEEPERS, hide_possible_values = true)]
    keep_by: Option<String>,
}

/// A name, checked. What was typed is not repeated: it may be a value.
fn name(text: &str) -> Result<SecretName, Error> {
    text.parse().map_err(|err: atoll_domain::BadSecretName| {
        Error::new(codes::SECRET_BAD, err.to_string()).next("atoll secret set npm.token")
    })
}

pub async fn run(app: &App, secret: Secret) -> Result<u8, Error> {
    crate::private::no_dumps()?;
    let caller = app.caller();
    match secret {
        Secret::Set(args) => put(app, args, false).await,
        Secret::Rotate(args) => put(app, args, true).await,
        Secret::List => {
            let client = app.node().await?;
            let all = unlock::with(app, &client, async || client.secrets(&caller).await).await?;
            app.show("secrets", &all, |style| {
                ui::secrets(style, &all, crate::app::now())
            })
        }
        Secret::Remove { name } => {
            let name = self::name(&name)?;
            let client = app.node().await?;
            let gone = async || client.secret_remove(&caller, name.to_string()).await;
            unlock::with(app, &client, gone).await?;
            let data = serde_json::json!({ "name": name });
            app.show("secret_removed", &data, |_| {
                format!("{name} is gone from the vault. Whoever issued it still takes it: revoke it there, too.\n")
            })
        }
        Secret::Import(args) => import::run(app, args).await,
        Secret::Unlock => {
            let client = app.node().await?;
            let view = unlock::unlock(app, &client).await?;
            app.show("vault", &view, |style| ui::vault(style, &view))
        }
        Secret::Lock => {
            let view = app.node().await?.vault_lock(&caller).await?;
            app.show("vault", &view, |style| ui::vault(style, &view))
        }
    }
}

async fn put(app: &App, args: Put, rotate: bool) -> Result<u8, Error> {
    let verb = if rotate { "rotate" } else { "set" };
    if !args.more.is_empty() {
        let err = Error::new(codes::SECRET_BAD, "a secret's value is never typed as an argument")
            .found("arguments are kept in your shell's history, and every user of this machine can list them")
            .next("take the line out of your shell's history, and have the issuer replace the value");
        return Err(match args.name.parse::<SecretName>() {
            Ok(name) => err.next(format!("atoll secret {verb} {name}")),
            Err(_) => err,
        });
    }
    let name = name(&args.name)?;
    let value = value::read(
        app,
        &name,
        args.from_env.as_deref(),
        args.from_file.as_deref(),
    )?;
    let client = app.node().await?;
    store(app, &client, &name, value, rotate, args.keep_by.as_deref()).await?;
    let data = serde_json::json!({ "name": name, "rotated": rotate });
    app.show("secret_set", &data, |_| match rotate {
        true => format!("{name} has its new value; the old one is gone.\n"),
        false => format!(
            "{name} is in the vault.\n\nNext  atoll exec --secret {name} -- CMD      in {}\n",
            name.variable()
        ),
    })
}

/// Puts a value in; makes the vault, or unlocks it, where that is to be done first.
async fn store(
    app: &App,
    client: &Client,
    name: &SecretName,
    value: Hidden,
    rotate: bool,
    keep_by: Option<&str>,
) -> Result<(), Error> {
    let caller = app.caller();
    if !rotate && client.vault(&caller).await?.keeper.is_none() {
        unlock::make(app, client, keep_by).await?;
    }
    let put = async || {
        let request = SecretPut {
            name: name.clone(),
            value: value.clone(),
            rotate,
        };
        client.secret_put(&caller, request).await
    };
    unlock::with(app, client, put).await
}
