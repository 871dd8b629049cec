//! Rust: rustup's toolchains, cargo's registry, the project's `target`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use atoll_domain::Language;

use super::cache::Cache;
use super::cargo_config;
use super::evict;
use super::folders;
use super::needed;
use super::site::{Draft, Site, system};

/// What a project's lock file names.
#[derive(Default)]
pub(super) struct Locked {
    /// `name-version` of each crate from a registry.
    pub(super) crates: BTreeSet<String>,
    /// The sources that are no registry: git repositories.
    pub(super) others: BTreeSet<String>,
    /// All that it says.
    table: toml::Table,
}

/// Where cargo and rustup keep their things.
pub(super) fn cargo_home(site: &Site<'_>) -> PathBuf {
    site.var_path("CARGO_HOME")
        .unwrap_or_else(|| site.home.join(".cargo"))
}

/// Where cargo's things stand inside. A home below the system's folders, which containers have, can't be
/// written beside or mounted into; inside, the usual place stands for it.
pub(super) fn cargo_inside(site: &Site<'_>) -> PathBuf {
    let home = cargo_home(site);
    if system(&home) {
        site.home.join(".cargo")
    } else {
        home
    }
}

fn rustup_home(site: &Site<'_>) -> PathBuf {
    site.var_path("RUSTUP_HOME")
        .unwrap_or_else(|| site.home.join(".rustup"))
}

/// All that running cargo offline needs.
pub(super) fn find(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    toolchain(site, draft, cache);
    draft.set("CARGO_NET_OFFLINE", "true");
    registry(site, draft, cache);
    targets(site, draft);
    wrapper(site, draft);
}

/// The toolchain itself, cargo's programs and the harmless part of its configuration.
pub(super) fn toolchain(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    let (cargo, rustup) = (cargo_home(site), rustup_home(site));
    let home = PathBuf::from(draft.env.get("HOME").map_or("/", String::as_str));
    let inside = cargo_inside(site);
    for (name, place, usual) in [
        ("CARGO_HOME", &inside, ".cargo"),
        ("RUSTUP_HOME", &rustup, ".rustup"),
    ] {
        if *place != home.join(usual) {
            draft.set(name, place.to_string_lossy());
        }
    }
    let bin = cargo.join("bin");
    if bin.is_dir() && draft.same(site, &bin) {
        draft.path_first(bin);
    }
    cargo_config::mount(site, draft, &cargo, &inside, cache);
    let toolchains = rustup.join("toolchains");
    if !toolchains.is_dir() {
        return;
    }
    draft.same(site, &toolchains);
    draft.set("RUSTUP_AUTO_INSTALL", "0");
    let Some((wanted, from)) = wanted(site, &rustup) else {
        let text = "rustup has no default toolchain: rustup default stable";
        site.lacks(draft, Language::Rust, text.to_owned());
        return;
    };
    match installed(&toolchains, &wanted) {
        Some(folder) => {
            let real = fs::canonicalize(toolchains.join(&folder)).unwrap_or_default();
            // A linked toolchain lies elsewhere.
            let inside = fs::canonicalize(&toolchains).is_ok_and(|t| real.starts_with(t));
            let mounted = inside || (real.join("bin/rustc").is_file() && draft.same(site, &real));
            if !mounted {
                let text = format!("toolchain {folder} can't be mounted");
                site.lacks(draft, Language::Rust, text);
            } else if !cargo.join("bin/cargo").exists() {
                // rustup's proxies lie elsewhere: the toolchain's own programs stand for them.
                draft.path_first(toolchains.join(&folder).join("bin"));
            }
            draft.set("RUSTUP_TOOLCHAIN", folder);
        }
        None => {
            let text = format!(
                "toolchain {wanted} of {from} is not installed: rustup toolchain install {wanted}"
            );
            site.lacks(draft, Language::Rust, text);
        }
    }
}

/// The cargo that a job would run, behind rustup's proxy.
pub(super) fn cargo_program(site: &Site<'_>) -> Option<PathBuf> {
    let rustup = rustup_home(site);
    let toolchains = rustup.join("toolchains");
    let chosen = wanted(site, &rustup).and_then(|(wanted, _)| installed(&toolchains, &wanted));
    let cargo = chosen.map(|folder| toolchains.join(folder).join("bin/cargo"));
    // A checkout's own program has no say.
    let dirs = site.path.iter().filter(|dir| !dir.starts_with(&site.root));
    cargo
        .filter(|cargo| cargo.is_file())
        .or_else(|| super::resolve::which("cargo", dirs.map(PathBuf::as_path)))
}

/// Which toolchain rustup would choose here, and what says so.
fn wanted(site: &Site<'_>, rustup: &Path) -> Option<(String, String)> {
    if let Some(named) = site.vars.get("RUSTUP_TOOLCHAIN").filter(|t| plain(t)) {
        return Some((named.clone(), "RUSTUP_TOOLCHAIN".to_owned()));
    }
    let settings: toml::Table = site
        .text(&rustup.join("settings.toml"))
        .parse()
        .unwrap_or_default();
    let overrides = settings.get("overrides").and_then(toml::Value::as_table);
    for dir in site.ancestors() {
        let overridden = overrides
            .and_then(|o| o.get(dir.to_str()?))
            .and_then(toml::Value::as_str);
        if let Some(toolchain) = overridden.filter(|t| plain(t)) {
            return Some((toolchain.to_owned(), "rustup's overrides".to_owned()));
        }
        for file in ["rust-toolchain", "rust-toolchain.toml"] {
            let text = site.text(&dir.join(file));
            if let Some(channel) = channel(&text) {
                return Some((channel, file.to_owned()));
            }
        }
    }
    let default = settings
        .get("default_toolchain")
        .and_then(toml::Value::as_str)?;
    plain(default).then(|| (default.to_owned(), "rustup's default".to_owned()))
}

/// The channel that a toolchain file names, in either of its two forms. Paths in it are not followed.
fn channel(text: &str) -> Option<String> {
    let table: Option<toml::Table> = text.parse().ok();
    let channel = match table {
        Some(table) => table.get("toolchain")?.get("channel")?.as_str()?.to_owned(),
        None => text.trim().to_owned(),
    };
    plain(&channel).then_some(channel)
}

fn plain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(fine)
}

/// The folder of an installed toolchain: its whole name, or the channel with this machine's triple.
fn installed(toolchains: &Path, wanted: &str) -> Option<String> {
    let arch = std::env::consts::ARCH;
    let names = ["", "-unknown-linux-gnu", "-unknown-linux-musl"].map(|rest| match rest {
        "" => wanted.to_owned(),
        rest => format!("{wanted}-{arch}{rest}"),
    });
    names
        .into_iter()
        .find(|name| toolchains.join(name).join("bin/rustc").exists())
}

/// Cargo's registry and git checkouts: the user's where they hold all that the lock file names, else
/// what a fetch job brought, else the user's with a layer for what cargo wants to write.
fn registry(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    let (home, inside) = (cargo_home(site), cargo_inside(site));
    let lock = locked(site);
    let place = home.join("registry");
    let fetched = cache.cargo(site).map(|folder| folder.join("registry"));
    let fetched = fetched.filter(|f| lock.as_ref().is_some_and(|l| lacking(l, f).is_empty()));
    let mut whole = false;
    let mut source = place.clone();
    if let Some(lock) = &lock {
        let lacking = lacking(lock, &place);
        match (lacking.first(), fetched) {
            (None, _) => whole = unpacked(lock, &place),
            (Some(_), Some(fetched)) => {
                fetched.parent().map(evict::used);
                whole = unpacked(lock, &fetched);
                let git = fetched.with_file_name("git");
                if git.is_dir() {
                    draft.bind(site, &git, &inside.join("git"));
                }
                source = fetched;
            }
            (Some(_), None) => say(site, draft, lock, &lacking, &place),
        }
    }
    if source.is_dir() {
        match whole {
            true => draft.bind(site, &source, &inside.join("registry")),
            // Cargo unpacks crates and writes its index into it.
            false => draft.overlay(site, &source, &inside.join("registry")),
        };
    }
    let git = home.join("git");
    if git.is_dir() {
        draft.bind(site, &git, &inside.join("git"));
    }
}

/// Says what isn't downloaded: it stops the command only where it is surely needed.
fn say(site: &Site<'_>, draft: &mut Draft, lock: &Locked, lacking: &[String], place: &Path) {
    let surely = needed::surely(site, &lock.table, lacking, place);
    let (crates, rest) = match surely.is_empty() {
        false => (surely.as_slice(), "cargo fetch"),
        true => (lacking, "perhaps only those of other systems and features"),
    };
    let (count, first) = (crates.len(), crates.first().map_or("", String::as_str));
    let text = format!("{count} crates of Cargo.lock are not downloaded ({first} first): {rest}");
    match surely.is_empty() {
        true => draft.note(text),
        false => site.lacks(draft, Language::Rust, text),
    }
}

/// What the project's Cargo.lock names; `None` where there is none.
pub(super) fn locked(site: &Site<'_>) -> Option<Locked> {
    let table: toml::Table = site.project_text("Cargo.lock")?.parse().ok()?;
    let mut locked = Locked::default();
    for package in table
        .get("package")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |key| package.get(key).and_then(toml::Value::as_str);
        let (Some(name), Some(version), Some(source)) =
            (text("name"), text("version"), text("source"))
        else {
            continue;
        };
        let plain = |s: &str| {
            s.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
        };
        if source.starts_with("registry+") || source.starts_with("sparse+") {
            if plain(name) && plain(version) {
                locked.crates.insert(format!("{name}-{version}"));
            }
        } else {
            locked
                .others
                .insert(source.split(['?', '#']).next().unwrap_or(source).to_owned());
        }
    }
    locked.table = table;
    Some(locked)
}

/// The crates that a registry folder does not hold.
pub(super) fn lacking(lock: &Locked, registry: &Path) -> Vec<String> {
    let holds = names(&registry.join("cache"));
    let lacking = lock
        .crates
        .iter()
        .filter(|c| !holds.contains(&format!("{c}.crate")));
    lacking.cloned().collect()
}

/// Whether every crate of the lock file that is here is unpacked too.
fn unpacked(lock: &Locked, registry: &Path) -> bool {
    let (here, unpacked) = (names(&registry.join("cache")), names(&registry.join("src")));
    let here = lock
        .crates
        .iter()
        .filter(|c| here.contains(&format!("{c}.crate")));
    here.into_iter().all(|c| unpacked.contains(c))
}

/// The names in each registry's folder below `dir`.
fn names(dir: &Path) -> BTreeSet<String> {
    const REGISTRIES_MAX: usize = 32;
    const NAMES_MAX: usize = 200_000;
    let registries = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .take(REGISTRIES_MAX);
    let entries = registries.flat_map(|r| fs::read_dir(r.path()).into_iter().flatten().flatten());
    entries
        .take(NAMES_MAX)
        .filter_map(|e| e.file_name().into_string().ok())
        .collect()
}

/// Lays each `target` of the checkout under a discarded layer, so that nothing is compiled twice.
fn targets(site: &Site<'_>, draft: &mut Draft) {
    for target in folders::find(&site.root, "target") {
        // Cargo marks what it made; another folder of that name is the project's own.
        if target.join("CACHEDIR.TAG").is_file() && site.own_folder(&target) {
            draft.overlay(site, &target, &target);
        }
    }
    let elsewhere = site
        .var_path("CARGO_TARGET_DIR")
        .or_else(|| cargo_config::target_dir(site));
    let Some(target) = elsewhere else { return };
    let marked = || target.join("CACHEDIR.TAG").is_file() && !system(&target);
    if target.starts_with(&site.root) || (marked() && draft.overlay(site, &target, &target)) {
        draft.set("CARGO_TARGET_DIR", target.to_string_lossy());
    }
}

/// A compiler cache that the project's configuration names has its server outside.
fn wrapper(site: &Site<'_>, draft: &mut Draft) {
    let Some(wrapper) = cargo_config::project_wrapper(site) else {
        return;
    };
    let cache = matches!(wrapper.as_str(), "sccache" | "ccache" | "cachepot");
    let found =
        || super::resolve::which(&wrapper, draft.path(site).iter().map(PathBuf::as_path)).is_some();
    if cache || !(wrapper.contains('/') || found()) {
        draft.set("RUSTC_WRAPPER", "");
        draft.note(format!(
            "the compiler wrapper {wrapper} of .cargo/config.toml is left out"
        ));
    }
}
