//! Whether a value behind such a name is a secret.

use super::Strength;
use crate::chance::{Sorts, entropy_bits, looks_like_code, number, scrambled, spoken};

const LENGTH_MIN: usize = 8;
const LENGTH_MIN_PLAIN: usize = 10;
const LENGTH_MIN_MEDIUM: usize = 16;
const LENGTH_MIN_WEAK: usize = 20;

/// Whether a value could be a secret behind any name.
pub(crate) fn may_be_secret(value: &[u8]) -> bool {
    value.len() >= LENGTH_MIN && !is_something_else(value)
}

/// Whether a value that may be one is a secret, by how much its name says so.
pub(crate) fn is_secret(value: &[u8], strength: Strength, quoted: bool) -> bool {
    if strength == Strength::None || strength == Strength::Never || spoken(value) {
        return false;
    }
    let sorts = Sorts::of(value);
    let both = sorts.digit > 0 && sorts.letters() > 0;
    let bits = entropy_bits(value);
    match strength {
        Strength::Strong => {
            both && value.len() >= LENGTH_MIN_PLAIN && bits >= 3.0
                || sorts.other > 0 && sorts.count() >= 3 && (quoted || both) && bits >= 2.7
                || scrambled(value)
        }
        Strength::Medium => {
            value.len() >= LENGTH_MIN_MEDIUM && (both && bits >= 3.0 || scrambled(value))
        }
        Strength::Weak => {
            let hex = value.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
            value.len() >= LENGTH_MIN_WEAK && both && !hex && scrambled(value)
        }
        Strength::None | Strength::Never => false,
    }
}

/// Ends of file names.
const FILES: [&[u8]; 21] = [
    b".json", b".pem", b".key", b".txt", b".yaml", b".yml", b".toml", b".js", b".ts", b".py",
    b".go", b".rs", b".env", b".crt", b".cer", b".p12", b".pub", b".md", b".sh", b".html", b".jks",
];
/// Beginnings of hashes, addresses and names of things.
const BEGINNINGS: [&[u8]; 22] = [
    b"sha1-",
    b"sha256-",
    b"sha384-",
    b"sha512-",
    b"sha256:",
    b"sha512:",
    b"md5:",
    b"h1:",
    b"data:",
    b"arn:",
    b"urn:",
    b"projects/",
    b"ssh-",
    b"ecdsa-",
    b"vault:",
    // Public keys as names (did:key).
    b"z6Mk",
    b"zQ3s",
    b"did:",
    // Public keys: the beginnings of their DER.
    b"MFkwEwYH",
    b"MIIBIjAN",
    b"MIGfMA0G",
    b"MCowBQYDK2Vw",
];

/// A path, an address, a hash, a reference, a call, a format: what is written where a secret would be.
fn is_something_else(value: &[u8]) -> bool {
    let holds = |word: &[u8]| memchr::memmem::find(value, word).is_some();
    let ends = |word: &&[u8]| value.ends_with(word);
    let base64 = value[0] == b'/' && value.len() >= 32 && scrambled(value);
    b"./~&*%@#<$({[".contains(&value[0]) && !base64
        || holds(b"://")
        || holds(b"${")
        || holds(b"{{")
        || holds(b"$(")
        || holds(b"[redacted:")
        || (holds(b"(") && value.ends_with(b")"))
        || FILES.iter().any(ends)
        || BEGINNINGS.iter().any(|word| value.starts_with(word))
        || number(value)
        || looks_like_code(value)
}
