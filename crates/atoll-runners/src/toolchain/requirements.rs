//! What a Python project pins: by `requirements.txt`, `uv.lock` or `poetry.lock`.
//!
//! Only pins are read. Whatever else a file says (indexes, URLs, paths, editable installs) is the
//! repository's wish, counted for people and passed to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::site::Site;

/// The project's pins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// The file they are from.
    pub(super) file: String,
    /// By normalised name: what is passed to pip for it.
    pins: BTreeMap<String, Pin>,
    /// Lines that are no pins.
    pub(super) ignored: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Pin {
    /// `name[extra]==1.2 ; marker`
    spec: String,
    hashes: BTreeSet<String>,
}

const FILES: [&str; 6] = [
    "uv.lock",
    "poetry.lock",
    "requirements.lock",
    "requirements-dev.txt",
    "requirements/dev.txt",
    "requirements.txt",
];

/// The pins of the project's lock file, the most exact file first; `None` where nothing is pinned.
pub(super) fn of(site: &Site<'_>) -> Option<Requirements> {
    FILES.into_iter().find_map(|file| {
        let text = site.project_text(file)?;
        let read = match file {
            "uv.lock" | "poetry.lock" => locked(file, &text)?,
            _ => {
                let mut read = Requirements {
                    file: file.to_owned(),
                    ..Requirements::default()
                };
                lines(site, file, &text, &mut read, 0);
                read
            }
        };
        (!read.pins.is_empty()).then_some(read)
    })
}

impl Requirements {
    /// The names that none of `places` (folders of installed packages) holds in any version.
    pub(super) fn lacking(&self, places: &[PathBuf]) -> Vec<String> {
        let entries = places
            .iter()
            .flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
        let names = entries
            .take(50_000)
            .filter_map(|e| e.file_name().into_string().ok());
        let installed: BTreeSet<String> = names
            .filter_map(|n| {
                let n = n
                    .strip_suffix(".dist-info")
                    .or_else(|| n.strip_suffix(".egg-info"))?;
                Some(normal(n.split('-').next().unwrap_or(n)))
            })
            .collect();
        // A pin with a marker may be for another system, and then is rightly not there.
        let needed = self.pins.iter().filter(|(_, pin)| !pin.spec.contains(';'));
        needed
            .filter(|(name, _)| !installed.contains(*name))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether every pin names its files by digest.
    pub(super) fn hashed(&self) -> bool {
        self.pins.values().all(|pin| !pin.hashes.is_empty())
    }

    /// How many pins there are.
    pub(super) fn count(&self) -> usize {
        self.pins.len()
    }

    /// A requirements file of the pins alone.
    pub(super) fn text(&self) -> String {
        let hashed = self.hashed();
        let line = |pin: &Pin| {
            let mut line = pin.spec.clone();
            for hash in pin.hashes.iter().filter(|_| hashed) {
                line.push_str(" --hash=");
                line.push_str(hash);
            }
            line + "\n"
        };
        self.pins.values().map(line).collect()
    }

    fn add(&mut self, name: &str, spec: String, hashes: BTreeSet<String>) {
        self.pins.insert(normal(name), Pin { spec, hashes });
    }
}

/// A project's name as the package index compares it (PEP 503).
fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Reads a requirements file, and the files of the project that it includes.
fn lines(site: &Site<'_>, file: &str, text: &str, into: &mut Requirements, depth: usize) {
    const DEPTH_MAX: usize = 4;
    const LINES_MAX: usize = 20_000;
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines().take(LINES_MAX) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let included = line
            .strip_prefix("-r")
            .or_else(|| line.strip_prefix("--requirement"));
        if let Some(name) = included {
            let name = name.trim_start_matches(['=', ' ']).trim();
            let folder = file
                .rsplit_once('/')
                .map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let other = format!("{folder}{name}");
            let plain = !other.split('/').any(|part| part == ".." || part.is_empty());
            match site
                .project_text(&other)
                .filter(|_| plain && depth < DEPTH_MAX)
            {
                Some(text) => lines(site, &other, &text, into, depth + 1),
                None => into.ignored += 1,
            }
        } else {
            match pin(line) {
                Some((name, spec, hashes)) => into.add(&name, spec, hashes),
                None => into.ignored += 1,
            }
        }
    }
}

/// `name[extra]==1.2 ; marker --hash=sha256:…`, taken apart. `None` for anything else.
fn pin(line: &str) -> Option<(String, String, BTreeSet<String>)> {
    let mut parts = line.split("--hash=");
    let spec = parts.next()?.trim();
    let hashes: Option<BTreeSet<String>> = parts.map(|h| hash(h.trim())).collect();
    let (requirement, marker) = match spec.split_once(';') {
        Some((requirement, marker)) => (requirement.trim(), Some(marker.trim())),
        None => (spec, None),
    };
    let (named, version) = requirement.split_once("==")?;
    let (named, version) = (named.trim(), version.trim());
    let (name, extras) = named
        .split_once('[')
        .map_or((named, None), |(n, e)| (n, Some(e)));
    let extras_fine = extras.is_none_or(|e| {
        e.strip_suffix(']')
            .is_some_and(|e| e.chars().all(|c| word(c) || c == ','))
    });
    let marker_fine =
        marker.is_none_or(|m| m.chars().all(|c| word(c) || " ()<>=!'\",".contains(c)));
    let fine = plain_name(name) && plain_version(version) && extras_fine && marker_fine;
    if !fine {
        return None;
    }
    let spec = match marker {
        Some(marker) => format!("{named}=={version} ; {marker}"),
        None => format!("{named}=={version}"),
    };
    Some((name.to_owned(), spec, hashes?))
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 200
        && name.chars().all(word)
}

fn plain_version(version: &str) -> bool {
    let fine = |c: char| word(c) || "+!".contains(c);
    version.starts_with(|c: char| c.is_ascii_digit())
        && version.len() <= 100
        && version.chars().all(fine)
}

fn hash(text: &str) -> Option<String> {
    let digits = text.strip_prefix("sha256:")?;
    let fine = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    fine.then(|| text.to_owned())
}

/// Reads `uv.lock` or `poetry.lock`: packages with their wheels' digests. Those without a wheel for
/// Linux are left out, as are the project's own.
fn locked(file: &str, text: &str) -> Option<Requirements> {
    let table: toml::Table = text.parse().ok()?;
    let mut read = Requirements {
        file: file.to_owned(),
        ..Requirements::default()
    };
    for package in table.get("package")?.as_array()? {
        let field = |key| package.get(key).and_then(toml::Value::as_str);
        let source = package.get("source").and_then(toml::Value::as_table);
        let elsewhere =
            source.is_some_and(|s| !s.contains_key("registry") && !s.contains_key("type"));
        let listed = package.get("wheels").or_else(|| package.get("files"));
        let files = listed
            .and_then(toml::Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let hashes = wheels(files);
        match (field("name"), field("version")) {
            (Some(name), Some(version))
                if plain_name(name) && plain_version(version) && !elsewhere =>
            {
                if !hashes.is_empty() {
                    read.add(name, format!("{name}=={version}"), hashes);
                } else {
                    read.ignored += 1;
                }
            }
            _ => {
                read.ignored += usize::from(
                    !source
                        .is_some_and(|s| s.contains_key("virtual") || s.contains_key("editable")),
                )
            }
        }
    }
    Some(read)
}

/// The digests of the wheels that Linux could use.
fn wheels(files: &[toml::Value]) -> BTreeSet<String> {
    let usable = files.iter().filter_map(|file| {
        let field = |key| file.get(key).and_then(toml::Value::as_str);
        let name = field("file")
            .or_else(|| field("filename"))
            .or_else(|| field("url"))?;
        let wheel = name.strip_suffix(".whl")?;
        let linux = wheel.ends_with("-any") || wheel.contains("linux");
        hash(field("hash")?).filter(|_| linux)
    });
    usable.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(c: char) -> String {
        format!("sha256:{}", c.to_string().repeat(64))
    }

    #[test]
    fn pins_are_taken_apart_and_all_else_is_not_taken() {
        let line = format!(
            "Flask[async,dotenv]==3.0.1 ; python_version >= '3.8' --hash={} --hash={}",
            digest('a'),
            digest('b')
        );
        let (name, spec, hashes) = pin(&line).unwrap();
        assert_eq!((name.as_str(), hashes.len()), ("Flask", 2));
        assert_eq!(spec, "Flask[async,dotenv]==3.0.1 ; python_version >= '3.8'");
        for bad in [
            "flask",
            "flask>=3",
            "flask==3.*",
            "flask @ https://a.example/x.whl",
            "-e .",
            "--index-url https://a.example",
            "./local",
            "git+https://a.example/x",
            "flask==1 --hash=md5:00",
            "flask==1; x\\y",
            "flask==1 --global-option=x",
            "-flask==1",
            "flask==-1",
            "fl ask==1",
        ] {
            assert_eq!(pin(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_lock_gives_wheels_for_linux_with_their_digests() {
        let text = format!(
            r#"
            [[package]]
            name = "demo"
            version = "0.1.0"
            source = {{ editable = "." }}
            [[package]]
            name = "Some_Thing"
            version = "1.2"
            source = {{ registry = "https://index.example/simple" }}
            wheels = [
                {{ url = "https://files.example/some_thing-1.2-py3-none-any.whl", hash = "{}" }},
                {{ url = "https://files.example/some_thing-1.2-cp311-cp311-win_amd64.whl", hash = "{}" }},
            ]
            [[package]]
            name = "winonly"
            version = "1"
            source = {{ registry = "https://index.example/simple" }}
            wheels = [{{ url = "https://files.example/winonly-1-cp311-cp311-win_amd64.whl", hash = "{}" }}]
            [[package]]
            name = "fromgit"
            version = "1"
            source = {{ git = "https://git.example/x" }}
            "#,
            digest('a'),
            digest('b'),
            digest('c')
        );
        let read = locked("uv.lock", &text).unwrap();
        assert_eq!(
            read.text(),
            format!("Some_Thing==1.2 --hash={}\n", digest('a'))
        );
        assert_eq!((read.count(), read.ignored, read.hashed()), (1, 2, true));
        let poetry = format!(
            "[[package]]\nname = \"six\"\nversion = \"1.16.0\"\nfiles = [{{file = \"six-1.16.0-py2.py3-none-any.whl\", hash = \"{}\"}}]\n",
            digest('d')
        );
        assert_eq!(locked("poetry.lock", &poetry).unwrap().count(), 1);
        assert_eq!(locked("uv.lock", "not toml ["), None);
    }

    #[test]
    fn names_are_compared_as_the_index_does() {
        assert_eq!(normal("Some__Thing.x"), "some-thing-x");
    }
}
