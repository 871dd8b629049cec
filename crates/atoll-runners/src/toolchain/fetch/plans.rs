//! One plan per language.

use std::path::Path;

use atoll_domain::{Language, Mount, MountKind};
use atoll_ports::toolchain::Error;

use super::super::cache::Cache;
use super::super::site::{Draft, Site};
use super::super::{go, node, python, requirements, rust};
use super::registry::{self, Registry};

/// What a fetch job runs, what that does, and where from.
pub(super) struct Plan {
    pub(super) cmd: Vec<String>,
    pub(super) what: String,
    pub(super) from: Registry,
}

/// The plan of a language that lacks something; mounts and variables go into the draft.
pub(super) fn of(
    language: Language,
    site: &Site<'_>,
    cache: &Cache<'_>,
    draft: &mut Draft,
) -> Result<Option<Plan>, Error> {
    match language {
        Language::Rust => cargo(site, cache, draft),
        Language::Node => npm(site, cache, draft),
        Language::Python => pip(site, cache, draft),
        Language::Go => modules(site, cache, draft),
        Language::Make => Ok(None),
    }
}

fn disk(err: std::io::Error) -> Error {
    Error::Cache(err.to_string())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Mounts a folder of the cache, writable.
fn writable(draft: &mut Draft, src: &Path, dst: &Path) {
    draft.push(Mount {
        kind: MountKind::Bind,
        src: src.to_string_lossy().into_owned(),
        dst: dst.to_string_lossy().into_owned(),
        ro: false,
    });
}

/// What the lock file wishes for beyond the registry, for people.
fn wishes(what: &str, mut wishes: Vec<String>) -> String {
    const SAID_MAX: usize = 3;
    if wishes.is_empty() {
        return String::new();
    }
    let count = wishes.len();
    wishes.truncate(SAID_MAX);
    format!(
        "; the repository also names {what} elsewhere, which are not reached ({count}: {})",
        wishes.join(", ")
    )
}

fn cargo(site: &Site<'_>, cache: &Cache<'_>, draft: &mut Draft) -> Result<Option<Plan>, Error> {
    let (Some(lock), Some(folder)) = (rust::locked(site), cache.cargo(site)) else {
        return Ok(None);
    };
    let lacking = rust::lacking(&lock, &rust::cargo_home(site).join("registry"));
    if lacking.is_empty() || rust::lacking(&lock, &folder.join("registry")).is_empty() {
        return Ok(None);
    }
    let (from, files) = registry::cargo(site, cache)?;
    cache.prepare(&folder, &["registry", "git"]).map_err(disk)?;
    rust::toolchain(site, draft, cache);
    let inside = rust::cargo_inside(site);
    for part in ["registry", "git"] {
        writable(draft, &folder.join(part), &inside.join(part));
    }
    for (name, value) in [
        ("CARGO_NET_OFFLINE", "false"),
        ("CARGO_NET_GIT_FETCH_WITH_CLI", "false"),
        // The repository's configuration may name programs for these; cargo asks the compiler for its version.
        ("RUSTC", "rustc"),
        ("RUSTC_WRAPPER", ""),
        ("RUSTC_WORKSPACE_WRAPPER", ""),
    ] {
        draft.set(name, value);
    }
    let what = format!(
        "cargo fetch: {} crates of Cargo.lock, of which {} are not here{}{}",
        lock.crates.len(),
        lacking.len(),
        wishes("crates", lock.others.into_iter().collect()),
        match files {
            true => "",
            false => "; the index says where its files lie: if elsewhere, that is asked then",
        }
    );
    let cmd = words(&["cargo", "fetch", "--locked"]);
    Ok(Some(Plan { cmd, what, from }))
}

fn npm(site: &Site<'_>, cache: &Cache<'_>, draft: &mut Draft) -> Result<Option<Plan>, Error> {
    let (Some((file, lock)), Some(folder)) = (node::lock(site), cache.node(site)) else {
        return Ok(None);
    };
    if !node::depends(site) || site.root.join("node_modules").exists() || node::complete(&folder) {
        return Ok(None);
    }
    let from = registry::npm(site)?;
    let places = node::places(site);
    let numbers: Vec<&str> = places.iter().map(|(_, number)| number.as_str()).collect();
    cache.prepare(&folder, &numbers).map_err(disk)?;
    node::toolchain(site, draft);
    for (place, number) in &places {
        writable(draft, &folder.join(number), place);
    }
    for (name, value) in [
        ("npm_config_registry", from.url.as_str()),
        ("npm_config_cache", "/tmp/npm-cache"),
        // A project's .npmrc may name programs for these; variables go before it.
        ("npm_config_git", "git"),
        ("npm_config_ignore_scripts", "true"),
        ("npm_config_script_shell", "/bin/sh"),
        ("npm_config_node_options", ""),
        ("npm_config_strict_ssl", "true"),
    ] {
        draft.set(name, value);
    }
    let hosts: Vec<&str> = from.hosts.iter().map(|h| h.host.as_str()).collect();
    let mut others = node::resolved(&lock);
    others.retain(|host| !hosts.contains(&host.as_str()));
    let what = format!(
        "npm ci: the packages of {file}, without their scripts{}",
        wishes("packages", others)
    );
    let cmd = words(&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    Ok(Some(Plan { cmd, what, from }))
}

fn pip(site: &Site<'_>, cache: &Cache<'_>, draft: &mut Draft) -> Result<Option<Plan>, Error> {
    let Some(wanted) = requirements::of(site) else {
        return Ok(None);
    };
    let Some(python) = python::toolchain(site, draft).filter(|p| p.venv.is_none()) else {
        return Ok(None);
    };
    let Some(folder) = cache.python(site, &wanted, &python.version) else {
        return Ok(None);
    };
    let (packages, file) = (folder.join("site"), folder.join("requirements.txt"));
    if wanted.lacking(&python.places(site)).is_empty()
        || wanted.lacking(std::slice::from_ref(&packages)).is_empty()
    {
        return Ok(None);
    }
    let from = registry::pip(site, &python)?;
    cache.prepare(&folder, &["site"]).map_err(disk)?;
    cache.keep(&file, wanted.text().as_bytes()).map_err(disk)?;
    writable(draft, &packages, &packages);
    draft.push(Mount {
        kind: MountKind::Bind,
        src: file.to_string_lossy().into_owned(),
        dst: file.to_string_lossy().into_owned(),
        ro: true,
    });
    let cmd = pip_install(&python.python, &packages, &file, &from.url, wanted.hashed());
    let digests = match wanted.hashed() {
        true => "each checked by its digest",
        false => "without digests: what the registry sends is taken as it is",
    };
    let ignored = match wanted.ignored {
        0 => String::new(),
        count => format!("; {count} of its entries are no pins of wheels, and are left out"),
    };
    let what = format!(
        "pip install: wheels for the {} pins of {}, {digests}{ignored}",
        wanted.count(),
        wanted.file
    );
    Ok(Some(Plan { cmd, what, from }))
}

/// pip's command: wheels alone, from one index, into a folder; nothing of the user's settings.
fn pip_install(
    python: &Path,
    packages: &Path,
    file: &Path,
    index: &str,
    hashed: bool,
) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut cmd = vec![text(python)];
    cmd.extend(words(&[
        "-m",
        "pip",
        "install",
        "--isolated",
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--only-binary",
        ":all:",
        "--upgrade",
        "--index-url",
        index,
    ]));
    if hashed {
        cmd.extend(words(&["--require-hashes", "--no-deps"]));
    }
    cmd.extend(["--target".into(), text(packages)]);
    cmd.extend(["--requirement".into(), text(file)]);
    cmd
}

fn modules(site: &Site<'_>, cache: &Cache<'_>, draft: &mut Draft) -> Result<Option<Plan>, Error> {
    let modules = go::modules_dir(site);
    let lacking = go::lacking(site, &modules);
    let (Some(folder), Some(first)) = (cache.go(site), lacking.first()) else {
        return Ok(None);
    };
    if go::lacking(site, &folder.join("mod")).is_empty() {
        return Ok(None);
    }
    let from = registry::modules(site)?;
    cache.prepare(&folder, &["mod"]).map_err(disk)?;
    go::toolchain(site, draft);
    writable(draft, &folder.join("mod"), &modules);
    for (name, value) in [
        ("GOPROXY", from.url.as_str()),
        ("GOVCS", "*:off"),
        // So that its owner can delete the cache again.
        ("GOFLAGS", "-modcacherw"),
    ] {
        draft.set(name, value);
    }
    let what = format!(
        "go mod download: the modules of go.sum, {} of go.mod are not here ({first} first)",
        lacking.len()
    );
    let cmd = words(&["go", "mod", "download"]);
    Ok(Some(Plan { cmd, what, from }))
}
