//! The floors: a crate imports only floors below its own.

use super::Finding;
use crate::tree::Tree;
use toml::{Table, Value};

/// What a crate is, which decides what it may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Facts and decisions without I/O; see `pure`.
    Pure,
    /// Traits and wire types.
    Port,
    Adapter,
    Node,
    Face,
    Binary,
    /// For tests only: never an ordinary dependency.
    Testkit,
}

/// Each crate, its floor and kind. A crate on none is refused.
const FLOORS: [(&str, u8, Kind); 20] = [
    ("atoll-domain", 1, Kind::Pure),
    ("atoll-guard", 2, Kind::Pure),
    ("atoll-agent", 3, Kind::Pure),
    ("atoll-log", 3, Kind::Pure),
    ("atoll-redact", 3, Kind::Pure),
    ("atoll-ports", 3, Kind::Port),
    ("atoll-api", 3, Kind::Port),
    ("atoll-store", 4, Kind::Adapter),
    ("atoll-policy", 4, Kind::Adapter),
    ("atoll-workspace", 4, Kind::Adapter),
    ("atoll-runners", 4, Kind::Adapter),
    ("atoll-models", 4, Kind::Adapter),
    ("atoll-llama", 4, Kind::Adapter),
    ("atoll-vault", 4, Kind::Adapter),
    ("atoll-grant", 4, Kind::Adapter),
    ("atoll-node", 4, Kind::Node),
    ("atoll-http", 5, Kind::Face),
    ("atoll-client", 5, Kind::Face),
    ("atoll", 6, Kind::Binary),
    ("testkit", 4, Kind::Testkit),
];

/// Names that draw everything to themselves.
const MAGNETS: [&str; 5] = ["core", "common", "utils", "helpers", "runtime"];
/// All that a face may know of the project.
const FACE_KNOWS: [&str; 2] = ["atoll-domain", "atoll-api"];
/// Vendors and adapters that the node must be able to live without.
const VENDORS: [&str; 12] = [
    "atoll_store",
    "atoll_policy",
    "atoll_workspace",
    "atoll_runners",
    "atoll_models",
    "atoll_llama",
    "atoll_vault",
    "atoll_grant",
    "openai",
    "anthropic",
    "ollama",
    "cedar",
];

const WHY_UP: &str = "a crate imports only floors below its own (ARCHITECTURE.md, Floors): what is below can be tested, replaced and read without what is above";
const WHY_ADAPTER: &str =
    "no adapter imports another: two that must meet do so in the node, through ports";
const WHY_NODE: &str =
    "the node names no adapter and no vendor, only the binary does: a port must be replaceable";
const WHY_FACE: &str =
    "faces know atoll-api and atoll-domain alone, so that no route can reach past the commands";
const WHY_TESTKIT: &str =
    "testkit builds guards and scripted servers; it is a dev-dependency and never shipped";
const WHY_UNKNOWN: &str = "every crate stands on a floor: add it to xtask/src/tidy/floors.rs and to ARCHITECTURE.md, or make it a module";
const WHY_MAGNET: &str = "such names become magnets: name the noun that it holds";
const WHY_LINTS: &str = "without `[lints] workspace = true` none of the bans holds in this crate";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, text) in tree.texts() {
        if let Some(name) = manifest_of(&file.path) {
            manifest(name, &file.path, text, &mut found);
        }
    }
    for (file, _) in tree.rust() {
        let stem = file.path.trim_end_matches(".rs");
        let last = stem.rsplit('/').next().unwrap_or_default();
        let second = stem.rsplit('/').nth(1).unwrap_or_default();
        if MAGNETS.contains(&last) || (last == "mod" && MAGNETS.contains(&second)) {
            found.push(Finding::fail(
                &file.path,
                "a module with a magnet's name",
                WHY_MAGNET,
            ));
        }
    }
    vendors(tree, &mut found);
    found
}

/// The folder of a crate's manifest, `None` for any other file.
fn manifest_of(path: &str) -> Option<&str> {
    let folder = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    (!folder.contains('/')).then_some(folder)
}

fn manifest(folder: &str, path: &str, text: &str, found: &mut Vec<Finding>) {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let what = format!("is no TOML: {}", error.message());
            return found.push(Finding::fail(path, what, WHY_UP));
        }
    };
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name != folder {
        let what = format!("holds the package {name:?}, its folder is {folder:?}");
        found.push(Finding::fail(
            path,
            what,
            "a folder is named as its crate is",
        ));
    }
    let bare = name.strip_prefix("atoll-").unwrap_or(name);
    if MAGNETS.contains(&bare) {
        found.push(Finding::fail(path, format!("is called {name}"), WHY_MAGNET));
    }
    let inherits = table.get("lints").and_then(|lints| lints.get("workspace"));
    if inherits.and_then(Value::as_bool) != Some(true) {
        found.push(Finding::fail(path, "doesn't inherit the lints", WHY_LINTS));
    }
    let Some(own) = floor(name) else {
        return found.push(Finding::fail(
            path,
            format!("{name} stands on no floor"),
            WHY_UNKNOWN,
        ));
    };
    for (dependency, for_tests) in dependencies(&table) {
        if let Some(why) = objection(own, &dependency, for_tests) {
            let what = format!("{name} imports {dependency}");
            found.push(Finding::fail(path, what, why));
        }
    }
}

fn floor(name: &str) -> Option<(&'static str, u8, Kind)> {
    FLOORS
        .into_iter()
        .find(|(crate_name, ..)| *crate_name == name)
}

/// The project's own crates that a manifest names, and whether for tests alone.
fn dependencies(table: &Table) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    sections(table, &mut all);
    let targets = table.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values) {
        if let Some(target) = target.as_table() {
            sections(target, &mut all);
        }
    }
    all.retain(|(name, _)| name.starts_with("atoll") || name == "testkit");
    all
}

fn sections(table: &Table, all: &mut Vec<(String, bool)>) {
    for (section, for_tests) in [
        ("dependencies", false),
        ("build-dependencies", false),
        ("dev-dependencies", true),
    ] {
        let entries = table.get(section).and_then(Value::as_table);
        for (key, value) in entries.into_iter().flatten() {
            // A renamed dependency is what it is, whatever it is called here.
            let real = value.get("package").and_then(Value::as_str);
            all.push((real.unwrap_or(key).to_owned(), for_tests));
        }
    }
}

/// Why `own` may not import `dependency`; `None` if it may.
fn objection(own: (&str, u8, Kind), dependency: &str, for_tests: bool) -> Option<&'static str> {
    let (_, height, kind) = own;
    let Some((_, other_height, other)) = floor(dependency) else {
        return Some(WHY_UNKNOWN);
    };
    match (kind, other) {
        (_, Kind::Testkit) => (!for_tests).then_some(WHY_TESTKIT),
        (Kind::Adapter, Kind::Adapter) => Some(WHY_ADAPTER),
        (Kind::Node, Kind::Adapter) => Some(WHY_NODE),
        (Kind::Face, _) => (!FACE_KNOWS.contains(&dependency)).then_some(WHY_FACE),
        _ => (other_height >= height).then_some(WHY_UP),
    }
}

/// The node's source says no adapter's and no vendor's name, not even in text.
fn vendors(tree: &Tree, found: &mut Vec<Finding>) {
    let node = tree
        .product()
        .filter(|(file, _)| file.crate_name() == Some("atoll-node"));
    for (file, rust) in node {
        for (index, line) in rust.spoken.lines().enumerate() {
            let line = line.to_lowercase();
            if let Some(vendor) = VENDORS.iter().find(|vendor| line.contains(*vendor)) {
                let place = format!("{}:{}", file.path, index + 1);
                found.push(Finding::fail(place, format!("names {vendor}"), WHY_NODE));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::failures;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = {name:?}\n[lints]\nworkspace = true\n{rest}")
    }

    fn refused(name: &str, rest: &str) -> Vec<String> {
        let path = format!("crates/{name}/Cargo.toml");
        failures(check, &[(&path, &manifest(name, rest))])
    }

    #[test]
    fn looking_down_is_allowed() {
        for (name, rest) in [
            (
                "atoll-guard",
                "[dependencies]\natoll-domain.workspace = true",
            ),
            (
                "atoll-node",
                "[dependencies]\natoll-ports.workspace = true\natoll-log.workspace = true",
            ),
            (
                "atoll-store",
                "[dependencies]\natoll-log.workspace = true\n[dev-dependencies]\ntestkit.workspace = true",
            ),
            (
                "atoll-http",
                "[dependencies]\natoll-api.workspace = true\naxum.workspace = true",
            ),
            (
                "atoll",
                "[dependencies]\natoll-http.workspace = true\natoll-store.workspace = true",
            ),
            ("testkit", "[dependencies]\natoll-ports.workspace = true"),
        ] {
            assert_eq!(refused(name, rest), [""; 0], "{name}");
        }
    }

    #[test]
    fn looking_up_or_sideways_is_refused() {
        for (name, dependency) in [
            ("atoll-domain", "atoll-guard"),
            ("atoll-ports", "atoll-api"),
            ("atoll-store", "atoll-policy"),
            ("atoll-node", "atoll-store"),
            ("atoll-http", "atoll-node"),
            ("atoll-client", "atoll-http"),
            ("atoll-client", "atoll-guard"),
            ("atoll-agent", "atoll"),
            ("atoll", "testkit"),
            ("atoll-node", "atoll-unheard"),
        ] {
            let rest = format!("[dependencies]\n{dependency}.workspace = true");
            let found = refused(name, &rest);
            assert_eq!(found.len(), 1, "{name} -> {dependency}: {found:?}");
        }
    }

    #[test]
    fn neither_a_new_name_nor_another_section_hides_an_import() {
        for rest in [
            "[dependencies]\nstore = { package = \"atoll-store\", path = \"../atoll-store\" }",
            "[build-dependencies]\natoll-store.workspace = true",
            "[dev-dependencies]\natoll-store.workspace = true",
            "[target.'cfg(unix)'.dependencies]\natoll-store.workspace = true",
        ] {
            assert_eq!(refused("atoll-node", rest).len(), 1, "{rest}");
        }
    }

    #[test]
    fn names_folders_and_lints_are_checked() {
        assert_eq!(
            refused("atoll-utils", "").len(),
            2,
            "a magnet, and no floor"
        );
        let other = manifest("atoll-api", "");
        assert_eq!(
            failures(check, &[("crates/api/Cargo.toml", &other)]).len(),
            1
        );
        let bare = "[package]\nname = \"atoll-api\"";
        assert_eq!(
            failures(check, &[("crates/atoll-api/Cargo.toml", bare)]).len(),
            1
        );
        assert_eq!(
            failures(check, &[("crates/atoll-api/Cargo.toml", "[")]).len(),
            1
        );
        assert_eq!(
            failures(check, &[("crates/atoll-api/src/utils.rs", "")]).len(),
            1
        );
        assert_eq!(
            failures(check, &[("crates/atoll-api/src/common/mod.rs", "")]).len(),
            1
        );
    }

    #[test]
    fn the_node_says_no_vendor() {
        let path = "crates/atoll-node/src/turn.rs";
        let named = failures(check, &[(path, "\nlet p = \"OpenAI\";")]);
        assert_eq!(named, [format!("{path}:2: names openai")]);
        let silent = "// unlike openai\n#[cfg(test)] mod t { const A: &str = \"ollama\"; }";
        assert_eq!(failures(check, &[(path, silent)]), [""; 0]);
    }
}
