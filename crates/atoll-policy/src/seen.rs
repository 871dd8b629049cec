//! What rules see of a question, for people: each fact by the name that a rule would give it.

use atoll_guard::{PolicyError, Question};
use cedar_policy::EvalResult;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::schema::names;
use crate::{request, speech};

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// As rules name it: `context.labels.secret`.
    pub name: String,
    /// What it is: text, a number, yes or no, a list; a name of a closed list as rules write it, `Role::"agent"`.
    pub value: Value,
}

/// Facts as one JSON object, each by its name.
pub fn by_name<S: Serializer>(facts: &[Fact], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(facts.iter().map(|fact| (&fact.name, &fact.value)))
}

/// Every fact that rules can read of a question, sorted by name. The same way leads there that a verdict takes, so
/// that nothing else is shown than what was judged. Errors as the engine's own for a question that has no verdict.
pub fn seen(question: &Question<'_>) -> Result<Vec<Fact>, PolicyError> {
    let spoken = speech::of(question)?;
    let asked = request::build(question, spoken.as_ref().map(|spoken| &spoken.whole))?;
    let mut found = Found(Vec::new());
    let names = names()?;
    found.value("principal.kind", entity(names.kind(question.actor.kind)));
    found.value("principal.role", entity(names.role(question.facts.role)));
    found.value("principal.name", question.actor.id.clone().into());
    match &question.facts.workspace {
        Some(path) => {
            found.value("resource.path", path.clone().into());
            found.value("resource.trusted", question.facts.workspace_trusted.into());
        }
        None => found.value("resource", "Node".into()),
    }
    if let Some(context) = asked.request.context() {
        for (name, _) in context.clone() {
            let value = context.get(&name);
            let value = value.ok_or_else(|| PolicyError(format!("context.{name} has no value")))?;
            found.result(&format!("context.{name}"), &value);
        }
    }
    found.0.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found.0)
}

struct Found(Vec<Fact>);

impl Found {
    fn value(&mut self, name: &str, value: Value) {
        self.0.push(Fact {
            name: name.to_owned(),
            value,
        });
    }

    /// A record's parts each by itself.
    fn result(&mut self, name: &str, value: &EvalResult) {
        match value {
            EvalResult::Record(record) => {
                for (key, value) in record.iter() {
                    self.result(&format!("{name}.{key}"), value);
                }
            }
            other => self.value(name, plain(other)),
        }
    }
}

fn plain(value: &EvalResult) -> Value {
    match value {
        EvalResult::Bool(yes) => (*yes).into(),
        EvalResult::Long(n) => (*n).into(),
        EvalResult::String(text) => text.clone().into(),
        EvalResult::EntityUid(uid) => entity(uid.clone()),
        EvalResult::Set(set) => set.iter().map(plain).collect(),
        other => other.to_string().into(),
    }
}

fn entity(uid: cedar_policy::EntityUid) -> Value {
    uid.to_string().into()
}
