use super::path::{RelPath, fold};

/// Is a file kept from agents?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// No.
    No,
    /// Yes, by its name.
    Yes,
    /// Only when its content holds a token ([`holds_token`]).
    IfToken,
}

/// Templates that are committed to be read.
const TEMPLATES: [&str; 5] = ["example", "sample", "template", "dist", "defaults"];

const NAMES: [&str; 17] = [
    ".netrc",
    "_netrc",
    ".pypirc",
    ".git-credentials",
    ".pgpass",
    ".htpasswd",
    ".vault-token",
    ".terraformrc",
    "terraform.rc",
    "kubeconfig",
    ".dockercfg",
    ".s3cfg",
    ".boto",
    ".my.cnf",
    "application_default_credentials.json",
    ".rediscli_auth",
    "credentials.tfrc.json",
];

const ENDINGS: [&str; 10] = [
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".ppk",
    ".jks",
    ".keystore",
    ".kubeconfig",
    ".kdbx",
    ".asc.key",
];

const KEY_STEMS: [&str; 6] = [
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_ecdsa_sk",
    "id_ed25519_sk",
];

/// Parent folder and file name.
const IN_FOLDER: [(&str, &str); 9] = [
    (".aws", "credentials"),
    (".aws", "config"),
    (".docker", "config.json"),
    (".kube", "config"),
    (".cargo", "credentials"),
    (".cargo", "credentials.toml"),
    (".gem", "credentials"),
    ("gh", "hosts.yml"),
    (".m2", "settings.xml"),
];

const FOLDERS: [&str; 3] = [".ssh", ".gnupg", ".password-store"];

/// Files that are ordinary unless somebody put a token into them.
const WITH_TOKEN: [&str; 6] = [
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    "pip.conf",
    "nuget.config",
    "bunfig.toml",
];

/// Judges by name alone, in any case and Unicode form.
#[must_use]
pub fn mask(path: &RelPath) -> Mask {
    let parts: Vec<String> = path.components().map(fold).collect();
    let Some((name, folders)) = parts.split_last() else {
        return Mask::No;
    };
    if folders.iter().any(|f| FOLDERS.contains(&f.as_str())) {
        return Mask::Yes;
    }
    let parent = folders.last().map_or("", String::as_str);
    if is_env(name)
        || NAMES.contains(&name.as_str())
        || ENDINGS.iter().any(|e| name.ends_with(e))
        || is_private_key(name)
        || IN_FOLDER.contains(&(parent, name.as_str()))
        || (name.starts_with("client_secret") && name.ends_with(".json"))
        || (name.starts_with("service-account") && name.ends_with(".json"))
    {
        return Mask::Yes;
    }
    if WITH_TOKEN.contains(&name.as_str()) {
        Mask::IfToken
    } else {
        Mask::No
    }
}

fn is_env(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(".env") else {
        return false;
    };
    !rest
        .rsplit('.')
        .next()
        .is_some_and(|last| TEMPLATES.contains(&last))
}

fn is_private_key(name: &str) -> bool {
    !name.ends_with(".pub")
        && KEY_STEMS.iter().any(|s| {
            name.strip_prefix(s)
                .is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric()))
        })
}

/// Does the content of a configuration file hold a token or password?
/// A reference to the environment (`${NPM_TOKEN}`) is none.
#[must_use]
pub fn holds_token(content: &[u8]) -> bool {
    String::from_utf8_lossy(content).lines().any(|line| {
        let folded = line.to_ascii_lowercase();
        let named = [
            "_authtoken",
            "_auth",
            "_password",
            "npmauthtoken",
            "npmauthident",
            "password",
            "token",
        ];
        if named.iter().any(|n| folded.contains(n)) {
            let value = line.split_once(['=', ':']).map_or("", |(_, v)| v.trim());
            return !value.is_empty() && !value.contains("${") && !value.starts_with('$');
        }
        // A URL with a user and password in it.
        folded.split_once("://").is_some_and(|(_, rest)| {
            rest.split('/')
                .next()
                .and_then(|host| host.rsplit_once('@'))
                .is_some_and(|(user, _)| user.contains(':'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(p: &str) -> Mask {
        mask(&RelPath::parse(p).unwrap())
    }

    #[test]
    fn credential_files_are_masked_in_any_case() {
        for p in [
            ".env",
            ".ENV",
            "web/.env.local",
            ".envrc",
            ".env.production",
            "server.PEM",
            "tls/site.key",
            "id_rsa",
            "ID_RSA",
            "id_rsa.bak",
            "id_ed25519",
            ".netrc",
            "home/.aws/credentials",
            ".AWS/Credentials",
            ".pypirc",
            "kubeconfig",
            ".kube/config",
            "prod.kubeconfig",
            ".ssh/known_hosts",
            ".e\u{200c}nv",
            ".cargo/credentials.toml",
        ] {
            assert_eq!(of(p), Mask::Yes, "{p:?}");
        }
        for p in [
            ".env.example",
            "id_rsa.pub",
            "environment.py",
            "src/key.rs",
            "config",
            "id_rsation.txt",
            "credentials.py",
        ] {
            assert_eq!(of(p), Mask::No, "{p:?}");
        }
        assert_eq!(of("a/.NPMRC"), Mask::IfToken);
    }

    #[test]
    fn tokens_are_told_from_settings() {
        assert!(holds_token(b"//registry/:_authToken=abc"));
        assert!(holds_token(b"registry=https://me:secret@host/x"));
        assert!(!holds_token(
            b"//registry/:_authToken=${NPM_TOKEN}\nsave-exact=true"
        ));
        assert!(!holds_token(b"registry=https://host/a@b:c"));
    }
}
