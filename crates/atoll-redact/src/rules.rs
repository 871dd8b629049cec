//! The rules, read from their data at the first use, and each form compiled at its own first use: an idle node holds
//! neither, and a text that speaks of no vendor compiles next to nothing.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

const OWN: &str = include_str!("../rules/own.toml");
const GITLEAKS: &str = include_str!("../rules/gitleaks.toml");
/// What a compiled form may weigh.
const FORM_LIMIT_BYTES: usize = 2 << 20;

/// When a match is a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    #[default]
    Always,
    /// If it looks made by chance: digits and letters, and not a word with hyphens.
    Random,
    /// The same for what may be short.
    Mixed,
    /// If it isn't one of the passwords that stand in every example.
    Uncommon,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(default)]
    key: Vec<Entry>,
    #[serde(default)]
    near: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    hints: Vec<String>,
    form: String,
    #[serde(default)]
    when: When,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    back: usize,
}

/// One rule.
pub(crate) struct Rule {
    pub(crate) kind: String,
    pub(crate) when: When,
    /// Bits of chance in each byte, at least.
    pub(crate) entropy_bits_min: f64,
    /// How far before its hint a match may begin.
    pub(crate) back_bytes: usize,
    form: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Rule {
    fn of(entry: Entry) -> Rule {
        Rule {
            kind: entry.kind,
            when: entry.when,
            entropy_bits_min: entry.entropy,
            back_bytes: entry.back,
            form: entry.form,
            compiled: OnceLock::new(),
        }
    }

    /// The form, which matches at the beginning of what it is given unless it may begin before its hint. `None` for one
    /// that doesn't compile: a test sees that there is none.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        let compile = || {
            let form = if self.back_bytes == 0 {
                format!(r"\A(?:{})", self.form)
            } else {
                self.form.clone()
            };
            // ASCII classes: Unicode tables would cost megabytes and match nothing more.
            RegexBuilder::new(&form)
                .unicode(false)
                .size_limit(FORM_LIMIT_BYTES)
                .build()
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

/// What is tried where a hint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Try {
    /// A private key in armour.
    Block,
    /// A key that its form betrays: the number of its rule.
    Key(usize),
    /// A value that a vendor's name stands before: the number of its rule.
    Near(usize),
    /// A value that a name like `password` stands before.
    Name,
    /// A Kubernetes Secret, whose values stand under any name.
    Manifest,
}

pub(crate) struct Rules {
    pub(crate) all: Vec<Rule>,
    /// All hints, in any case.
    pub(crate) hints: Option<AhoCorasick>,
    /// What is tried at each of them.
    pub(crate) tries: Vec<Vec<Try>>,
}

pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(Rules::read);

/// What a name holds that says secret; `crate::assigned` reads the whole name.
const NAMES: [&str; 15] = [
    "passw",
    "passphrase",
    "passcode",
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "credential",
    "creds",
    "cookie",
    "session",
    "connectionstring",
    "pepper",
];

impl Rules {
    /// A file that isn't the shape it should be counts as empty; a test sees that none is.
    fn read() -> Rules {
        let data = [OWN, GITLEAKS].map(toml::from_str::<Data>);
        let mut all = Vec::new();
        let mut at: BTreeMap<String, Vec<Try>> = BTreeMap::new();
        // Ours come first: where two find the same place, the first one's kind is said.
        for data in data.into_iter().flatten() {
            let keys = data.key.into_iter().map(|entry| (entry, true));
            let near = data.near.into_iter().map(|entry| (entry, false));
            for (entry, key) in keys.chain(near) {
                let number = all.len();
                let what = if key {
                    Try::Key(number)
                } else {
                    Try::Near(number)
                };
                for hint in &entry.hints {
                    at.entry(hint.clone()).or_default().push(what);
                }
                all.push(Rule::of(entry));
            }
        }
        for name in NAMES {
            at.entry(name.to_owned()).or_default().push(Try::Name);
        }
        at.entry("-----begin ".to_owned())
            .or_default()
            .push(Try::Block);
        at.entry("secret".to_owned())
            .or_default()
            .push(Try::Manifest);
        let hints = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(at.keys())
            .ok();
        Rules {
            all,
            hints,
            tries: at.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_read_and_compiles() {
        for (text, keys, near) in [(OWN, 111, 0), (GITLEAKS, 103, 83)] {
            let data: Data = toml::from_str(text).unwrap();
            assert_eq!((data.key.len(), data.near.len()), (keys, near));
            for entry in data.key.iter().chain(&data.near) {
                for hint in &entry.hints {
                    assert_eq!(hint, &hint.to_lowercase(), "{}", entry.kind);
                    assert!(hint.len() >= 2, "{}", entry.kind);
                }
                let sane = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                assert!(entry.kind.bytes().all(sane), "{}", entry.kind);
            }
        }
        assert_eq!(RULES.all.len(), 111 + 103 + 83);
        assert!(RULES.hints.is_some());
        for rule in &RULES.all {
            assert!(rule.regex().is_some(), "{}", rule.kind);
        }
    }
}
