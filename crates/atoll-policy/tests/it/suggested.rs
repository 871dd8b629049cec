//! Rules made of questions: they answer what was asked, and nothing wider.

use atoll_domain::*;
use atoll_guard::{Decision, Question};
use atoll_policy::{Engine, NoRule, Suggestion, suggest};
use proptest::prelude::*;

use crate::cases::*;
use crate::random::made;

fn of(case: &Case, engine: &Engine) -> Result<Suggestion, NoRule> {
    let question = Question {
        actor: &case.actor,
        kind: case.kind,
        action: &case.action,
        facts: &case.facts,
    };
    suggest(engine, &question, "my.g3")
}

#[test]
fn a_host_that_was_asked_for_is_answered_and_no_other() {
    let asked = network_run(&["registry.example.org:443"]);
    let case = Case::of(&asked).facts(|f| (f.in_box, f.egress) = (false, true));
    let made = of(&case, engine()).unwrap();
    assert_eq!(made.answers, ["careful.network", "careful.outside"]);
    assert_eq!(
        made.rule,
        r#"@id("my.g3")
@answers("careful.network careful.outside")
permit (principal, action == Action::"run", resource is Workspace)
when {
  principal.role == Role::"agent" &&
  resource.path == "/home/ana/shop" &&
  context.purpose == Purpose::"fetch" &&
  context.runner == Runner::"process" &&
  ["registry.example.org:443"].containsAll(context.hosts) &&
  context.secrets.isEmpty() &&
  ["/home/ana/.rustup/toolchains", "/home/ana/shop/target"].containsAll(context.mounts) &&
  context.mounts_writable.isEmpty() &&
  context.ttl_s <= 600 &&
  !context.labels.untrusted &&
  !context.labels.private &&
  !context.labels.secret
};
"#
    );
    let with = with_owner(&made.rule);
    assert_eq!(case.said(&with), "allow my.g3");
    let out = |f: &mut Facts| (f.in_box, f.egress) = (false, true);
    let asks = "ask careful.network, careful.outside";
    let others = [
        Case::of(&network_run(&[
            "registry.example.org:443",
            "evil.example:443",
        ]))
        .facts(out),
        Case::of(&network_run(&["registry.example.org:80"])).facts(out),
        case.clone()
            .facts(|f| f.workspace = Some("/home/ana/other".into())),
        case.clone().facts(|f| f.labels.untrusted = true),
        case.clone().owner(),
    ];
    for other in others {
        assert_eq!(other.said(&with), asks);
    }
    let mut longer = asked.clone();
    longer.spec.ttl_s += 1;
    assert_eq!(Case::of(&longer).facts(out).said(&with), asks);
}

#[test]
fn a_path_that_speaks_cedar_is_a_text() {
    let ask = "@id(\"my.ask\") @verdict(\"ask\") @why(\"x\")
               permit (principal, action == Action::\"write\", resource);";
    let nasty = r#"Role::"agent" || true || context.path == ""#;
    let case = Case::of(&write(nasty));
    let made = of(&case, &with_owner(ask)).unwrap();
    let with = with_owner(&format!("{ask}\n{}", made.rule));
    assert_eq!(case.decision(&with), Decision::Allow);
    assert_eq!(Case::of(&write("other")).said(&with), "ask my.ask");
}

#[test]
fn what_no_rule_may_answer_gets_none() {
    let confirm = Case::of(&accept(PatchClass::RunsOutside, &["Makefile"])).owner();
    let said = of(&confirm, engine()).unwrap_err().to_string();
    assert!(
        said.contains("careful.runs_outside asks each time"),
        "{said}"
    );
    let allowed = of(&Case::of(&test_run()), engine()).unwrap_err();
    assert_eq!(allowed, NoRule::NotAsked("allow it"));
    let flow = Case::of(&network_run(&["a.example.org:443"])).facts(|f| {
        f.egress = true;
        f.labels = Labels::of(Label::Untrusted).with(Label::Private);
    });
    let said = of(&flow, engine()).unwrap_err().to_string();
    assert!(said.contains("guard.flow asks each time"), "{said}");
    let theirs = with_workspace(
        "@id(\"w\") @verdict(\"ask\") @why(\"x\") permit (principal, action == Action::\"write\", resource);",
    );
    let said = of(&Case::of(&write("a")), &theirs).unwrap_err().to_string();
    assert!(
        said.contains("workspace.w is the workspace's own"),
        "{said}"
    );
}

proptest! {
    #[test]
    fn what_is_suggested_holds_and_answers_the_very_question(made in made()) {
        let case = &made.case;
        if let Ok(rule) = of(case, engine()) {
            match Engine::new(&[atoll_policy::Source::new("answers.cedar", rule.rule.clone())]) {
                Ok(with) => {
                    prop_assert_eq!(case.said(&with), "allow my.g3", "{}", rule.rule);
                    let elsewhere = case.clone().facts(|f| f.workspace = f.workspace.as_ref().map(|w| format!("{w}2")));
                    prop_assert_eq!(elsewhere.said(&with), elsewhere.said(engine()));
                    let touched = case.clone().facts(|f| f.labels.secret = true);
                    if !case.facts.labels.secret {
                        prop_assert_eq!(touched.said(&with), touched.said(engine()));
                    }
                }
                // Cedar refuses texts that mislead the eye, and a rule of many parts: said, not saved.
                Err(problems) => prop_assert!(!problems.is_empty()),
            }
        }
    }
}
