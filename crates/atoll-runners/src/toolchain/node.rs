//! Node.js: its prefix, the project's `node_modules`, what its package managers keep.

use std::fs;
use std::path::{Path, PathBuf};

use atoll_domain::Language;
use serde_json::Value;

use super::cache::Cache;
use super::evict;
use super::folders;
use super::managers::{self, NODE};
use super::resolve;
use super::site::{Draft, Site, system};

/// All that running Node.js offline needs.
pub(super) fn find(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    toolchain(site, draft);
    draft.set("npm_config_offline", "true");
    modules(site, draft, cache);
    for folder in [".yarn/cache", ".yarn/unplugged"].map(|f| site.root.join(f)) {
        if site.own_folder(&folder) {
            draft.same(site, &folder);
        }
    }
    for folder in [
        ".cache/node/corepack",
        ".cache/ms-playwright",
        ".cache/Cypress",
        ".cache/puppeteer",
    ] {
        let folder = site.home.join(folder);
        if folder.is_dir() {
            draft.same(site, &folder);
        }
    }
}

/// Node.js itself.
pub(super) fn toolchain(site: &Site<'_>, draft: &mut Draft) {
    for (name, value) in [
        ("npm_config_audit", "false"),
        ("npm_config_fund", "false"),
        ("npm_config_update_notifier", "false"),
        ("COREPACK_ENABLE_NETWORK", "0"),
        ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
    ] {
        draft.set(name, value);
    }
    let Some(node) = on_path(site) else {
        site.lacks(
            draft,
            Language::Node,
            "no Node.js was found: install node".to_owned(),
        );
        return;
    };
    let Some(prefix) = prefix_of(&node) else {
        draft.note(format!(
            "{} is no Node.js that can be mounted",
            node.display()
        ));
        return;
    };
    if draft.prefix(site, &prefix, &node) && !system(&node) {
        if let Some(bin) = node.parent() {
            draft.path_first(bin.to_owned());
        }
        // Beside node itself lie npm and npx, also where PATH names a link to node alone.
        draft.path_first(prefix.join("bin"));
    }
    wanted(site, draft, &prefix);
}

/// `…/bin/node`, links followed.
fn prefix_of(node: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(node).ok()?;
    let bin = real.parent()?;
    (bin.ends_with("bin") && real.ends_with("node")).then(|| bin.parent().map(Path::to_owned))?
}

fn on_path(site: &Site<'_>) -> Option<PathBuf> {
    for dir in site.path.iter().filter(|dir| !dir.starts_with(&site.root)) {
        if managers::is_shims(dir) {
            if let Some(bin) = managers::behind(site, &NODE, dir) {
                return Some(bin.join("node"));
            }
        } else if resolve::executable(&dir.join("node")) {
            return Some(dir.join("node"));
        }
    }
    None
}

/// npm's own package: the folder above the `bin` that its program lies in, links followed.
pub(super) fn npm_package(site: &Site<'_>) -> Option<PathBuf> {
    let node = on_path(site)?;
    let prefix = prefix_of(&node);
    let beside = [
        Some(node.with_file_name("npm")),
        prefix.map(|p| p.join("bin/npm")),
    ];
    let program = beside
        .into_iter()
        .flatten()
        .find_map(|npm| fs::canonicalize(npm).ok())?;
    Some(program.parent()?.parent()?.to_owned())
}

/// Says so where the project asks for another major version than the one that was found.
fn wanted(site: &Site<'_>, draft: &mut Draft, prefix: &Path) {
    let header = site.text(&prefix.join("include/node/node_version.h"));
    let here = header
        .lines()
        .find_map(|l| l.strip_prefix("#define NODE_MAJOR_VERSION"));
    let Some(here) = here.map(str::trim).and_then(|v| v.parse::<u64>().ok()) else {
        return;
    };
    for file in [".nvmrc", ".node-version"] {
        let text = site.project_text(file).unwrap_or_default();
        let major = managers::numbers(text.trim().trim_start_matches('v'));
        let numbered = text
            .trim()
            .starts_with(|c: char| c.is_ascii_digit() || c == 'v');
        if let Some(major) = major.first().filter(|m| numbered && **m != here) {
            draft.note(format!("{file} asks for Node.js {major}; {here} is used"));
        }
    }
}

/// Each `node_modules` under a discarded layer: the project's own, else what a fetch job brought.
fn modules(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    let own = site.root.join("node_modules");
    for folder in folders::find(&site.root, "node_modules") {
        if site.own_folder(&folder) && folder.join("..").join("package.json").is_file() {
            draft.overlay(site, &folder, &folder);
        }
    }
    if draft.mounted(&own) || !depends(site) || site.root.join(".pnp.cjs").is_file() {
        return;
    }
    let fetched = cache.node(site).filter(|folder| complete(folder));
    if let Some(fetched) = fetched {
        evict::used(&fetched);
        for (place, folder) in places(site) {
            draft.overlay(site, &fetched.join(folder), &place);
        }
        return;
    }
    let how = match lock(site) {
        Some(_) => "npm ci",
        None if site.root.join("yarn.lock").is_file() => "yarn install",
        None if site.root.join("pnpm-lock.yaml").is_file() => "pnpm install",
        None => "npm install",
    };
    site.lacks(
        draft,
        Language::Node,
        format!("the packages of package.json are not installed: {how}"),
    );
}

/// npm writes this file last.
pub(super) fn complete(folder: &Path) -> bool {
    folder.join("0/.package-lock.json").is_file()
}

/// Whether the project names any dependency.
pub(super) fn depends(site: &Site<'_>) -> bool {
    let text = site.project_text("package.json").unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    ["dependencies", "devDependencies", "optionalDependencies"]
        .iter()
        .any(|key| package[*key].as_object().is_some_and(|d| !d.is_empty()))
}

/// npm's lock file, and its name.
pub(super) fn lock(site: &Site<'_>) -> Option<(&'static str, String)> {
    let files = ["npm-shrinkwrap.json", "package-lock.json"];
    files
        .into_iter()
        .find_map(|file| Some((file, site.project_text(file)?)))
}

/// Where npm would put packages: the root's `node_modules` and those of its workspaces, each with the
/// name of its folder in the cache.
pub(super) fn places(site: &Site<'_>) -> Vec<(PathBuf, String)> {
    const PLACES_MAX: usize = 64;
    let mut places = vec![site.root.join("node_modules")];
    let text = lock(site).map(|(_, text)| text).unwrap_or_default();
    let lock: Value = serde_json::from_str(&text).unwrap_or_default();
    for key in lock["packages"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        // `packages/one/node_modules/x`: the workspace's own.
        let Some((workspace, _)) = key.split_once("/node_modules/") else {
            continue;
        };
        let place = site.root.join(workspace);
        let fine = !workspace.starts_with("node_modules") && site.own_folder(&place);
        let place = place.join("node_modules");
        if fine && !places.contains(&place) && places.len() < PLACES_MAX {
            places.push(place);
        }
    }
    let numbered = places.into_iter().enumerate();
    numbered
        .map(|(at, place)| (place, at.to_string()))
        .collect()
}

/// The hosts that the lock file names for its packages, which may differ from the user's registry.
pub(super) fn resolved(lock: &str) -> Vec<String> {
    const HOSTS_MAX: usize = 32;
    let lock: Value = serde_json::from_str(lock).unwrap_or_default();
    let mut hosts: Vec<String> = Vec::new();
    for (_, package) in lock["packages"].as_object().into_iter().flatten() {
        let Some(url) = package["resolved"]
            .as_str()
            .filter(|url| url.contains("://"))
        else {
            continue;
        };
        let host = super::credentials::host_of(url).map(|h| h.host);
        let host = host.unwrap_or_else(|_| url.chars().take(80).collect());
        if !hosts.contains(&host) && hosts.len() < HOSTS_MAX {
            hosts.push(host);
        }
    }
    hosts
}
