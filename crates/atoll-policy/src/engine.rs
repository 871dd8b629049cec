//! The engine: profiles with the owner's rules, and workspaces that narrow them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use atoll_domain::Hash;
use atoll_guard::{Decision, PolicyEngine, PolicyError, Question, Rule, Verdict};

use crate::rules::{Effect, Found, Parsed, RuleInfo, Rules, Scope, parse};
use crate::source::{Problem, Source};
use crate::speech::{self, Said};
use crate::{Profile, SCHEMA, request};

/// Most workspaces whose rules are held at once.
const WORKSPACES_MAX: usize = 4096;

/// The policy engine. Immutable and cheap to clone; [`crate::Current`] holds one that may be replaced.
#[derive(Clone)]
pub struct Engine {
    profiles: Arc<[(Profile, Rules)]>,
    workspaces: BTreeMap<String, Arc<Narrowing>>,
    base: Hash,
    hash: Hash,
}

/// A workspace's rules.
struct Narrowing {
    rules: Rules,
    hash: Hash,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workspaces = self.workspaces.len();
        write!(f, "Engine({}, {workspaces} workspaces)", self.hash.short())
    }
}

impl Engine {
    /// The three profiles, each with the owner's rules added (`~/.config/atoll/policy/*.cedar`, in the
    /// order of their names). `Err` lists everything that is wrong with the owner's files.
    pub fn new(owner: &[Source]) -> Result<Engine, Vec<Problem>> {
        let owners = parse(owner, Scope::Owner)?;
        let mut built = Vec::new();
        for profile in Profile::ALL {
            let source = Source::new(profile.file(), profile.text());
            built.push((profile, parse(&[source], Scope::Profile)?));
        }
        let all = built.iter().flat_map(|(_, rules)| rules).chain(&owners);
        answerable(owner, &owners, all)?;
        let profiles = built
            .iter()
            .map(|(profile, rules)| Ok((*profile, Rules::new(rules.iter().chain(&owners))?)))
            .collect::<Result<Vec<_>, PolicyError>>()
            .map_err(|err| whole(owner, &err))?;
        let texts = Profile::ALL.map(|p| Source::new(p.file(), p.text()));
        let schema = Source::new("schema.cedarschema", SCHEMA);
        let base = digest(texts.iter().chain([&schema]).chain(owner));
        Ok(Engine {
            profiles: profiles.into(),
            workspaces: BTreeMap::new(),
            base,
            hash: base,
        })
    }

    /// The same with a workspace's rules (`REPO/.atoll/policy.cedar`) in force for questions whose facts
    /// name `path` as their workspace; they replace earlier ones. Only forbids and asks count, so that
    /// no verdict becomes milder. Whether the owner trusts the workspace is the caller's to know.
    pub fn with_workspace(&self, path: &str, files: &[Source]) -> Result<Engine, Vec<Problem>> {
        let parsed = parse(files, Scope::Workspace)?;
        let rules = Rules::new(&parsed).map_err(|err| whole(files, &err))?;
        let hash = digest(files);
        let mut engine = self.clone();
        engine
            .workspaces
            .insert(path.to_owned(), Arc::new(Narrowing { rules, hash }));
        if engine.workspaces.len() > WORKSPACES_MAX {
            let message = format!("the rules of more than {WORKSPACES_MAX} workspaces");
            return Err(whole(files, &PolicyError(message)));
        }
        engine.rehash();
        Ok(engine)
    }

    /// The same without a workspace's rules.
    pub fn without_workspace(&self, path: &str) -> Engine {
        let mut engine = self.clone();
        engine.workspaces.remove(path);
        engine.rehash();
        engine
    }

    /// The same without slices: each question is put to Cedar with every rule there is. The verdicts are the same, and
    /// a test and `./dev bench policy` compare: it is of no other use.
    #[doc(hidden)]
    pub fn unsliced(&self) -> Result<Engine, PolicyError> {
        let uncut = |(profile, rules): &(Profile, Rules)| Ok((*profile, rules.uncut()?));
        let profiles: Result<Vec<_>, PolicyError> = self.profiles.iter().map(uncut).collect();
        let mut workspaces = BTreeMap::new();
        for (path, narrowing) in &self.workspaces {
            let rules = narrowing.rules.uncut()?;
            let hash = narrowing.hash;
            workspaces.insert(path.clone(), Arc::new(Narrowing { rules, hash }));
        }
        Ok(Engine {
            profiles: profiles?.into(),
            workspaces,
            base: self.base,
            hash: self.hash,
        })
    }

    /// The rules under a profile: its own, then the owner's, as they are written.
    pub fn rules(&self, profile: Profile) -> &[RuleInfo] {
        self.profile(profile.name())
            .map_or(&[], |rules| rules.info())
    }

    /// A workspace's rules, as they are written; empty if it has none in force.
    pub fn workspace_rules(&self, path: &str) -> &[RuleInfo] {
        self.workspaces.get(path).map_or(&[], |n| n.rules.info())
    }

    fn profile(&self, name: &str) -> Option<&Rules> {
        self.profiles
            .iter()
            .find(|(profile, _)| profile.name() == name)
            .map(|(_, rules)| rules)
    }

    fn rehash(&mut self) {
        let mut parts: Vec<&[u8]> = vec![&self.base.0];
        let lengths: Vec<[u8; 8]> = self
            .workspaces
            .keys()
            .map(|path| (path.len() as u64).to_be_bytes())
            .collect();
        for ((path, narrowing), length) in self.workspaces.iter().zip(&lengths) {
            parts.extend([length.as_slice(), path.as_bytes(), &narrowing.hash.0]);
        }
        self.hash = if self.workspaces.is_empty() {
            self.base
        } else {
            Hash::of_parts(&parts)
        };
    }
}

impl PolicyEngine for Engine {
    /// Judged by the profile that the facts name, then by the workspace's rules; the stricter wins.
    fn judge(&self, question: &Question<'_>) -> Result<Verdict, PolicyError> {
        let facts = question.facts;
        let Some(rules) = self.profile(&facts.profile) else {
            return Err(PolicyError(
                "the profile in force is not one that exists".into(),
            ));
        };
        let narrowing = facts
            .workspace
            .as_ref()
            .and_then(|path| self.workspaces.get(path))
            .map(|narrowing| &narrowing.rules);
        let spoken = speech::of(question)?;
        let whole = spoken.as_ref().map(|spoken| &spoken.whole);
        let mut said = one(question, rules, narrowing, whole)?;
        let names = [Some(rules), narrowing].map(|rules| rules.and_then(Rules::names));
        if let Some(spoken) = &spoken
            && names.iter().any(Option::is_some)
        {
            let names = names.into_iter().flatten().flatten().cloned().collect();
            for other in spoken.others(&names)? {
                let asked = request::build(question, Some(&other))?;
                for rules in [Some(rules), narrowing].into_iter().flatten() {
                    said = stricter(said, verdict(rules.evaluate_part(&asked)?));
                }
            }
        }
        Ok(said)
    }

    fn hash(&self) -> Hash {
        self.hash
    }
}

/// The verdict on one way to ask.
fn one(
    question: &Question<'_>,
    rules: &Rules,
    narrowing: Option<&Rules>,
    said: Option<&Said>,
) -> Result<Verdict, PolicyError> {
    let asked = request::build(question, said)?;
    let found = rules.evaluate(question.kind, &asked)?;
    let base = verdict(found).unwrap_or_else(|| no_match(question));
    let Some(narrowing) = narrowing else {
        return Ok(base);
    };
    let found = narrowing.evaluate(question.kind, &asked)?;
    Ok(stricter(base, verdict(found)))
}

fn verdict(found: Found<'_>) -> Option<Verdict> {
    let rule = |info: &&RuleInfo| Rule {
        id: info.id.clone(),
        why: info.why.clone(),
    };
    Some(Verdict {
        decision: found.decision?,
        rules: found.rules.iter().map(rule).collect(),
    })
}

fn no_match(q: &Question<'_>) -> Verdict {
    let why = format!(
        "no rule of the profile {} allows a{} {} to {}",
        q.facts.profile,
        if matches!(q.facts.role.name(), "owner" | "operator" | "agent") {
            "n"
        } else {
            ""
        },
        q.facts.role.name(),
        q.kind.name()
    );
    Verdict {
        decision: Decision::Deny,
        rules: vec![Rule {
            id: "policy.no_match".into(),
            why,
        }],
    }
}

/// Of two verdicts the stricter; the rules of both where they agree in not allowing.
fn stricter(base: Verdict, narrowing: Option<Verdict>) -> Verdict {
    match narrowing {
        Some(other) if other.decision > base.decision => other,
        Some(other) if other.decision == base.decision => {
            let mut rules = base.rules;
            let new = |rule: &Rule| !rules.iter().any(|old| old.id == rule.id);
            let more: Vec<Rule> = other.rules.into_iter().filter(new).collect();
            rules.extend(more);
            Verdict {
                decision: base.decision,
                rules,
            }
        }
        _ => base,
    }
}

/// SHA-256 over names and texts, each with its length before it.
fn digest<'a>(files: impl IntoIterator<Item = &'a Source>) -> Hash {
    let mut bytes = Vec::new();
    for Source { name, text } in files {
        for part in [name, text] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
    }
    Hash::of(&bytes)
}

fn whole(files: &[Source], err: &PolicyError) -> Vec<Problem> {
    let file = files
        .first()
        .cloned()
        .unwrap_or_else(|| Source::new("policy", ""));
    vec![Problem::at(&file, 0, err.to_string(), None)]
}

/// Every `@answers` must name an ask that exists and may be answered.
fn answerable<'a>(
    files: &[Source],
    owners: &[Parsed],
    all: impl Iterator<Item = &'a Parsed>,
) -> Result<(), Vec<Problem>> {
    let effects: HashMap<&str, Effect> = all.map(|p| (p.info.id.as_str(), p.info.effect)).collect();
    let mut problems = Vec::new();
    for info in owners.iter().map(|p| &p.info) {
        for id in &info.answers {
            let (message, hint) = match effects.get(id.as_str()) {
                Some(Effect::Ask) => continue,
                Some(Effect::Confirm) => (
                    format!("{id} is confirmed each time; no rule answers it"),
                    "take @answers away",
                ),
                Some(_) => (
                    format!("{id} does not ask"),
                    "@answers names a rule that asks",
                ),
                None => (
                    format!("there is no rule named {id}"),
                    "`atoll policy show` lists the rules",
                ),
            };
            let source = files.iter().find(|f| f.name == info.file);
            problems.extend(source.map(|source| Problem {
                line: info.line,
                ..Problem::at(source, 0, message, Some(hint.into()))
            }));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
