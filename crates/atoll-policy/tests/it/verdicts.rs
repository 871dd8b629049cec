//! The order of verdicts: deny, then what a rule answers, then ask, then allow.

use atoll_domain::action::UseSecret;
use atoll_domain::*;
use atoll_guard::{Decision, PolicyEngine};
use atoll_policy::{Current, Effect, Engine, Profile, Source};

use crate::cases::*;

const REGISTRY: &str = "registry.example.org:443";

#[test]
fn every_kind_has_a_verdict_under_every_profile() {
    let engine = engine().clone();
    let cases = [
        Case::of(&snapshot()),
        Case::of(&read("a")),
        Case::of(&search("a")),
        Case::of(&write("a")),
        Case::of(&test_run()),
        Case::of(&stdin()),
        Case::of(&call(false, false)),
        Case::of(&accept(PatchClass::Ordinary, &["a"])),
        Case::of(&undo()),
    ];
    for case in cases {
        for profile in Profile::ALL {
            let case = case.clone().owner().under(profile);
            assert!(case.judge(&engine).is_ok(), "{case:?}");
        }
    }
}

#[test]
fn an_ask_is_stronger_than_an_allow_and_a_deny_than_both() {
    let job = network_run(&[REGISTRY]);
    let also_allowed =
        with_owner(r#"@id("mine.all") permit (principal, action == Action::"run", resource);"#);
    assert_eq!(Case::of(&job).said(&also_allowed), "ask careful.network");
    let also_denied = with_owner(
        r#"@id("mine.none") @why("not today") forbid (principal, action == Action::"run", resource);"#,
    );
    assert_eq!(Case::of(&job).said(&also_denied), "deny mine.none");
}

#[test]
fn all_rules_that_ask_are_named() {
    let mut job = network_run(&[REGISTRY]);
    job.purpose = Purpose::Exec;
    job.spec.secrets = vec![JobSecret::of("npm_token".parse().unwrap())];
    job.spec
        .mounts
        .push(mount(MountKind::Bind, "/home/ana/out", false));
    let case = Case::of(&job).facts(|f| f.in_box = false);
    assert_eq!(
        case.said(engine()),
        "ask careful.network, careful.secrets, careful.mounts, careful.outside"
    );
    let verdict = case.judge(engine()).unwrap();
    assert_eq!(verdict.rules[0].why, "network needs a person");
}

#[test]
fn a_rule_answers_the_ask_that_it_names_and_no_other() {
    let engine = with_owner(
        r#"@id("mine.registry") @answers("careful.network")
           permit (principal, action == Action::"run", resource)
           when { ["registry.example.org:443"].containsAll(context.hosts) };"#,
    );
    let mut job = network_run(&[REGISTRY]);
    assert_eq!(Case::of(&job).said(&engine), "allow mine.registry");
    let other = network_run(&[REGISTRY, "evil.example.com:443"]);
    assert_eq!(Case::of(&other).said(&engine), "ask careful.network");
    job.spec.secrets = vec![JobSecret::of("npm_token".parse().unwrap())];
    assert_eq!(Case::of(&job).said(&engine), "ask careful.secrets");
    // Nor does it open what a profile shuts.
    let shut = Case::of(&network_run(&[REGISTRY])).under(Profile::ReadOnly);
    assert_eq!(shut.said(&engine), "deny read-only.working");
}

#[test]
fn nothing_that_matches_is_a_deny_that_says_so() {
    let case = Case::of(&call(false, false)).by(Actor::ai("x"), Role::Worker);
    assert_eq!(case.decision(engine()), Decision::Allow);
    let mut job = test_run();
    job.spec.secrets = vec![JobSecret::of("token".parse().unwrap())];
    let case = Case::of(&job).under(Profile::ReadOnly);
    assert_eq!(case.said(engine()), "deny read-only.working");
    // An agent feeding a job under a workspace that says nothing abstains.
    let engine = with_workspace("");
    assert_eq!(Case::of(&stdin()).said(&engine), "allow careful.stdin");
}

#[test]
fn an_error_in_any_rule_is_an_error_even_in_a_forbid_that_would_be_skipped() {
    // It type-checks, and overflows for every question.
    let text = r#"@id("mine.sum") @why("too much")
        forbid (principal, action == Action::"read", resource)
        when { context.spent.tokens + 9223372036854775807 > 10 };"#;
    let engine = with_owner(text);
    let spent = Case::of(&read("a")).facts(|f| f.spent.tokens = 1);
    let err = spent.judge(&engine).unwrap_err();
    assert!(err.0.starts_with("mine.sum: "), "{err}");
    // Other actions are not concerned: the rule is not among theirs.
    assert_eq!(Case::of(&write("a")).said(&engine), "allow careful.write");
    let workspace = with_workspace(&text.replace("mine.", "sum."));
    assert!(spent.judge(&workspace).is_err());
}

#[test]
fn facts_and_action_are_read_the_stricter_way() {
    let engine = engine().clone();
    let local = Case::of(&call(false, false));
    assert_eq!(local.said(&engine), "allow careful.call");
    let remote = local.clone().facts(|f| f.remote = true);
    assert_eq!(remote.said(&engine), "ask careful.remote");
    let priced = local.facts(|f| f.ceiling.micros = 1);
    assert_eq!(priced.said(&engine), "ask careful.spend");
    let ordinary = Case::of(&accept(PatchClass::Ordinary, &["a"])).owner();
    assert_eq!(ordinary.said(&engine), "allow careful.accept");
    let worse = ordinary.facts(|f| f.patch_class = Some(PatchClass::Refused));
    assert_eq!(worse.said(&engine), "deny careful.refused");
    let milder = Case::of(&accept(PatchClass::RunsOutside, &["Makefile"]))
        .owner()
        .facts(|f| f.patch_class = Some(PatchClass::Ordinary));
    assert_eq!(milder.said(&engine), "ask careful.runs_outside");
}

#[test]
fn the_hash_changes_with_every_text() {
    let plain = engine().clone();
    let rule = r#"@id("a.b") @why("no") forbid (principal, action == Action::"read", resource);"#;
    let files = [Source::new("policy.cedar", rule)];
    let owners = Engine::new(&files).unwrap();
    let renamed = Engine::new(&[Source::new("other.cedar", rule)]).unwrap();
    let narrowed = plain.with_workspace(ROOT, &files).unwrap();
    let elsewhere = plain.with_workspace("/elsewhere", &files).unwrap();
    let hashes = [&plain, &owners, &renamed, &narrowed, &elsewhere].map(|e| e.hash());
    for (at, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..at].contains(hash), "{at}");
    }
    assert_eq!(engine().hash(), plain.hash());
    assert_eq!(narrowed.without_workspace(ROOT).hash(), plain.hash());
}

#[test]
fn rules_are_listed_with_what_they_do_and_where_they_stand() {
    let engine = with_owner(
        "// mine\n\n@id(\"my.net\")\n@answers(\"careful.network\")\npermit (principal, action == Action::\"run\", resource);",
    );
    let rules = engine.rules(Profile::Careful);
    let network = rules.iter().find(|r| r.id == "careful.network").unwrap();
    assert_eq!(network.effect, Effect::Ask);
    assert_eq!(network.why, "network needs a person");
    assert_eq!(network.kinds, [Kind::Run]);
    let line = Profile::Careful.text().lines().nth(network.line - 1);
    assert_eq!(
        (network.file.as_str(), line),
        ("careful.cedar", Some(r#"@id("careful.network")"#))
    );
    let mine = rules.last().unwrap();
    assert_eq!(
        (mine.id.as_str(), mine.file.as_str(), mine.line),
        ("my.net", "mine.cedar", 3)
    );
    assert_eq!(mine.answers, ["careful.network"]);
    let look = rules.iter().find(|r| r.id == "careful.look").unwrap();
    assert_eq!(look.kinds, [Kind::Snapshot, Kind::Read]);
}

#[test]
fn a_replaced_engine_is_seen_by_every_holder() {
    let current = Current::new(engine().clone());
    let guards: Box<dyn PolicyEngine> = Box::new(current.clone());
    let case = Case::of(&test_run());
    assert_eq!(case.decision(&*guards), Decision::Allow);
    let files = [Source::new(
        ".atoll/policy.cedar",
        r#"@id("none") @why("tests cost a lot here") forbid (principal, action == Action::"run", resource);"#,
    )];
    current.replace(current.get().with_workspace(ROOT, &files).unwrap());
    assert_eq!(case.said(&*guards), "deny workspace.none");
    let elsewhere = case.facts(|f| f.workspace = Some("/elsewhere".into()));
    assert_eq!(elsewhere.decision(&*guards), Decision::Allow);
}

#[test]
fn a_rule_denies_a_secret_by_its_name() {
    let text = r#"@id("own.no_deploy") @why("the deploy key stays here")
        forbid (principal, action == Action::"secret", resource) when { context.secret == "deploy.key" };
        @id("own.acme") @why("not acme")
        forbid (principal, action == Action::"secret", resource)
        when { context.use == Use::"provider" && context.provider == "acme" };"#;
    let engine = Engine::new(&[Source::new("own.cedar", text)]).unwrap();
    let said = |act: &UseSecret| Case::of(act).owner().said(&engine);
    assert_eq!(said(&secret(None)), "deny own.no_deploy");
    let mut other = secret(None);
    other.name = "npm.token".parse().unwrap();
    assert_eq!(said(&other), "allow careful.person_secret");
    other.used = SecretFor::Provider("acme".into());
    assert_eq!(said(&other), "deny own.acme");
    // An agent is asked about any, and what a person denied by name stays denied.
    assert_eq!(Case::of(&secret(None)).said(&engine), "deny own.no_deploy");
    let plain = Engine::new(&[]).unwrap();
    assert_eq!(Case::of(&secret(None)).said(&plain), "ask careful.secret");
}
