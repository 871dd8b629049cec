//! Which registry a fetch job uses: the user's own, else the ecosystem's official one. A repository
//! can't add a host: its wish is told to people.

use std::path::PathBuf;

use atoll_domain::{HostPort, Language};

use super::super::site::Site;
use super::super::{cargo_config, credentials, go, rust};

const OFFICIAL: &str = include_str!("registries.toml");

/// A registry that can be reached without credentials.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Registry {
    /// What the tool is told; empty where it finds it by itself.
    pub(super) url: String,
    /// All hosts that are reached.
    pub(super) hosts: Vec<HostPort>,
}

/// The registry of `language`, or why none can be used; the reason is for people.
pub(in super::super) fn of(site: &Site<'_>, language: Language) -> Result<Registry, String> {
    let official = official(language)?;
    let own: Option<String> = match language {
        Language::Rust => {
            let config = cargo_config::user(site, &rust::cargo_home(site));
            let urls = cargo_config::replaced(&config);
            if let Some(url) = urls.first() {
                // Cargo reads it from its configuration; only the host is of interest.
                let host = host(url, language)?;
                return Ok(Registry {
                    url: String::new(),
                    hosts: vec![host],
                });
            }
            None
        }
        Language::Node => node(site),
        Language::Python => python(site),
        Language::Go => match go_proxy(site)? {
            Some(url) => Some(url),
            None => return Ok(official),
        },
        Language::Make => None,
    };
    match own.filter(|url| *url != official.url) {
        None => Ok(official),
        Some(url) => Ok(Registry {
            hosts: vec![host(&url, language)?],
            url,
        }),
    }
}

fn host(url: &str, language: Language) -> Result<HostPort, String> {
    credentials::host_of(url).map_err(|why| {
        format!("your registry for {language:?} can't be used by a fetch job: {why}")
    })
}

fn official(language: Language) -> Result<Registry, String> {
    let name = match language {
        Language::Rust => "rust",
        Language::Node => "node",
        Language::Python => "python",
        Language::Go => "go",
        Language::Make => return Err("make has no registry".to_owned()),
    };
    let broken = |_| "registries.toml is broken".to_owned();
    let table: toml::Table = OFFICIAL.parse().map_err(|_| broken(()))?;
    let entry = table.get(name).ok_or_else(|| broken(()))?;
    let url = entry
        .get("url")
        .and_then(toml::Value::as_str)
        .unwrap_or_default();
    let hosts = entry.get("hosts").and_then(toml::Value::as_array);
    let hosts: Option<Vec<HostPort>> = hosts
        .into_iter()
        .flatten()
        .map(|h| h.as_str()?.parse().ok())
        .collect();
    Ok(Registry {
        url: url.to_owned(),
        hosts: hosts.ok_or_else(|| broken(()))?,
    })
}

/// The value of one key of a file that may hold tokens too: other lines are not kept.
fn key(site: &Site<'_>, file: PathBuf, name: &str) -> Option<String> {
    let text = site.text(&file);
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

fn node(site: &Site<'_>) -> Option<String> {
    let named = ["npm_config_registry", "NPM_CONFIG_REGISTRY"]
        .iter()
        .find_map(|v| site.vars.get(*v).cloned());
    named.or_else(|| key(site, site.home.join(".npmrc"), "registry"))
}

fn python(site: &Site<'_>) -> Option<String> {
    let named = ["PIP_INDEX_URL", "UV_INDEX_URL"]
        .iter()
        .find_map(|v| site.vars.get(*v).cloned());
    let files = [".config/pip/pip.conf", ".pip/pip.conf"];
    named.or_else(|| {
        files
            .iter()
            .find_map(|f| key(site, site.home.join(f), "index-url"))
    })
}

/// The first of GOPROXY's entries; `None` for the official one.
fn go_proxy(site: &Site<'_>) -> Result<Option<String>, String> {
    let set = site.vars.get("GOPROXY").cloned();
    let Some(set) = set.or_else(|| go::settings(site).get("GOPROXY").cloned()) else {
        return Ok(None);
    };
    match set.split([',', '|']).map(str::trim).next() {
        None | Some("") => Ok(None),
        Some("off" | "direct") => {
            Err("your GOPROXY allows no proxy to fetch modules from".to_owned())
        }
        Some(url) => Ok(Some(url.to_owned())),
    }
}
