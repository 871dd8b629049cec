//! One plan per language.

use std::path::{Path, PathBuf};

use atoll_domain::{Language, Mount, MountKind};

use super::super::cache::Cache;
use super::super::site::{Draft, Site};
use super::super::{go, node, python, requirements, rust};
use super::registry::Registry;

type Plan = (Vec<String>, String);

/// The command and what it does; mounts and variables go into the draft.
pub(super) fn of(
    language: Language,
    site: &Site<'_>,
    cache: &Cache<'_>,
    from: &Registry,
    draft: &mut Draft,
) -> Option<Plan> {
    match language {
        Language::Rust => cargo(site, cache, from, draft),
        Language::Node => npm(site, cache, from, draft),
        Language::Python => pip(site, cache, from, draft),
        Language::Go => modules(site, cache, from, draft),
        Language::Make => None,
    }
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

fn cargo(site: &Site<'_>, cache: &Cache<'_>, _: &Registry, draft: &mut Draft) -> Option<Plan> {
    let lock = rust::locked(site)?;
    let home = rust::cargo_home(site);
    let folder = cache.cargo(site)?;
    let lacking = rust::lacking(&lock, &home.join("registry"));
    if lacking.is_empty() || rust::lacking(&lock, &folder.join("registry")).is_empty() {
        return None;
    }
    cache.prepare(&folder, &["registry", "git"]).ok()?;
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
        "cargo fetch: {} crates of Cargo.lock, of which {} are not here{}",
        lock.crates.len(),
        lacking.len(),
        wishes("crates", lock.others.into_iter().collect())
    );
    Some((words(&["cargo", "fetch", "--locked"]), what))
}

fn npm(site: &Site<'_>, cache: &Cache<'_>, from: &Registry, draft: &mut Draft) -> Option<Plan> {
    let (file, lock) = node::lock(site)?;
    let folder = cache.node(site)?;
    if !node::depends(site) || site.root.join("node_modules").exists() || node::complete(&folder) {
        return None;
    }
    let places = node::places(site);
    let numbers: Vec<&str> = places.iter().map(|(_, number)| number.as_str()).collect();
    cache.prepare(&folder, &numbers).ok()?;
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
    Some((
        words(&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]),
        what,
    ))
}

fn pip(site: &Site<'_>, cache: &Cache<'_>, from: &Registry, draft: &mut Draft) -> Option<Plan> {
    let wanted = requirements::of(site)?;
    let python = python::toolchain(site, draft).filter(|p| p.venv.is_none())?;
    let folder = cache.python(site, &wanted, &python.version)?;
    let (packages, file) = (folder.join("site"), folder.join("requirements.txt"));
    if wanted.lacking(&python.places(site)).is_empty()
        || wanted.lacking(std::slice::from_ref(&packages)).is_empty()
    {
        return None;
    }
    cache.prepare(&folder, &["site"]).ok()?;
    cache.keep(&file, wanted.text().as_bytes()).ok()?;
    writable(draft, &packages, &packages);
    draft.push(Mount {
        kind: MountKind::Bind,
        src: file.to_string_lossy().into_owned(),
        dst: file.to_string_lossy().into_owned(),
        ro: true,
    });
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let mut cmd = vec![text(&python.python)];
    cmd.extend(words(&[
        "-m",
        "pip",
        "install",
        "--isolated",
        "--no-input",
        "--disable-pip-version-check",
    ]));
    cmd.extend(words(&[
        "--no-cache-dir",
        "--only-binary",
        ":all:",
        "--upgrade",
        "--index-url",
        &from.url,
    ]));
    if wanted.hashed() {
        cmd.extend(words(&["--require-hashes", "--no-deps"]));
    }
    cmd.extend(
        [
            words(&["--target"]),
            vec![text(&packages)],
            words(&["--requirement"]),
            vec![text(&file)],
        ]
        .concat(),
    );
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
    Some((cmd, what))
}

fn modules(site: &Site<'_>, cache: &Cache<'_>, from: &Registry, draft: &mut Draft) -> Option<Plan> {
    let folder = cache.go(site)?;
    let modules = go::modules_dir(site);
    let lacking = go::lacking(site, &modules);
    let first = lacking.first()?;
    if go::lacking(site, &folder.join("mod")).is_empty() {
        return None;
    }
    cache.prepare(&folder, &["mod"]).ok()?;
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
    Some((words(&["go", "mod", "download"]), what))
}
