//! What is known of a secret outside the vault: its name, and what it is used for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::JobId;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A secret's name: 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, beginning with a letter or digit. Names are logged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that can't be a secret's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name has 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and begins with a letter or digit"
)]
pub struct BadSecretName;

impl SecretName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The environment variable that a job finds it in, unless another was named: `my.api-key` is `MY_API_KEY`; one
    /// that begins with a digit has an underscore before it.
    pub fn variable(&self) -> String {
        let upper = self.0.to_ascii_uppercase().replace(['.', '-'], "_");
        match upper.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("_{upper}"),
            false => upper,
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = BadSecretName;
    fn from_str(text: &str) -> Result<SecretName, BadSecretName> {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let begins = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        if !begins || text.len() > NAME_BYTES_MAX || !text.bytes().all(fine) {
            return Err(BadSecretName);
        }
        Ok(SecretName(text.to_owned()))
    }
}

impl TryFrom<String> for SecretName {
    type Error = BadSecretName;
    fn try_from(text: String) -> Result<SecretName, BadSecretName> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> String {
        name.0
    }
}

/// What a secret is used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretFor {
    /// A job's environment.
    Job(JobId),
    /// The key of a provider that the owner configured so.
    Provider(String),
}

/// A secret that a job is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSecret {
    /// Which.
    pub name: SecretName,
    /// The environment variable that holds its value.
    pub var: String,
}

impl JobSecret {
    /// In the variable that its name stands for.
    pub fn of(name: SecretName) -> JobSecret {
        let var = name.variable();
        JobSecret { name, var }
    }
}

/// The longest variable, in bytes.
const VAR_BYTES_MAX: usize = 128;

impl FromStr for JobSecret {
    type Err = &'static str;
    /// `NAME` or `NAME=VARIABLE`.
    fn from_str(text: &str) -> Result<JobSecret, &'static str> {
        let (name, var) = match text.split_once('=') {
            Some((name, var)) => (name, Some(var)),
            None => (text, None),
        };
        let name: SecretName = name.parse().map_err(|_| {
            "expected NAME or NAME=VARIABLE; a name has 1 to 64 of a-z, 0-9, dot, underscore and hyphen"
        })?;
        let Some(var) = var else {
            return Ok(JobSecret::of(name));
        };
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let begins = var.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if !begins || var.len() > VAR_BYTES_MAX || !var.bytes().all(fine) {
            return Err("a variable has letters, digits and underscores, and begins with no digit");
        }
        let var = var.to_owned();
        Ok(JobSecret { name, var })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "0", "npm.token", "a-b_c.9", &"x".repeat(64)] {
            assert_eq!(good.parse::<SecretName>().unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            ".",
            "-a",
            "_a",
            "A",
            "a/b",
            "../a",
            "a b",
            "a\n",
            "a\0",
            "\u{1b}[2J",
            "ä",
            "a=b",
            &long,
        ] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
            let json = serde_json::to_string(bad).unwrap();
            assert!(
                serde_json::from_str::<SecretName>(&json).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_variable_is_named_or_follows_from_the_name() {
        let of = |text: &str| text.parse::<JobSecret>().map(|s| s.var);
        assert_eq!(of("npm.my-token").unwrap(), "NPM_MY_TOKEN");
        assert_eq!(of("0auth").unwrap(), "_0AUTH");
        assert_eq!(of("key=AWS_KEY").unwrap(), "AWS_KEY");
        for bad in [
            "key=", "key=1A", "key=A B", "key=A=B", "key=A-B", "Key", "=A",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
