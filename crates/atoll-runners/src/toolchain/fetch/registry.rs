//! Which registry a fetch job uses: the user's own, else the one that the installed tool has built in.
//! Neither a repository nor Atoll names one: a repository's wish is told to people.

use std::path::PathBuf;

use atoll_domain::{HostPort, Language};
use atoll_ports::toolchain::Error;

use super::super::cache::Cache;
use super::super::python::Interpreter;
use super::super::site::Site;
use super::super::{cargo_config, credentials, go, node, rust};
use super::builtin;

/// A registry that can be reached without credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registry {
    /// What the tool is told; empty where it finds it by itself.
    pub(super) url: String,
    /// All hosts that are reached, as far as they are known.
    pub(super) hosts: Vec<HostPort>,
    /// Who named it, for people.
    pub(super) from: &'static str,
}

impl Registry {
    fn new(url: &str, language: Language, from: &'static str) -> Result<Registry, Error> {
        let hosts = vec![host(url, language)?];
        Ok(Registry {
            url: url.to_owned(),
            hosts,
            from,
        })
    }

    fn add(&mut self, host: HostPort) {
        if !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
    }
}

const OWN: &str = "your configuration";

fn host(url: &str, language: Language) -> Result<HostPort, Error> {
    credentials::host_of(url).map_err(|why| Error::Registry {
        language,
        why: why.to_owned(),
    })
}

fn unnamed(language: Language, looked: &str, set: &str) -> Error {
    Error::Unnamed {
        language,
        looked: looked.to_owned(),
        set: set.to_owned(),
    }
}

/// Cargo's index, and the host of the crates' files where an index that was read before names it: the
/// user's copy of it, else the one that an earlier fetch brought. Whether that is known comes second.
pub(super) fn cargo(site: &Site<'_>, cache: &Cache<'_>) -> Result<(Registry, bool), Error> {
    let home = rust::cargo_home(site);
    let config = cargo_config::user(site, &home);
    let mut registry = match cargo_config::replaced(&config).first() {
        Some(url) => Registry::new(url, Language::Rust, OWN)?,
        None => {
            let url = rust::cargo_program(site).and_then(|cargo| builtin::cargo(&cargo));
            let url = url.ok_or_else(|| {
                let set = "[source.crates-io] replace-with in cargo's config.toml, with the mirror's [source.NAME] registry";
                unnamed(Language::Rust, "your cargo's configuration and program", set)
            })?;
            Registry::new(&url, Language::Rust, "your cargo")?
        }
    };
    let index = registry.hosts[0].host.clone();
    let fetched = cache.cargo(site).map(|folder| folder.join("registry"));
    let files = [Some(home.join("registry")), fetched];
    let files = files
        .into_iter()
        .flatten()
        .find_map(|folder| builtin::downloads(site, &folder.join("index"), &index));
    let known = files.is_some();
    if let Some(url) = files {
        registry.add(host(&url, Language::Rust)?);
    }
    // Cargo reads it from its configuration; only the hosts are of interest.
    registry.url = String::new();
    Ok((registry, known))
}

/// npm's registry.
pub(super) fn npm(site: &Site<'_>) -> Result<Registry, Error> {
    let vars = ["npm_config_registry", "NPM_CONFIG_REGISTRY"];
    let package = node::npm_package(site);
    let prefix = package.as_deref().and_then(|p| p.ancestors().nth(3));
    let files = [
        Some(site.home.join(".npmrc")),
        prefix.map(|p| p.join("etc/npmrc")),
        Some(site.etc.join("npmrc")),
        package.as_deref().map(|p| p.join("npmrc")),
    ];
    if let Some(url) = own(site, &vars, files.into_iter().flatten(), "registry") {
        return Registry::new(&url, Language::Node, OWN);
    }
    let url = package.and_then(|package| builtin::npm(site, &package));
    let url = url.ok_or_else(|| {
        let set = "npm config set registry https://…";
        unnamed(Language::Node, "your .npmrc and your npm", set)
    })?;
    Registry::new(&url, Language::Node, "your npm")
}

/// pip's index, and the host of the files where pip itself names it.
pub(super) fn pip(site: &Site<'_>, python: &Interpreter) -> Result<Registry, Error> {
    let vars = ["PIP_INDEX_URL", "UV_INDEX_URL"];
    let files = [
        site.home.join(".config/pip/pip.conf"),
        site.home.join(".pip/pip.conf"),
        site.etc.join("pip.conf"),
        site.etc.join("xdg/pip/pip.conf"),
    ];
    let set = own(site, &vars, files, "index-url");
    let named = builtin::pip(site, &python.places(site));
    let (url, files) = match (&set, &named) {
        (Some(url), _) => (url, None),
        (None, Some((url, files))) => (url, Some(files)),
        (None, None) => {
            let set = "python3 -m pip config set global.index-url https://…";
            return Err(unnamed(Language::Python, "your pip.conf and your pip", set));
        }
    };
    let from = if set.is_some() { OWN } else { "your pip" };
    let mut registry = Registry::new(url, Language::Python, from)?;
    // Set by hand to what pip has built in anyway.
    let files = files.or(named
        .as_ref()
        .filter(|(there, _)| there.trim_end_matches('/') == url.trim_end_matches('/'))
        .map(|(_, files)| files));
    if let Some(files) = files {
        registry.add(host(&format!("https://{files}/"), Language::Python)?);
    }
    Ok(registry)
}

/// Go's module proxy; its database of digests only together with Go's own proxy, since it answers for
/// digests that go.sum doesn't hold yet.
pub(super) fn modules(site: &Site<'_>) -> Result<Registry, Error> {
    let builtin = go::built_in(site);
    let proxy = builtin.get("GOPROXY").and_then(|p| first_proxy(p));
    let own = site.vars.get("GOPROXY").cloned();
    let own = own.or_else(|| go::settings(site).get("GOPROXY").cloned());
    let own = own.filter(|own| !own.trim().is_empty());
    let set = "go env -w GOPROXY=https://…";
    let (url, from) = match (own, &proxy) {
        (Some(own), _) => match first_proxy(&own) {
            Some(url) => (url, OWN),
            None => {
                return Err(Error::Registry {
                    language: Language::Go,
                    why: format!("GOPROXY allows no proxy to fetch modules from; {set}"),
                });
            }
        },
        (None, Some(proxy)) => (proxy.clone(), "your Go"),
        (None, None) => return Err(unnamed(Language::Go, "GOPROXY and Go's own go.env", set)),
    };
    let mut registry = Registry::new(&url, Language::Go, from)?;
    if proxy.as_ref() == Some(&url)
        && let Some(sums) = builtin.get("GOSUMDB")
        && let Ok(host) = format!("{sums}:443").parse()
    {
        registry.add(host);
    }
    Ok(registry)
}

/// The first of GOPROXY's entries, where it is a proxy.
fn first_proxy(list: &str) -> Option<String> {
    let first = list.split([',', '|']).map(str::trim).next()?;
    (!matches!(first, "" | "off" | "direct")).then(|| first.to_owned())
}

/// The first of the variables that is set, else of the files that name the key.
fn own(
    site: &Site<'_>,
    vars: &[&str],
    files: impl IntoIterator<Item = PathBuf>,
    name: &str,
) -> Option<String> {
    let named = vars.iter().find_map(|v| site.vars.get(*v).cloned());
    let named = named.filter(|value| !value.trim().is_empty());
    named.or_else(|| files.into_iter().find_map(|file| key(site, file, name)))
}

/// The value of one key of a file that may hold tokens too: other lines are not kept.
fn key(site: &Site<'_>, file: PathBuf, name: &str) -> Option<String> {
    let text = site.text(&file);
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}
