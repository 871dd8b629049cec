//! Table tests of rules: a question as people write it down, and the verdict that they expect.

mod act;

use std::collections::BTreeSet;

use atoll_domain::{Actor, ActorKind, Facts, Label, Labels, Role};
use atoll_guard::{Decision, PolicyEngine, Question, Verdict, decide};
use serde::{Deserialize, Deserializer};

use act::Question as Asked;

/// Where a case without a workspace of its own lies.
pub const ROOT: &str = "/home/you/project";

/// The verdict that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// Yes.
    Allow,
    /// A person decides.
    Ask,
    /// No.
    Deny,
}

impl Expected {
    /// As the guard has it.
    pub fn decision(self) -> Decision {
        match self {
            Expected::Allow => Decision::Allow,
            Expected::Ask => Decision::Ask,
            Expected::Deny => Decision::Deny,
        }
    }
}

/// One row: who wants what, what the node knows, and what the rules are to say. What is left out is as it most often
/// is: an agent, in a workspace that its owner vouched for, with nothing touched and nothing spent.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The verdict.
    pub expect: Expected,
    /// A rule that must be among those that decide.
    pub rule: Option<String>,
    /// The profile in force, else the one that is asked with.
    pub profile: Option<String>,
    /// Who wants it.
    #[serde(default = "agent")]
    by: Role,
    /// Their name on this node.
    actor: Option<String>,
    /// The workspace's path; "" for none.
    workspace: Option<String>,
    /// Whether its owner vouched for it.
    trusted: Option<bool>,
    /// What the session has touched.
    #[serde(default)]
    labels: BTreeSet<Label>,
    /// Whether it carries data out; found from the action if left out.
    egress: Option<bool>,
    /// Whether it stays in the box; found from the action if left out.
    in_box: Option<bool>,
    /// Whether the owner granted the provider in this workspace.
    #[serde(default)]
    provider_granted: bool,
    /// What the session spent before, in millionths of a US dollar.
    #[serde(default)]
    spent_micros: u64,
    /// The same in tokens.
    #[serde(default)]
    spent_tokens: u64,
    /// Whether the sandbox is as strong as configured.
    sandbox_ok: Option<bool>,
    /// What is wanted.
    #[serde(flatten, deserialize_with = "asked")]
    asked: Asked,
}

fn agent() -> Role {
    Role::Agent
}

/// What is no field of every case is one of its action's, or it is misspelt and refused.
fn asked<'de, D: Deserializer<'de>>(from: D) -> Result<Asked, D::Error> {
    let rest = serde_json::Map::<String, serde_json::Value>::deserialize(from)?;
    serde_json::from_value(rest.into()).map_err(serde::de::Error::custom)
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the rules say.
    pub verdict: Verdict,
    /// Whether that is what was expected.
    pub holds: bool,
}

impl Case {
    /// Judges it as a guard over `engine` would, under `profile` unless it names its own. `Err`: the question makes no
    /// sense, in words.
    pub fn run(&self, engine: &dyn PolicyEngine, profile: &str) -> Result<Outcome, String> {
        let action = self.asked.canonical(self.root())?;
        let actor = self.actor();
        let facts = self.facts(profile);
        let question = Question {
            actor: &actor,
            kind: self.asked.kind(),
            action: &action,
            facts: &facts,
        };
        let verdict = decide(engine, &question);
        let rule = self.rule.as_ref();
        let named = rule.is_none_or(|rule| verdict.rules.iter().any(|r| r.id == *rule));
        let holds = named && verdict.decision == self.expect.decision();
        Ok(Outcome { verdict, holds })
    }

    /// What its question looks like to rules.
    pub fn facts_seen(&self, profile: &str) -> Result<Vec<crate::Fact>, String> {
        let action = self.asked.canonical(self.root())?;
        let (actor, facts) = (self.actor(), self.facts(profile));
        let question = Question {
            actor: &actor,
            kind: self.asked.kind(),
            action: &action,
            facts: &facts,
        };
        crate::seen(&question).map_err(|err| err.to_string())
    }

    fn root(&self) -> &str {
        match self.workspace.as_deref() {
            None | Some("") => ROOT,
            Some(path) => path,
        }
    }

    fn actor(&self) -> Actor {
        let kind = match self.by {
            Role::Owner | Role::Operator | Role::Viewer => ActorKind::Human,
            Role::Agent => ActorKind::Ai,
            Role::Worker => ActorKind::System,
        };
        let id = self.actor.clone();
        Actor {
            kind,
            id: id.unwrap_or_else(|| self.by.name().to_owned()),
        }
    }

    fn facts(&self, profile: &str) -> Facts {
        let profile = self.profile.as_deref().unwrap_or(profile);
        let mut facts = Facts::of(self.by, profile);
        if self.workspace.as_deref() != Some("") {
            facts.workspace = Some(self.root().to_owned());
        }
        facts.workspace_trusted = self.trusted.unwrap_or(true);
        let has = |label| self.labels.contains(&label);
        facts.labels = Labels {
            untrusted: has(Label::Untrusted),
            private: has(Label::Private),
            secret: has(Label::Secret),
        };
        facts.egress = self.egress.unwrap_or_else(|| self.asked.leaves());
        facts.in_box = self.in_box.unwrap_or_else(|| self.asked.in_box());
        facts.remote = self.asked.remote();
        facts.provider_granted = self.provider_granted;
        facts.spent.micros = self.spent_micros;
        facts.spent.tokens = self.spent_tokens;
        facts.sandbox_ok = self.sandbox_ok.unwrap_or(true);
        facts
    }
}
