//! Grants: each of the chain must hold, now.

use std::collections::BTreeSet;

use atoll_domain::{Budget, GrantId, Kind, Ms, Role, Standing, Terms};
use atoll_guard::{Decision, Guard, Refusal};

use crate::{Says, admission, call, now};

fn standing(change: impl FnOnce(&mut Terms)) -> Standing {
    let mut terms = Terms {
        role: Role::Agent,
        expires: Ms(1000),
        kinds: None,
        workspaces: None,
        hosts: None,
        budget: Budget::default(),
        requests_per_min: 60,
        body_limit_bytes: 1000,
    };
    change(&mut terms);
    Standing {
        id: GrantId::new(Ms(1), [9; 10]),
        terms,
        revoked: false,
    }
}

fn rule(guard: &Guard, warrant: Vec<Standing>, wall: u64) -> Option<String> {
    let mut admission = admission(call(1));
    admission.facts.workspace = Some("/home/u/shop".into());
    admission.wall = Ms(wall);
    admission.warrant = warrant;
    match now(guard.admit(admission)) {
        Ok(_) => None,
        Err(Refusal::Deny(_, rules)) => Some(rules[0].id.clone()),
        Err(Refusal::Ask(..)) => None,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn each_grant_of_the_chain_must_hold_and_no_answer_lifts_it() {
    let (guard, _) = crate::guard(&Says::new(Decision::Ask));
    let names = |w: &str| Some(BTreeSet::from([w.to_owned()]));
    assert_eq!(rule(&guard, vec![standing(|_| {}); 3], 999), None);
    let mut revoked = standing(|_| {});
    revoked.revoked = true;
    let tries = [
        (revoked, "grant.revoked"),
        (standing(|t| t.expires = Ms(500)), "grant.expired"),
        (
            standing(|t| t.kinds = Some([Kind::Read].into())),
            "grant.kind",
        ),
        (
            standing(|t| t.workspaces = names("/home/u/sho")),
            "grant.workspace",
        ),
        (standing(|t| t.hosts = names("other.example")), "grant.host"),
    ];
    for (bad, wanted) in tries {
        for at in 0..3 {
            let mut chain = vec![standing(|_| {}); 2];
            chain.insert(at, bad.clone());
            assert_eq!(rule(&guard, chain, 500).as_deref(), Some(wanted));
        }
    }
    let fits = standing(|t| {
        t.workspaces = names("/home/u");
        t.hosts = names("example.org");
    });
    assert_eq!(rule(&guard, vec![fits], 0), None);
}
