//! What the finders look at, and what they put together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use atoll_domain::{Language, Mount, MountKind};
use atoll_ports::toolchain::{Found, Want};

use super::{credentials, resolve};

/// The most of a configuration or lock file that is read.
pub(super) const FILE_LIMIT_BYTES: u64 = 16 << 20;
const ANCESTORS_MAX: usize = 32;
/// Of one job: a repository of a thousand `node_modules` gets those of its first folders.
const MOUNTS_MAX: usize = 100;

/// Folders of the host that every box has, read-only.
const SYSTEM: [&str; 7] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
];

/// A project and its user.
pub(super) struct Site<'a> {
    /// The checkout, resolved.
    pub(super) root: PathBuf,
    /// The user's home as it is named.
    pub(super) home: PathBuf,
    /// The user's home, resolved.
    home_real: PathBuf,
    /// The caller's variables that name homes of toolchains.
    pub(super) vars: &'a BTreeMap<String, String>,
    /// The system's configuration.
    pub(super) etc: &'a Path,
    /// The caller's PATH, absolute entries alone.
    pub(super) path: Vec<PathBuf>,
    /// The languages that the command is known to need.
    needed: BTreeSet<Language>,
    /// These and those that the project's files speak of.
    pub(super) languages: BTreeSet<Language>,
}

impl<'a> Site<'a> {
    pub(super) fn new(want: &Want, vars: &'a BTreeMap<String, String>, etc: &'a Path) -> Site<'a> {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let root = real(&want.root);
        let mut needed: BTreeSet<Language> = want.languages.iter().copied().collect();
        needed.extend(want.cmd.first().and_then(|cmd| language_of(cmd)));
        let mut languages = needed.clone();
        for (file, language) in MANIFESTS {
            if root.join(file).is_file() {
                languages.insert(language);
            }
        }
        Site {
            home_real: real(&want.home),
            home: want.home.clone(),
            vars,
            etc,
            path: std::env::split_paths(&want.path)
                .filter(|p| p.is_absolute())
                .collect(),
            needed,
            languages,
            root,
        }
    }

    /// A caller's variable that names an absolute folder.
    pub(super) fn var_path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.vars.get(name)?);
        path.is_absolute().then_some(path)
    }

    /// The whole text of a file of ordinary size; empty if there is none.
    pub(super) fn text(&self, path: &Path) -> String {
        let Ok(file) = File::open(path) else {
            return String::new();
        };
        if !file
            .metadata()
            .is_ok_and(|m| m.is_file() && m.len() <= FILE_LIMIT_BYTES)
        {
            return String::new();
        }
        let mut bytes = Vec::new();
        let read = file.take(FILE_LIMIT_BYTES).read_to_end(&mut bytes);
        read.map(|_| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The same of a file of the checkout, reached without a link.
    pub(super) fn project_text(&self, name: &str) -> Option<String> {
        let path = self.root.join(name);
        let own =
            fs::symlink_metadata(&path).is_ok_and(|m| m.is_file()) && self.physical(path.parent()?);
        own.then(|| self.text(&path))
    }

    /// Whether a path of the checkout is reached without a link: a repository can hold links, and where
    /// one leads is the repository's wish.
    pub(super) fn physical(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && fs::canonicalize(path).is_ok_and(|real| real == path)
    }

    /// The same, for a folder.
    pub(super) fn own_folder(&self, path: &Path) -> bool {
        self.physical(path) && path.is_dir()
    }

    /// The checkout and the folders above it.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = &Path> {
        self.root.ancestors().take(ANCESTORS_MAX)
    }

    /// Why a resolved path may not be mounted, if so.
    pub(super) fn refused(&self, real: &Path) -> Option<&'static str> {
        credentials::refused(real, &self.home_real)
            .or_else(|| credentials::refused(real, &self.home))
    }

    /// Says that something is missing: it stops the command if the command needs the language.
    pub(super) fn lacks(&self, draft: &mut Draft, language: Language, text: String) {
        match self.needed.contains(&language) {
            true => draft.missing(text),
            false => draft.note(text),
        }
    }
}

/// Whether every box has the path anyhow.
pub(super) fn system(path: &Path) -> bool {
    SYSTEM.iter().any(|s| path.starts_with(s))
}

const MANIFESTS: [(&str, Language); 10] = [
    ("Cargo.toml", Language::Rust),
    ("Makefile", Language::Make),
    ("Pipfile", Language::Python),
    ("go.mod", Language::Go),
    ("go.work", Language::Go),
    ("package.json", Language::Node),
    ("pyproject.toml", Language::Python),
    ("requirements.txt", Language::Python),
    ("setup.cfg", Language::Python),
    ("setup.py", Language::Python),
];

fn language_of(cmd: &str) -> Option<Language> {
    let name = cmd.rsplit('/').next().unwrap_or(cmd);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match name {
        "cargo" | "rustc" | "rustdoc" | "rustup" => Language::Rust,
        "python" | "pytest" | "pip" | "tox" | "nox" | "uv" | "poetry" | "pipenv" | "hatch" => {
            Language::Python
        }
        "node" | "nodejs" | "npm" | "npx" | "yarn" | "pnpm" | "corepack" => Language::Node,
        "go" | "gofmt" => Language::Go,
        "make" | "gmake" => Language::Make,
        _ => return None,
    })
}

/// What has been found so far.
#[derive(Default)]
pub(super) struct Draft {
    mounts: Vec<Mount>,
    /// PATH's first entries, as they will stand inside.
    first: Vec<PathBuf>,
    pub(super) env: BTreeMap<String, String>,
    notes: Vec<String>,
    missing: Vec<String>,
}

impl Draft {
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(super) fn missing(&mut self, text: String) {
        if !self.missing.contains(&text) {
            self.missing.push(text);
        }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.insert(name.to_owned(), value.into());
    }

    /// Puts a folder in front of PATH, after those that are there.
    pub(super) fn path_first(&mut self, dir: PathBuf) {
        if !self.first.contains(&dir) {
            self.first.push(dir);
        }
    }

    /// The PATH inside: what was found, what of the caller's is there inside, the system's.
    pub(super) fn path(&self, site: &Site<'_>) -> Vec<PathBuf> {
        let mut dirs = self.first.clone();
        let kept = site.path.iter().filter(|dir| {
            let shims = dir.ends_with("shims") || dir.ends_with(".volta/bin");
            !shims && (self.shows(dir) || dir.starts_with(&site.root))
        });
        let usual = [
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
            "/usr/local/sbin",
            "/usr/sbin",
            "/sbin",
        ];
        for dir in kept.cloned().chain(usual.map(PathBuf::from)) {
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        dirs
    }

    /// Whether a path of the host can be seen inside, at the same place.
    pub(super) fn shows(&self, path: &Path) -> bool {
        system(path) || self.mounted(path)
    }

    /// Whether it can be seen by one of the mounts.
    pub(super) fn mounted(&self, path: &Path) -> bool {
        let mut folders = self.mounts.iter().filter(|m| m.kind != MountKind::Tmpfs);
        folders.any(|m| path.starts_with(&m.dst))
    }

    /// Mounts `src`, links followed, read-only at `dst`. Says why not where it may not.
    pub(super) fn bind(&mut self, site: &Site<'_>, src: &Path, dst: &Path) -> bool {
        self.mount(site, MountKind::Bind, src, dst)
    }

    /// Mounts `path`, links followed, read-only at the same place.
    pub(super) fn same(&mut self, site: &Site<'_>, path: &Path) -> bool {
        self.mount(site, MountKind::Bind, path, path)
    }

    /// Mounts `src` at `dst` with a discarded layer above.
    pub(super) fn overlay(&mut self, site: &Site<'_>, src: &Path, dst: &Path) -> bool {
        self.mount(site, MountKind::Overlay, src, dst)
    }

    fn mount(&mut self, site: &Site<'_>, kind: MountKind, src: &Path, dst: &Path) -> bool {
        let Ok(real) = fs::canonicalize(src) else {
            return false;
        };
        if let Some(why) = site.refused(&real).or_else(|| site.refused(dst)) {
            self.note(format!("{} is not mounted: {why}", src.display()));
            return false;
        }
        let (Some(src), Some(dst_text)) = (real.to_str(), dst.to_str()) else {
            self.note(format!(
                "{} is not mounted: its name is no text",
                src.display()
            ));
            return false;
        };
        if self.mounts.iter().any(|m| m.dst == dst_text) {
            return true;
        }
        if src == dst_text && kind == MountKind::Bind && self.shows_itself(dst) {
            return true;
        }
        if self.mounts.len() >= MOUNTS_MAX {
            self.note(format!(
                "more than {MOUNTS_MAX} mounts: the rest is left out"
            ));
            return false;
        }
        self.mounts.push(Mount {
            kind,
            src: src.to_owned(),
            dst: dst_text.to_owned(),
            ro: kind == MountKind::Bind,
        });
        true
    }

    /// Whether the path is there already with its own content.
    fn shows_itself(&self, path: &Path) -> bool {
        let mut binds = self
            .mounts
            .iter()
            .filter(|m| m.kind == MountKind::Bind && m.src == m.dst);
        system(path) || binds.any(|m| path.starts_with(&m.dst))
    }

    /// Adds a mount as it is.
    pub(super) fn push(&mut self, mount: Mount) {
        self.mounts.retain(|m| m.dst != mount.dst);
        self.mounts.push(mount);
    }

    /// Mounts a tool's prefix where it really lies, and again wherever a link on the way to `tool` names it.
    pub(super) fn prefix(&mut self, site: &Site<'_>, prefix: &Path, tool: &Path) -> bool {
        if !system(prefix) && site.refused(prefix).is_some() {
            // Such as `~/.local`, which holds keyrings too: what a toolchain has in it, alone.
            let parts = ["bin", "lib", "lib64", "include", "libexec"].map(|part| prefix.join(part));
            let there: Vec<&PathBuf> = parts.iter().filter(|part| part.is_dir()).collect();
            if there.is_empty() || !there.iter().all(|part| self.same(site, part)) {
                return false;
            }
        } else if !self.same(site, prefix) {
            return false;
        }
        for link in resolve::links(tool).unwrap_or_default() {
            self.link(site, &link, prefix);
        }
        true
    }

    /// Makes a link that leads into `prefix`, or above it, lead there inside too.
    fn link(&mut self, site: &Site<'_>, link: &Path, prefix: &Path) {
        if self.shows(link) || link.starts_with(&site.root) {
            return;
        }
        let Ok(real) = fs::canonicalize(link) else {
            return;
        };
        if real.starts_with(prefix) {
            self.bind(site, &real, link);
        } else if let Ok(rest) = prefix.strip_prefix(&real) {
            self.bind(site, prefix, &link.join(rest));
        }
    }

    /// The mounts alone, parents first.
    pub(super) fn take_mounts(&mut self) -> Vec<Mount> {
        let mut mounts = std::mem::take(&mut self.mounts);
        mounts.sort_by(|a, b| Path::new(&a.dst).cmp(Path::new(&b.dst)));
        mounts
    }

    pub(super) fn finish(mut self) -> Found {
        Found {
            mounts: self.take_mounts(),
            env: self.env,
            exe: None,
            notes: self.notes,
            missing: self.missing,
            fetched: Vec::new(),
        }
    }
}
