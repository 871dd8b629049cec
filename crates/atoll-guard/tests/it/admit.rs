use atoll_domain::{Actor, Body, GateId, HostPort, Ms, Network};
use atoll_guard::{Decision, GateAnswer, Refusal, Stop};

use crate::{Filling, Says, admission, call, guard, job, limit, now};

fn kinds(journal: &testkit::permits::Memory) -> Vec<String> {
    journal
        .bodies()
        .iter()
        .map(|b| b.kind().to_owned())
        .collect()
}

fn online() -> Network {
    Network::Allow(vec![HostPort {
        host: "example.org".into(),
        port: 443,
    }])
}

#[test]
fn a_permit_exists_only_after_its_grant_is_journalled() {
    let (guard, journal) = guard(&Says::new(Decision::Allow));
    let permit = now(guard.admit(admission(job(Network::None)))).unwrap();
    assert_eq!(kinds(&journal), ["Granted"]);
    let Body::Granted(granted) = &journal.bodies()[0] else {
        panic!("a grant")
    };
    assert_eq!(granted.permit, permit.id());
    assert_eq!(granted.rules, ["test.rule"]);
    // Action and facts lie beside the log, and open their commitments.
    let sides = journal.drafts()[0].sides.clone();
    assert_eq!(sides.len(), 2);
    assert!(
        sides
            .iter()
            .all(|s| s.commitment.opens_to(&s.salt, &s.bytes))
    );
}

#[test]
fn a_denial_and_a_policy_error_give_no_permit_and_are_logged() {
    let says = Says::new(Decision::Deny);
    let (guard, journal) = guard(&says);
    assert!(matches!(
        now(guard.admit(admission(job(Network::None)))),
        Err(Refusal::Deny(..))
    ));
    *says.0.lock().unwrap() = Err(atoll_guard::PolicyError("type error".into()));
    let Err(Refusal::Deny(_, rules)) = now(guard.admit(admission(job(Network::None)))) else {
        panic!("an error denies")
    };
    assert_eq!(rules[0].id, "guard.error");
    assert_eq!(kinds(&journal), ["PolicyDenied", "PolicyDenied"]);
}

fn answer(act: &atoll_domain::action::Job, by: Actor, for_session: bool) -> GateAnswer {
    let hash = atoll_domain::Act::canonical(act).hash;
    GateAnswer {
        gate: GateId::new(Ms(1), [3; 10]),
        hash,
        for_session,
        by,
    }
}

#[test]
fn an_answer_lifts_an_ask_for_the_very_action_once() {
    let (guard, journal) = guard(&Says::new(Decision::Ask));
    assert!(matches!(
        now(guard.admit(admission(job(online())))),
        Err(Refusal::Ask(..))
    ));
    assert_eq!(kinds(&journal), Vec::<String>::new());
    let mut with = admission(job(online()));
    with.answer = Some(answer(&with.act, Actor::human("ada"), false));
    drop(now(guard.admit(with)).unwrap());
    // The next one is asked again.
    assert!(matches!(
        now(guard.admit(admission(job(online())))),
        Err(Refusal::Ask(..))
    ));
}

#[test]
fn an_answer_for_the_session_covers_the_same_widening_alone() {
    let (guard, _) = guard(&Says::new(Decision::Ask));
    let mut with = admission(job(online()));
    with.answer = Some(answer(&with.act, Actor::human("ada"), true));
    drop(now(guard.admit(with)).unwrap());
    drop(now(guard.admit(admission(job(online())))).unwrap());
    let mut wider = job(online());
    wider.spec.cmd.push("install".into());
    assert!(matches!(
        now(guard.admit(admission(wider))),
        Err(Refusal::Ask(..))
    ));
    guard.forget_answers(&crate::session());
    assert!(matches!(
        now(guard.admit(admission(job(online())))),
        Err(Refusal::Ask(..))
    ));
}

#[test]
fn what_changed_between_question_and_run_is_refused() {
    let (guard, journal) = guard(&Says::new(Decision::Ask));
    let seen = job(online());
    let mut swapped = admission(job(online()));
    swapped.act.spec.cmd = vec!["rm".into()];
    swapped.answer = Some(answer(&seen, Actor::human("ada"), false));
    assert!(matches!(
        now(guard.admit(swapped)),
        Err(Refusal::Stop(_, Stop::Changed(_)))
    ));
    assert_eq!(kinds(&journal), ["PolicyDenied"]);
}

#[test]
fn no_agent_answers_a_gate_and_no_answer_lifts_a_deny() {
    let says = Says::new(Decision::Ask);
    let (guard, _) = guard(&says);
    let mut own = admission(job(online()));
    own.answer = Some(answer(&own.act, Actor::ai("agent"), false));
    assert!(matches!(now(guard.admit(own)), Err(Refusal::Stop(..))));
    says.set(Decision::Deny);
    let mut denied = admission(job(online()));
    denied.answer = Some(answer(&denied.act, Actor::human("ada"), false));
    assert!(matches!(now(guard.admit(denied)), Err(Refusal::Deny(..))));
}

#[test]
fn a_budget_refuses_before_the_money_is_gone() {
    let (guard, _) = guard(&Says::new(Decision::Allow));
    limit(&guard, 2_500_000);
    let permits: Vec<_> = (0..10)
        .filter_map(|_| now(guard.admit(admission(call(1_000_000)))).ok())
        .collect();
    assert_eq!(permits.len(), 2);
    drop(permits);
    // Unused permits cost nothing: the room is back.
    assert!(now(guard.admit(admission(call(1_000_000)))).is_ok());
}

#[test]
fn a_full_log_admits_nothing_and_holds_no_reserve() {
    let says = Says::new(Decision::Allow);
    let memory = std::sync::Arc::new(testkit::permits::Memory::default());
    let ledger = std::sync::Arc::new(atoll_guard::Ledger::default());
    let entropy = std::sync::Arc::new(testkit::permits::Counting::default());
    let journal = std::sync::Arc::new(Filling(memory.clone(), 1));
    let guard = atoll_guard::Guard::new(Box::new(says), journal, ledger.clone(), entropy);
    let open = now(guard.admit(admission(call(1))))
        .unwrap()
        .begin(atoll_domain::Tick(1))
        .unwrap();
    assert!(matches!(
        now(guard.admit(admission(call(1)))),
        Err(Refusal::Full(..))
    ));
    // What is under way can still be closed.
    open.finish(atoll_guard::End::done());
    assert_eq!(memory.bodies().len(), 2);
    let balance = ledger.balance(atoll_guard::Account::Session(crate::session()));
    assert_eq!(balance.reserved, atoll_domain::Cost::ZERO);
}
