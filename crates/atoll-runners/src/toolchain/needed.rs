//! Which of the crates that aren't downloaded are surely needed.
//!
//! A lock file names the crates of every system and feature; cargo downloads those of this one. So a
//! crate is surely needed only where something that is here depends on it without any condition: a
//! package of the project, or a crate that is unpacked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::site::Site;

const MEMBERS_MAX: usize = 256;
const REGISTRIES_MAX: usize = 32;

/// Those of `lacking` (`name-version`) that are surely needed, in order.
pub(super) fn surely(
    site: &Site<'_>,
    lock: &Table,
    lacking: &[String],
    registry: &Path,
) -> Vec<String> {
    let mut manifests = Manifests::new(site, registry);
    let mut dependents: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for package in lock
        .get("package")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let names = package
            .get("dependencies")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for name in names
            .filter_map(Value::as_str)
            .filter_map(|d| d.split(' ').next())
        {
            dependents.entry(name).or_default().push(package);
        }
    }
    let needed = lacking.iter().filter(|krate| {
        let names = dependents.keys().filter(|name| named(krate, name));
        let packages = names.flat_map(|name| dependents[name].iter().map(move |p| (*name, *p)));
        let mut packages = packages.collect::<Vec<_>>().into_iter();
        packages.any(|(name, package)| {
            manifests
                .of(package)
                .iter()
                .any(|m| always(m, name, package.get("source").is_none()))
        })
    });
    needed.cloned().collect()
}

/// Whether `name-version` is of that name.
fn named(krate: &str, name: &str) -> bool {
    let version = krate
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'));
    version.is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a manifest depends on `name` on every system and with every feature. Only the project's own
/// packages are tested.
fn always(manifest: &Table, name: &str, own: bool) -> bool {
    let sections = ["dependencies", "build-dependencies", "dev-dependencies"];
    let sections = if own { &sections[..] } else { &sections[..2] };
    let mut tables = sections
        .iter()
        .filter_map(|s| manifest.get(*s).and_then(Value::as_table));
    tables.any(|table| {
        table.iter().any(|(key, value)| {
            let own = value.get("package").and_then(Value::as_str).unwrap_or(key);
            let optional = value
                .get("optional")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            own == name && !optional
        })
    })
}

/// Manifests, each read once.
struct Manifests<'a> {
    site: &'a Site<'a>,
    registries: Vec<PathBuf>,
    /// The project's own packages, by name; one may be there more than once.
    members: Vec<Table>,
    read: BTreeMap<String, Vec<Table>>,
}

impl<'a> Manifests<'a> {
    fn new(site: &'a Site<'a>, registry: &Path) -> Manifests<'a> {
        let registries = fs::read_dir(registry.join("src"))
            .into_iter()
            .flatten()
            .flatten();
        Manifests {
            site,
            registries: registries.take(REGISTRIES_MAX).map(|e| e.path()).collect(),
            members: members(site),
            read: BTreeMap::new(),
        }
    }

    /// The manifests that are here of a package of the lock file.
    fn of(&mut self, package: &Value) -> &[Table] {
        let text = |key| package.get(key).and_then(Value::as_str).unwrap_or_default();
        if package.get("source").is_none() {
            return &self.members;
        }
        let krate = format!("{}-{}", text("name"), text("version"));
        let plain = krate
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
        let (site, registries) = (self.site, &self.registries);
        self.read.entry(krate.clone()).or_insert_with(|| {
            let files = registries
                .iter()
                .filter(|_| plain)
                .map(|r| r.join(&krate).join("Cargo.toml"));
            files
                .filter_map(|file| site.text(&file).parse().ok())
                .collect()
        })
    }
}

/// The manifests of the project's packages: the root's, and those that its workspace names as folders
/// or as all folders of a folder.
fn members(site: &Site<'_>) -> Vec<Table> {
    let read = |folder: &str| -> Option<Table> {
        site.project_text(&format!("{folder}Cargo.toml"))?
            .parse()
            .ok()
    };
    let Some(root) = read("") else {
        return Vec::new();
    };
    let named = root
        .get("workspace")
        .and_then(|w| w.get("members"))
        .and_then(Value::as_array);
    let mut folders: Vec<String> = Vec::new();
    for member in named.into_iter().flatten().filter_map(Value::as_str) {
        match member.strip_suffix("/*") {
            None => folders.push(format!("{member}/")),
            Some(parent) if site.own_folder(&site.root.join(parent)) => {
                let entries = fs::read_dir(site.root.join(parent))
                    .into_iter()
                    .flatten()
                    .flatten();
                let names = entries.filter_map(|e| e.file_name().into_string().ok());
                folders.extend(
                    names
                        .take(MEMBERS_MAX)
                        .map(|name| format!("{parent}/{name}/")),
                );
            }
            Some(_) => {}
        }
    }
    let mut members: Vec<Table> = folders
        .iter()
        .take(MEMBERS_MAX)
        .filter_map(|f| read(f))
        .collect();
    members.push(root);
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_other_names_are_told_apart() {
        let manifest: Table = r#"
            [dependencies]
            plain = "1"
            renamed = { package = "real", version = "1" }
            maybe = { version = "1", optional = true }
            [target.'cfg(windows)'.dependencies]
            winapi = "1"
            [dev-dependencies]
            checks.workspace = true
        "#
        .parse()
        .unwrap();
        let needed = ["plain", "real", "checks"];
        for name in ["plain", "real", "checks", "renamed", "maybe", "winapi"] {
            assert_eq!(
                always(&manifest, name, true),
                needed.contains(&name),
                "{name}"
            );
            let built = needed.contains(&name) && name != "checks";
            assert_eq!(always(&manifest, name, false), built, "{name}");
        }
        assert!(named("serde-1.0.1", "serde") && !named("serde-json-1.0.1", "serde"));
        assert!(named("serde-json-1.0.1", "serde-json"));
    }
}
