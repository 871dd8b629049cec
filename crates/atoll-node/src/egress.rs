//! Every way by which bytes can leave, in one table, and the facts that each sets.
//!
//! The guard's rule reads one fact, `egress`: this module alone sets it. A kind of action without a row does not
//! compile in the tests; what no action does (a link that a face would follow, a remote that git would push to) has a row that
//! says how it is kept.

#[cfg(test)]
use atoll_domain::Kind;
use atoll_domain::action::Job;
use atoll_domain::{Facts, ModelRef};
use atoll_ports::models::ModelChoice;
use serde_json::Value;

/// A way out, as an action takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A job whose box has hosts: `exec --net`, and each fetch of dependencies, whatever their names say.
    Hosts,
    /// A job without a network: nothing leaves its box.
    Box,
    /// A model call to a provider that this session's context did not go to before: a switch, a fallback.
    Provider,
    /// A model call to the session's own provider.
    Own,
    /// A model on this machine.
    Here,
}

impl Way {
    /// The way of a job.
    pub(crate) fn of_job(job: &Job) -> Way {
        match job.spec.network.is_none() {
            true => Way::Box,
            false => Way::Hosts,
        }
    }

    /// The way of a model call: `known` are the models that have this context already. All models of a provider are
    /// one place, but not where it stands on this machine and hands some of them on.
    pub(crate) fn of_call(choice: &ModelChoice, known: &[ModelRef]) -> Way {
        let here = |host: &str| {
            ["127.", "localhost", "[::1]"]
                .iter()
                .any(|h| host.starts_with(h))
        };
        let gateway = here(&choice.endpoint);
        let same = |m: &&ModelRef| m.provider == choice.model.provider;
        match choice.remote {
            false => Way::Here,
            true if known.contains(&choice.model) => Way::Own,
            true if !gateway && known.iter().any(|m| same(&m)) => Way::Own,
            true => Way::Provider,
        }
    }

    /// Sets the facts that it stands for.
    pub(crate) fn set(self, facts: &mut Facts) {
        facts.egress = matches!(self, Way::Hosts | Way::Provider);
        facts.remote = matches!(self, Way::Hosts | Way::Provider | Way::Own);
    }
}

/// What keeps a way shut, or asks.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Judged with `egress`: the guard's rule asks, or denies with a secret.
    Asked(Way),
    /// Nothing leaves by it.
    Inside,
    /// The owner's own command: no agent, token or model gives it, and it ends on the owner's disk.
    Owners,
}

/// The actions' rows. A new kind must say how it is kept: without a row the tests don't compile.
#[cfg(test)]
pub(crate) fn kept(kind: Kind) -> &'static [Kept] {
    match kind {
        Kind::Snapshot | Kind::Read | Kind::Write => &[Kept::Inside],
        Kind::Run => &[Kept::Asked(Way::Hosts), Kept::Inside],
        // Its job's permit covers it: what leaves by it was asked about with the job.
        Kind::Stdin => &[Kept::Owners],
        // Into a job's box, whose hosts are asked about with the label that it brings, or to the provider whose key it is.
        Kind::Secret => &[Kept::Inside],
        Kind::Call => &[Kept::Asked(Way::Provider), Kept::Inside],
        Kind::Accept | Kind::Undo => &[Kept::Owners],
    }
}

/// What is no action and could carry bytes out all the same, and what holds it: a test's name in this repository.
#[cfg(test)]
pub(crate) const OTHERS: &[(&str, &str, &str)] = &[
    (
        "links and pictures in an answer (OSC 8, Markdown)",
        "a face shows text through `Shown`: no escape sequence, nothing is fetched",
        "crates/atoll/tests/it/injected.rs",
    ),
    (
        "links and pictures in an export's page",
        "no script, no link that loads, a policy in the page that forbids both",
        "crates/atoll/tests/it/exports.rs",
    ),
    (
        "git: remotes, hooks, a commit's message",
        "no git process runs on the checkout; a branch is written as objects and a ref, by the owner's command",
        "crates/atoll/tests/it/injected.rs",
    ),
    (
        "a file that something outside runs (.github/, hooks, …)",
        "a patch that holds one is confirmed apart by the owner",
        "crates/atoll/tests/it/injected.rs",
    ),
];

/// Where an action would send to, in words.
pub(crate) fn destination(action: &Value) -> String {
    let hosts = action["network"]["allow"].as_array();
    if let Some(hosts) = hosts.filter(|h| !h.is_empty()) {
        let names: Vec<String> = hosts.iter().map(host).collect();
        return names.join(", ");
    }
    match (action["endpoint"].as_str(), action["provider"].as_str()) {
        (Some(endpoint), Some(provider)) => format!("{provider} at {endpoint}"),
        _ => "the outside".into(),
    }
}

fn host(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => format!(
            "{}:{}",
            other["host"].as_str().unwrap_or("?"),
            other["port"]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::{Actor, Canonical, Hash, Label, Labels, Role};
    use atoll_guard::{Decision, PolicyEngine, PolicyError, Question, Verdict, decide};

    /// The policy that lets everything.
    struct Open;
    impl PolicyEngine for Open {
        fn judge(&self, _: &Question<'_>) -> Result<Verdict, PolicyError> {
            Ok(Verdict {
                decision: Decision::Allow,
                rules: Vec::new(),
            })
        }
        fn hash(&self) -> Hash {
            Hash::ZERO
        }
    }

    fn decided(kind: Kind, way: Way, labels: Labels) -> Decision {
        let mut facts = Facts::of(Role::Agent, "open");
        facts.labels = labels;
        way.set(&mut facts);
        let action = Canonical::of(kind, &serde_json::json!({}));
        let question = Question {
            actor: &Actor::ai("agent"),
            kind,
            action: &action,
            facts: &facts,
        };
        decide(&Open, &question).decision
    }

    #[test]
    fn every_way_out_is_asked_about_and_denied_with_a_secret_whatever_the_policy_lets() {
        let (u, p, s) = (Label::Untrusted, Label::Private, Label::Secret);
        let of = |labels: &[Label]| labels.iter().fold(Labels::default(), |l, x| l.with(*x));
        let mut asked = 0;
        for kind in Kind::ALL {
            for kept in kept(kind) {
                let Kept::Asked(way) = kept else { continue };
                asked += 1;
                assert_eq!(decided(kind, *way, of(&[u, p])), Decision::Ask, "{way:?}");
                assert_eq!(decided(kind, *way, of(&[u, s])), Decision::Deny, "{way:?}");
                assert_eq!(decided(kind, *way, of(&[u, p, s])), Decision::Deny);
                for free in [of(&[]), of(&[u]), of(&[p]), of(&[s]), of(&[p, s])] {
                    assert_eq!(decided(kind, *way, free), Decision::Allow, "{free:?}");
                }
            }
        }
        assert_eq!(asked, 2, "a way out was added or lost");
        for way in [Way::Box, Way::Own, Way::Here] {
            assert_eq!(decided(Kind::Run, way, of(&[u, p, s])), Decision::Allow);
        }
    }

    #[test]
    fn a_gateway_on_this_machine_is_as_many_places_as_it_has_models() {
        let named = |model: &str| ModelRef {
            provider: "p".into(),
            model: model.into(),
        };
        let choice = |endpoint: &str, remote| ModelChoice {
            model: named("cloud"),
            wire: "ollama".into(),
            endpoint: endpoint.into(),
            remote,
            price: None,
            priced: false,
            images: false,
            tools: None,
            chats: None,
            small: false,
            context_tokens: 8192,
            output_tokens_max: 1024,
            key_env: None,
            key_stored: false,
            key_secret: None,
        };
        let away = choice("api.example.com:443", true);
        assert_eq!(Way::of_call(&away, &[]), Way::Provider);
        assert_eq!(Way::of_call(&away, &[named("other")]), Way::Own);
        let through = choice("127.0.0.1:11434", true);
        assert_eq!(Way::of_call(&through, &[named("local")]), Way::Provider);
        assert_eq!(Way::of_call(&through, &[named("cloud")]), Way::Own);
        assert_eq!(Way::of_call(&choice("127.0.0.1:1", false), &[]), Way::Here);
    }

    #[test]
    fn what_is_no_action_names_what_holds_it() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        for (what, how, test) in OTHERS {
            let path = std::path::Path::new(root).join(test);
            assert!(path.is_file(), "{what}: {how}: no {test}");
        }
    }

    #[test]
    fn a_destination_is_named() {
        let job = serde_json::json!({"network": {"allow": [{"host": "x.com", "port": 443}]}});
        assert_eq!(destination(&job), "x.com:443");
        let call = serde_json::json!({"endpoint": "https://m.example/v1", "provider": "m"});
        assert_eq!(destination(&call), "m at https://m.example/v1");
    }
}
