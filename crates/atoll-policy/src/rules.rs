//! Rules, parsed, checked and cut into one slice per kind of action.

use std::collections::{BTreeSet, HashSet};

use atoll_domain::{Kind, Shown};
use atoll_guard::{Decision, PolicyError};
use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, EntityUid, Policy, PolicyId, PolicySet,
};
use serde::Serialize;

use crate::lint;
use crate::request::Asked;
use crate::schema::{GROUPS, slot};
use crate::source::{FILES_MAX, Problem, RULES_MAX, Source, position};

/// The longest text of an evaluation error, in columns.
const ERROR_COLUMNS_MAX: usize = 200;

/// Whose rules they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The product's.
    Profile,
    /// The owner's, beside the profile.
    Owner,
    /// A workspace's: they only narrow.
    Workspace,
}

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// A permit.
    Allow,
    /// A permit with `@answers`: allows, and answers the asks that it names.
    Answer,
    /// A permit with `@verdict("ask")`.
    Ask,
    /// A permit with `@verdict("confirm")`: an ask that no rule answers.
    Confirm,
    /// A forbid.
    Deny,
}

/// A rule, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleInfo {
    /// Its name.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// Why, if it says so.
    pub why: String,
    /// The asks that it answers.
    pub answers: Vec<String>,
    /// The actions it speaks of.
    pub kinds: Vec<Kind>,
    /// What its conditions read, as they are written: `context.network`, `principal.role`. Sorted.
    pub reads: Vec<String>,
    /// Whose it is.
    pub scope: Scope,
    /// The file it stands in.
    pub file: String,
    /// On which line, from 1.
    pub line: usize,
}

/// A rule that was read.
#[derive(Clone)]
pub(crate) struct Parsed {
    pub(crate) info: RuleInfo,
    pub(crate) policy: Policy,
}

/// Reads and checks files. Collects every problem, file by file.
pub(crate) fn parse(files: &[Source], scope: Scope) -> Result<Vec<Parsed>, Vec<Problem>> {
    let (mut rules, mut problems) = (Vec::<Parsed>::new(), Vec::new());
    if let Some(file) = files.get(FILES_MAX) {
        let message = format!(
            "there are {} rule files; {FILES_MAX} is the most",
            files.len()
        );
        return Err(vec![Problem::at(file, 0, message, None)]);
    }
    let mut seen: HashSet<String> = HashSet::new();
    for file in files {
        match lint::file(file, scope) {
            Ok(found) => {
                for (rule, start) in found {
                    if !seen.insert(rule.info.id.clone()) {
                        let message = format!("there is another rule named {}", rule.info.id);
                        let hint = "names are unique over all your files".to_owned();
                        problems.push(Problem::at(file, start, message, Some(hint)));
                    }
                    rules.push(rule);
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    if rules.len() > RULES_MAX {
        let message = format!("there are {} rules; {RULES_MAX} is the most", rules.len());
        problems.extend(
            files
                .first()
                .map(|file| Problem::at(file, 0, message, None)),
        );
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
}

/// The kinds of actions that a rule's scope speaks of: exactly those for which Cedar would find the
/// scope true, groups included.
pub(crate) fn kinds(policy: &Policy) -> Vec<Kind> {
    let named = |uid: &EntityUid, kind: Kind| {
        let id: &str = uid.id().unescaped();
        let group = || {
            GROUPS
                .iter()
                .any(|(group, kinds)| *group == id && kinds.contains(&kind))
        };
        uid.type_name().to_string() == "Action" && (id == kind.name() || group())
    };
    let applies = |kind: &Kind| match policy.action_constraint() {
        ActionConstraint::Any => true,
        // `==` with a group is never true; `in` with an action is.
        ActionConstraint::Eq(uid) => uid.id().unescaped() == kind.name() && named(&uid, *kind),
        ActionConstraint::In(uids) => uids.iter().any(|uid| named(uid, *kind)),
    };
    Kind::ALL.into_iter().filter(applies).collect()
}

/// A rule as it is listed, from where it begins.
pub(crate) fn info(
    said: crate::annotation::Said,
    policy: &Policy,
    scope: Scope,
    file: &Source,
    start: usize,
) -> RuleInfo {
    RuleInfo {
        id: said.id,
        effect: said.effect,
        why: said.why,
        answers: said.answers,
        kinds: kinds(policy),
        reads: lint::reads(policy),
        scope,
        file: file.name.clone(),
        line: position(&file.text, start).0,
    }
}

/// A set of rules that is evaluated together.
pub(crate) struct Rules {
    info: Vec<RuleInfo>,
    slices: Vec<PolicySet>,
    /// Those about jobs that read the words of a command, with those that answer questions: what a part of a command is
    /// put to. All others say the same of each part as of the whole.
    spoken: PolicySet,
    /// What those compare with that read the words of a command; `None`: no rule does.
    names: Option<BTreeSet<String>>,
}

/// What a set of rules says to a question.
pub(crate) struct Found<'a> {
    /// `None`: no rule matches.
    pub(crate) decision: Option<Decision>,
    /// The rules that decided, in the order in which they are written.
    pub(crate) rules: Vec<&'a RuleInfo>,
}

impl Rules {
    /// One slice per kind of action.
    pub(crate) fn new<'a>(
        parsed: impl IntoIterator<Item = &'a Parsed>,
    ) -> Result<Rules, PolicyError> {
        let mut rules = Rules {
            info: Vec::new(),
            slices: Kind::ALL.map(|_| PolicySet::new()).into(),
            spoken: PolicySet::new(),
            names: None,
        };
        for Parsed { info, policy } in parsed {
            // The id is the place in `info`: what Cedar gives back is looked up, never shown.
            let policy = policy.new_id(PolicyId::new(rules.info.len().to_string()));
            let reads = lint::reads_command(&policy);
            if info.kinds.contains(&Kind::Run) && (reads || info.effect == Effect::Answer) {
                let added = rules.spoken.add(policy.clone());
                added.map_err(|err| PolicyError(err.to_string()))?;
                if reads {
                    let names = rules.names.get_or_insert_default();
                    names.extend(lint::texts(&policy));
                }
            }
            for kind in &info.kinds {
                let added = rules.slices[slot(*kind)].add(policy.clone());
                added.map_err(|err| PolicyError(err.to_string()))?;
            }
            rules.info.push(info.clone());
        }
        Ok(rules)
    }

    /// With every rule in every slice: Cedar itself finds those that a question is about.
    pub(crate) fn uncut(&self) -> Result<Rules, PolicyError> {
        let mut whole = PolicySet::new();
        for slice in &self.slices {
            for policy in slice.policies() {
                if whole.policy(policy.id()).is_none() {
                    let added = whole.add(policy.clone());
                    added.map_err(|err| PolicyError(err.to_string()))?;
                }
            }
        }
        Ok(Rules {
            info: self.info.clone(),
            slices: Kind::ALL.map(|_| whole.clone()).into(),
            spoken: whole,
            names: self.names.clone(),
        })
    }

    /// What rules that read the words of a command compare with; `None`: there is no such rule.
    pub(crate) fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.as_ref()
    }

    pub(crate) fn info(&self) -> &[RuleInfo] {
        &self.info
    }

    /// Evaluates the rules of the question's kind.
    pub(crate) fn evaluate(&self, kind: Kind, asked: &Asked) -> Result<Found<'_>, PolicyError> {
        self.within(&self.slices[slot(kind)], asked)
    }

    /// Evaluates what a part of a command is put to.
    pub(crate) fn evaluate_part(&self, asked: &Asked) -> Result<Found<'_>, PolicyError> {
        self.within(&self.spoken, asked)
    }

    fn within(&self, slice: &PolicySet, asked: &Asked) -> Result<Found<'_>, PolicyError> {
        if slice.is_empty() {
            return Ok(Found {
                decision: None,
                rules: Vec::new(),
            });
        }
        let response = Authorizer::new().is_authorized(&asked.request, slice, &asked.entities);
        // Cedar skips a rule that fails, also a forbid: to us that is no answer at all.
        if let Some(AuthorizationError::PolicyEvaluationError(err)) =
            response.diagnostics().errors().next()
        {
            let rule = self.rule(err.policy_id()).map_or("a rule", |rule| &rule.id);
            // Cedar may quote a value of the question, of any length.
            let text = Shown::line(&err.inner().to_string());
            return Err(PolicyError(format!(
                "{rule}: {}",
                text.cut(ERROR_COLUMNS_MAX).as_str()
            )));
        }
        let mut places = Vec::new();
        for id in response.diagnostics().reason() {
            let id: &str = id.as_ref();
            places.push(id.parse::<usize>().map_err(|_| unknown())?);
        }
        places.sort_unstable();
        let rules = places
            .into_iter()
            .map(|at| self.info.get(at).ok_or_else(unknown));
        Ok(decide(rules.collect::<Result<_, _>>()?))
    }

    fn rule(&self, id: &PolicyId) -> Option<&RuleInfo> {
        let id: &str = id.as_ref();
        self.info.get(id.parse::<usize>().ok()?)
    }
}

fn unknown() -> PolicyError {
    PolicyError("a rule decided that isn't known".into())
}

/// Deny is stronger than what asks and isn't answered, and that is stronger than allow.
fn decide(matched: Vec<&RuleInfo>) -> Found<'_> {
    let answered: HashSet<&str> = matched
        .iter()
        .flat_map(|rule| rule.answers.iter().map(String::as_str))
        .collect();
    let decision = |rule: &RuleInfo| match rule.effect {
        Effect::Deny => Some(Decision::Deny),
        Effect::Confirm => Some(Decision::Ask),
        Effect::Ask if answered.contains(rule.id.as_str()) => None,
        Effect::Ask => Some(Decision::Ask),
        Effect::Allow | Effect::Answer => Some(Decision::Allow),
    };
    let decided = matched.iter().filter_map(|rule| decision(rule)).max();
    let rules = matched.iter().filter(|rule| decision(rule) == decided);
    Found {
        decision: decided,
        rules: rules.copied().collect(),
    }
}
