//! `cargo xtask rules`: writes `crates/atoll-redact/rules/gitleaks.toml` from the pinned version of gitleaks' rules.
//!
//! Rules are data, not code: what is found is taken over, what finds it is not. Forms are stripped of what an
//! engine does better by hand (what stands around a secret), and rules that are no use to us are left out by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use regex_syntax::hir::literal::Extractor;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

const MODULE: &str = "github.com/zricethezav/gitleaks/v8";
const VERSION: &str = "v8.30.1";
const SHA256: &str = "e163e53b9e7e8a8511e77271e2b323ed057759542a6d988258afe3a1fa329caf";
const OUT: &str = "crates/atoll-redact/rules/gitleaks.toml";

/// Found by the engine itself, or by a rule of `own.toml` that reaches further.
const DONE_ELSEWHERE: [&str; 20] = [
    "generic-api-key",
    "private-key",
    "pkcs12-file",
    "curl-auth-header",
    "curl-auth-user",
    "kubernetes-secret-yaml",
    "nuget-config-password",
    "freemius-secret-key",
    "sidekiq-sensitive-url",
    "hashicorp-tf-password",
    "jwt",
    "atlassian-api-token",
    "lob-api-key",
    "airtable-personnal-access-token",
    "openai-api-key",
    "microsoft-teams-webhook",
    "slack-webhook-url",
    "sourcegraph-access-token",
    "aws-access-token",
    "vault-service-token",
];
/// Made to be seen: a public half, or an id that opens nothing alone.
const PUBLIC: [&str; 14] = [
    "adobe-client-id",
    "asana-client-id",
    "bitbucket-client-id",
    "discord-client-id",
    "flutterwave-public-key",
    "linkedin-client-id",
    "lob-pub-api-key",
    "looker-client-id",
    "mailgun-pub-key",
    "mapbox-api-token",
    "messagebird-client-id",
    "new-relic-user-api-id",
    "plaid-client-id",
    "sendbird-access-id",
];
/// Whose form is so wide that it finds more commits and names than secrets.
const WIDE: [&str; 2] = ["sumologic-access-id", "facebook-access-token"];

/// The names to look for, where gitleaks' keywords are of the value or of too much.
const NAMES: [(&str, &[&str]); 6] = [
    ("gocardless-api-token", &["gocardless"]),
    ("mailchimp-api-key", &["mailchimp"]),
    (
        "new-relic-browser-api-token",
        &["newrelic", "new_relic", "new-relic"],
    ),
    (
        "new-relic-insert-key",
        &["newrelic", "new_relic", "new-relic"],
    ),
    (
        "new-relic-user-api-key",
        &["newrelic", "new_relic", "new-relic"],
    ),
    ("typeform-api-token", &["typeform"]),
];

/// What stands between a name and its value in gitleaks' forms.
const BETWEEN: &str = r#"(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}("#;
/// What ends a secret in them.
const ENDS: [&str; 6] = [
    r#"(?:[\x60'"\s;]|\\[nr]|$)"#,
    r#"(?:[\x60'"\s;]|\\[nr]|$|\b)"#,
    r"(?:[^\w-]|\z)",
    r"(?:[^a-zA-Z0-9+/]|\z)",
    r#"(?:$|[\\'"\x60\s<),])"#,
    r"\b",
];
/// What stands before one.
const BEGINS: [&str; 2] = [r#"(?:^|[\\'"\x60\s>=:(,)])"#, r"\b"];

type Error = Box<dyn std::error::Error>;

pub fn run(root: &Path) -> ExitCode {
    match write(root) {
        Ok(count) => {
            println!("{OUT}: {count} rules of {MODULE} {VERSION}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("FAILED  rules: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(root: &Path) -> Result<usize, Error> {
    let ran = Command::new("go")
        .args(["mod", "download", "-json", &format!("{MODULE}@{VERSION}")])
        .output()
        .map_err(|e| format!("go, which fetches the rules, did not start: {e}"))?;
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout)?;
    let dir = said["Dir"]
        .as_str()
        .ok_or_else(|| format!("go fetched nothing: {}", said["Error"]))?;
    let text = std::fs::read_to_string(Path::new(dir).join("config/gitleaks.toml"))?;
    let licence = std::fs::read_to_string(Path::new(dir).join("LICENSE"))?;
    let digest = Sha256::digest(text.as_bytes());
    let digest: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    if digest != SHA256 {
        return Err(format!("the rules' SHA-256 is {digest}, pinned is {SHA256}").into());
    }
    let (count, body) = derive(&text.parse()?)?;
    let mut page = head();
    for line in licence.lines() {
        let _ = writeln!(page, "{}", format!("#   {line}").trim_end());
    }
    page.push_str(&body);
    std::fs::write(root.join(OUT), page)?;
    Ok(count)
}

fn head() -> String {
    format!(
        "# Derived from gitleaks {VERSION}, config/gitleaks.toml, SHA-256\n# {SHA256},\n\
         # by `cargo xtask rules`, which says what is changed and left out, and why (docs/decisions/0010). Not edited by\n\
         # hand: rules of our own stand in own.toml. gitleaks' licence:\n#\n"
    )
}

/// The rules as our engine takes them: keys known by their form, and values known by the name before them.
fn derive(config: &Table) -> Result<(usize, String), Error> {
    let rules = config.get("rules").and_then(Value::as_array);
    let (mut keys, mut near) = (BTreeMap::new(), BTreeMap::new());
    for rule in rules.into_iter().flatten() {
        let said = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = said("id");
        if DONE_ELSEWHERE.contains(&id) || PUBLIC.contains(&id) || WIDE.contains(&id) {
            continue;
        }
        let words = rule.get("keywords").and_then(Value::as_array);
        let words = words.into_iter().flatten().filter_map(Value::as_str);
        let mut hints: Vec<String> = words.map(str::to_lowercase).collect();
        let entropy = rule.get("entropy").map_or(0.0, |value| {
            value
                .as_float()
                .or(value.as_integer().map(|i| i as f64))
                .unwrap_or(0.0)
        });
        let whole = said("regex");
        match whole.find(BETWEEN) {
            Some(at) => {
                if let Some((_, names)) = NAMES.iter().find(|(of, _)| *of == id) {
                    hints = names.iter().map(|name| (*name).to_owned()).collect();
                }
                let value = whole[at + BETWEEN.len()..].trim_end_matches(ENDS[0]);
                let value = value.strip_suffix(')').unwrap_or(value);
                let any_case = whole.starts_with("(?i)");
                let form = form(value, any_case);
                near.insert(id.to_owned(), (hints, form, entropy, 0));
            }
            None => {
                let form = form(bare(whole), false);
                let back = back(&form, &mut hints)?;
                keys.insert(id.to_owned(), (hints, form, entropy, back));
            }
        }
    }
    let mut out = String::new();
    for (section, all) in [("key", &keys), ("near", &near)] {
        for (kind, (hints, form, entropy, back)) in all {
            let _ = write!(out, "\n[[{section}]]\nkind = {kind:?}\nhints = {hints:?}\n");
            let _ = writeln!(out, "form = '''{form}'''");
            if *entropy > 0.0 {
                let _ = writeln!(out, "entropy = {entropy:?}");
            }
            if *back > 0 {
                let _ = writeln!(out, "back = {back}");
            }
        }
    }
    Ok((keys.len() + near.len(), out))
}

/// A form without what stands around the secret.
fn bare(whole: &str) -> &str {
    let mut form = whole;
    for end in ENDS {
        form = form.strip_suffix(end).unwrap_or(form);
    }
    for begin in BEGINS {
        form = form.strip_prefix(begin).unwrap_or(form);
    }
    form
}

/// Groups that catch nothing, and the word boundary behind a leading flag taken out: the whole is the secret.
fn form(text: &str, any_case: bool) -> String {
    let text = text.replace(r"(?i)\b", "(?i)").replace(r"(?i)(\b", "(?i)(");
    let (mut out, mut class, mut chars) = (String::new(), false, text.chars().peekable());
    if any_case {
        out.push_str("(?i)");
    }
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '[' => class = true,
            ']' => class = false,
            '(' if !class && chars.peek() != Some(&'?') => out.push_str("?:"),
            '(' if !class => {
                let mut ahead = chars.clone();
                ahead.next();
                if ahead.next() == Some('P') {
                    chars.by_ref().take_while(|c| *c != '>').for_each(drop);
                    out.push_str("?:");
                }
            }
            _ => {}
        }
    }
    out
}

/// How far before its hint a form may begin: 0 if each of its beginnings is a hint. Hints that no beginning has are
/// dropped where others do.
fn back(form: &str, hints: &mut Vec<String>) -> Result<usize, Error> {
    const BACK_BYTES: usize = 128;
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(form)
        .map_err(|e| format!("{form}: {e}"))?;
    let prefixes = Extractor::new().limit_total(4096).extract(&hir);
    let Some(literals) = prefixes.literals() else {
        return Ok(BACK_BYTES);
    };
    let begins = |hint: &str, literal: &[u8]| {
        let literal = literal.to_ascii_lowercase();
        literal.starts_with(hint.as_bytes()) || hint.as_bytes().starts_with(&literal)
    };
    let all = literals
        .iter()
        .all(|l| hints.iter().any(|hint| begins(hint, l.as_bytes())));
    if !all || literals.is_empty() {
        return Ok(BACK_BYTES);
    }
    hints.retain(|hint| literals.iter().any(|l| begins(hint, l.as_bytes())));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lose_what_stands_around_them() {
        let whole = r#"\b((?:a|b)_(?i)[a-z(]{4}(-x)?)(?:[\x60'"\s;]|\\[nr]|$)"#;
        assert_eq!(
            form(bare(whole), false),
            r"(?:(?:a|b)_(?i)[a-z(]{4}(?:-x)?)"
        );
        assert_eq!(form(r"(?P<kid>x)\(y", true), r"(?i)(?:x)\(y");
    }

    #[test]
    fn a_form_begins_at_its_hint_or_before_it() {
        let mut hints = vec!["ab_".to_owned(), "elsewhere".to_owned()];
        assert_eq!(back("(?i)ab_[0-9]{3}", &mut hints).unwrap(), 0);
        assert_eq!(hints, ["ab_"]);
        assert!(back("[a-z]{3}ab_", &mut hints).unwrap() > 0);
        assert!(back("ab_|cd_", &mut hints).unwrap() > 0);
    }
}
