use atoll_domain::action::Stdin;
use atoll_domain::{Body, Closed, ClosedHow, Cost, JobId, Ms, Network, Tick};
use atoll_guard::{Account, Decision, End, Stop};

use crate::{Says, admission, call, guard, job, limit, now};

fn closed(journal: &testkit::permits::Memory) -> Vec<Closed> {
    let bodies = journal.bodies().into_iter();
    bodies
        .filter_map(|b| {
            if let Body::Closed(c) = b {
                Some(c)
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn a_dropped_permit_is_unused_and_a_dropped_effect_is_lost_at_its_whole_reserve() {
    let (guard, journal) = guard(&Says::new(Decision::Allow));
    limit(&guard, 10_000_000);
    drop(now(guard.admit(admission(call(1_000_000)))).unwrap());
    drop(
        now(guard.admit(admission(call(1_000_000))))
            .unwrap()
            .begin(Tick(1))
            .unwrap(),
    );
    let ends: Vec<_> = closed(&journal)
        .iter()
        .map(|c| (c.how, c.cost.micros))
        .collect();
    assert_eq!(ends, [(ClosedHow::Unused, 0), (ClosedHow::Lost, 1_000_000)]);
    assert_eq!(
        guard
            .ledger()
            .balance(Account::Session(crate::session()))
            .spent
            .micros,
        1_000_000
    );
}

#[test]
fn a_permit_spent_late_is_not_spent() {
    let (guard, journal) = guard(&Says::new(Decision::Allow));
    let permit = now(guard.admit(admission(job(Network::None)))).unwrap();
    assert_eq!(
        permit.begin(Tick(0).plus_ms(1000)).unwrap_err(),
        Stop::Expired
    );
    assert_eq!(closed(&journal)[0].how, ClosedHow::Unused);
}

#[test]
fn a_finished_effect_is_closed_once_at_its_real_cost() {
    let (guard, journal) = guard(&Says::new(Decision::Allow));
    limit(&guard, 10_000_000);
    let live = now(guard.admit(admission(call(1_000_000))))
        .unwrap()
        .begin(Tick(1))
        .unwrap();
    live.finish(
        End::done()
            .cost(Cost {
                micros: 42,
                ..Cost::ZERO
            })
            .outcome(b"{}".to_vec()),
    );
    let ends = closed(&journal);
    assert_eq!(ends.len(), 1);
    assert_eq!((ends[0].how, ends[0].cost.micros), (ClosedHow::Done, 42));
    assert!(ends[0].outcome.is_some());
}

#[test]
fn charging_past_the_reserve_asks_the_budget_for_more() {
    let (guard, _) = guard(&Says::new(Decision::Allow));
    limit(&guard, 1_500_000);
    let mut live = now(guard.admit(admission(call(1_000_000))))
        .unwrap()
        .begin(Tick(1))
        .unwrap();
    let micros = |micros| Cost {
        micros,
        ..Cost::ZERO
    };
    assert!(live.charge(micros(1_200_000), Tick(2)).is_ok());
    assert!(matches!(
        live.charge(micros(400_000), Tick(3)),
        Err(Stop::Budget(_))
    ));
    // What was used is used, even past the limit.
    live.finish(End::failed(None));
    assert_eq!(
        guard
            .ledger()
            .balance(Account::Session(crate::session()))
            .spent
            .micros,
        1_600_000
    );
}

#[test]
fn a_live_action_covers_only_what_belongs_to_it() {
    let (guard, journal) = guard(&Says::new(Decision::Allow));
    let live = now(guard.admit(admission(job(Network::None))))
        .unwrap()
        .begin(Tick(1))
        .unwrap();
    let own = Stdin {
        job: live.act().spec.id,
        bytes: b"yes\n".to_vec(),
    };
    let sub = now(live.sub(own)).unwrap();
    let Body::Granted(granted) = &journal.bodies()[1] else {
        panic!("a grant")
    };
    assert_eq!(granted.parent, Some(live.id()));
    drop(sub);
    let foreign = Stdin {
        job: JobId::new(Ms(9), [9; 10]),
        bytes: Vec::new(),
    };
    assert!(matches!(now(live.sub(foreign)), Err(Stop::Changed(_))));
    live.finish(End::done());
}
