use atoll_domain::{Actor, GateId, Label, Labels, Ms, Network};
use atoll_guard::{Decision, GateAnswer, Refusal};

use crate::{Says, admission, guard, job, now};

fn labelled(labels: Labels) -> atoll_guard::Admission<atoll_domain::action::Job> {
    let mut admission = admission(job(Network::Allow(vec![
        "example.org:443".parse().unwrap(),
    ])));
    admission.facts.labels = labels;
    admission.facts.egress = true;
    admission
}

#[test]
fn untrusted_and_private_context_asks_before_data_goes_out_whatever_the_policy_allows() {
    let (guard, _) = guard(&Says::new(Decision::Allow));
    assert!(now(guard.admit(labelled(Labels::of(Label::Private)))).is_ok());
    assert!(now(guard.admit(labelled(Labels::of(Label::Untrusted)))).is_ok());
    let both = Labels::of(Label::Private).with(Label::Untrusted);
    let Err(Refusal::Ask(act, asked)) = now(guard.admit(labelled(both))) else {
        panic!("it asks")
    };
    assert_eq!(asked.rules[0].id, "guard.flow");
    assert_eq!(asked.widening, None, "no session answer is offered");
    // An answer for the session counts once, and no more.
    let mut answered = labelled(both);
    let hash = atoll_domain::Act::canonical(&act).hash;
    let gate = GateId::new(Ms(1), [1; 10]);
    answered.answer = Some(GateAnswer {
        gate,
        hash,
        for_session: true,
        by: Actor::human("ada"),
    });
    assert!(now(guard.admit(answered)).is_ok());
    assert!(matches!(
        now(guard.admit(labelled(both))),
        Err(Refusal::Ask(..))
    ));
}

#[test]
fn a_secret_in_an_untrusted_context_does_not_go_out_at_all() {
    let (guard, _) = guard(&Says::new(Decision::Allow));
    let labels = Labels::of(Label::Secret).with(Label::Untrusted);
    assert!(matches!(
        now(guard.admit(labelled(labels))),
        Err(Refusal::Deny(..))
    ));
    let mut stays = labelled(labels);
    stays.facts.egress = false;
    assert!(now(guard.admit(stays)).is_ok());
}
