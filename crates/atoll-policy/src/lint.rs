//! Checking one file: its syntax, its types against the schema, and what this product asks of a rule.

use std::collections::{BTreeSet, HashSet};

use atoll_domain::Kind;
use cedar_policy::{
    Policy, PolicyId, PolicySet, ValidationError, ValidationMode, ValidationWarning,
};
use miette::Diagnostic;
use serde_json::Value;

use crate::annotation;
use crate::rules::{Effect, Parsed, Scope, info};
use crate::schema::{GROUPS, validator};
use crate::source::{Problem, Source, starts};

/// The rules of a file with the offsets at which they begin, or everything that is wrong with it.
pub(crate) fn file(source: &Source, scope: Scope) -> Result<Vec<(Parsed, usize)>, Vec<Problem>> {
    let starts = starts(source).map_err(|problem| vec![problem])?;
    let set: PolicySet = source
        .text
        .parse()
        .map_err(|errors: cedar_policy::ParseErrors| {
            errors
                .iter()
                .map(|err| syntax(source, err))
                .collect::<Vec<_>>()
        })?;
    let start = |id: &PolicyId| {
        let id: &str = id.as_ref();
        let number = id
            .strip_prefix("policy")
            .and_then(|n| n.parse::<usize>().ok());
        number.and_then(|n| starts.get(n)).copied().unwrap_or(0)
    };
    let mut problems: Vec<Problem> = set
        .templates()
        .map(|template| {
            let hint = "write the rule out, without ?principal and ?resource".to_owned();
            Problem::at(
                source,
                start(template.id()),
                "templates are not used here",
                Some(hint),
            )
        })
        .collect();
    let mut rules = Vec::new();
    for (n, at) in starts.iter().copied().enumerate() {
        let Some(policy) = set.policy(&PolicyId::new(format!("policy{n}"))) else {
            continue;
        };
        match rule(source, policy, scope, at) {
            Ok(parsed) => rules.push((parsed, at)),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(types(source, &set, start));
    problems.sort_by_key(|p| (p.line, p.column));
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
}

fn rule(source: &Source, policy: &Policy, scope: Scope, start: usize) -> Result<Parsed, Problem> {
    let at = |(message, hint): annotation::Wrong| Problem::at(source, start, message, Some(hint));
    let said = annotation::read(policy, scope).map_err(at)?;
    for literal in policy.entity_literals() {
        let hint = match literal.type_name().to_string().as_str() {
            "Actor" => "write principal.name == \"…\", principal.kind or principal.role",
            "Workspace" => "write resource.path == \"…\"",
            "Node" => "write resource is Node",
            _ => continue,
        };
        let message = format!("no request has {literal}: it would never match");
        return Err(at((message, hint.into())));
    }
    if matches!(said.effect, Effect::Allow | Effect::Answer) && reads_command(policy) {
        let message = format!("{} allows by the text of a command", said.id);
        let hint = "a program can run any other, so that its text promises nothing: allow by hosts, \
                    purpose or workspace, and deny or ask by command";
        return Err(at((message, hint.into())));
    }
    let info = info(said, policy, scope, source, start);
    let policy = policy.clone();
    Ok(Parsed { info, policy })
}

/// Whether a rule's conditions read the words of a command.
pub(crate) fn reads_command(policy: &Policy) -> bool {
    policy.to_json().is_ok_and(|json| mentions_command(&json))
}

/// Looks for `{".": {"left": …, "attr": "command"}}` and the same with `has`, whatever stands on the left.
fn mentions_command(json: &Value) -> bool {
    const WORDS: [&str; 4] = ["command", "program", "arguments", "programs"];
    match json {
        Value::Array(items) => items.iter().any(mentions_command),
        Value::Object(map) => {
            let attr = map.get("attr").and_then(Value::as_str);
            attr.is_some_and(|attr| map.contains_key("left") && WORDS.contains(&attr))
                || map.values().any(mentions_command)
        }
        _ => false,
    }
}

/// The texts that a rule compares with: literals, and patterns without their wildcards.
pub(crate) fn texts(policy: &Policy) -> BTreeSet<String> {
    fn gather(json: &Value, found: &mut BTreeSet<String>) {
        match json {
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            Value::Object(map) => {
                if let Some(Value::String(text)) = map.get("Value") {
                    found.insert(text.clone());
                }
                if let Some(Value::Array(pattern)) = map.get("pattern") {
                    let pieces = pattern.iter().filter_map(|piece| piece.get("Literal"));
                    found.insert(pieces.filter_map(Value::as_str).collect());
                }
                map.values().for_each(|value| gather(value, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Ok(json) = policy.to_json() {
        gather(&json, &mut found);
    }
    found
}

/// What a rule's conditions read: each attribute by its whole path, such as `context.labels.secret`; `has` reads
/// as well. Sorted, each once; for people.
pub(crate) fn reads(policy: &Policy) -> Vec<String> {
    let mut found = BTreeSet::new();
    if let Ok(json) = policy.to_json() {
        gather(&json, &mut found);
    }
    found.into_iter().collect()
}

/// Looks for `{".": {"left": …, "attr": …}}` and the same with `has`.
fn gather(json: &Value, found: &mut BTreeSet<String>) {
    match (json, path(json)) {
        (_, Some(path)) => {
            found.insert(path);
        }
        (Value::Array(items), _) => items.iter().for_each(|item| gather(item, found)),
        (Value::Object(map), _) => map.values().for_each(|value| gather(value, found)),
        _ => {}
    }
}

/// `context.spent.micros` of its expression; `None` for any other expression.
fn path(json: &Value) -> Option<String> {
    let one = json.as_object().filter(|map| map.len() == 1)?;
    if let Some(variable) = one.get("Var").and_then(Value::as_str) {
        return (variable != "action").then(|| variable.to_owned());
    }
    let inner = one.get(".").or_else(|| one.get("has"))?;
    let attr = inner.get("attr")?.as_str()?;
    Some(format!("{}.{attr}", path(inner.get("left")?)?))
}

fn syntax(source: &Source, err: &cedar_policy::ParseError) -> Problem {
    let hint = err.help().map(|help| help.to_string());
    let hint = hint.or_else(|| first_label(err).and_then(|(_, text)| text));
    let offset = first_label(err).map_or(source.text.len(), |(offset, _)| offset);
    Problem::at(source, offset, err.to_string(), hint)
}

fn first_label(err: &dyn Diagnostic) -> Option<(usize, Option<String>)> {
    let label = err.labels()?.next()?;
    Some((label.offset(), label.label().map(str::to_owned)))
}

/// What the schema says against the rules. A rule that can never match, or whose text is made to look
/// like another, is refused as well.
fn types(source: &Source, set: &PolicySet, start: impl Fn(&PolicyId) -> usize) -> Vec<Problem> {
    let validator = match validator() {
        Ok(validator) => validator,
        Err(err) => return vec![Problem::at(source, 0, err.to_string(), None)],
    };
    let result = validator.validate(set, ValidationMode::Strict);
    let problem = |err: &dyn Diagnostic, id: &PolicyId, hint: Option<String>| {
        let offset = first_label(err).map_or_else(|| start(id), |(offset, _)| offset);
        let text = err.to_string();
        let text = text
            .strip_prefix(&format!("for policy `{id}`, "))
            .unwrap_or(&text);
        let hint = err.help().map(|help| help.to_string()).or(hint);
        Problem::at(source, offset, text, hint)
    };
    // One cause is said once: a rule whose action doesn't exist also applies to nothing, and a rule that
    // applies to nothing is also impossible.
    let mistyped: HashSet<&PolicyId> = result
        .validation_errors()
        .filter(|err| !matches!(err, ValidationError::InvalidActionApplication(_)))
        .map(|err| err.policy_id())
        .collect();
    let idle: HashSet<&PolicyId> = result
        .validation_warnings()
        .filter(|w| matches!(w, ValidationWarning::InvalidActionApplication(_)))
        .map(|w| w.policy_id())
        .collect();
    let errors = result
        .validation_errors()
        .filter(|err| {
            !matches!(err, ValidationError::InvalidActionApplication(_))
                || !mistyped.contains(err.policy_id())
        })
        .map(|err| problem(err, err.policy_id(), hint(err)));
    let warnings = result
        .validation_warnings()
        .filter(|w| !mistyped.contains(w.policy_id()))
        .filter(|w| match w {
            // Paths may well mix scripts.
            ValidationWarning::MixedScriptString(_) => false,
            ValidationWarning::ImpossiblePolicy(_) => !idle.contains(w.policy_id()),
            _ => true,
        })
        .map(|w| {
            let hint = "no question looks like this: mend the rule or remove it";
            problem(w, w.policy_id(), Some(hint.to_owned()))
        });
    errors.chain(warnings).collect()
}

fn hint(err: &ValidationError) -> Option<String> {
    let text = match err {
        ValidationError::UnrecognizedActionId(_) => {
            let actions = Kind::ALL.map(Kind::name).join(", ");
            let groups = GROUPS.map(|(group, _)| group).join(", ");
            return Some(format!("the actions are {actions}; the groups {groups}"));
        }
        ValidationError::UnrecognizedEntityType(_) => {
            "the types are Kind, Role, Purpose, Runner, Class and Reading"
        }
        ValidationError::UnsafeAttributeAccess(_) => {
            "name the action: each has its own context, see docs/policy.md"
        }
        ValidationError::InvalidActionApplication(_) => {
            "no request looks like this; see docs/policy.md for what each action is about"
        }
        _ => return None,
    };
    Some(text.into())
}
