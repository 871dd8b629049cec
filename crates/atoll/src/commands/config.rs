//! `atoll config`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use atoll_api::{Commands, Error, codes};
use clap::Subcommand;
use serde::Serialize;

use super::code::root;
use crate::app::{App, env, say};
use crate::config::{self, KEYS, Takes};
use crate::offline;
use crate::ui::{Style, table};
use crate::wiring;

/// Settings.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// One setting's value.
    #[command(after_help = "Examples:\n  atoll config get budget.day.usd")]
    Get {
        /// model.default, policy.profile, budget.day.usd, ….
        key: String,
    },
    /// Change a setting; what is wrong changes nothing.
    #[command(
        after_help = "Examples:\n  atoll config set policy.profile read-only\n  atoll config set budget.session.usd 1.50\n  atoll config set limits.steps --unset"
    )]
    Set {
        /// model.default, policy.profile, budget.day.usd, ….
        key: String,
        /// Its value.
        #[arg(required_unless_present = "unset")]
        value: Option<String>,
        /// Back to its default.
        #[arg(long, conflicts_with = "value")]
        unset: bool,
    },
    /// All settings; with --origin, where each comes from.
    #[command(after_help = "Examples:\n  atoll config show\n  atoll config show --origin")]
    Show {
        /// Where each comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Vouch for a workspace: its .atoll/ counts, as it is now.
    #[command(
        after_help = "Examples:\n  atoll config trust\n  atoll config trust ~/shop\n  atoll config trust ~/shop --remove"
    )]
    Trust {
        /// The checkout.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// No longer.
        #[arg(long)]
        remove: bool,
    },
}

/// A setting, where it comes from, and what it is.
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    value: String,
    origin: String,
    about: &'static str,
}

/// What an environment variable overrides.
const OVERRIDES: [(&str, &str); 2] = [
    ("ATOLL_MODEL", "model.default"),
    ("ATOLL_PROFILE", "policy.profile"),
];

fn rows(app: &App) -> Result<Vec<Row>, Error> {
    let file = app.paths.config_file();
    let config = config::load(&file)?;
    let mut rows = Vec::new();
    for setting in KEYS
        .iter()
        .filter(|s| s.takes != Takes::File && !s.key.contains('*'))
    {
        let over = OVERRIDES.iter().find(|(_, key)| *key == setting.key);
        let over = over.and_then(|(name, _)| env(name).map(|value| (*name, value)));
        let (value, origin) = match (over, config.set.get(setting.key)) {
            (Some((name, value)), _) => (value, name.to_owned()),
            (None, Some(value)) => (value.clone(), file.display().to_string()),
            (None, None) => (setting.default.to_owned(), "default".into()),
        };
        rows.push(Row {
            key: setting.key.into(),
            value,
            origin,
            about: setting.about,
        });
    }
    for (name, table) in &config.providers {
        for (field, value) in table {
            let value = match value {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let about = KEYS
                .iter()
                .find(|s| s.key == format!("providers.*.{field}"))
                .map_or("", |s| s.about);
            rows.push(Row {
                key: format!("providers.{name}.{field}"),
                value,
                origin: file.display().to_string(),
                about,
            });
        }
    }
    for trust in &config.trust {
        let value = trust
            .hash
            .map_or("without .atoll/".to_owned(), |h| h.short());
        rows.push(Row {
            key: format!("trust {}", trust.path),
            value,
            origin: file.display().to_string(),
            about: "",
        });
    }
    Ok(rows)
}

/// Tells a running node to read the configuration again. A node that is not there reads it when it starts.
pub async fn reload(app: &App) {
    let Ok(client) = app.running().await else {
        return;
    };
    if let Err(err) = client.reload(&app.caller()).await {
        say("note    it is written, but the running node could not take it:\n");
        app.fail(&err);
    }
}

pub async fn run(app: &App, command: Config) -> Result<u8, Error> {
    match command {
        Config::Get { key } => {
            let rows = rows(app)?;
            let known = rows.into_iter().find(|r| r.key == key);
            let Some(row) = known else {
                let near = config::nearest(&key).unwrap_or_else(|| "model.default".into());
                return Err(
                    Error::new(codes::CONFIG_KEY, format!("there is no setting `{key}`"))
                        .next(format!("did you mean `{near}`?"))
                        .next("atoll config show"),
                );
            };
            app.show("setting", &row, |_| format!("{}\n", row.value))
        }
        Config::Set { key, value, .. } => {
            let file = app.paths.config_file();
            match &value {
                Some(value) => config::set(&file, &key, value)?,
                None => config::unset(&file, &key)?,
            }
            offline::models::check(&app.paths)?;
            reload(app).await;
            let data = serde_json::json!({ "key": key, "value": value });
            app.show("setting", &data, |_| match &value {
                Some(value) => format!("{key} = {value}\n"),
                None => format!("{key} has its default again.\n"),
            })
        }
        Config::Show { origin } => {
            let rows = rows(app)?;
            app.show_paged("settings", &rows, |style| shown(style, &rows, origin))
        }
        Config::Trust { path, remove } => trust(app, &path, remove).await,
    }
}

fn shown(style: &Style, rows: &[Row], origin: bool) -> String {
    let cells = rows.iter().map(|r| {
        let value = if r.value.is_empty() {
            "-".to_owned()
        } else {
            atoll_domain::Shown::line(&r.value).to_string()
        };
        let last = if origin {
            r.origin.clone()
        } else {
            r.about.to_owned()
        };
        vec![atoll_domain::Shown::line(&r.key).to_string(), value, last]
    });
    table(style, &cells.collect::<Vec<_>>())
}

async fn trust(app: &App, path: &std::path::Path, remove: bool) -> Result<u8, Error> {
    let named = root(path)?;
    // A folder of a repository is vouched for as what it is worked in: the whole.
    let around = atoll_workspace::root_of(named.as_ref(), &wiring::files(&app.paths));
    let root = around.unwrap_or_else(|_| named.clone());
    let file = app.paths.config_file();
    if remove {
        config::trust(&file, &named, None)?;
        config::trust(&file, &root, None)?;
        reload(app).await;
        let data = BTreeMap::from([("path", root.clone())]);
        return app.show("distrusted", &data, |_| {
            format!("You no longer vouch for {root}.\n")
        });
    }
    let (hash, holds) = offline::trust::of(&root)?;
    config::trust(&file, &root, Some(hash))?;
    reload(app).await;
    let data = serde_json::json!({ "path": root, "hash": hash, "holds": holds });
    app.show("trusted", &data, |_| {
        let mut text = format!("You vouch for {root}.\n");
        match hash {
            None => text.push_str("It has no .atoll/; its own files count as yours from now on.\n"),
            Some(hash) => {
                text.push_str(&format!(
                    "Its .atoll/ counts as it is now ({}): {holds}.\n",
                    hash.short()
                ));
                text.push_str("When it changes, it is inert until you trust it again.\n");
            }
        }
        text
    })
}
