//! Whether a value looks made by chance, or written by somebody.

/// The bits of chance in each byte, by how often each byte stands in it (Shannon's entropy of the histogram).
pub(crate) fn entropy_bits(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let all = value.len() as f64;
    let part = |n: u32| {
        let p = f64::from(n) / all;
        -p * p.log2()
    };
    counts.into_iter().filter(|n| *n > 0).map(part).sum()
}

/// How many bytes of each sort a value has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sorts {
    pub(crate) lower: usize,
    pub(crate) upper: usize,
    pub(crate) digit: usize,
    pub(crate) other: usize,
    /// Neighbours of different sorts, both letters or digits; a capital before a small letter is none.
    pub(crate) turns: usize,
    /// Letters in a row.
    pub(crate) longest_word: usize,
}

impl Sorts {
    pub(crate) fn of(value: &[u8]) -> Sorts {
        let mut sorts = Sorts::default();
        let (mut last, mut word) = (b' ', 0);
        for byte in value {
            match byte {
                b'a'..=b'z' => sorts.lower += 1,
                b'A'..=b'Z' => sorts.upper += 1,
                b'0'..=b'9' => sorts.digit += 1,
                _ => sorts.other += 1,
            }
            word = if byte.is_ascii_alphabetic() {
                word + 1
            } else {
                0
            };
            sorts.longest_word = sorts.longest_word.max(word);
            let both = last.is_ascii_alphanumeric() && byte.is_ascii_alphanumeric();
            let name = last.is_ascii_uppercase() && byte.is_ascii_lowercase();
            if both && !name && sort(last) != sort(*byte) {
                sorts.turns += 1;
            }
            last = *byte;
        }
        sorts
    }

    pub(crate) fn letters(&self) -> usize {
        self.lower + self.upper
    }

    /// How many sorts there are.
    pub(crate) fn count(&self) -> usize {
        [self.lower, self.upper, self.digit, self.other]
            .iter()
            .filter(|n| **n > 0)
            .count()
    }
}

fn sort(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    }
}

/// Digits and letters, much chance in them, and not words with hyphens.
pub(crate) fn random(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let much = digits >= 2 && entropy_bits(value) >= 3.0 || digits >= 1 && scrambled(value);
    much && !looks_like_code(value)
}

/// `config.auth2.token`, `AUTH_TOKEN_V2`, `ed25519::PrivateKey`, `sha256_of_password`: names that are joined.
pub(crate) fn looks_like_code(value: &[u8]) -> bool {
    let decoded;
    let value = if value.contains(&b'%') {
        decoded = without_percents(value);
        &decoded
    } else {
        value
    };
    let sign = |b: &u8| b"._:-/+=[]()#?, ".contains(b);
    let (mut all, mut calm, mut words) = (0, 0, 0);
    for part in value.split(sign).filter(|p| !p.is_empty()) {
        all += 1;
        let is_word = wordy(part);
        let is_named = !is_word && named(part);
        calm += usize::from(is_word || is_named);
        let long = part.split(u8::is_ascii_digit).any(|word| word.len() >= 6);
        words += usize::from(is_word && part.len() >= 4 || is_named && long);
    }
    all > 0 && all == calm && (words > 0 || all == 1)
}

/// `user%3Aname`, with a blank for each byte that is written in percents.
fn without_percents(value: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(value.len()), 0);
    while let Some(byte) = value.get(at) {
        let coded = *byte == b'%' && value.len() > at + 2;
        out.push(if coded { b' ' } else { *byte });
        at += if coded { 3 } else { 1 };
    }
    out
}

/// A word, with a few digits behind it: small, capital, capitalised, or humps of such.
fn wordy(part: &[u8]) -> bool {
    let letters = part
        .iter()
        .rposition(|b| !b.is_ascii_digit())
        .map_or(0, |i| i + 1);
    let (tail, digits) = part.split_at(letters);
    let sorts = Sorts::of(tail);
    let hump = |w: &&[u8]| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase();
    let humps = tail.windows(2).filter(hump).count();
    let calm = sorts.turns * 6 <= tail.len() || sorts.turns == humps && humps * 5 <= tail.len();
    digits.len() <= 3 && sorts.digit == 0 && sorts.other == 0 && part.len() <= 40 && calm
}

/// A name with a number in it: `ed25519`, `D3DKMT`, `Tls12ClientSession`.
fn named(part: &[u8]) -> bool {
    let digits = part.iter().filter(|b| b.is_ascii_digit()).count();
    let mut words = part.split(u8::is_ascii_digit).filter(|w| !w.is_empty());
    let few = (1..=5).contains(&digits) && part.len() <= 32;
    few && words.clone().count() <= 2 && words.all(wordy)
}

/// A number as it is written in code: `2150859071u32`, `-1.5e+03`, `67108864i32`, `0.25s`.
pub(crate) fn number(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let begins = value.first().is_some_and(u8::is_ascii_digit);
    let body = value
        .iter()
        .take_while(|b| b.is_ascii_digit() || b"._".contains(b))
        .count();
    let tail = &value[body..];
    let exponent = tail.len() <= 4
        && tail
            .iter()
            .all(|b| b.is_ascii_digit() || b"eE+-".contains(b));
    let unit = tail.len() <= 5
        && tail.first().is_some_and(u8::is_ascii_alphabetic)
        && body * 2 > tail.len() * 3;
    begins && (tail.is_empty() || exponent || unit)
}

/// Sorts that change as often as words never do.
pub(crate) fn scrambled(value: &[u8]) -> bool {
    let sorts = Sorts::of(value);
    value.len() >= 16 && sorts.turns * 4 >= value.len() && entropy_bits(value) >= 3.3
}

/// The same for what may be short: not one of the common words, and of several sorts.
pub(crate) fn mixed(value: &[u8]) -> bool {
    let sorts = Sorts::of(value);
    let several = sorts.digit > 0 && sorts.letters() > 0 || sorts.count() >= 3;
    let sound = uncommon(value) && !spoken(value) && !looks_like_code(value);
    value.len() >= 6 && several && sound && entropy_bits(value) >= 2.3 || scrambled(value)
}

/// Passwords that protect nothing: taking them out would only spoil the examples they stand in.
const COMMON: [&[u8]; 18] = [
    b"pass",
    b"password",
    b"passwd",
    b"pwd",
    b"secret",
    b"token",
    b"postgres",
    b"mysql",
    b"root",
    b"admin",
    b"guest",
    b"changeme",
    b"example",
    b"xxx",
    b"test",
    b"user",
    b"hunter2",
    b"foobar",
];

pub(crate) fn uncommon(value: &[u8]) -> bool {
    let plain = value.to_ascii_lowercase();
    !COMMON.contains(&plain.as_slice())
        && !plain.iter().all(|b| b"*x.".contains(b))
        && !plain.starts_with(b"$")
}

/// Words that say of themselves that they are no secret.
const SPOKEN: [&[u8]; 17] = [
    b"example",
    b"changeme",
    b"change_me",
    b"change-me",
    b"placeholder",
    b"dummy",
    b"your_",
    b"your-",
    b"yourapi",
    b"yoursecret",
    b"redacted",
    b"replace",
    b"insert",
    b"xxxx",
    b"****",
    b"....",
    b"sample",
];

/// Whether a value says of itself that it stands for another one.
pub(crate) fn spoken(value: &[u8]) -> bool {
    let plain = value.to_ascii_lowercase();
    SPOKEN
        .iter()
        .any(|word| memchr::memmem::find(&plain, word).is_some())
        || climbing(&plain)
}

/// `1234567890abcdef`, `abcdefghij`: most bytes are one more than the one before.
fn climbing(plain: &[u8]) -> bool {
    let steps = plain
        .windows(2)
        .filter(|w| w[1] == w[0].wrapping_add(1) || w == b"90" || w == b"9a" || w == b"0a")
        .count();
    steps * 3 >= plain.len() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_told_from_words() {
        for value in ["aB3dE5gH7jK9mN1p", "9f8e7d6c5b4a39281706", "Xk2-p9_Qz7Lm-3"] {
            assert!(mixed(value.as_bytes()), "{value}");
        }
        for value in [
            "tokenProviderFactory",
            "my-service-account-name",
            "abcdefghijklmnop",
        ] {
            assert!(!mixed(value.as_bytes()), "{value}");
            assert!(!random(value.as_bytes()), "{value}");
        }
        for value in [
            "sk-ecdsa-sha2-nistp256-cert-v01",
            "ed25519_dalek::SigningKey",
            "poly1305::Context::from_key",
            "D3DKMT_PRESENT_TOKEN",
            "s.ReadUint16LengthPrefixed",
            "username%3Apassword",
        ] {
            assert!(looks_like_code(value.as_bytes()), "{value}");
        }
        for value in ["2150859071u32", "-2.817485918653357e+01", "1073741430i32"] {
            assert!(number(value.as_bytes()), "{value}");
        }
        assert!(!number(b"123456abcdef") && !looks_like_code(b"aB3d-E5gH-7jK9"));
        for value in ["1234567890abcdef", "your_api_key_123", "password-example-1"] {
            assert!(spoken(value.as_bytes()), "{value}");
        }
    }
}
