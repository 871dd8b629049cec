//! A question turned into a rule that answers it the next time: as narrow as what was asked, and no command's words in
//! it, since a command's words promise nothing.

use atoll_domain::{Kind, Shown};
use atoll_guard::{Decision, Question, decide};
use serde_json::Value;

use crate::{Effect, Engine, Fact, Profile, seen};

/// A rule that would have answered a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Its name.
    pub id: String,
    /// The rule, as Cedar.
    pub rule: String,
    /// The questions' names that it answers.
    pub answers: Vec<String>,
}

/// Why there is no rule for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRule {
    /// The rules in force don't ask.
    #[error("the rules in force don't ask: they {0}")]
    NotAsked(&'static str),
    /// Some of what asks is never answered by a rule.
    #[error("{0} asks each time: no rule answers it")]
    Each(String),
    /// The workspace's own rule asks.
    #[error("{0} is the workspace's own rule: a rule of yours can't answer it")]
    Workspace(String),
    /// What was asked can't be judged.
    #[error("{0}")]
    Unreadable(String),
}

/// The facts that a rule for this kind is bound to, as conditions.
struct Bound<'a> {
    facts: &'a [Fact],
    all: Vec<String>,
}

impl Bound<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let fact = self.facts.iter().find(|fact| fact.name == name);
        fact.map(|fact| &fact.value)
    }

    /// A text, whatever is in it.
    fn same(&mut self, name: &str) {
        if let Some(Value::String(text)) = self.value(name) {
            self.all.push(format!("{name} == {}", literal(text)));
        }
    }

    /// A name of a closed list, which stands as the engine wrote it. Only for facts that are never a text.
    fn named(&mut self, name: &str) {
        if let Some(Value::String(uid)) = self.value(name) {
            self.all.push(format!("{name} == {uid}"));
        }
    }

    /// Yes or no, as it was.
    fn flag(&mut self, name: &str) {
        if let Some(Value::Bool(yes)) = self.value(name) {
            let not = if *yes { "" } else { "!" };
            self.all.push(format!("{not}{name}"));
        }
    }

    /// What was not so then must not be so.
    fn unless(&mut self, name: &str) {
        if self.value(name) == Some(&Value::Bool(false)) {
            self.all.push(format!("!{name}"));
        }
    }

    fn at_most(&mut self, name: &str) {
        if let Some(Value::Number(most)) = self.value(name) {
            self.all.push(format!("{name} <= {most}"));
        }
    }

    /// Nothing but these.
    fn only(&mut self, name: &str) {
        let Some(Value::Array(items)) = self.value(name) else {
            return;
        };
        let items: Vec<String> = items
            .iter()
            .filter_map(Value::as_str)
            .map(literal)
            .collect();
        self.all.push(match items.is_empty() {
            true => format!("{name}.isEmpty()"),
            false => format!("[{}].containsAll({name})", items.join(", ")),
        });
    }
}

/// A text as Cedar writes it. What isn't plain is escaped, so that nothing in it hides or ends it.
fn literal(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => format!("\\u{{{:x}}}", c as u32),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// A rule named `id` that answers this question the next time. The caller puts it to the engine before it is taken.
pub fn suggest(engine: &Engine, question: &Question<'_>, id: &str) -> Result<Suggestion, NoRule> {
    let verdict = decide(engine, question);
    match verdict.decision {
        Decision::Ask => {}
        Decision::Allow => return Err(NoRule::NotAsked("allow it")),
        Decision::Deny => return Err(NoRule::NotAsked("deny it")),
    }
    let profile: Result<Profile, _> = question.facts.profile.parse();
    let rules = profile.map(|profile| engine.rules(profile)).unwrap_or(&[]);
    let mut answers = Vec::new();
    for rule in verdict.rule_ids() {
        match rules.iter().find(|info| info.id == rule) {
            Some(info) if info.effect == Effect::Ask => answers.push(rule),
            None if rule.starts_with("workspace.") => return Err(NoRule::Workspace(rule)),
            _ => return Err(NoRule::Each(rule)),
        }
    }
    let facts = seen(question).map_err(|err| NoRule::Unreadable(err.to_string()))?;
    let place = question
        .facts
        .workspace
        .as_ref()
        .map_or("Node", |_| "Workspace");
    let rule = format!(
        "@id({})\n@answers({})\npermit (principal, action == Action::\"{}\", resource is {place})\nwhen {{\n  {}\n}};\n",
        literal(id),
        literal(&answers.join(" ")),
        question.kind.name(),
        conditions(question.kind, &facts).join(" &&\n  "),
    );
    Ok(Suggestion {
        id: id.to_owned(),
        rule,
        answers,
    })
}

fn conditions(kind: Kind, facts: &[Fact]) -> Vec<String> {
    let mut b = Bound {
        facts,
        all: Vec::new(),
    };
    b.named("principal.role");
    if b.value("principal.kind") == Some(&Value::from("Kind::\"human\"")) {
        b.same("principal.name");
    }
    b.same("resource.path");
    match kind {
        Kind::Snapshot | Kind::Stdin => {}
        Kind::Read => {
            b.named("context.op");
            b.same("context.path");
        }
        Kind::Write => {
            b.same("context.path");
            b.unless("context.deletes");
        }
        Kind::Run => {
            b.named("context.purpose");
            b.named("context.runner");
            b.unless("context.network");
            b.only("context.hosts");
            b.only("context.secrets");
            b.only("context.mounts");
            b.only("context.mounts_writable");
            b.at_most("context.ttl_s");
        }
        Kind::Secret => {
            b.same("context.secret");
            b.named("context.use");
            b.same("context.provider");
        }
        Kind::Call => {
            b.same("context.provider");
            b.same("context.model");
            b.same("context.endpoint");
            b.at_most("context.output_tokens_max");
        }
        Kind::Accept | Kind::Undo => {
            b.only("context.paths");
            b.flag("context.branch");
        }
    }
    b.unless("context.egress");
    for label in ["untrusted", "private", "secret"] {
        b.unless(&format!("context.labels.{label}"));
    }
    b.all
}

/// What a rule of this kind lets through from then on, for the person who saves it.
pub fn lets(kind: Kind, facts: &[Fact]) -> String {
    let text = |name: &str| {
        let fact = facts.iter().find(|fact| fact.name == name);
        let text = fact.and_then(|fact| fact.value.as_str());
        Shown::line(text.unwrap_or_default()).to_string()
    };
    let list = |name: &str| {
        let fact = facts.iter().find(|fact| fact.name == name);
        let items = fact.and_then(|fact| fact.value.as_array());
        let items = items.map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        Shown::line(&items.unwrap_or_default().join(", ")).to_string()
    };
    match kind {
        Kind::Run => {
            let (hosts, secrets) = (list("context.hosts"), list("context.secrets"));
            let mut with = Vec::new();
            if !hosts.is_empty() {
                with.push(format!("may reach {hosts}"));
            }
            if !secrets.is_empty() {
                with.push(format!("gets the secrets {secrets}"));
            }
            if with.is_empty() {
                with.push("runs".to_owned());
            }
            format!("any command of this purpose there {}", with.join(" and "))
        }
        Kind::Call => format!(
            "calls of {}/{} there",
            text("context.provider"),
            text("context.model")
        ),
        Kind::Secret => format!("the use of the secret {}", text("context.secret")),
        Kind::Write => format!("any content in {}", text("context.path")),
        Kind::Read => format!("reading {}", text("context.path")),
        Kind::Snapshot => "taking the files as they are".to_owned(),
        Kind::Stdin => "any input to a running job".to_owned(),
        Kind::Accept | Kind::Undo => format!("changes of {}", list("context.paths")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_where_it_ends() {
        assert_eq!(literal("a b"), "\"a b\"");
        assert_eq!(
            literal("a\"\\\n\u{202e}ü"),
            "\"a\\\"\\\\\\u{a}\\u{202e}\\u{fc}\""
        );
    }
}
