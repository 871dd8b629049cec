//! The environment every job has, and its home.

use std::path::Path;

use atoll_domain::{Mount, MountKind};

use super::site::{Draft, Site, system};

/// The home of a user whose own can't be one in a box.
const OTHER_HOME: &str = "/home/atoll";

/// The caller's variables that a finder wants to know: homes and choices of toolchains, and the user's
/// own registries. None of them goes into a job as it is, but for Go's settings of how to build.
pub const CALLER_VARS: [&str; 26] = [
    "ASDF_DATA_DIR",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "GOCACHE",
    "GOENV_ROOT",
    "GOENV_VERSION",
    "GOFLAGS",
    "GOMODCACHE",
    "GOPATH",
    "GOPROXY",
    "LOGNAME",
    "MISE_DATA_DIR",
    "NODENV_ROOT",
    "NODENV_VERSION",
    "NPM_CONFIG_REGISTRY",
    "PIP_INDEX_URL",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "UV_INDEX_URL",
    "USER",
    "VIRTUAL_ENV",
    "VOLTA_HOME",
    "XDG_CACHE_HOME",
    "npm_config_registry",
];

/// Sets what every job has, and mounts a fresh home at the user's real one.
pub(super) fn base(site: &Site<'_>, draft: &mut Draft) {
    let home = home(site, draft);
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| site.vars.get(*name));
    let user = user
        .filter(|name| plain(name))
        .map_or("atoll", String::as_str);
    for (name, value) in [
        ("HOME", home.as_str()),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", "/bin/sh"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
        ("TMPDIR", "/tmp"),
        // Some tests commit; nothing of the person's own identity is lent to them.
        ("GIT_AUTHOR_NAME", "Atoll"),
        ("GIT_AUTHOR_EMAIL", "atoll@localhost"),
        ("GIT_COMMITTER_NAME", "Atoll"),
        ("GIT_COMMITTER_EMAIL", "atoll@localhost"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
    ] {
        draft.set(name, value);
    }
}

fn plain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 64 && name.chars().all(fine)
}

fn home(site: &Site<'_>, draft: &mut Draft) -> String {
    let usable = |home: &Path| {
        let taken = ["/etc", "/proc", "/dev", "/sys", "/run", "/tmp"];
        home.is_absolute()
            && home.parent().is_some()
            && !system(home)
            && !taken.iter().any(|t| home == Path::new(t))
    };
    let home = match site.home.to_str() {
        Some(home) if usable(&site.home) => home.to_owned(),
        _ => {
            draft.note(format!(
                "{} can't be the home of a job; it is {OTHER_HOME} inside",
                site.home.display()
            ));
            OTHER_HOME.to_owned()
        }
    };
    // A checkout that is the home itself stands there as the copy.
    if site.root != Path::new(&home) {
        draft.push(Mount {
            kind: MountKind::Tmpfs,
            src: String::new(),
            dst: home.clone(),
            ro: false,
        });
    }
    home
}
