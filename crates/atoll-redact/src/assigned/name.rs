//! What a name says of its value.

use std::ops::Range;

const BEFORE_BYTES_MAX: usize = 64;
const BEHIND_BYTES_MAX: usize = 32;

/// How much a name says secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// `password`, `api_key`, `client_secret`.
    Strong,
    /// `token`, `auth`, `session`.
    Medium,
    /// `key`, which most are not.
    Weak,
    /// Nothing.
    None,
    /// That it is none: `key_id`, `token_url`, `public_key`.
    Never,
}

/// The identifier around a hint, with the dots, slashes and hyphens of a path to it.
pub(crate) fn name_around(bytes: &[u8], start: usize, end: usize) -> Range<usize> {
    let joins = |b: &u8| b.is_ascii_alphanumeric() || b"_-./".contains(b);
    let before = bytes[..start]
        .iter()
        .rev()
        .take(BEFORE_BYTES_MAX)
        .take_while(|b| joins(b))
        .count();
    let mut behind = bytes[end..]
        .iter()
        .take(BEHIND_BYTES_MAX)
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b))
        .count();
    // A full stop, an arrow and a range are no part of a name.
    while behind > 0 && b".-".contains(&bytes[end + behind - 1]) {
        behind -= 1;
    }
    with_words(bytes, start - before)..end + behind
}

/// Words that belong to a name in prose: `Secret access key: …`.
const SPOKEN: [&[u8]; 9] = [
    b"api",
    b"access",
    b"secret",
    b"private",
    b"auth",
    b"license",
    b"encryption",
    b"account",
    b"client",
];

/// Where the name at `start` begins if words before it are part of it.
fn with_words(bytes: &[u8], mut start: usize) -> usize {
    for _ in 0..2 {
        let [rest @ .., b' '] = &bytes[..start] else {
            break;
        };
        let word = rest
            .iter()
            .rev()
            .take(12)
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let word = &rest[rest.len() - word..];
        if !SPOKEN.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            break;
        }
        start -= word.len() + 1;
    }
    start
}

/// Words behind which a value is a secret, however they are joined.
const STRONG: [&str; 46] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "secretkey",
    "apikey",
    "apisecret",
    "accesskey",
    "authkey",
    "privatekey",
    "accountkey",
    "encryptionkey",
    "encryptkey",
    "signingkey",
    "masterkey",
    "servicekey",
    "adminkey",
    "sharedkey",
    "sharedaccesskey",
    "licensekey",
    "cipherkey",
    "aeskey",
    "hmackey",
    "jwtkey",
    "deploykey",
    "secretkeybase",
    "secretbase",
    "accesstoken",
    "authtoken",
    "refreshtoken",
    "bearertoken",
    "apitoken",
    "sessiontoken",
    "securitytoken",
    "credential",
    "credentials",
    "creds",
    "pepper",
    "storagekey",
    "writekey",
    "serverkey",
    "keysecret",
    "appkey",
    "sdkkey",
];
const MEDIUM: [&str; 7] = [
    "token",
    "auth",
    "cookie",
    "session",
    "sessionid",
    "sessid",
    "authorization",
];
/// Decorations behind a name that change nothing.
const TRAILING: [&str; 22] = [
    "prod",
    "production",
    "dev",
    "test",
    "staging",
    "stage",
    "live",
    "sandbox",
    "base64",
    "b64",
    "hex",
    "value",
    "val",
    "string",
    "str",
    "old",
    "new",
    "primary",
    "secondary",
    "default",
    "raw",
    "plain",
];
/// Last words that say that the value is about a secret, not the secret.
const ABOUT: [&str; 52] = [
    "id",
    "ids",
    "name",
    "names",
    "type",
    "types",
    "path",
    "file",
    "dir",
    "url",
    "uri",
    "endpoint",
    "host",
    "port",
    "length",
    "len",
    "size",
    "count",
    "limit",
    "max",
    "min",
    "ttl",
    "expiry",
    "expires",
    "index",
    "algorithm",
    "alg",
    "header",
    "prefix",
    "suffix",
    "regex",
    "pattern",
    "format",
    "policy",
    "field",
    "label",
    "hint",
    "help",
    "text",
    "error",
    "message",
    "version",
    "provider",
    "hash",
    "sha",
    "sha1",
    "sha256",
    "md5",
    "checksum",
    "digest",
    "integrity",
    "commit",
];
/// First words of keys that open nothing.
const PUBLIC: [&str; 26] = [
    "public",
    "pub",
    "primary",
    "foreign",
    "sort",
    "partition",
    "cache",
    "object",
    "idempotency",
    "dedup",
    "unique",
    "index",
    "shard",
    "routing",
    "row",
    "csrf",
    "xsrf",
    "publishable",
    "map",
    "group",
    "site",
    "react",
    "item",
    "translation",
    "message",
    "hash",
];

/// Words of which one says that what follows was made of a secret, and opens nothing.
const HASHED: [&str; 6] = ["checksum", "hash", "sha256", "sha1", "md5", "digest"];

/// What a name says.
pub(crate) fn strength(name: &[u8]) -> Strength {
    let hashed = |word: &String| HASHED.contains(&word.as_str());
    if words(name).iter().any(hashed) {
        return Strength::Never;
    }
    let last = name.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    let words = words(&name[last..]);
    let mut words = words.as_slice();
    let plain = |word: &String| {
        TRAILING.contains(&word.as_str()) || word.bytes().all(|b| b.is_ascii_digit())
    };
    while let [rest @ .., last] = words {
        if rest.is_empty() || !plain(last) {
            break;
        }
        words = rest;
    }
    let Some(last) = words.last() else {
        return Strength::None;
    };
    if ABOUT.contains(&last.as_str()) && !joined_ends(words, &MEDIUM) {
        return Strength::Never;
    }
    if words.iter().any(|word| PUBLIC.contains(&word.as_str())) {
        return Strength::Never;
    }
    if last == "pass" || joined_ends(words, &STRONG) {
        Strength::Strong
    } else if joined_ends(words, &MEDIUM) {
        Strength::Medium
    } else if last.trim_end_matches(|c: char| c.is_ascii_digit()) == "key" {
        Strength::Weak
    } else {
        Strength::None
    }
}

/// Whether the words, written as one, end in one of these.
fn joined_ends(words: &[String], ends: &[&str]) -> bool {
    let from = words.len().saturating_sub(4);
    let joined = words[from..].concat();
    let joined = joined.trim_end_matches(|c: char| c.is_ascii_digit());
    ends.iter().any(|end| joined.ends_with(end))
}

/// The words of a name, in small letters: `dbPassword2`, `DB_PASSWORD`, `x-api-key`.
fn words(name: &[u8]) -> Vec<String> {
    let (mut all, mut word, mut last) = (Vec::new(), String::new(), b'_');
    for byte in name {
        let hump = byte.is_ascii_uppercase() && last.is_ascii_lowercase();
        if hump || !byte.is_ascii_alphanumeric() {
            all.push(std::mem::take(&mut word));
        }
        if byte.is_ascii_alphanumeric() {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        last = *byte;
    }
    all.push(word);
    all.retain(|word| !word.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_much_they_hide() {
        for (name, wanted) in [
            ("DB_PASSWORD", Strength::Strong),
            ("dbPassword2", Strength::Strong),
            ("smtp.pass", Strength::Strong),
            ("x-api-key", Strength::Strong),
            ("AWS_SECRET_ACCESS_KEY", Strength::Strong),
            ("SECRET_KEY_BASE", Strength::Strong),
            ("api_key_prod", Strength::Strong),
            ("_authToken", Strength::Strong),
            ("GITHUB_TOKEN", Strength::Medium),
            ("JSESSIONID", Strength::Medium),
            ("key", Strength::Weak),
            ("bypass", Strength::None),
            ("keyboard", Strength::None),
            ("author", Strength::None),
            ("cache_key", Strength::Never),
            ("checksum/secret", Strength::Never),
            ("site/conf/password", Strength::Strong),
            ("token_url", Strength::Never),
            ("key_id", Strength::Never),
            ("publicKey", Strength::Never),
        ] {
            assert_eq!(strength(name.as_bytes()), wanted, "{name}");
        }
    }
}
