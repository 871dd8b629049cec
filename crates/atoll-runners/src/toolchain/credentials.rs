//! What is never mounted: folders and files that hold credentials, and everything above them.

use std::path::{Component, Path};

/// Below the user's home. A path is refused where it is one of these, lies in one, or holds one: what
/// is wanted of `.cargo` or `.local` is mounted by sub-folder.
const PRIVATE: [&str; 77] = [
    ".anthropic",
    ".aws",
    ".azure",
    ".bash_history",
    ".boto",
    ".bundle",
    ".cache/huggingface/token",
    ".cargo/config",
    ".cargo/config.toml",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude",
    ".claude.json",
    ".codex",
    ".composer/auth.json",
    ".config/BraveSoftware",
    ".config/atoll",
    ".config/chromium",
    ".config/composer",
    ".config/containers",
    ".config/doctl",
    ".config/gcloud",
    ".config/gh",
    ".config/git",
    ".config/glab-cli",
    ".config/go",
    ".config/google-chrome",
    ".config/hub",
    ".config/netlify",
    ".config/op",
    ".config/pip",
    ".config/pypoetry",
    ".config/rclone",
    ".config/sops",
    ".config/uv",
    ".databrickscfg",
    ".docker",
    ".fly",
    ".gem/credentials",
    ".git-credentials",
    ".gitconfig",
    ".gnupg",
    ".gradle/gradle.properties",
    ".huggingface",
    ".kaggle",
    ".kube",
    ".local/share/atoll",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".local/share/pypoetry",
    ".local/share/uv/credentials",
    ".local/state/atoll",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".mozilla",
    ".my.cnf",
    ".netlify",
    ".netrc",
    ".npmrc",
    ".nuget",
    ".oci",
    ".password-store",
    ".pgpass",
    ".pip",
    ".pki",
    ".pypirc",
    ".python_history",
    ".snowflake",
    ".ssh",
    ".terraform.d",
    ".terraformrc",
    ".thunderbird",
    ".vault-token",
    ".vercel",
    ".yarnrc",
    ".yarnrc.yml",
    ".zsh_history",
];

/// Wherever they lie.
const FILES: [&str; 13] = [
    ".env",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".vault-token",
    "credentials.json",
    "credentials.toml",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "secrets.toml",
];

/// Of the system: the box makes its own of these, or they tell of the host.
const SYSTEM: [&str; 8] = [
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/root/.ssh",
    "/run",
    "/sys",
    "/var/run",
];

/// Whether `path`, which is resolved already, may not be mounted from outside; the reason is for people.
pub(super) fn refused(path: &Path, home: &Path) -> Option<&'static str> {
    let plain = |c: Component<'_>| matches!(c, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(plain) {
        return Some("its path isn't plain");
    }
    if home.starts_with(path) {
        return Some("it is the home folder, or holds it");
    }
    if SYSTEM
        .iter()
        .any(|s| path.starts_with(s) || Path::new(s).starts_with(path))
    {
        return Some("it belongs to the system");
    }
    if path
        .file_name()
        .is_some_and(|name| FILES.iter().any(|f| name == *f))
    {
        return Some("it is a file of credentials");
    }
    let rest = path.strip_prefix(home).ok()?;
    let touches = |p: &&str| rest.starts_with(p) || Path::new(p).starts_with(rest);
    PRIVATE
        .iter()
        .any(touches)
        .then_some("it holds credentials")
}

/// The host and port of an `http` or `https` URL that carries no user or password; `sparse+` and
/// `registry+` before it are taken off.
pub(super) fn host_of(url: &str) -> Result<atoll_domain::HostPort, &'static str> {
    let url = url
        .strip_prefix("sparse+")
        .or_else(|| url.strip_prefix("registry+"))
        .unwrap_or(url);
    let (scheme, rest) = url.split_once("://").ok_or("it is no URL")?;
    let port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err("it is neither https nor http"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it holds credentials, which a fetch job never carries");
    }
    let bad = "its host can't be read";
    match authority.contains(':') {
        true => authority.parse().map_err(|_| bad),
        false => format!("{authority}:{port}").parse().map_err(|_| bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_all_above_them_are_refused() {
        let home = Path::new("/home/u");
        for path in [
            "/",
            "/home",
            "/home/u",
            "/home/u/.ssh",
            "/home/u/.ssh/id_x",
            "/home/u/.cargo",
            "/home/u/.local",
            "/home/u/.local/share",
            "/home/u/.config",
            "/home/u/.config/gh/hosts.yml",
            "/home/u/.cargo/credentials.toml",
            "/home/u/.npmrc",
            "/home/u/p/.npmrc",
            "/opt/x/.env",
            "/etc",
            "/etc/ssh",
            "/proc/1/root",
            "/run/user/0",
            "/var",
            "home/u/x",
            "/home/u/../u/.ssh",
        ] {
            assert!(refused(Path::new(path), home).is_some(), "{path}");
        }
    }

    #[test]
    fn what_tests_need_is_not() {
        let home = Path::new("/home/u");
        for path in [
            "/home/u/.cargo/registry",
            "/home/u/.cargo/bin",
            "/home/u/.rustup/toolchains",
            "/home/u/.local/bin",
            "/home/u/.local/lib/python3.11/site-packages",
            "/home/u/.pyenv/versions/3.11.7",
            "/home/u/go/pkg/mod",
            "/home/u/.cache/go-build",
            "/home/u/p/target",
            "/opt/node",
            "/home/u/.local/share/uv/python/cpython-3.11",
            "/home/u/.sshfoo",
        ] {
            assert_eq!(refused(Path::new(path), home), None, "{path}");
        }
    }

    #[test]
    fn the_list_is_in_order_and_without_repeats() {
        assert!(PRIVATE.is_sorted_by(|a, b| a < b));
        assert!(FILES.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn hosts_are_read_from_urls_without_credentials() {
        let host = |url| host_of(url).map(|h| h.to_string());
        assert_eq!(
            host("https://mirror.example/simple/"),
            Ok("mirror.example:443".into())
        );
        assert_eq!(
            host("sparse+https://mirror.example:8443/i/"),
            Ok("mirror.example:8443".into())
        );
        assert_eq!(
            host("http://mirror.example"),
            Ok("mirror.example:80".into())
        );
        for bad in [
            "https://u:p@mirror.example/",
            "https://u@x/",
            "file:///x",
            "ssh://x/",
            "x",
            "https:///",
            "https://[::1]/",
        ] {
            assert!(host_of(bad).is_err(), "{bad}");
        }
    }
}
