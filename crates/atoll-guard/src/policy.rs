//! What the guard wants of a policy engine.

use atoll_domain::{Actor, Canonical, Facts, Hash, Kind};

/// One question: may `actor` do `action`, given `facts`? All of it from the node's own state.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who wants it.
    pub actor: &'a Actor,
    /// The kind of action.
    pub kind: Kind,
    /// The canonical action.
    pub action: &'a Canonical,
    /// What the node knows.
    pub facts: &'a Facts,
}

/// A verdict without its rules. Ordered: the stricter is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Yes.
    Allow,
    /// A person decides.
    Ask,
    /// No.
    Deny,
}

/// One line of policy that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, such as `careful.network`.
    pub id: String,
    /// What a person reads.
    pub why: String,
}

/// The policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer.
    pub decision: Decision,
    /// The rules that decided.
    pub rules: Vec<Rule>,
}

impl Verdict {
    /// The rules' names.
    pub fn rule_ids(&self) -> Vec<String> {
        self.rules.iter().map(|r| r.id.clone()).collect()
    }
}

/// A policy that could not be evaluated. The guard denies then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy could not be evaluated: {0}")]
pub struct PolicyError(pub String);

/// A policy engine. Pure: the same question gives the same verdict.
pub trait PolicyEngine: Send + Sync {
    /// Answers a question. No matching rule is a deny; so is an error.
    fn judge(&self, question: &Question<'_>) -> Result<Verdict, PolicyError>;
    /// Hash of the policy's text, logged with each verdict.
    fn hash(&self) -> Hash;
}
