//! Reading the file.

use std::collections::BTreeMap;
use std::path::Path;

use atoll_api::{Error, codes};
use atoll_domain::{Hash, SecretName};
use serde::Deserialize;
use toml::{Table, Value};

use super::keys::{self, Takes};

/// The longest file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A workspace that its owner vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Its canonical path.
    pub path: String,
    /// The hash of its `.atoll/` when it was trusted; absent if it had none.
    #[serde(default)]
    pub hash: Option<Hash>,
}

/// The file's content, checked.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Plain settings that are set, by key, as text.
    pub set: BTreeMap<String, String>,
    /// The providers' tables, by name, checked for their keys alone: what they mean is the models' to say.
    pub providers: BTreeMap<String, Table>,
    /// Workspaces that the owner vouches for.
    pub trust: Vec<Trust>,
}

impl Config {
    /// A setting: the file's, else its default.
    pub fn get(&self, key: &str) -> String {
        let default = || keys::find(key).map_or(String::new(), |s| s.default.to_owned());
        self.set.get(key).cloned().unwrap_or_else(default)
    }
    /// A number that is set, or has a default.
    pub fn whole(&self, key: &str) -> Option<u64> {
        self.get(key).parse().ok()
    }
    /// What may be spent in a day with one provider, in millionths of a dollar, where that is set.
    pub fn provider_budgets(&self) -> BTreeMap<String, u64> {
        let of = |(name, table): (&String, &Table)| {
            let usd = table.get("budget_usd_per_day")?;
            Some((name.clone(), dollars(&written(usd))?))
        };
        self.providers.iter().filter_map(of).collect()
    }
    /// An amount in millionths of a dollar.
    pub fn micros(&self, key: &str) -> Option<u64> {
        dollars(&self.get(key))
    }
}

/// `2.50` in millionths of a dollar; up to six digits behind the point.
pub fn dollars(text: &str) -> Option<u64> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 6 {
        return None;
    }
    let micros: u64 = format!("{part:0<6}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)
}

fn bad(path: &Path, message: impl std::fmt::Display) -> Error {
    Error::new(codes::CONFIG, "the configuration can't be read")
        .found(format!("{}: {message}", path.display()))
        .next(format!("mend it: {}", path.display()))
}

pub(super) fn unknown(key: &str) -> Error {
    let err = Error::new(codes::CONFIG_KEY, format!("there is no setting `{key}`"));
    match keys::nearest(key) {
        Some(near) => err
            .next(format!("did you mean `{near}`?"))
            .next("atoll config show lists all"),
        None => err.next("atoll config show lists all"),
    }
}

/// The file at `path`; an absent one sets nothing.
pub fn load(path: &Path) -> Result<Config, Error> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(err) => return Err(bad(path, err)),
    };
    if meta.len() > FILE_BYTES_MAX {
        return Err(bad(
            path,
            format!("it is longer than {FILE_BYTES_MAX} bytes"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|err| bad(path, err))?;
    parse(&text, path)
}

/// A file's text; `path` is for errors.
pub fn parse(text: &str, path: &Path) -> Result<Config, Error> {
    let table: Table = text
        .parse()
        .map_err(|err: toml::de::Error| bad(path, err.to_string().trim()))?;
    let mut config = Config::default();
    for (name, value) in table {
        match (name.as_str(), value) {
            ("providers", Value::Table(providers)) => {
                for (name, provider) in providers {
                    let provider = checked_provider(&name, provider).map_err(|e| at(path, e))?;
                    config.providers.insert(name, provider);
                }
            }
            ("trust", value) => {
                let trust = Vec::<Trust>::deserialize(value);
                config.trust =
                    trust.map_err(|err| bad(path, format!("trust: {}", err.to_string().trim())))?;
            }
            (name, value) => flatten(name, &value, &mut config.set).map_err(|e| at(path, e))?,
        }
    }
    Ok(config)
}

fn at(path: &Path, err: Error) -> Error {
    let found = match &err.found {
        Some(found) => format!("{}: {found}", path.display()),
        None => path.display().to_string(),
    };
    err.found(found)
}

fn flatten(key: &str, value: &Value, set: &mut BTreeMap<String, String>) -> Result<(), Error> {
    if let Value::Table(table) = value {
        for (name, value) in table {
            flatten(&format!("{key}.{name}"), value, set)?;
        }
        return Ok(());
    }
    let setting = keys::find(key).ok_or_else(|| unknown(key))?;
    let text = written(value);
    check(key, setting.takes, &text)?;
    set.insert(key.to_owned(), text);
    Ok(())
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn checked_provider(name: &str, value: Value) -> Result<Table, Error> {
    let Value::Table(table) = value else {
        let err = Error::new(codes::CONFIG, format!("providers.{name} must be a table"));
        return Err(err.next(format!("[providers.{name}]")));
    };
    for (field, value) in &table {
        let key = format!("providers.{name}.{field}");
        let setting = keys::find(&key).ok_or_else(|| unknown(&key))?;
        if setting.takes != Takes::File {
            check(&key, setting.takes, &written(value))?;
        }
    }
    Ok(table)
}

/// The secret's name out of `secret:NAME`.
fn secret(value: &str) -> Option<SecretName> {
    value.strip_prefix("secret:")?.parse().ok()
}

/// Whether `value` is what the setting takes.
pub fn check(key: &str, takes: Takes, value: &str) -> Result<(), Error> {
    let want = match takes {
        Takes::Text if !value.is_empty() && value.len() <= 4096 => return Ok(()),
        Takes::OneOf(names) if names.contains(&value) => return Ok(()),
        Takes::Whole(min, max) if value.parse().is_ok_and(|n| (min..=max).contains(&n)) => {
            return Ok(());
        }
        Takes::Dollars if dollars(value).is_some() => return Ok(()),
        Takes::Bool if matches!(value, "true" | "false") => return Ok(()),
        Takes::Secret if secret(value).is_some() => return Ok(()),
        Takes::Secret => {
            // What stands there instead may be the secret itself: it is not repeated.
            let name = key.split('.').nth(1).unwrap_or("acme").to_ascii_lowercase();
            let err = Error::new(codes::CONFIG, format!("`{key}` takes secret:NAME"));
            return Err(err
                .found("what stands there is no secret's name; if it is the key itself, others may have read it: replace it")
                .next(format!("atoll secret set {name}.key"))
                .next(format!("atoll config set {key} secret:{name}.key")));
        }
        Takes::Text => "a text".into(),
        Takes::OneOf(names) => format!("one of {}", names.join(", ")),
        Takes::Whole(min, max) => format!("a whole number from {min} to {max}"),
        Takes::Dollars => "US dollars, such as 2.50".into(),
        Takes::Bool => "true or false".into(),
        Takes::File => "a table or list".into(),
    };
    let err = Error::new(codes::CONFIG, format!("`{key}` takes {want}"));
    Err(err
        .found(format!("{key} = {value}"))
        .next(format!("atoll config set {key} VALUE")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Error> {
        parse(text, Path::new("config.toml"))
    }

    #[test]
    fn settings_are_read_and_what_is_absent_has_its_default() {
        let config = read(
            "[model]\ndefault = \"mine/m\"\n[budget.day]\nusd = 1.5\n[limits]\nsteps = 7\n\
             [providers.mine]\nbase_url = \"http://127.0.0.1:1/v1\"\nmodels = [{name = \"m\"}]\n\
             [[trust]]\npath = \"/home/u/shop\"\n",
        )
        .unwrap();
        assert_eq!(config.get("model.default"), "mine/m");
        assert_eq!(config.micros("budget.day.usd"), Some(1_500_000));
        assert_eq!(config.micros("budget.session.usd"), Some(2_000_000));
        assert_eq!(config.whole("limits.steps"), Some(7));
        assert_eq!(config.whole("budget.day.tokens"), None);
        assert_eq!(
            config.trust,
            [Trust {
                path: "/home/u/shop".into(),
                hash: None
            }]
        );
        assert!(config.providers["mine"].contains_key("models"));
    }

    #[test]
    fn slips_are_refused_with_the_nearest_key() {
        for (text, code, want) in [
            ("[budget.day]\nusb = 1", codes::CONFIG_KEY, "budget.day.usd"),
            (
                "[providers.a]\nkye_env = \"x\"",
                codes::CONFIG_KEY,
                "providers.a.key_env",
            ),
            ("profile = \"open\"", codes::CONFIG_KEY, "config show"),
            (
                "[policy]\nprofile = \"openn\"",
                codes::CONFIG,
                "policy.profile",
            ),
            ("[limits]\nsteps = 0", codes::CONFIG, "limits.steps"),
            ("[budget.day]\nusd = -1", codes::CONFIG, "budget.day.usd"),
            ("[[trust]]\nfolder = \"/x\"", codes::CONFIG, "mend it"),
            ("[model", codes::CONFIG, "mend it"),
            ("providers = 3", codes::CONFIG_KEY, "providers.NAME."),
        ] {
            let err = read(text).unwrap_err();
            assert!(err.is(code), "{text}: {err:?}");
            assert!(err.next[0].contains(want), "{text}: {err:?}");
        }
    }

    #[test]
    fn a_provider_names_its_key_and_never_holds_it() {
        let config = read("[providers.a]\nkey = \"secret:a.key\"").unwrap();
        assert_eq!(config.providers["a"]["key"].as_str(), Some("secret:a.key"));
        for bad in ["sk-v3ry-secret", "secret:V3RY-Secret", "secret:", ""] {
            let err = read(&format!("[providers.Acme]\nkey = \"{bad}\"")).unwrap_err();
            assert!(err.is(codes::CONFIG), "{err:?}");
            assert_eq!(err.next[0], "atoll secret set acme.key");
            assert!(
                !format!("{err:?}").to_lowercase().contains("v3ry"),
                "{err:?}"
            );
        }
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(dollars("2.50"), Some(2_500_000));
        assert_eq!(dollars("$0.000001"), Some(1));
        assert_eq!(dollars("5"), Some(5_000_000));
        for bad in [
            "",
            ".5",
            "1.0000001",
            "-1",
            "1e3",
            "99999999999999999999",
            "1,5",
        ] {
            assert_eq!(dollars(bad), None, "{bad}");
        }
    }
}
