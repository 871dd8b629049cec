//! Python: virtual environments, the interpreter that is behind them, the user's own packages.

use std::fs;
use std::path::{Path, PathBuf};

use atoll_domain::{Hash, Language};

use super::cache::Cache;
use super::managers::{self, PYTHON};
use super::site::{Draft, Site, system};
use super::{evict, folders, requirements, resolve};

/// The names of virtual environments in a checkout, the likeliest first.
const VENVS: [&str; 3] = [".venv", "venv", "env"];
const PTH_MAX: usize = 200;

/// All that running Python offline needs.
pub(super) fn find(site: &Site<'_>, draft: &mut Draft, cache: &Cache) {
    let interpreter = toolchain(site, draft);
    for (name, value) in [
        ("PIP_NO_INDEX", "1"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("UV_OFFLINE", "1"),
        ("UV_PYTHON_DOWNLOADS", "never"),
    ] {
        draft.set(name, value);
    }
    match interpreter {
        Some(found) => {
            if found.venv.is_none() {
                packages(site, draft, cache, &found);
            }
        }
        None => site.lacks(
            draft,
            Language::Python,
            "no Python was found: install python3".to_owned(),
        ),
    }
    for info in metadata(site) {
        draft.same(site, &info);
    }
    let browsers = site.home.join(".cache/ms-playwright");
    if browsers.is_dir() {
        draft.same(site, &browsers);
    }
}

/// An interpreter that a job can use.
pub(super) struct Interpreter {
    /// The executable to call, as it is named inside.
    pub(super) python: PathBuf,
    /// `3.11`.
    pub(super) version: String,
    /// Where its own packages lie.
    prefix: PathBuf,
    /// The virtual environment it belongs to.
    pub(super) venv: Option<PathBuf>,
}

impl Interpreter {
    /// Where packages are looked for: the user's own, the interpreter's, Debian's.
    pub(super) fn places(&self, site: &Site<'_>) -> Vec<PathBuf> {
        let library = format!("lib/python{}/site-packages", self.version);
        vec![
            site.home.join(".local").join(&library),
            self.prefix.join(&library),
            self.prefix.join("lib/python3/dist-packages"),
        ]
    }
}

/// Mounts the project's virtual environment and its interpreter, else the interpreter on PATH.
pub(super) fn toolchain(site: &Site<'_>, draft: &mut Draft) -> Option<Interpreter> {
    let mut first = None;
    for venv in venvs(site) {
        if let Some(found) = environment(site, draft, &venv) {
            first.get_or_insert(found);
        }
    }
    if let Some(found) = first {
        let venv = found.venv.clone().unwrap_or_default();
        draft.set("VIRTUAL_ENV", venv.to_string_lossy());
        return Some(found);
    }
    let python = on_path(site)?;
    let (prefix, version) = prefix_of(&python)?;
    if !draft.prefix(site, &prefix, &python) {
        return None;
    }
    let bin = python.parent()?.to_owned();
    if !system(&bin) {
        draft.path_first(bin);
    }
    Some(Interpreter {
        python,
        version,
        prefix,
        venv: None,
    })
}

/// The virtual environments: the caller's active one, the checkout's, those of its folders.
fn venvs(site: &Site<'_>) -> Vec<PathBuf> {
    let marked =
        |dir: &Path| fs::symlink_metadata(dir.join("pyvenv.cfg")).is_ok_and(|m| m.is_file());
    let mut found: Vec<PathBuf> = Vec::new();
    if let Some(active) = site.var_path("VIRTUAL_ENV")
        && marked(&active)
        && (site.own_folder(&active) || !active.starts_with(&site.root))
    {
        found.push(active);
    }
    let own = VENVS.iter().map(|name| site.root.join(name));
    let nested = VENVS[..2]
        .iter()
        .flat_map(|name| folders::find(&site.root, name));
    for dir in own.chain(nested) {
        if marked(&dir) && site.own_folder(&dir) && !found.contains(&dir) {
            found.push(dir);
        }
    }
    if found.is_empty() {
        found.extend(kept_elsewhere(site).filter(|dir| marked(dir)));
    }
    found
}

/// The environments that pipenv and poetry keep for this checkout in the home.
fn kept_elsewhere(site: &Site<'_>) -> impl Iterator<Item = PathBuf> {
    const ENVIRONMENTS_MAX: usize = 1_000;
    let within = |dir: &str| {
        let entries = fs::read_dir(site.home.join(dir))
            .into_iter()
            .flatten()
            .flatten();
        entries.take(ENVIRONMENTS_MAX).map(|e| e.path())
    };
    let root = site.root.to_string_lossy();
    // Poetry names one by its project and the first 48 bits of its folder's digest.
    let mark = format!("-{}-py", base64url(&Hash::of(root.as_bytes()).0[..6]));
    let poetry = within(".cache/pypoetry/virtualenvs").find(|dir| {
        dir.file_name()
            .is_some_and(|name| name.to_string_lossy().contains(&mark))
    });
    let pipenv = within(".local/share/virtualenvs")
        .find(|dir| site.text(&dir.join(".project")).trim() == root);
    poetry.into_iter().chain(pipenv)
}

/// RFC 4648, section 5, of a number of bytes that three divides.
pub(super) fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks_exact(3).flat_map(|three| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize] as char)
    });
    digits.collect()
}

/// Mounts a virtual environment with what is behind its interpreter. A repository can hold one that
/// points anywhere, so what it points at must be a Python.
fn environment(site: &Site<'_>, draft: &mut Draft, venv: &Path) -> Option<Interpreter> {
    let python = venv.join("bin/python");
    let name = venv.display();
    let Ok(real) = fs::canonicalize(&python) else {
        site.lacks(
            draft,
            Language::Python,
            format!("the interpreter of {name} is gone: make it anew"),
        );
        return None;
    };
    let Some((prefix, version)) = prefix_of(&real).filter(|_| resolve::executable(&real)) else {
        draft.note(format!(
            "{name} is not mounted: its interpreter is no Python that can be found"
        ));
        return None;
    };
    if !draft.same(site, venv) || !draft.prefix(site, &prefix, &python) {
        return None;
    }
    let config = site.text(&venv.join("pyvenv.cfg"));
    let home = config.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    });
    // The home may be named by a link of its own, which Python follows again at its start.
    if let Some(home) = home.filter(|home| home.is_absolute()) {
        let behind = fs::canonicalize(&home).is_ok_and(|real| real.starts_with(&prefix));
        if behind {
            draft.prefix(site, &prefix, &home);
        }
    }
    outside(
        site,
        draft,
        &venv
            .join("lib")
            .join(format!("python{version}"))
            .join("site-packages"),
    );
    draft.path_first(venv.join("bin"));
    Some(Interpreter {
        python,
        version,
        prefix,
        venv: Some(venv.to_owned()),
    })
}

/// Says which editable installs point at folders that the job won't have.
fn outside(site: &Site<'_>, draft: &mut Draft, packages: &Path) {
    let entries = fs::read_dir(packages).into_iter().flatten().flatten();
    let files = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "pth"));
    for file in files.take(PTH_MAX) {
        for line in site
            .text(&file)
            .lines()
            .map(str::trim)
            .filter(|l| l.starts_with('/'))
            .take(PTH_MAX)
        {
            let path = Path::new(line);
            if path.is_dir() && !path.starts_with(&site.root) && !draft.shows(path) {
                draft.note(format!(
                    "{line} is installed in place, outside the project: jobs don't have it"
                ));
            }
        }
    }
}

/// The prefix and version of an interpreter, links followed: `…/bin/python3.11` beside
/// `…/lib/python3.11/os.py`.
fn prefix_of(python: &Path) -> Option<(PathBuf, String)> {
    let real = fs::canonicalize(python).ok()?;
    let prefix = real.parent()?.parent()?;
    let holds = |version: &str| {
        let library = format!("python{version}/os.py");
        ["lib", "lib64"]
            .iter()
            .any(|lib| prefix.join(lib).join(&library).is_file())
    };
    let named = real
        .file_name()?
        .to_str()?
        .strip_prefix("python")
        .unwrap_or_default();
    if named.contains('.') && holds(named) {
        return Some((prefix.to_owned(), named.to_owned()));
    }
    let entries = fs::read_dir(prefix.join("lib"))
        .ok()?
        .flatten()
        .take(10_000);
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let versions = names.filter_map(|n| n.strip_prefix("python").map(str::to_owned));
    let version = versions
        .filter(|v| holds(v))
        .max_by_key(|v| managers::numbers(v))?;
    Some((prefix.to_owned(), version))
}

/// The first interpreter on PATH, or the one that a shim there would choose.
fn on_path(site: &Site<'_>) -> Option<PathBuf> {
    for dir in site.path.iter().filter(|dir| !dir.starts_with(&site.root)) {
        if managers::is_shims(dir) {
            if let Some(bin) = managers::behind(site, &PYTHON, dir) {
                return Some(bin.join("python3"));
            }
            continue;
        }
        let names = ["python3", "python"].map(|name| dir.join(name));
        if let Some(python) = names.into_iter().find(|p| resolve::executable(p)) {
            return Some(python);
        }
    }
    None
}

/// The user's own packages, and what a fetch job brought for this project.
fn packages(site: &Site<'_>, draft: &mut Draft, cache: &Cache, python: &Interpreter) {
    let places = python.places(site);
    if places[0].is_dir() {
        draft.same(site, &places[0]);
    }
    let programs = site.home.join(".local/bin");
    if programs.is_dir() && draft.same(site, &programs) {
        draft.path_first(programs);
    }
    let Some(wanted) = requirements::of(site) else {
        return;
    };
    let lacking = wanted.lacking(&places);
    let Some(first) = lacking.first() else {
        return;
    };
    let fetched = cache
        .python(site, &wanted, &python.version)
        .map(|folder| folder.join("site"));
    if let Some(fetched) = fetched.filter(|f| wanted.lacking(std::slice::from_ref(f)).is_empty()) {
        fetched.parent().map(evict::used);
        if draft.same(site, &fetched) {
            draft.set("PYTHONPATH", fetched.to_string_lossy());
            draft.path_first(fetched.join("bin"));
        }
        return;
    }
    let text = format!(
        "{} packages of {} are not installed ({first} first), and there is no .venv",
        lacking.len(),
        wanted.file
    );
    site.lacks(draft, Language::Python, text);
}

/// The metadata of an editable install of an older kind: ignored by git, read at run time.
fn metadata(site: &Site<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in [site.root.clone(), site.root.join("src")] {
        for entry in fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .flatten()
            .take(1_000)
        {
            let info = entry.path().extension().is_some_and(|e| e == "egg-info");
            if info && found.len() < 16 && site.own_folder(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    found
}
