//! What a rule's annotations say: `@id`, `@why`, `@verdict`, `@answers`. An annotation that isn't known
//! is refused: a misspelt `@verdict("ask")` would make an ask an allow.

use atoll_domain::Shown;
use cedar_policy::{Effect as CedarEffect, Policy};

use crate::rules::{Effect, Scope};

/// Longest id, in bytes. Ids go into events, so that they are of a few plain characters alone.
const ID_BYTES_MAX: usize = 64;
/// Longest reason, in bytes.
const WHY_BYTES_MAX: usize = 300;
/// First parts of ids that only the product's own rules have.
const RESERVED: [&str; 7] = [
    "atoll",
    "guard",
    "policy",
    "workspace",
    "read-only",
    "careful",
    "open",
];

/// A rule's annotations, read.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) why: String,
    pub(crate) answers: Vec<String>,
}

/// What is wrong and what to do.
pub(crate) type Wrong = (String, String);

fn wrong<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Wrong> {
    Err((message.into(), hint.into()))
}

/// Reads the annotations of a rule.
pub(crate) fn read(policy: &Policy, scope: Scope) -> Result<Said, Wrong> {
    const KNOWN: [&str; 4] = ["id", "why", "verdict", "answers"];
    if let Some((key, _)) = policy.annotations().find(|(key, _)| !KNOWN.contains(key)) {
        return wrong(
            format!("there is no annotation @{key}"),
            "there are @id, @why, @verdict and @answers",
        );
    }
    let id = id(policy, scope)?;
    let effect = effect(policy, scope)?;
    let why = policy.annotation("why").unwrap_or("").trim().to_owned();
    if why.len() > WHY_BYTES_MAX || Shown::line(&why).as_str() != why {
        return wrong(
            format!(
                "the reason of {id} is longer than {WHY_BYTES_MAX} bytes or not one plain line"
            ),
            "@why is one sentence",
        );
    }
    if why.is_empty() && matches!(effect, Effect::Ask | Effect::Confirm | Effect::Deny) {
        return wrong(
            format!("{id} does not say why"),
            "give it @why(\"…\"): it is what the person reads",
        );
    }
    let answers = policy
        .annotation("answers")
        .unwrap_or("")
        .split_whitespace();
    Ok(Said {
        id,
        effect,
        why,
        answers: answers.map(str::to_owned).collect(),
    })
}

fn id(policy: &Policy, scope: Scope) -> Result<String, Wrong> {
    let Some(id) = policy.annotation("id") else {
        return wrong(
            "the rule has no name",
            "give it one, such as @id(\"my.no-deploy\")",
        );
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.chars().all(plain) {
        return wrong(
            "the rule's name is not a name",
            format!("@id takes up to {ID_BYTES_MAX} of a-z, 0-9, '.', '_' and '-'"),
        );
    }
    let first = id.split('.').next().unwrap_or("");
    match scope {
        Scope::Profile => Ok(id.to_owned()),
        Scope::Owner if RESERVED.contains(&first) => wrong(
            format!("names that begin with {first}. are Atoll's own"),
            "begin it with a word of yours",
        ),
        Scope::Owner => Ok(id.to_owned()),
        // So that a repository's rule can't pass for one of the owner's.
        Scope::Workspace => Ok(format!("workspace.{id}")),
    }
}

fn effect(policy: &Policy, scope: Scope) -> Result<Effect, Wrong> {
    let verdict = policy.annotation("verdict");
    let answers = policy.annotation("answers");
    match (policy.effect(), verdict, answers) {
        (CedarEffect::Forbid, None, None) => Ok(Effect::Deny),
        (CedarEffect::Forbid, ..) => wrong(
            "a forbid denies, whatever is written above it",
            "write permit to ask, or take @verdict and @answers away",
        ),
        (CedarEffect::Permit, Some("ask"), None) => Ok(Effect::Ask),
        (CedarEffect::Permit, Some("confirm"), None) => Ok(Effect::Confirm),
        (CedarEffect::Permit, Some(_), None) => wrong(
            "there is no such verdict",
            "@verdict(\"ask\"), or @verdict(\"confirm\") for what no rule may answer; without it a permit allows",
        ),
        (CedarEffect::Permit, Some(_), Some(_)) => wrong(
            "a rule either asks or answers",
            "take @verdict or @answers away",
        ),
        (CedarEffect::Permit, None, _) if scope == Scope::Workspace => wrong(
            "a workspace's rules only narrow: a permit that allows counts for nothing here",
            "make it @verdict(\"ask\") or a forbid, or put it into your own policy folder",
        ),
        (CedarEffect::Permit, None, Some(ids)) if ids.trim().is_empty() => wrong(
            "@answers names no rule",
            "name the rule that asks, such as @answers(\"careful.network\")",
        ),
        (CedarEffect::Permit, None, Some(_)) => Ok(Effect::Answer),
        (CedarEffect::Permit, None, None) => Ok(Effect::Allow),
    }
}
