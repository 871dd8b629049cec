//! A hundred actions at once against each kind of account: never a micro too much.

use std::sync::atomic::{AtomicU64, Ordering};

use atoll_domain::{Budget, Cost, GrantId, Hash, Ms, Tick};
use atoll_guard::{Account, Decision, End, Guard, Refusal, Stop};

use crate::{Says, admission, call, guard, now, session};

const AT_ONCE: u64 = 100;
/// What each call reserves, and what all may cost together: not a whole number of them.
const RESERVE: u64 = 7;
const LIMIT: u64 = 299;

fn accounts() -> [Account; 4] {
    [
        Account::Session(session()),
        Account::Day(20_000),
        Account::Grant(GrantId::new(Ms(1), [1; 10])),
        Account::Provider {
            day: 20_000,
            provider: Hash::of(b"p"),
        },
    ]
}

/// One call: `None` where it was refused for the budget; what it cost else.
fn one(guard: &Guard, all: &[Account], n: u64) -> Option<u64> {
    let mut admission = admission(call(RESERVE));
    admission.accounts = all.to_vec();
    let permit = match now(guard.admit(admission)) {
        Ok(permit) => permit,
        Err(Refusal::Stop(_, Stop::Budget(_))) => return None,
        Err(other) => panic!("{other:?}"),
    };
    std::thread::yield_now();
    match n % 4 {
        0 => {
            drop(permit); // never begun: it costs nothing
            Some(0)
        }
        1 => {
            drop(permit.begin(Tick(0)).unwrap()); // nobody saw its end: its whole reserve
            Some(RESERVE)
        }
        n => {
            let live = permit.begin(Tick(0)).unwrap();
            live.finish(End::done().cost(Cost {
                micros: n,
                ..Cost::ZERO
            }));
            Some(n)
        }
    }
}

#[test]
fn a_hundred_calls_at_once_overspend_no_account_by_a_micro() {
    for limited in accounts() {
        let (guard, _) = guard(&Says::new(Decision::Allow));
        let budget = Budget {
            micros_max: Some(LIMIT),
            ..Budget::default()
        };
        guard.ledger().open(limited, budget, Cost::ZERO);
        let (spent, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let round = || {
            std::thread::scope(|s| {
                for n in 0..AT_ONCE {
                    let (guard, spent, most) = (&guard, &spent, &most);
                    s.spawn(move || {
                        let cost = one(guard, &accounts(), n);
                        spent.fetch_add(cost.unwrap_or(0), Ordering::Relaxed);
                        let b = guard.ledger().balance(limited);
                        most.fetch_max(b.spent.micros + b.reserved.micros, Ordering::Relaxed);
                    });
                }
            });
        };
        // Until no call fits any more.
        while LIMIT - guard.ledger().balance(limited).spent.micros >= RESERVE {
            round();
        }
        let end = guard.ledger().balance(limited);
        assert_eq!(
            end.spent.micros,
            spent.load(Ordering::Relaxed),
            "{limited:?}"
        );
        assert_eq!(end.reserved, Cost::ZERO, "{limited:?}");
        assert!(
            end.spent.micros <= LIMIT && most.load(Ordering::Relaxed) <= LIMIT,
            "{limited:?}: {end:?}"
        );
        for other in accounts() {
            assert_eq!(
                guard.ledger().balance(other).spent,
                end.spent,
                "each pays the same"
            );
        }
        assert_eq!(one(&guard, &accounts(), 2), None);
    }
}
