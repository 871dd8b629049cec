//! Go: its root, the module cache, the build cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use atoll_domain::Language;

use super::cache::Cache;
use super::evict;
use super::managers::{self, GO, numbers};
use super::resolve;
use super::site::{Draft, Site, system};

/// Settings of `go env -w` that a job gets too: how things are built, never where from.
const KEPT: [&str; 6] = [
    "CGO_ENABLED",
    "GOAMD64",
    "GOARM64",
    "GOEXPERIMENT",
    "GOFIPS140",
    "GOFLAGS",
];

/// All that running Go offline needs.
pub(super) fn find(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    toolchain(site, draft);
    draft.set("GOPROXY", "off");
    let modules = modules_dir(site);
    let lacking = lacking(site, &modules);
    let fetched = cache.go(site).map(|folder| folder.join("mod"));
    let fetched = fetched.filter(|f| self::lacking(site, f).is_empty());
    let source = match (lacking.first(), fetched) {
        (None, _) => modules.clone(),
        (Some(_), Some(fetched)) => {
            fetched.parent().map(evict::used);
            fetched
        }
        (Some(first), None) => {
            let text = format!(
                "{} modules of go.mod are not downloaded ({first} first): go mod download",
                lacking.len()
            );
            site.lacks(draft, Language::Go, text);
            modules.clone()
        }
    };
    if source.is_dir() {
        draft.bind(site, &source, &modules);
    }
    let cached = site
        .var_path("GOCACHE")
        .or_else(|| Some(PathBuf::from(settings(site).get("GOCACHE")?)));
    let cached = cached.unwrap_or_else(|| cache_home(site).join("go-build"));
    // Go marks its cache; another folder of that name is something else.
    if cached.is_absolute() && cached.join("README").is_file() {
        draft.overlay(site, &cached, &cached);
    }
}

fn cache_home(site: &Site<'_>) -> PathBuf {
    site.var_path("XDG_CACHE_HOME")
        .unwrap_or_else(|| site.home.join(".cache"))
}

/// Go itself, and the settings that say how to build.
pub(super) fn toolchain(site: &Site<'_>, draft: &mut Draft) {
    let settings = settings(site);
    for name in KEPT {
        if let Some(value) = site.vars.get(name).or_else(|| settings.get(name)) {
            draft.set(name, value.clone());
        }
    }
    draft.set("GOTOOLCHAIN", "local");
    let gopath = gopath(site);
    if gopath != site.home.join("go") {
        draft.set("GOPATH", gopath.to_string_lossy());
    }
    if modules_dir(site) != gopath.join("pkg/mod") {
        draft.set("GOMODCACHE", modules_dir(site).to_string_lossy());
    }
    // Beside the module cache GOPATH holds programs that `go install` made: tests call some.
    let programs = gopath.join("bin");
    if programs.is_dir() && draft.same(site, &programs) {
        draft.path_first(programs);
    }
    let Some(go) = on_path(site) else {
        site.lacks(
            draft,
            Language::Go,
            "no Go was found: install go".to_owned(),
        );
        return;
    };
    let Some(root) = root_of(&go) else {
        draft.note(format!("{} is no Go that can be mounted", go.display()));
        return;
    };
    let here = version_of(site, &root);
    let wanted = wanted(site);
    if numbers(&here) < numbers(&wanted) {
        if let Some(other) = downloaded(site, &wanted)
            && draft.same(site, &other)
        {
            draft.path_first(other.join("bin"));
            return;
        }
        let text =
            format!("go.mod wants Go {wanted}; {here} is installed, and none newer was downloaded");
        site.lacks(draft, Language::Go, text);
    }
    if draft.prefix(site, &root, &go) && !system(&go) {
        draft.path_first(root.join("bin"));
    }
}

fn on_path(site: &Site<'_>) -> Option<PathBuf> {
    for dir in site.path.iter().filter(|dir| !dir.starts_with(&site.root)) {
        if managers::is_shims(dir) {
            if let Some(bin) = managers::behind(site, &GO, dir) {
                return Some(bin.join("go"));
            }
        } else if resolve::executable(&dir.join("go")) {
            return Some(dir.join("go"));
        }
    }
    None
}

/// GOROOT of a `go`: the folder above its `bin` that holds the compiler's tools.
fn root_of(go: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(go).ok()?;
    let root = real.parent()?.parent()?;
    root.join("pkg/tool").is_dir().then(|| root.to_owned())
}

/// The settings that Go itself comes with; none before 1.21.
pub(super) fn built_in(site: &Site<'_>) -> BTreeMap<String, String> {
    let root = on_path(site).and_then(|go| root_of(&go));
    let text = root.map(|root| site.text(&root.join("go.env")));
    let text = text.unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// `1.26.0`, from GOROOT's VERSION.
fn version_of(site: &Site<'_>, root: &Path) -> String {
    let text = site.text(&root.join("VERSION"));
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("go").unwrap_or(first).trim().to_owned()
}

/// The least Go that go.mod asks for; empty if it doesn't say.
fn wanted(site: &Site<'_>) -> String {
    let text = site.project_text("go.mod").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("go "));
    let version = line
        .map(|l| l.split("//").next().unwrap_or_default().trim())
        .unwrap_or_default();
    let fine = version.len() < 20
        && version
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.');
    if fine {
        version.to_owned()
    } else {
        String::new()
    }
}

/// A toolchain of at least that version, which Go once downloaded into the module cache.
fn downloaded(site: &Site<'_>, wanted: &str) -> Option<PathBuf> {
    let dir = modules_dir(site).join("golang.org");
    let entries = fs::read_dir(&dir).ok()?.flatten().take(1_000);
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let mut fitting: Vec<(Vec<u64>, PathBuf)> = names
        .filter_map(|name| {
            let version = name.strip_prefix("toolchain@v0.0.1-go")?;
            let version = version.split(".linux-").next()?;
            (numbers(version) >= numbers(wanted)).then(|| (numbers(version), dir.join(&name)))
        })
        .filter(|(_, root)| resolve::executable(&root.join("bin/go")))
        .collect();
    fitting.sort();
    fitting.into_iter().next().map(|(_, root)| root)
}

/// What `go env -w` kept. It may name a proxy with a password, so only known keys are ever looked at.
pub(super) fn settings(site: &Site<'_>) -> BTreeMap<String, String> {
    let text = site.text(&site.home.join(".config/go/env"));
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let known = ["GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY"];
    let pairs = pairs.filter(|(key, _)| KEPT.contains(key) || known.contains(key));
    pairs
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

fn gopath(site: &Site<'_>) -> PathBuf {
    let first = |value: &String| std::env::split_paths(value).next();
    let set = site
        .vars
        .get("GOPATH")
        .cloned()
        .or_else(|| settings(site).get("GOPATH").cloned());
    let set = set.as_ref().and_then(first).filter(|p| p.is_absolute());
    set.unwrap_or_else(|| site.home.join("go"))
}

/// The module cache.
pub(super) fn modules_dir(site: &Site<'_>) -> PathBuf {
    let set = site.var_path("GOMODCACHE");
    let kept = || {
        settings(site)
            .get("GOMODCACHE")
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    set.or_else(kept)
        .unwrap_or_else(|| gopath(site).join("pkg/mod"))
}

/// The modules that go.mod requires directly and that `cache` does not hold; none where they are
/// vendored. Indirect ones may rightly be absent: Go downloads what is imported.
pub(super) fn lacking(site: &Site<'_>, cache: &Path) -> Vec<String> {
    if site.root.join("vendor/modules.txt").is_file() {
        return Vec::new();
    }
    let text = site.project_text("go.mod").unwrap_or_default();
    let holds = |name: &str, version: &str| {
        cache
            .join(format!("{}@{}", escaped(name), escaped(version)))
            .is_dir()
            || cache
                .join(format!(
                    "cache/download/{}/@v/{}.zip",
                    escaped(name),
                    escaped(version)
                ))
                .is_file()
    };
    let required = required(&text);
    let lacking = required
        .into_iter()
        .filter(|(name, version)| !holds(name, version));
    lacking
        .map(|(name, version)| format!("{name}@{version}"))
        .collect()
}

/// The direct requirements of a go.mod, without those it replaces.
fn required(text: &str) -> Vec<(String, String)> {
    let mut block = String::new();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut replaced: Vec<String> = Vec::new();
    for line in text.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        let words: Vec<&str> = code.split_whitespace().collect();
        let words = match words[..] {
            [")"] => {
                block.clear();
                continue;
            }
            [verb, "("] => {
                block = verb.to_owned();
                continue;
            }
            [] => continue,
            _ if block.is_empty() => words,
            _ => [&[block.as_str()], &words[..]].concat(),
        };
        match words[..] {
            ["require", name, version]
                if comment.trim() != "indirect" && plain(name) && plain(version) =>
            {
                found.push((name.to_owned(), version.to_owned()));
            }
            ["replace", name, ..] => replaced.push(name.to_owned()),
            _ => {}
        }
    }
    found.retain(|(name, _)| !replaced.contains(name));
    found
}

fn plain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-+~/!".contains(c);
    name.len() <= 300
        && name.chars().all(fine)
        && !name.split('/').any(|part| part.is_empty() || part == "..")
}

/// A module's path as the cache spells it: capitals become `!` and the small letter.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('!');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_requirements_are_read_from_both_forms() {
        let text = "module a.example/x\n\ngo 1.22\n\nrequire b.example/Y v1.2.3\nrequire (\n\tc.example/z v0.1.0 // why\n\
            \td.example/i v1.0.0 // indirect\n\te.example/../x v1.0.0\n\tf.example/r v1.0.0\n)\n\nreplace f.example/r => ../r\n";
        let want = [("b.example/Y", "v1.2.3"), ("c.example/z", "v0.1.0")];
        assert_eq!(
            required(text),
            want.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert_eq!(escaped("b.example/Yes"), "b.example/!yes");
    }
}
