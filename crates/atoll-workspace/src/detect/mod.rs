//! What a workspace is and how it is tested, found by parsing bounded files
//! alone: nothing of it is ever run, and everything it says is only a suggestion.

mod node;
mod python;
mod settings;

use atoll_domain::{Hash, Language};
use atoll_ports::workspace::{Detected, TestCommand};

use crate::beneath::{Dir, small_file};
use crate::error::Result;
use crate::names::RelPath;

const FILE_LIMIT_BYTES: u64 = 1 << 20;
const GUIDE_LIMIT_BYTES: u64 = 64 << 10;
/// How many folders below the root are looked into when the root has no project.
const FOLDERS_MAX: usize = 64;

/// How many folders between the root and a place in it are looked into.
const PLACES_MAX: usize = 32;
/// What makes a folder a project by its own word.
const MANIFESTS: [&str; 14] = [
    "Cargo.toml",
    "GNUmakefile",
    "Makefile",
    "Pipfile",
    "go.mod",
    "makefile",
    "manage.py",
    "package.json",
    "pyproject.toml",
    "pytest.ini",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
    "tox.ini",
];

/// A folder that may hold a project.
struct Place<'a> {
    root: &'a Dir,
    /// Below the root, with a `/` at the end; empty for the root.
    at: String,
}

impl Place<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let bytes = small_file(self.root, &format!("{}{name}", self.at), FILE_LIMIT_BYTES)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn has(&self, name: &str) -> bool {
        let Ok(path) = RelPath::parse(&format!("{}{name}", self.at)) else {
            return false;
        };
        self.root
            .parent(&path)
            .and_then(|d| d.stat(path.name().as_bytes()))
            .is_ok()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let path = format!("{}{folder}", self.at);
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() {
            None
        } else {
            RelPath::parse(path).ok()
        };
        let dir = if self.at.is_empty() && folder.is_empty() {
            self.root.sub(None)
        } else {
            self.root.sub(path.as_ref())
        };
        let entries = dir
            .ok()
            .and_then(|d| d.entries(10_000).ok())
            .unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|e| String::from_utf8(e.name).ok())
            .collect()
    }

    /// The folder for a flag such as `make -C`; `None` at the root.
    fn folder(&self) -> Option<&str> {
        self.at.strip_suffix('/')
    }

    /// The command, run in the folder: for tools without a flag for it. Its name is an argument, not
    /// shell text.
    fn inside(&self, cmd: &[&str]) -> Vec<String> {
        let Some(folder) = self.folder() else {
            return words(cmd);
        };
        let cd = "cd -- \"$1\" && shift && exec \"$@\"";
        let mut all = words(&["sh", "-c", cd, "sh", folder]);
        all.extend(words(cmd));
        all
    }

    fn because(&self, what: &str) -> String {
        format!("{}{what}", self.at)
    }
}

fn words(cmd: &[&str]) -> Vec<String> {
    cmd.iter().map(|w| (*w).to_owned()).collect()
}

/// Looks at the folder `root`, and first at the one `below` it that somebody works in.
///
/// # Errors
/// The folder cannot be read. What is wrong with its files is in `problems`.
pub(crate) fn detect(root: &Dir, below: Option<&RelPath>) -> Result<Detected> {
    let mut found = Detected::default();
    let at = String::new();
    projects(&Place { root, at }, &mut found);
    let places: Vec<RelPath> = std::iter::successors(below.cloned(), RelPath::parent)
        .take(PLACES_MAX)
        .collect();
    nearest(root, &places, &mut found);
    if found.tests.is_empty() {
        for name in root
            .entries(100_000)?
            .into_iter()
            .filter(|e| e.kind == rustix::fs::FileType::Directory)
            .take(FOLDERS_MAX)
        {
            let Ok(name) = String::from_utf8(name.name) else {
                continue;
            };
            if !name.starts_with('.')
                && name != "node_modules"
                && name != "target"
                && name != "vendor"
            {
                projects(
                    &Place {
                        root,
                        at: format!("{name}/"),
                    },
                    &mut found,
                );
            }
        }
    }
    found.languages.sort_unstable();
    found.languages.dedup();
    // The nearest is the one that was written for the place.
    let folders = places
        .iter()
        .map(|p| format!("{p}/"))
        .chain([String::new()]);
    found.guide = folders
        .flat_map(|f| ["AGENTS.md", "CLAUDE.md"].map(|name| format!("{f}{name}")))
        .find_map(|name| guide(root, &name, &mut found.problems));
    own(root, &mut found);
    Ok(found)
}

/// Puts the project nearest to the place before the root's. A folder without a manifest counts only where
/// the root knows nothing of its language: the root's `tests/` is no project.
fn nearest(root: &Dir, places: &[RelPath], found: &mut Detected) {
    for path in places {
        let at = format!("{path}/");
        let place = Place { root, at };
        let mut near = Detected::default();
        projects(&place, &mut near);
        let shared = near.languages.iter().any(|l| found.languages.contains(l));
        if near.languages.is_empty() || (shared && !MANIFESTS.iter().any(|m| place.has(m))) {
            continue;
        }
        // What one fetches and keeps (environments, modules, products) lies with the root where that is
        // a project of the kind.
        if !shared {
            found.project = path.as_str().to_owned();
        }
        near.tests.append(&mut found.tests);
        found.tests = near.tests;
        found.languages.append(&mut near.languages);
        return;
    }
}

/// Looks at a checkout itself: what its owner would vouch for.
///
/// # Errors
/// The folder cannot be read.
pub fn look(
    root: &std::path::Path,
) -> std::result::Result<Detected, atoll_ports::workspace::Error> {
    Ok(Dir::open(root).and_then(|dir| detect(&dir, None))?)
}

/// Projects in one folder, the surest test command first.
fn projects(place: &Place<'_>, found: &mut Detected) {
    let mut push = |language: Language, test: Option<(Vec<String>, String)>| {
        found.languages.push(language);
        found.tests.extend(test.map(|(cmd, because)| TestCommand {
            cmd,
            language,
            because,
        }));
    };
    if place.has("Cargo.toml") {
        push(Language::Rust, Some(cargo(place)));
    }
    if place.has("go.mod") {
        let mut cmd = words(&["go"]);
        cmd.extend(
            place
                .folder()
                .into_iter()
                .flat_map(|f| ["-C".to_owned(), f.to_owned()]),
        );
        cmd.extend(words(&["test", "./..."]));
        push(Language::Go, Some((cmd, place.because("go.mod"))));
    }
    let python = python::find(place);
    let (sure, unsure): (Vec<_>, Vec<_>) = python.into_iter().partition(|p| p.sure);
    for p in sure {
        push(Language::Python, p.test);
    }
    if place.has("package.json") {
        push(Language::Node, node::test(place));
    }
    for p in unsure {
        push(Language::Python, p.test);
    }
    if let Some((file, target)) = make(place) {
        let mut cmd = words(&["make"]);
        cmd.extend(
            place
                .folder()
                .into_iter()
                .flat_map(|f| ["-C".to_owned(), f.to_owned()]),
        );
        cmd.push(target.to_owned());
        push(
            Language::Make,
            Some((cmd, place.because(&format!("{file}: {target}")))),
        );
    }
}

fn cargo(place: &Place<'_>) -> (Vec<String>, String) {
    let manifest: toml::Table = place
        .text("Cargo.toml")
        .and_then(|t| t.parse().ok())
        .unwrap_or_default();
    let mut cmd = words(&["cargo", "test"]);
    if manifest.contains_key("workspace") {
        cmd.push("--workspace".to_owned());
    }
    if let Some(folder) = place.folder() {
        cmd.extend(["--manifest-path".to_owned(), format!("{folder}/Cargo.toml")]);
    }
    (cmd, place.because("Cargo.toml"))
}

/// A `test` or `check` target, by the text of its rule.
fn make(place: &Place<'_>) -> Option<(&'static str, &'static str)> {
    ["GNUmakefile", "makefile", "Makefile"]
        .into_iter()
        .find_map(|file| {
            let text = place.text(file)?;
            let target = ["test", "check", "tests"]
                .into_iter()
                .find(|t| text.lines().any(|l| is_rule(l, t)));
            target.map(|t| (file, t))
        })
}

fn is_rule(line: &str, target: &str) -> bool {
    let Some((targets, after)) = line.split_once(':') else {
        return false;
    };
    !line.starts_with(['\t', '#', ' '])
        && !after.starts_with('=')
        && !after.starts_with(":=")
        && targets.split_whitespace().any(|t| t == target)
}

fn guide(root: &Dir, name: &str, problems: &mut Vec<String>) -> Option<String> {
    let mut file = root
        .file(name.as_bytes())
        .ok()
        .filter(|f| f.metadata().is_ok_and(|m| m.is_file()))?;
    match crate::beneath::read_bounded(&mut file, GUIDE_LIMIT_BYTES).ok()? {
        Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        None => {
            problems.push(format!(
                "{name} is over {GUIDE_LIMIT_BYTES} bytes and was not read"
            ));
            None
        }
    }
}

const OWN_FILES_MAX: usize = 200;

// `.atoll/`: what its owner may trust, bound to its whole content.
fn own(root: &Dir, found: &mut Detected) {
    let Ok(stat) = root.stat(b".atoll") else {
        return;
    };
    if crate::beneath::kind_of(&stat) != "a directory" {
        found.problems.push(format!(
            ".atoll is {}, not a folder, and was not read",
            crate::beneath::kind_of(&stat)
        ));
        return;
    }
    match own_hash(root) {
        // Without a hash there is nothing that trust could be bound to.
        Err(why) => found.problems.push(format!(".atoll was not read: {why}")),
        Ok(hash) => {
            found.atoll_hash = Some(hash);
            let Some(bytes) = small_file(root, ".atoll/workspace.toml", settings::LIMIT_BYTES)
            else {
                if root.file(b".atoll/workspace.toml").is_ok() {
                    found
                        .problems
                        .push(".atoll/workspace.toml is no file, or is too large".into());
                }
                return;
            };
            match settings::parse(&String::from_utf8_lossy(&bytes)) {
                Ok(settings) => {
                    found.suggested_test = settings.test;
                    found.suggested_setup = settings.setup;
                    found.suggested_mounts = settings.mounts;
                }
                Err(e) => found.problems.push(format!(".atoll/workspace.toml {e}")),
            }
        }
    }
}

fn own_hash(root: &Dir) -> std::result::Result<Hash, String> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut open = vec![".atoll".to_owned()];
    let mut seen = 0;
    while let Some(at) = open.pop() {
        let path = RelPath::parse(&at).map_err(|e| e.to_string())?;
        let dir = root.sub(Some(&path)).map_err(|e| e.to_string())?;
        for entry in dir
            .entries(OWN_FILES_MAX)
            .map_err(|_| "it holds too many files".to_owned())?
        {
            seen += 1;
            let name =
                String::from_utf8(entry.name).map_err(|_| "a name is not UTF-8".to_owned())?;
            let below = format!("{at}/{name}");
            if seen > OWN_FILES_MAX {
                return Err("it holds too many files".into());
            }
            match entry.kind {
                rustix::fs::FileType::Directory => open.push(below),
                rustix::fs::FileType::RegularFile => {
                    let content = small_file(root, &below, FILE_LIMIT_BYTES)
                        .ok_or_else(|| format!("{below} is too large"))?;
                    parts.push(format!("{below}\0{}\n", Hash::of(&content)).into_bytes());
                }
                _ => return Err(format!("{below} is a link or a special file")),
            }
        }
    }
    parts.sort();
    Ok(Hash::of(&parts.concat()))
}

#[cfg(test)]
mod tests;
