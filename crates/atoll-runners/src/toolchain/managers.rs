//! Version managers put shims on PATH: small scripts that choose a version. Inside, the chosen version
//! itself is on PATH, since the managers' own state isn't there.

use std::fs;
use std::path::{Path, PathBuf};

use super::site::Site;

/// A tool by the names that managers give it.
pub(super) struct Tool {
    /// The executable.
    pub(super) name: &'static str,
    /// asdf's plugin.
    asdf: &'static str,
    /// mise's name.
    mise: &'static str,
    /// The manager of its own: home's variable, folder in the home, version variable and file.
    own: Option<Own>,
}

struct Own {
    home_var: &'static str,
    home: &'static str,
    version_var: &'static str,
    file: &'static str,
}

pub(super) const PYTHON: Tool = Tool {
    name: "python3",
    asdf: "python",
    mise: "python",
    own: Some(Own {
        home_var: "PYENV_ROOT",
        home: ".pyenv",
        version_var: "PYENV_VERSION",
        file: ".python-version",
    }),
};

pub(super) const NODE: Tool = Tool {
    name: "node",
    asdf: "nodejs",
    mise: "node",
    own: Some(Own {
        home_var: "NODENV_ROOT",
        home: ".nodenv",
        version_var: "NODENV_VERSION",
        file: ".node-version",
    }),
};

pub(super) const GO: Tool = Tool {
    name: "go",
    asdf: "golang",
    mise: "go",
    own: Some(Own {
        home_var: "GOENV_ROOT",
        home: ".goenv",
        version_var: "GOENV_VERSION",
        file: ".go-version",
    }),
};

/// The `bin` folder of the version that a shim in `shims` would choose for `tool`.
pub(super) fn behind(site: &Site<'_>, tool: &Tool, shims: &Path) -> Option<PathBuf> {
    own(site, tool, shims)
        .or_else(|| asdf(site, tool, shims))
        .or_else(|| mise(site, tool, shims))
        .or_else(|| volta(site, tool, shims))
}

/// Whether a PATH entry holds shims.
pub(super) fn is_shims(dir: &Path) -> bool {
    dir.ends_with("shims") || dir.ends_with(".volta/bin")
}

fn own(site: &Site<'_>, tool: &Tool, shims: &Path) -> Option<PathBuf> {
    let own = tool.own.as_ref()?;
    let home = site
        .var_path(own.home_var)
        .unwrap_or_else(|| site.home.join(own.home));
    // pyenv's plugins have shims of their own.
    if !shims.starts_with(&home) {
        return None;
    }
    let named = site.vars.get(own.version_var).cloned();
    let filed = || {
        let mut files = site.ancestors().map(|dir| site.text(&dir.join(own.file)));
        files.find(|text| !text.trim().is_empty())
    };
    let global = || Some(site.text(&home.join("version")));
    let text = named.or_else(filed).or_else(global)?;
    let versions = text.split([':', '\n', ' ']).map(str::trim);
    versions
        .filter(|v| plain(v))
        .find_map(|v| installed(&home.join("versions"), v, tool))
}

fn asdf(site: &Site<'_>, tool: &Tool, shims: &Path) -> Option<PathBuf> {
    let home = site
        .var_path("ASDF_DATA_DIR")
        .unwrap_or_else(|| site.home.join(".asdf"));
    if shims != home.join("shims") {
        return None;
    }
    tool_versions(
        site,
        tool.asdf,
        &home.join("installs").join(tool.asdf),
        tool,
    )
}

fn mise(site: &Site<'_>, tool: &Tool, shims: &Path) -> Option<PathBuf> {
    let home = site
        .var_path("MISE_DATA_DIR")
        .unwrap_or_else(|| site.home.join(".local/share/mise"));
    if shims != home.join("shims") {
        return None;
    }
    let installs = home.join("installs").join(tool.mise);
    let configured = site.ancestors().map(|dir| dir.join("mise.toml"));
    for file in configured.chain([site.home.join(".config/mise/config.toml")]) {
        let Ok(config) = site.text(&file).parse::<toml::Table>() else {
            continue;
        };
        let tools = config.get("tools").and_then(toml::Value::as_table);
        let version = tools
            .and_then(|t| t.get(tool.mise))
            .and_then(toml::Value::as_str);
        if let Some(bin) = version
            .filter(|v| plain(v))
            .and_then(|v| installed(&installs, v, tool))
        {
            return Some(bin);
        }
    }
    tool_versions(site, tool.asdf, &installs, tool)
        .or_else(|| tool_versions(site, tool.mise, &installs, tool))
}

/// `.tool-versions` of the project, a folder above it, or the home.
fn tool_versions(site: &Site<'_>, plugin: &str, installs: &Path, tool: &Tool) -> Option<PathBuf> {
    let home = [site.home.as_path()];
    for dir in site.ancestors().chain(home) {
        let text = site.text(&dir.join(".tool-versions"));
        let line = text
            .lines()
            .map(str::split_whitespace)
            .find_map(|mut words| (words.next() == Some(plugin)).then_some(words));
        if let Some(versions) = line {
            let mut versions = versions.filter(|v| plain(v));
            return versions.find_map(|v| installed(installs, v, tool));
        }
    }
    None
}

fn volta(site: &Site<'_>, tool: &Tool, shims: &Path) -> Option<PathBuf> {
    let home = site
        .var_path("VOLTA_HOME")
        .unwrap_or_else(|| site.home.join(".volta"));
    if tool.name != "node" || shims != home.join("bin") {
        return None;
    }
    let json = |path: PathBuf| {
        serde_json::from_str::<serde_json::Value>(&site.text(&path)).unwrap_or_default()
    };
    let project = json(site.root.join("package.json"));
    let platform = json(home.join("tools/user/platform.json"));
    let version = project["volta"]["node"]
        .as_str()
        .or_else(|| platform["node"]["runtime"].as_str())?;
    plain(version).then(|| installed(&home.join("tools/image/node"), version, tool))?
}

/// A version's name, not a path.
fn plain(version: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
    !version.is_empty()
        && version.len() <= 64
        && !version.starts_with('.')
        && version.chars().all(fine)
}

/// `version` itself, or the latest that begins with it.
fn installed(versions: &Path, version: &str, tool: &Tool) -> Option<PathBuf> {
    let version = version.trim_start_matches('v');
    let fits = |name: &str| {
        name.strip_prefix(version)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let entries = fs::read_dir(versions).ok()?.flatten().take(1_000);
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|n| fits(n.trim_start_matches('v'))).collect();
    names.sort_by_key(|name| numbers(name));
    let bins = names
        .into_iter()
        .rev()
        .map(|name| versions.join(name).join("bin"));
    // goenv and asdf keep Go in a folder of its own.
    let mut bins = bins.flat_map(|bin| [bin.clone(), bin.with_file_name("go").join("bin")]);
    bins.find(|bin| super::resolve::executable(&bin.join(tool.name)))
}

/// `3.11.7` as numbers, so that 3.10 comes after 3.9.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}
