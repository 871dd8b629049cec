//! Keys that say what they are: each by the form that its issuer documents.

use std::sync::LazyLock;

use regex::Regex;

use super::{Find, entropy_bits};

/// When a match is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Always.
    Always,
    /// If it looks made by chance: digits and letters, and not a word with hyphens.
    Random,
    /// If it isn't one of the passwords that stand in every example.
    Uncommon,
}

use When::{Always, Random, Uncommon};

type Form = (&'static str, &'static [&'static str], &'static str, When);

/// Kind, hints, form, and when it counts. A form is tried only where a hint stands: most texts hold none, and to look
/// for a few letters costs little. The secret is group 1, or all of it. Every form ends where its alphabet
/// does or at a word's end, so that what follows a mark is never a beginning that wasn't one before.
const FORMS: [Form; 27] = [
    (
        "aws-key-id",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
        Always,
    ),
    (
        "github",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"\bgh[pousr]_[A-Za-z0-9]{30,}",
        Always,
    ),
    (
        "github",
        &["github_pat_"],
        r"\bgithub_pat_[A-Za-z0-9_]{22,}",
        Always,
    ),
    (
        "gitlab",
        &["gl"],
        r"\bgl(?:pat|dt|rt|ptt|ft|soat|cbt|agent|imt|oas)-[A-Za-z0-9_.-]{20,}",
        Always,
    ),
    (
        "slack",
        &["xox"],
        r"\bxox[abceoprs]-[A-Za-z0-9-]{10,}",
        Random,
    ),
    ("slack", &["xapp-"], r"\bxapp-[A-Za-z0-9-]{10,}", Random),
    (
        "slack-hook",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/_-]{20,})",
        Always,
    ),
    (
        "discord-hook",
        &["/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/([0-9]{10,}/[A-Za-z0-9_-]{20,})",
        Always,
    ),
    (
        "anthropic",
        &["sk-ant-"],
        r"\bsk-ant-[A-Za-z0-9_-]{20,}",
        Always,
    ),
    ("openai", &["sk-"], r"\bsk-[A-Za-z0-9_-]{20,}", Random),
    ("google", &["AIza"], r"\bAIza[A-Za-z0-9_-]{35,}", Always),
    (
        "google",
        &["GOCSPX-"],
        r"\bGOCSPX-[A-Za-z0-9_-]{20,}",
        Always,
    ),
    ("google", &["ya29."], r"\bya29\.[A-Za-z0-9_.-]{20,}", Always),
    (
        "stripe",
        &["_live_", "_test_"],
        r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
        Always,
    ),
    (
        "stripe",
        &["whsec_"],
        r"\bwhsec_[A-Za-z0-9+/=]{24,}",
        Always,
    ),
    ("npm", &["npm_"], r"\bnpm_[A-Za-z0-9]{36,}", Always),
    ("pypi", &["pypi-"], r"\bpypi-[A-Za-z0-9_-]{50,}", Always),
    ("huggingface", &["hf_"], r"\bhf_[A-Za-z0-9]{30,}", Always),
    (
        "sendgrid",
        &["SG."],
        r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
        Always,
    ),
    (
        "digitalocean",
        &["_v1_"],
        r"\bdo[opr]_v1_[a-f0-9]{64}\b",
        Always,
    ),
    (
        "vault",
        &["hvs.", "hvb.", "hvr."],
        r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}",
        Always,
    ),
    (
        "age",
        &["AGE-SECRET-KEY-1"],
        r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}",
        Always,
    ),
    (
        "docker",
        &["dckr_"],
        r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
        Always,
    ),
    (
        "telegram",
        &[":AA"],
        r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33,}",
        Always,
    ),
    (
        "jwt",
        &[".eyJ"],
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        Always,
    ),
    (
        "url-password",
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[A-Za-z0-9._~%!$&*+=-]{0,128}:([A-Za-z0-9._~%!&*+=?#^|(),;:-]{3,256})@"#,
        Uncommon,
    ),
    (
        "authorization",
        &[],
        r"(?i)\b(?:bearer|basic|token)[ \t]+([A-Za-z0-9+/_.~=-]{20,})",
        Random,
    ),
];

type Compiled = (&'static str, &'static [&'static str], Regex, When);

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    // ASCII classes: Unicode tables would cost megabytes and match nothing more. A test compiles every form.
    let compile = |(kind, hints, form, when): &Form| {
        let form = regex::RegexBuilder::new(&begun(form))
            .unicode(false)
            .build()
            .ok()?;
        Some((*kind, *hints, form, *when))
    };
    FORMS.iter().filter_map(compile).collect()
});

/// A key may also begin after an escaped line feed: tools' arguments are JSON within JSON.
fn begun(form: &str) -> String {
    const BEGIN: &str = r"(?:\b|\\[nrtf])";
    match form.strip_prefix(r"\b") {
        None => form.into(),
        Some(rest) if has_group(rest) => format!("{BEGIN}{rest}"),
        Some(rest) => format!("{BEGIN}({rest})"),
    }
}

/// Whether a form says itself which part is the secret.
fn has_group(form: &str) -> bool {
    form.as_bytes()
        .windows(2)
        .any(|w| w[0] == b'(' && w[1] != b'?')
}

/// Passwords that protect nothing: taking them out would only spoil the examples they stand in.
const COMMON: [&str; 14] = [
    "pass", "password", "passwd", "pwd", "secret", "token", "postgres", "mysql", "root", "admin",
    "guest", "changeme", "example", "xxx",
];

pub(super) fn find(text: &str, out: &mut Vec<Find>) {
    for (kind, hints, form, when) in COMPILED.iter() {
        if !hints.is_empty() && !hints.iter().any(|hint| text.contains(hint)) {
            continue;
        }
        for found in form.captures_iter(text) {
            let Some(secret) = found.get(1).or_else(|| found.get(0)) else {
                continue;
            };
            if counts(*when, secret.as_str()) {
                out.push(Find {
                    at: secret.range(),
                    kind,
                });
            }
        }
    }
}

fn counts(when: When, secret: &str) -> bool {
    match when {
        Always => true,
        Random => {
            let digits = secret.bytes().filter(u8::is_ascii_digit).count();
            digits >= 2 && entropy_bits(secret) >= 3.0
        }
        Uncommon => {
            let plain = secret.to_ascii_lowercase();
            !COMMON.contains(&plain.as_str())
                && !plain.bytes().all(|b| b == b'*' || b == b'x' || b == b'.')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles() {
        assert_eq!(COMPILED.len(), FORMS.len());
    }
}
