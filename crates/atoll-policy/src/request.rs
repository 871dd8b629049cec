//! A question as Cedar's request: who, where, and the context that rules read.

use std::collections::HashMap;

use atoll_domain::action::{AcceptTo, UseSecret};
use atoll_domain::{Cost, Facts, Kind, Labels, Network, SecretFor};
use atoll_guard::{PolicyError, Question};
use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};

use crate::schema::{Names, names, schema};
use crate::speech::Said;
use crate::view::{self, ACTION_BYTES_MAX, ITEMS_MAX};

/// A question in Cedar's terms.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// Builds the request, checked against the schema; of a job, as what is `said` of its command. What is missing, too
/// large or contradicts the facts is an error.
pub(crate) fn build(question: &Question<'_>, said: Option<&Said>) -> Result<Asked, PolicyError> {
    if question.action.bytes.len() > ACTION_BYTES_MAX {
        return Err(PolicyError(format!(
            "the {} action has {} bytes; {ACTION_BYTES_MAX} is the most that is judged",
            question.kind.name(),
            question.action.bytes.len()
        )));
    }
    let names = names()?;
    let mut fields = Fields::common(question.facts);
    fields.action(question, said, names)?;
    let context = Context::from_pairs(fields.0).map_err(broken)?;
    let actor = actor(question, names)?;
    let resource = resource(question, names)?;
    let (action, action_entity) = names.action(question.kind);
    let request = Request::new(
        actor.uid(),
        action.clone(),
        resource.uid(),
        context,
        Some(schema()?),
    );
    let request = request.map_err(|err| match question.facts.workspace {
        None => PolicyError(format!(
            "{} has no verdict without a workspace",
            question.kind.name()
        )),
        Some(_) => broken(err),
    })?;
    let entities = Entities::from_entities([actor, resource, action_entity.clone()], None);
    let entities = entities.map_err(broken)?;
    Ok(Asked { request, entities })
}

fn broken(err: impl std::fmt::Display) -> PolicyError {
    PolicyError(format!("the question could not be put: {err}"))
}

fn actor(q: &Question<'_>, names: &Names) -> Result<Entity, PolicyError> {
    let attributes = HashMap::from([
        ("kind".to_owned(), entity(names.kind(q.actor.kind))),
        ("role".to_owned(), entity(names.role(q.facts.role))),
        ("name".to_owned(), text(&q.actor.id)),
    ]);
    Entity::new(names.actor.clone(), attributes, [].into()).map_err(broken)
}

fn resource(q: &Question<'_>, names: &Names) -> Result<Entity, PolicyError> {
    let Some(path) = &q.facts.workspace else {
        return Ok(names.node.clone());
    };
    let attributes = HashMap::from([
        ("path".to_owned(), text(path)),
        ("trusted".to_owned(), yes(q.facts.workspace_trusted)),
    ]);
    Entity::new(names.workspace.clone(), attributes, [].into()).map_err(broken)
}

/// The context's attributes, as they are gathered.
struct Fields(Vec<(String, RestrictedExpression)>);

impl Fields {
    fn common(facts: &Facts) -> Fields {
        let mut fields = Fields(Vec::with_capacity(24));
        fields.put("profile", text(&facts.profile));
        fields.put("in_box", yes(facts.in_box));
        fields.put("egress", yes(facts.egress));
        fields.put("labels", labels(facts.labels));
        fields.put("ceiling", cost(facts.ceiling));
        fields.put("spent", cost(facts.spent));
        fields.put("sandbox_ok", yes(facts.sandbox_ok));
        fields
    }

    fn put(&mut self, name: &str, value: RestrictedExpression) {
        self.0.push((name.to_owned(), value));
    }

    fn list(&mut self, name: &str, items: &[&str]) -> Result<(), PolicyError> {
        if items.len() > ITEMS_MAX {
            return Err(PolicyError(format!(
                "the action's {name} are {}; {ITEMS_MAX} is the most that is judged",
                items.len()
            )));
        }
        let items = items.iter().map(|item| text(item));
        self.put(name, RestrictedExpression::new_set(items));
        Ok(())
    }

    fn action(
        &mut self,
        q: &Question<'_>,
        said: Option<&Said>,
        names: &Names,
    ) -> Result<(), PolicyError> {
        match q.kind {
            Kind::Snapshot => {
                let v: view::Snapshot = view::of(q, &[])?;
                same_place(q, v.root)
            }
            Kind::Read => {
                let v: view::Read = view::of(q, &["path"])?;
                self.put("op", entity(names.reading(v.op)));
                self.put("path", text(v.path.unwrap_or("")));
                Ok(())
            }
            Kind::Write => {
                let v: view::Write = view::of(q, &["before", "after"])?;
                self.put("path", text(v.path));
                self.put("bytes", long(v.bytes));
                self.put("creates", yes(v.before.is_none()));
                self.put("deletes", yes(v.after.is_none()));
                Ok(())
            }
            Kind::Run => self.run(q, said, names),
            Kind::Stdin => {
                let v: view::Stdin = view::of(q, &[])?;
                self.put("bytes", long(v.bytes));
                Ok(())
            }
            Kind::Call => self.call(q),
            Kind::Accept => {
                let v: view::Accept = view::of(q, &[])?;
                same_place(q, v.root)?;
                let class = q
                    .facts
                    .patch_class
                    .map_or(v.class, |seen| seen.max(v.class));
                self.put("class", entity(names.class(class)));
                self.put("branch", yes(matches!(v.to, AcceptTo::Branch(_))));
                self.list("paths", &v.paths)
            }
            Kind::Undo => {
                let v: view::Undo = view::of(q, &[])?;
                same_place(q, v.root)?;
                self.put("branch", yes(matches!(v.to, AcceptTo::Branch(_))));
                self.list("paths", &v.paths)
            }
            Kind::Secret => {
                let v: UseSecret = view::of(q, &["for"])?;
                self.put("secret", text(v.name.as_str()));
                self.put("use", entity(names.used(&v.used)));
                let provider = match &v.used {
                    SecretFor::Provider(name) => name,
                    SecretFor::Job(_) => "",
                };
                self.put("provider", text(provider));
                Ok(())
            }
        }
    }

    fn run(
        &mut self,
        q: &Question<'_>,
        said: Option<&Said>,
        names: &Names,
    ) -> Result<(), PolicyError> {
        let v: view::Run = view::of(q, &["exe"])?;
        let said = said.ok_or_else(|| PolicyError("a job without its command".into()))?;
        let arguments: Vec<&str> = said.arguments.iter().map(String::as_str).collect();
        let programs: Vec<&str> = said.programs.iter().map(String::as_str).collect();
        let hosts: Vec<String> = v.network.hosts().iter().map(ToString::to_string).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let (mounts, writable) = view::mounted(&v.mounts);
        self.put("purpose", entity(names.purpose(v.purpose)));
        self.put("runner", entity(names.runner(v.runner)));
        self.put("command", text(&said.command));
        self.put("program", text(&said.program));
        self.list("arguments", &arguments)?;
        self.list("programs", &programs)?;
        self.put("exe", text(v.exe.as_ref().map_or("", |exe| &exe.path)));
        self.put("workdir", text(v.workdir));
        // An empty list of hosts is still a network: stricter than to call it none.
        self.put("network", yes(v.network != Network::None));
        self.list("hosts", &hosts)?;
        self.list("secrets", &v.secrets)?;
        self.list("mounts", &mounts)?;
        self.list("mounts_writable", &writable)?;
        self.put("ttl_s", long(v.ttl_s));
        self.put("memory_bytes", long(v.limits.memory_bytes));
        self.put("tty", yes(v.tty));
        Ok(())
    }

    /// Remote and priced if the action or the facts say so.
    fn call(&mut self, q: &Question<'_>) -> Result<(), PolicyError> {
        let v: view::Call = view::of(q, &["price"])?;
        let priced =
            view::holds(q, "price") || q.facts.price.is_some() || q.facts.ceiling.micros > 0;
        self.put("provider", text(v.provider));
        self.put("model", text(v.model));
        self.put("endpoint", text(v.endpoint));
        self.put("remote", yes(v.remote || q.facts.remote));
        self.put("priced", yes(priced));
        self.put("provider_granted", yes(q.facts.provider_granted));
        self.put("output_tokens_max", long(v.output_tokens_max));
        Ok(())
    }
}

/// Rules speak of the workspace in the facts; an action on another checkout would slip past them.
fn same_place(q: &Question<'_>, root: &str) -> Result<(), PolicyError> {
    match &q.facts.workspace {
        Some(path) if path != root => Err(PolicyError(format!(
            "the {} action's checkout is not the workspace of its facts",
            q.kind.name()
        ))),
        _ => Ok(()),
    }
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}
fn yes(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}
fn entity(uid: EntityUid) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid)
}
/// Cedar's integers are signed; what doesn't fit stays the largest.
fn long(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}
fn labels(l: Labels) -> RestrictedExpression {
    record([
        ("untrusted", yes(l.untrusted)),
        ("private", yes(l.private)),
        ("secret", yes(l.secret)),
    ])
}
fn cost(c: Cost) -> RestrictedExpression {
    record([
        ("micros", long(c.micros)),
        ("tokens", long(c.tokens)),
        ("ms", long(c.ms)),
        ("runs", long(c.runs)),
    ])
}
fn record<const N: usize>(pairs: [(&str, RestrictedExpression); N]) -> RestrictedExpression {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
    // Only a name that stands twice is refused, and these are constants.
    RestrictedExpression::new_record(pairs).unwrap_or_else(|_| yes(false))
}
