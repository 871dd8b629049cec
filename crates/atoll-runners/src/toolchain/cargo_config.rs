//! Cargo's configuration: what of the user's own a job gets, and what the project's says.
//!
//! The user's `config.toml` may hold tokens and names programs to run. A job gets a copy with known
//! harmless keys alone; the copy lies in Atoll's cache, named by its content.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::cache::Cache;
use super::credentials;
use super::site::{Draft, Site};

/// Tables that are kept, with the keys kept of each; `*` is any name.
const KEPT: [(&[&str], &[&str]); 7] = [
    (
        &["build"],
        &["rustflags", "rustdocflags", "incremental", "target", "jobs"],
    ),
    (
        &["target", "*"],
        &["rustflags", "rustdocflags", "linker", "ar"],
    ),
    (&["profile", "*"], &["*"]),
    (
        &["source", "*"],
        &["registry", "replace-with", "branch", "tag", "rev"],
    ),
    (&["registries", "*"], &["index", "protocol"]),
    (&["registry"], &["default"]),
    (&["resolver"], &["incompatible-rust-versions"]),
];

/// The user's own configuration, as far as it is readable.
pub(super) fn user(site: &Site<'_>, cargo_home: &Path) -> Table {
    let text = site.text(&cargo_home.join("config.toml"));
    let text = if text.is_empty() {
        site.text(&cargo_home.join("config"))
    } else {
        text
    };
    text.parse().unwrap_or_default()
}

/// Mounts the harmless part of the user's configuration where cargo looks for it.
pub(super) fn mount(
    site: &Site<'_>,
    draft: &mut Draft,
    cargo_home: &Path,
    inside: &Path,
    cache: &Cache,
) {
    let kept = filtered(&user(site, cargo_home));
    if kept.is_empty() {
        return;
    }
    let Ok(text) = toml::to_string(&kept) else {
        return;
    };
    match cache.config(text.as_bytes()) {
        Ok(file) => draft.push(atoll_domain::Mount {
            kind: atoll_domain::MountKind::Bind,
            src: file.to_string_lossy().into_owned(),
            dst: inside.join("config.toml").to_string_lossy().into_owned(),
            ro: true,
        }),
        Err(why) => draft.note(format!("cargo's configuration is left out: {why}")),
    }
}

/// The kept part of a configuration.
pub(super) fn filtered(config: &Table) -> Table {
    let mut kept = Table::new();
    for (path, keys) in KEPT {
        match path {
            [name] => {
                if let Some(table) = config.get(*name).and_then(Value::as_table) {
                    insert(&mut kept, name, part(table, keys));
                }
            }
            [name, ..] => {
                let tables = config.get(*name).and_then(Value::as_table);
                let mut of = Table::new();
                for (inner, table) in tables.into_iter().flatten() {
                    if let Some(table) = table.as_table() {
                        insert(&mut of, inner, part(table, keys));
                    }
                }
                insert(&mut kept, name, of);
            }
            [] => {}
        }
    }
    kept
}

fn insert(into: &mut Table, name: &str, table: Table) {
    if !table.is_empty() {
        into.insert(name.to_owned(), Value::Table(table));
    }
}

fn part(table: &Table, keys: &[&str]) -> Table {
    let known = |key: &str| keys == ["*"] || keys.contains(&key);
    let entries = table
        .iter()
        .filter(|(key, value)| known(key) && harmless(key, value));
    entries
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Programs by bare name alone, since others aren't mounted; URLs without credentials alone.
fn harmless(key: &str, value: &Value) -> bool {
    match (key, value.as_str()) {
        ("linker" | "ar", Some(program)) => !program.contains('/') || program.starts_with("/usr/"),
        ("linker" | "ar", None) => false,
        (_, Some(text)) => !text.contains("://") || credentials::host_of(text).is_ok(),
        _ => true,
    }
}

/// A target folder that the user's own configuration names, absolutely.
pub(super) fn target_dir(site: &Site<'_>) -> Option<PathBuf> {
    let config = user(site, &super::rust::cargo_home(site));
    let dir = PathBuf::from(config.get("build")?.get("target-dir")?.as_str()?);
    dir.is_absolute().then_some(dir)
}

/// The compiler wrapper that the project's own configuration names.
pub(super) fn project_wrapper(site: &Site<'_>) -> Option<String> {
    let files = [".cargo/config.toml", ".cargo/config"];
    let text = files.iter().find_map(|file| site.project_text(file))?;
    let config: Table = text.parse().ok()?;
    let build = config.get("build")?;
    let wrapper = build
        .get("rustc-wrapper")
        .or_else(|| build.get("rustc-workspace-wrapper"))?;
    Some(wrapper.as_str()?.to_owned()).filter(|w| !w.is_empty())
}

/// The registries that stand in for cargo's own by the user's configuration: their URLs, or none where
/// the user replaced nothing.
pub(super) fn replaced(config: &Table) -> Vec<String> {
    let Some(sources) = config.get("source").and_then(Value::as_table) else {
        return Vec::new();
    };
    let next = |name: &str| sources.get(name)?.get("replace-with")?.as_str();
    // Cargo's fixed name of its own source.
    let mut name = "crates-io";
    for _ in 0..8 {
        match next(name) {
            Some(other) => name = other,
            None => break,
        }
    }
    let url = |key| {
        sources
            .get(name)
            .and_then(|s| s.get(key))
            .and_then(Value::as_str)
    };
    url("registry").into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn tokens_and_programs_are_left_out() {
        let config = table(
            r#"
            paths = ["/home/u/other"]
            [build]
            rustflags = ["-Dwarnings"]
            rustc-wrapper = "sccache"
            target-dir = "/data/target"
            [net]
            git-fetch-with-cli = true
            [http]
            proxy = "http://u:p@proxy.example"
            [registry]
            token = "secret"
            default = "mine"
            global-credential-providers = ["cargo:token"]
            [registries.mine]
            index = "sparse+https://mine.example/"
            token = "secret"
            credential-provider = ["/bin/evil"]
            [registries.other]
            index = "https://u:secret@other.example/"
            [target.x86_64-unknown-linux-gnu]
            linker = "clang"
            runner = "/home/u/run"
            [target.'cfg(unix)']
            linker = "/home/u/bin/ld"
            rustflags = ["-Clink-arg=-fuse-ld=lld"]
            [profile.dev]
            debug = 0
            [env]
            TOKEN = "secret"
            [alias]
            t = "test"
            "#,
        );
        let kept = filtered(&config);
        let want = table(
            r#"
            [build]
            rustflags = ["-Dwarnings"]
            [registry]
            default = "mine"
            [registries.mine]
            index = "sparse+https://mine.example/"
            [target.x86_64-unknown-linux-gnu]
            linker = "clang"
            [target.'cfg(unix)']
            rustflags = ["-Clink-arg=-fuse-ld=lld"]
            [profile.dev]
            debug = 0
            "#,
        );
        assert_eq!(kept, want);
        assert!(!toml::to_string(&kept).unwrap().contains("secret"));
        assert!(filtered(&table("build = 1\nsource = []\ntarget = {a = 1}")).is_empty());
    }

    #[test]
    fn a_replaced_source_is_followed_to_its_end() {
        let config = table(
            r#"
            [source.crates-io]
            replace-with = "near"
            [source.near]
            replace-with = "mirror"
            [source.mirror]
            registry = "sparse+https://mirror.example/index/"
            "#,
        );
        assert_eq!(replaced(&config), ["sparse+https://mirror.example/index/"]);
        assert_eq!(replaced(&table("")), [""; 0]);
        let round = table(
            "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'a'\nregistry = 'https://a.example/'",
        );
        assert_eq!(replaced(&round).len(), 1);
    }
}
