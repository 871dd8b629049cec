//! Promises of the profiles over arbitrary actions, actors and facts.

use std::sync::OnceLock;

use atoll_domain::*;
use atoll_guard::Decision;
use atoll_policy::{Engine, Profile, Source};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::cases::*;

/// What a case was made from, so that promises are checked against that and not against the engine.
#[derive(Clone, Debug)]
pub struct Made {
    pub case: Case,
    network: bool,
    secrets: bool,
    remote: bool,
    priced: bool,
    class: PatchClass,
}

fn actor() -> impl Strategy<Value = (Actor, Role)> {
    let kinds = prop_oneof![
        Just(ActorKind::Human),
        Just(ActorKind::Ai),
        Just(ActorKind::System)
    ];
    let roles = prop_oneof![
        Just(Role::Owner),
        Just(Role::Operator),
        Just(Role::Agent),
        Just(Role::Viewer),
        Just(Role::Worker)
    ];
    (kinds, roles, any::<String>()).prop_map(|(kind, role, id)| (Actor { kind, id }, role))
}

fn class() -> impl Strategy<Value = PatchClass> {
    prop_oneof![
        Just(PatchClass::Ordinary),
        Just(PatchClass::RunsOutside),
        Just(PatchClass::Refused)
    ]
}

/// An action of any kind, with words of any text.
pub fn made() -> impl Strategy<Value = Made> {
    let words = vec(any::<String>(), 0..4);
    let bits = vec(any::<bool>(), 4..=4);
    (0usize..Kind::ALL.len(), words, bits, class()).prop_map(|(kind, words, bits, class)| {
        let [network, secrets, remote, priced] = bits[..] else {
            unreachable!("four bits")
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let first = words.first().copied().unwrap_or("");
        let case = match Kind::ALL[kind] {
            Kind::Snapshot => Case::of(&snapshot()),
            Kind::Read => Case::of(&search(first)),
            Kind::Write => Case::of(&write(first)),
            Kind::Run => {
                let mut job = run(Purpose::Run, &words);
                if network {
                    job.spec.network = network_run(&["a.example.org:443"]).spec.network;
                }
                if secrets {
                    job.spec.secrets = vec![JobSecret::of("any".parse().unwrap())];
                }
                Case::of(&job)
            }
            Kind::Stdin => Case::of(&stdin()),
            Kind::Call => Case::of(&call(remote, priced)),
            Kind::Accept => Case::of(&accept(class, &words)),
            Kind::Undo => Case::of(&undo()),
            Kind::Secret => Case::of(&secret(priced.then_some("acme"))),
        };
        Made {
            case,
            network,
            secrets,
            remote,
            priced,
            class,
        }
    })
}

fn any_case() -> impl Strategy<Value = Made> {
    let facts = vec(any::<bool>(), 9..=9);
    (made(), actor(), facts, any::<u64>()).prop_map(|(mut made, (actor, role), f, spent)| {
        made.case = made.case.by(actor, role).facts(|facts| {
            facts.workspace_trusted = f[0];
            facts.labels = Labels {
                untrusted: f[1],
                private: f[2],
                secret: f[3],
            };
            facts.egress = f[4];
            facts.in_box = f[5];
            facts.remote = f[6];
            facts.provider_granted = f[7];
            facts.sandbox_ok = f[8];
            facts.spent.tokens = spent;
        });
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn careful_never_allows_what_widens_the_box(made in any_case()) {
        let engine = engine().clone();
        let case = made.case.clone().under(Profile::Careful);
        let verdict = case.judge(&engine);
        prop_assert!(verdict.is_ok(), "{:?}", verdict);
        let facts = &case.facts;
        let shut = match case.kind {
            Kind::Run => {
                let agents = made.secrets && case.actor.kind != ActorKind::Human;
                made.network || agents || !facts.in_box || !facts.sandbox_ok
            }
            Kind::Secret => case.actor.kind != ActorKind::Human && !made.priced,
            Kind::Call => (made.remote || made.priced || facts.remote) && !facts.provider_granted,
            Kind::Accept => case.actor.kind != ActorKind::Human || made.class != PatchClass::Ordinary,
            Kind::Undo => case.actor.kind != ActorKind::Human,
            _ => false,
        };
        if shut {
            prop_assert_ne!(case.decision(&engine), Decision::Allow);
        }
    }

    #[test]
    fn no_profile_lets_an_agent_or_a_refused_patch_out(made in any_case()) {
        let engine = engine().clone();
        for profile in Profile::ALL {
            let case = made.case.clone().under(profile);
            let leaves = matches!(case.kind, Kind::Accept | Kind::Undo);
            if leaves && case.actor.kind != ActorKind::Human {
                prop_assert_eq!(case.decision(&engine), Decision::Deny);
            }
            if case.kind == Kind::Accept && made.class == PatchClass::Refused {
                prop_assert_eq!(case.decision(&engine), Decision::Deny);
            }
            if case.kind == Kind::Accept && made.class == PatchClass::RunsOutside {
                prop_assert_ne!(case.decision(&engine), Decision::Allow);
            }
        }
    }

    #[test]
    fn read_only_changes_and_runs_nothing(made in any_case()) {
        let engine = engine().clone();
        let case = made.case.clone().under(Profile::ReadOnly);
        let decision = case.decision(&engine);
        let key = case.kind == Kind::Secret && made.priced;
        if !(key || matches!(case.kind, Kind::Snapshot | Kind::Read | Kind::Call)) {
            prop_assert_eq!(decision, Decision::Deny);
        }
        if case.kind == Kind::Call && (made.remote || made.priced) {
            prop_assert_eq!(decision, Decision::Deny);
        }
    }

    #[test]
    fn a_workspace_never_widens(made in any_case(), one in 0usize..NARROWING.len(), other in 0usize..NARROWING.len()) {
        let narrowed = narrowed(one, other);
        for profile in Profile::ALL {
            let case = made.case.clone().under(profile);
            prop_assert!(case.decision(narrowed) >= case.decision(engine()));
        }
    }

    /// The slices say what all rules together would say: a slice leaves out only rules that are about
    /// other actions, so that a rule whose condition names the action decides as one whose scope does.
    #[test]
    fn scope_and_condition_say_the_same(made in any_case(), group in 0usize..GROUPS.len()) {
        let (scoped, asked) = &sliced()[group];
        prop_assert_eq!(made.case.decision(scoped), made.case.decision(asked));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A hundred rules of every scope (one action, lists, groups, all) and a workspace's beside them: the slices give
    /// each question the very verdict, with the very rules, that Cedar gives over all of them at once.
    #[test]
    fn slices_say_what_all_rules_say(made in any_case(), profile in 0usize..3) {
        let (sliced, whole) = hundred();
        let case = made.case.clone().under(Profile::ALL[profile]);
        // Which of several rules that can't be evaluated is named first is Cedar's to choose.
        let said = |engine: &Engine| case.judge(engine).map_err(|_| "error");
        prop_assert_eq!(said(sliced), said(whole));
    }
}

/// An engine of a hundred rules beside the profiles' and a workspace's, and the same without slices.
fn hundred() -> &'static (Engine, Engine) {
    static MADE: OnceLock<(Engine, Engine)> = OnceLock::new();
    MADE.get_or_init(|| {
        let effects = [
            r#"@why("no") forbid"#,
            r#"@verdict("ask") @why("ask") permit"#,
            r#"@verdict("confirm") @why("ask") permit"#,
            "permit",
            r#"@answers("careful.network") permit"#,
        ];
        let conditions = [
            "context.labels.untrusted",
            "principal.role == Role::\"agent\"",
            "context.spent.tokens + 1 > 100",
            "!context.in_box",
            "context.egress",
        ];
        let rules = (0..100).map(|n| {
            let effect = effects[n % effects.len()];
            let scope = SCOPES[n % SCOPES.len()];
            let condition = conditions[(n / 7) % conditions.len()];
            format!(
                "@id(\"my.r{n}\") {effect} (principal, {scope}, resource) when {{ {condition} }};\n"
            )
        });
        // And some that are put to each part of a command.
        let spoken = r#"
            @id("my.c1") @why("no") forbid (principal, action in Action::"working", resource)
            when { context has program && context.program like "*a*" && context.egress };
            @id("my.c2") @verdict("ask") @why("ask") permit (principal, action == Action::"run", resource)
            when { context.programs.contains("?") || context.arguments.contains("") };
            @id("my.c3") @answers("my.c2") permit (principal, action == Action::"run", resource)
            when { context.in_box };
        "#;
        let text: String = rules.chain([spoken.to_owned()]).collect();
        let narrow = [r#"@id("a")"#, NARROWING[1], r#"@id("b")"#, NARROWING[3]].join("\n");
        let sliced = with_owner(&text)
            .with_workspace(ROOT, &[Source::new("policy.cedar", narrow)])
            .unwrap();
        let whole = sliced.unsliced().unwrap();
        (sliced, whole)
    })
}

/// Every way in which a rule's scope speaks of actions.
const SCOPES: [&str; 9] = [
    "action",
    r#"action == Action::"run""#,
    r#"action == Action::"call""#,
    r#"action in Action::"looking""#,
    r#"action in Action::"working""#,
    r#"action in Action::"leaving""#,
    r#"action in Action::"read""#,
    r#"action in [Action::"read", Action::"leaving"]"#,
    r#"action in [Action::"working", Action::"call", Action::"snapshot"]"#,
];

/// The engines of two rules each, made once.
fn narrowed(one: usize, other: usize) -> &'static Engine {
    static MADE: OnceLock<Vec<Engine>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let pair = |at: usize| {
            [
                NARROWING[at / NARROWING.len()],
                NARROWING[at % NARROWING.len()],
            ]
        };
        let engine = |at: usize| {
            let [a, b] = pair(at);
            let text = format!("@id(\"a\")\n{a}\n@id(\"b\")\n{b}\n");
            let files = [Source::new("policy.cedar", text)];
            engine().with_workspace(ROOT, &files).unwrap()
        };
        (0..NARROWING.len().pow(2)).map(engine).collect()
    });
    &made[one * NARROWING.len() + other]
}

/// For each group, an engine whose rule names it in its scope and one whose rule names it in its condition.
fn sliced() -> &'static [(Engine, Engine)] {
    static MADE: OnceLock<Vec<(Engine, Engine)>> = OnceLock::new();
    MADE.get_or_init(|| {
        let rule = |scope: &str, condition: &str| {
            with_owner(&format!(
                "@id(\"a.b\") @why(\"no\") forbid (principal, {scope}, resource){condition};"
            ))
        };
        let engines = |group: &&str| {
            (
                rule(&format!("action in {group}"), ""),
                rule("action", &format!(" when {{ action in {group} }}")),
            )
        };
        GROUPS.iter().map(engines).collect()
    })
}

const NARROWING: [&str; 6] = [
    r#"@why("no") forbid (principal, action, resource);"#,
    r#"@why("no") forbid (principal, action in Action::"working", resource);"#,
    r#"@verdict("ask") @why("ask") permit (principal, action, resource);"#,
    r#"@verdict("confirm") @why("ask") permit (principal, action == Action::"run", resource);"#,
    r#"@why("no") forbid (principal, action, resource) when { principal.kind == Kind::"ai" };"#,
    r#"@why("no") forbid (principal, action, resource) when { context.spent.tokens + 1 > 100 };"#,
];

const GROUPS: [&str; 5] = [
    r#"Action::"looking""#,
    r#"Action::"working""#,
    r#"Action::"leaving""#,
    r#"[Action::"read", Action::"leaving"]"#,
    r#"Action::"call""#,
];

#[test]
fn arbitrary_text_as_rules_is_refused_and_never_a_panic() {
    proptest!(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() }, |(text in ".{0,200}")| {
        if let Err(problems) = Engine::new(&[Source::new("noise.cedar", text)]) {
            prop_assert!(problems.iter().all(|p| p.line > 0 && p.column > 0));
        }
    });
}
