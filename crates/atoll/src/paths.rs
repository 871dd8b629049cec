//! Where things lie: the XDG folders, or all below `ATOLL_HOME`.

use std::path::{Path, PathBuf};

use atoll_api::{Error, codes};

/// The folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `config.toml`, `keys.toml`, `policy/*.cedar`.
    pub config: PathBuf,
    /// The log, keys, blobs, workspaces.
    pub data: PathBuf,
    /// `node.log`.
    pub state: PathBuf,
    /// Fetched dependencies.
    pub cache: PathBuf,
    /// The folder of the socket.
    pub run: PathBuf,
    /// The user's home.
    pub home: PathBuf,
}

impl Paths {
    /// From the environment.
    pub fn find(env: &dyn Fn(&str) -> Option<String>) -> Result<Paths, Error> {
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = absolute("HOME").or_else(passwd_home);
        if let Some(root) = env("ATOLL_HOME").filter(|v| !v.is_empty()) {
            let root = std::path::absolute(&root).map_err(|err| {
                Error::new(codes::CONFIG, "ATOLL_HOME can't be used")
                    .found(format!("{root}: {err}"))
            })?;
            return Ok(Paths::below(&root, home.unwrap_or_else(|| root.clone())));
        }
        let Some(home) = home else {
            return Err(Error::new(codes::CONFIG, "your home folder is unknown")
                .found("HOME is not set, and the system doesn't say either")
                .next("set HOME, or ATOLL_HOME to a folder for all that Atoll keeps"));
        };
        // The specification wants relative ones ignored.
        let xdg = |name: &str, default: &str| {
            absolute(name)
                .unwrap_or_else(|| home.join(default))
                .join("atoll")
        };
        let data = xdg("XDG_DATA_HOME", ".local/share");
        let run =
            absolute("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |dir| dir.join("atoll"));
        Ok(Paths {
            config: xdg("XDG_CONFIG_HOME", ".config"),
            state: xdg("XDG_STATE_HOME", ".local/state"),
            cache: xdg("XDG_CACHE_HOME", ".cache"),
            run,
            data,
            home,
        })
    }

    fn below(root: &Path, home: PathBuf) -> Paths {
        Paths {
            config: root.join("config"),
            data: root.join("data"),
            state: root.join("state"),
            cache: root.join("cache"),
            run: root.join("run"),
            home,
        }
    }

    /// The node's socket.
    pub fn socket(&self) -> PathBuf {
        self.run.join(atoll_http::SOCKET)
    }
    /// `config.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
    /// The owner's rules.
    pub fn policy(&self) -> PathBuf {
        self.config.join("policy")
    }
    /// Models that run here.
    pub fn models(&self) -> PathBuf {
        self.data.join("models")
    }
    /// The node's own words.
    pub fn node_log(&self) -> PathBuf {
        self.state.join("node.log")
    }
}

fn passwd_home() -> Option<PathBuf> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd
        .lines()
        .find(|l| l.split(':').nth(2) == Some(uid.as_str()))?;
    line.split(':')
        .nth(5)
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(vars: &[(&str, &str)]) -> Paths {
        let env = |name: &str| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        Paths::find(&env).unwrap()
    }

    #[test]
    fn atoll_home_moves_everything() {
        let paths = find(&[
            ("HOME", "/home/u"),
            ("ATOLL_HOME", "/srv/a"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
        ]);
        for path in [
            &paths.config,
            &paths.data,
            &paths.state,
            &paths.cache,
            &paths.run,
        ] {
            assert!(path.starts_with("/srv/a"), "{path:?}");
        }
        assert_eq!(paths.home, Path::new("/home/u"));
    }

    #[test]
    fn xdg_is_followed_and_relative_folders_are_ignored() {
        let paths = find(&[
            ("HOME", "/home/u"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "data"),
        ]);
        assert_eq!(paths.config_file(), Path::new("/c/atoll/config.toml"));
        assert_eq!(paths.data, Path::new("/home/u/.local/share/atoll"));
        assert_eq!(
            paths.socket(),
            Path::new("/home/u/.local/share/atoll/run/node.sock")
        );
        let paths = find(&[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/7")]);
        assert_eq!(paths.socket(), Path::new("/run/user/7/atoll/node.sock"));
    }
}
