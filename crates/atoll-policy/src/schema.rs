//! The schema, and the names in it that the engine builds requests from. All of them are constants:
//! nothing that came from outside ever becomes an identifier.

use std::collections::HashSet;
use std::sync::OnceLock;

use atoll_domain::{ActorKind, Kind, PatchClass, Purpose, Role, RunnerKind, SecretFor};
use atoll_guard::PolicyError;
use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, Schema, Validator};

/// The Cedar schema that rules are checked against, as text.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The groups of actions, and who is in them.
pub(crate) const GROUPS: [(&str, &[Kind]); 3] = [
    ("looking", &[Kind::Snapshot, Kind::Read]),
    ("working", &[Kind::Write, Kind::Run, Kind::Stdin]),
    ("leaving", &[Kind::Accept, Kind::Undo]),
];

/// What checks rules, over the schema, made once.
pub(crate) fn validator() -> Result<&'static Validator, PolicyError> {
    static MADE: OnceLock<Result<Validator, PolicyError>> = OnceLock::new();
    MADE.get_or_init(|| {
        Schema::from_cedarschema_str(SCHEMA)
            .map(|(schema, _)| Validator::new(schema))
            .map_err(|err| PolicyError(format!("the schema does not parse: {err}")))
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// The schema, parsed once.
pub(crate) fn schema() -> Result<&'static Schema, PolicyError> {
    validator().map(Validator::schema)
}

/// The identifiers of requests, made once.
pub(crate) struct Names {
    pub(crate) actor: EntityUid,
    pub(crate) workspace: EntityUid,
    /// The node as a resource, whole: it has no attributes.
    pub(crate) node: Entity,
    actions: Vec<(EntityUid, Entity)>,
    kinds: [EntityUid; 3],
    roles: [EntityUid; 5],
    purposes: [EntityUid; 6],
    runners: [EntityUid; 5],
    classes: [EntityUid; 3],
    reading: [EntityUid; 3],
    uses: [EntityUid; 2],
}

impl Names {
    /// The action of a kind, and its entity with the groups that it is in.
    pub(crate) fn action(&self, kind: Kind) -> &(EntityUid, Entity) {
        &self.actions[slot(kind)]
    }
    pub(crate) fn kind(&self, kind: ActorKind) -> EntityUid {
        let [human, ai, system] = &self.kinds;
        match kind {
            ActorKind::Human => human.clone(),
            ActorKind::Ai => ai.clone(),
            ActorKind::System => system.clone(),
        }
    }
    pub(crate) fn role(&self, role: Role) -> EntityUid {
        let [owner, operator, agent, viewer, worker] = &self.roles;
        match role {
            Role::Owner => owner.clone(),
            Role::Operator => operator.clone(),
            Role::Agent => agent.clone(),
            Role::Viewer => viewer.clone(),
            Role::Worker => worker.clone(),
        }
    }
    pub(crate) fn purpose(&self, purpose: Purpose) -> EntityUid {
        let [exec, run, test, git, fetch, probe] = &self.purposes;
        match purpose {
            Purpose::Exec => exec.clone(),
            Purpose::Run => run.clone(),
            Purpose::Test => test.clone(),
            Purpose::Git => git.clone(),
            Purpose::Fetch => fetch.clone(),
            Purpose::Probe => probe.clone(),
        }
    }
    pub(crate) fn runner(&self, runner: RunnerKind) -> EntityUid {
        let [subset, process, container, nix, wasm] = &self.runners;
        match runner {
            RunnerKind::Subset => subset.clone(),
            RunnerKind::Process => process.clone(),
            RunnerKind::Container => container.clone(),
            RunnerKind::Nix => nix.clone(),
            RunnerKind::Wasm => wasm.clone(),
        }
    }
    pub(crate) fn class(&self, class: PatchClass) -> EntityUid {
        let [ordinary, runs_outside, refused] = &self.classes;
        match class {
            PatchClass::Ordinary => ordinary.clone(),
            PatchClass::RunsOutside => runs_outside.clone(),
            PatchClass::Refused => refused.clone(),
        }
    }
    pub(crate) fn reading(&self, op: crate::view::Op) -> EntityUid {
        let [read, list, search] = &self.reading;
        match op {
            crate::view::Op::Read => read.clone(),
            crate::view::Op::List => list.clone(),
            crate::view::Op::Search => search.clone(),
        }
    }
    pub(crate) fn used(&self, used: &SecretFor) -> EntityUid {
        let [job, provider] = &self.uses;
        match used {
            SecretFor::Job(_) => job.clone(),
            SecretFor::Provider(_) => provider.clone(),
        }
    }
}

/// Where a kind stands in [`Kind::ALL`], and so among an engine's slices.
pub(crate) fn slot(kind: Kind) -> usize {
    kind as usize
}

/// The names, made once.
pub(crate) fn names() -> Result<&'static Names, PolicyError> {
    static MADE: OnceLock<Result<Names, PolicyError>> = OnceLock::new();
    MADE.get_or_init(make).as_ref().map_err(Clone::clone)
}

fn make() -> Result<Names, PolicyError> {
    let action = |kind: Kind| -> Result<(EntityUid, Entity), PolicyError> {
        let uid = uid("Action", kind.name())?;
        let groups = GROUPS.iter().filter(|(_, kinds)| kinds.contains(&kind));
        let groups = groups
            .map(|(group, _)| self::uid("Action", group))
            .collect::<Result<HashSet<_>, _>>()?;
        let entity = Entity::new(uid.clone(), [].into(), groups)
            .map_err(|err| PolicyError(err.to_string()))?;
        Ok((uid, entity))
    };
    Ok(Names {
        actor: uid("Actor", "actor")?,
        workspace: uid("Workspace", "workspace")?,
        node: Entity::with_uid(uid("Node", "node")?),
        actions: Kind::ALL
            .into_iter()
            .map(action)
            .collect::<Result<_, _>>()?,
        kinds: uids("Kind", ["human", "ai", "system"])?,
        roles: uids("Role", ["owner", "operator", "agent", "viewer", "worker"])?,
        purposes: uids("Purpose", ["exec", "run", "test", "git", "fetch", "probe"])?,
        runners: uids("Runner", ["subset", "process", "container", "nix", "wasm"])?,
        classes: uids("Class", ["ordinary", "runs_outside", "refused"])?,
        reading: uids("Reading", ["read", "list", "search"])?,
        uses: uids("Use", ["job", "provider"])?,
    })
}

fn uids<const N: usize>(kind: &str, ids: [&str; N]) -> Result<[EntityUid; N], PolicyError> {
    let made = ids
        .into_iter()
        .map(|id| uid(kind, id))
        .collect::<Result<Vec<_>, _>>()?;
    made.try_into()
        .map_err(|_| PolicyError("a name is missing".into()))
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, PolicyError> {
    let kind: EntityTypeName = kind.parse().map_err(|err| PolicyError(format!("{err}")))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_the_place_in_all() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(slot(kind), at);
        }
    }

    /// Groups are written twice, in the schema and here: the slices depend on both.
    #[test]
    fn groups_are_the_schemas() {
        let entities = schema().unwrap().action_entities().unwrap();
        let mut groups = 0;
        for kind in Kind::ALL {
            let (uid, _) = names().unwrap().action(kind);
            let theirs: HashSet<String> = entities
                .ancestors(uid)
                .unwrap()
                .map(|group| group.id().unescaped().to_owned())
                .collect();
            let ours: HashSet<String> = GROUPS
                .iter()
                .filter(|(_, kinds)| kinds.contains(&kind))
                .map(|(group, _)| (*group).to_owned())
                .collect();
            assert_eq!(theirs, ours, "{kind:?}");
            groups += ours.len();
        }
        assert_eq!(groups, 7);
        assert_eq!(entities.len(), Kind::ALL.len() + GROUPS.len());
    }
}
