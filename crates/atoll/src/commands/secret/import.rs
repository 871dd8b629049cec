//! `atoll secret import`: keys that lie about in plain text, offered by name and source. Their values are never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use atoll_api::{Commands, Error, Hidden, codes};
use atoll_domain::SecretName;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{store, unlock, value};
use crate::app::{App, say};
use crate::commands::exec_args::secretive;
use crate::{config, offline, term};

/// The longest file that is looked through, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Keys that are offered at once.
const OFFERS_MAX: usize = 256;

/// What to look through, and what not to ask.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of NAME=VALUE lines, such as .env.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take over all that is offered, without a question.
    #[arg(long)]
    yes: bool,
    /// Take what was taken over out of keys.toml, and have its providers use the vault.
    #[arg(long)]
    take_out: bool,
}

/// Where a key lies in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A line of `keys.toml`, by its provider.
    Keys(String),
    /// The caller's environment, and the provider whose key it is.
    Environment(String, String),
    /// A line of a file.
    File(PathBuf, String),
}

struct Found {
    name: SecretName,
    source: Source,
    value: Hidden,
}

/// One of them, for `--json`.
#[derive(Serialize)]
struct Row {
    name: SecretName,
    from: String,
}

impl Source {
    fn words(&self) -> String {
        match self {
            Source::Keys(provider) => format!("keys.toml, {provider}"),
            Source::Environment(variable, _) => format!("your environment, {variable}"),
            Source::File(path, variable) => format!("{}, {variable}", path.display()),
        }
    }
}

impl Found {
    fn row(&self) -> Row {
        Row {
            name: self.name.clone(),
            from: self.source.words(),
        }
    }
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    let client = app.node().await?;
    let caller = app.caller();
    let mut offered = found(app, &args.files)?;
    if client.vault(&caller).await?.keeper.is_some() {
        let there = unlock::with(app, &client, async || client.secrets(&caller).await).await?;
        offered.retain(|f| {
            let known = there.secrets.iter().any(|s| s.name == f.name);
            if known {
                say(&format!(
                    "note    {} is in the vault already, and {} holds one in plain text: take it out there\n",
                    f.name,
                    f.source.words()
                ));
            }
            !known
        });
    }
    let rows: Vec<Row> = offered.iter().map(Found::row).collect();
    let chosen = chosen(app, &args, offered);
    for f in &chosen {
        let value = f.value.clone();
        store(app, &client, &f.name, value, false, None).await?;
    }
    let left = left(app, &args, &chosen).await?;
    let imported: Vec<Row> = chosen.iter().map(Found::row).collect();
    let data = serde_json::json!({ "offered": rows, "imported": imported, "left": left });
    app.show("secrets_imported", &data, |_| told(&rows, &imported, &left))
}

fn told(offered: &[Row], imported: &[Row], left: &[String]) -> String {
    let list = |rows: &[Row], head: &str| -> String {
        let line = |r: &Row| {
            format!(
                "{head}{}  from {}\n",
                r.name,
                atoll_domain::Shown::line(&r.from)
            )
        };
        rows.iter().map(line).collect()
    };
    let rest: String = left.iter().map(|l| format!("left      {l}\n")).collect();
    match (offered.is_empty(), imported.is_empty()) {
        (true, _) => "No key lies in plain text where Atoll looks: keys.toml, your environment, files that you name.\n".into(),
        (false, true) => list(offered, "offered   ") + "\nNext  atoll secret import --yes\n",
        (false, false) => list(imported, "imported  ") + &rest,
    }
}

/// Those that its user takes: all, or each that is answered with a yes.
fn chosen(app: &App, args: &Args, offered: Vec<Found>) -> Vec<Found> {
    if args.yes {
        return offered;
    }
    if !app.terminal.stdin || app.json {
        return Vec::new();
    }
    let asked = |f: &Found| {
        let from = atoll_domain::Shown::line(&f.source.words());
        let answer = term::line(&format!("import {} from {from}? [y/N] ", f.name));
        answer.is_some_and(|a| matches!(a.as_str(), "y" | "yes"))
    };
    offered.into_iter().filter(asked).collect()
}

/// Where plain text still lies, and what is to be done; what is Atoll's own is taken out if its user wants that.
async fn left(app: &App, args: &Args, chosen: &[Found]) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    let (mut out, mut names) = (Vec::new(), BTreeSet::new());
    for f in chosen {
        match &f.source {
            Source::Keys(provider) => {
                out.push(provider.clone());
                names.insert((provider.clone(), f.name.clone()));
            }
            Source::Environment(variable, provider) => left.push(format!(
                "{variable} in your environment: unset it where it is set, after: atoll config set providers.{provider}.key secret:{}",
                f.name
            )),
            Source::File(path, variable) => left.push(format!("{variable} in {}: take the line out", path.display())),
        }
    }
    if out.is_empty() {
        return Ok(left);
    }
    let file = offline::models::keys_file(&app.paths);
    let ask = || {
        let question = format!(
            "take {} out of keys.toml, and use the vault's? [y/N] ",
            out.join(", ")
        );
        !app.json
            && app.terminal.stdin
            && !args.yes
            && term::line(&question).is_some_and(|a| matches!(a.as_str(), "y" | "yes"))
    };
    if !(args.take_out || ask()) {
        left.push(format!(
            "{} in {}, where calls still take it from; next time: atoll secret import --yes --take-out",
            out.join(", "),
            file.display()
        ));
        return Ok(left);
    }
    // First the new way, then the old one goes: at no moment is there none.
    for (provider, name) in &names {
        left.extend(use_vaults(app, provider, name)?);
    }
    config::take_out(&file, &out)?;
    crate::commands::config::reload(app).await;
    Ok(left)
}

/// Has a provider take its key from the vault; what else changed by that. One that nothing knows takes none.
fn use_vaults(app: &App, provider: &str, name: &SecretName) -> Result<Option<String>, Error> {
    let file = app.paths.config_file();
    let table = config::load(&file)?.providers.remove(provider);
    if table.is_none() && !atoll_models::preset_names().any(|preset| preset == provider) {
        return Ok(None);
    }
    let (key, variable) = (
        format!("providers.{provider}.key"),
        format!("providers.{provider}.key_env"),
    );
    let other = table.and_then(|t| t.get("key_env")?.as_str().map(str::to_owned));
    if other.is_some() {
        config::unset(&file, &variable)?;
    }
    let done = config::set(&file, &key, &format!("secret:{name}"));
    done.and_then(|()| offline::models::check(&app.paths))
        .inspect_err(|_| {
            // As it was: the error that is told is the one that led here.
            let _ = config::unset(&file, &key);
            let _ = other.as_ref().map(|v| config::set(&file, &variable, v));
        })?;
    Ok(other.map(|v| {
        format!("{v} is no longer asked for the key of {provider}: {variable} was taken out")
    }))
}

/// Every key in plain text that Atoll would use, and what stands in the files that were named.
fn found(app: &App, files: &[PathBuf]) -> Result<Vec<Found>, Error> {
    let mut all: Vec<Found> = Vec::new();
    let file = offline::models::keys_file(&app.paths);
    if let Some(text) = text(&file)? {
        let keys: Result<BTreeMap<String, Zeroizing<String>>, _> = toml::from_str(&text);
        let wrong = || {
            Error::new(
                codes::CONFIG,
                "keys.toml is no key file: each line is `provider = \"key\"`",
            )
        };
        for (provider, key) in keys.map_err(|_| wrong())? {
            offer(
                &mut all,
                &format!("{provider}.key"),
                Source::Keys(provider.clone()),
                key,
            );
        }
    }
    let config = config::load(&app.paths.config_file())?;
    let mut variables: BTreeMap<String, String> = atoll_models::preset_keys()
        .map(|(provider, variable)| (variable.to_owned(), provider.to_owned()))
        .collect();
    for (provider, table) in &config.providers {
        if let Some(variable) = table.get("key_env").and_then(toml::Value::as_str) {
            variables.insert(variable.to_owned(), provider.clone());
        }
    }
    for (variable, provider) in variables {
        if let Some(value) = crate::app::env(&variable) {
            let name = format!("{provider}.key");
            let source = Source::Environment(variable, provider);
            offer(&mut all, &name, source, Zeroizing::new(value));
        }
    }
    for path in files {
        let missing = || {
            Error::new(
                codes::NO_SUCH,
                format!("there is no file {}", path.display()),
            )
        };
        let text = text(path)?.ok_or_else(missing)?;
        for (variable, value) in lines(&text) {
            let source = Source::File(path.clone(), variable.clone());
            offer(&mut all, &variable, source, value);
        }
    }
    Ok(all)
}

/// Adds one, if its name and value can be a secret's and it isn't offered yet.
fn offer(all: &mut Vec<Found>, name: &str, source: Source, value: Zeroizing<String>) {
    let Ok(name) = name.to_ascii_lowercase().parse::<SecretName>() else {
        return say(&format!(
            "note    a key is left alone whose name can't be a secret's: {}\n",
            atoll_domain::Shown::line(&source.words())
        ));
    };
    let known = all.iter().any(|f| f.name == name);
    let bytes = Zeroizing::new(value.as_bytes().to_vec());
    match value::checked(bytes) {
        Ok(value) if !known && all.len() < OFFERS_MAX => all.push(Found {
            name,
            source,
            value,
        }),
        _ => say(&format!(
            "note    {} is left alone\n",
            atoll_domain::Shown::line(&source.words())
        )),
    }
}

fn text(path: &Path) -> Result<Option<Zeroizing<String>>, Error> {
    let bad = |why: String| {
        Error::new(codes::FILES, "a file can't be looked through")
            .found(format!("{}: {why}", path.display()))
    };
    match std::fs::metadata(path) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(bad(err.to_string())),
        Ok(meta) if !meta.is_file() || meta.len() > FILE_BYTES_MAX => {
            return Err(bad(format!(
                "it is no file of at most {FILE_BYTES_MAX} bytes"
            )));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|err| bad(err.to_string()))?;
    Ok(Some(Zeroizing::new(text)))
}

/// `NAME=VALUE` lines whose name is one that secrets go by, as shells and dotenv write them.
fn lines(text: &str) -> Vec<(String, Zeroizing<String>)> {
    let line = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=')?;
        let name = name.trim();
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || !name.bytes().all(fine) || !secretive(name) {
            return None;
        }
        let value = value.trim();
        let quoted = ['"', '\'']
            .iter()
            .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
        let value = quoted.unwrap_or(value);
        (!value.is_empty()).then(|| (name.to_owned(), Zeroizing::new(value.to_owned())))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_shells_write_them() {
        let text = "# c\nexport NPM_TOKEN='a b'\nDEBUG=1\nAPI_KEY=\"x=y\"\n EMPTY_TOKEN=\nbad line\nDB_PASSWORD = p#w \nA-B_TOKEN=x\n";
        let got: Vec<(String, String)> = lines(text)
            .into_iter()
            .map(|(n, v)| (n, v.to_string()))
            .collect();
        let want = [
            ("NPM_TOKEN", "a b"),
            ("API_KEY", "x=y"),
            ("DB_PASSWORD", "p#w"),
        ];
        assert_eq!(got, want.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
