//! Grants: whether those that an action is proposed under hold for it, now. Pure, and judged with each admission, so
//! that what was revoked or ran out meanwhile ends with the next action.

use atoll_domain::{Act, Facts, Ms, Standing};

use crate::{Decision, Rule, Verdict};

fn refused(id: &str, why: String) -> Option<Verdict> {
    let rule = Rule {
        id: format!("grant.{id}"),
        why,
    };
    Some(Verdict {
        decision: Decision::Deny,
        rules: vec![rule],
    })
}

/// Why a grant, or one that it comes from, does not hold for the action; `None`: all hold. No policy and no person's
/// answer lifts it.
pub(crate) fn refuses<A: Act>(
    warrant: &[Standing],
    act: &A,
    facts: &Facts,
    wall: Ms,
) -> Option<Verdict> {
    for grant in warrant {
        let terms = &grant.terms;
        if grant.revoked {
            return refused("revoked", format!("the grant {} was revoked", grant.id));
        }
        if wall >= terms.expires {
            return refused("expired", format!("the grant {} has run out", grant.id));
        }
        if !terms.allows_kind(A::KIND) {
            let why = format!(
                "the grant is not for actions of the kind {}",
                A::KIND.name()
            );
            return refused("kind", why);
        }
        if !terms.allows_workspace(facts.workspace.as_deref()) {
            let why = "the grant is for work in other folders".into();
            return refused("workspace", why);
        }
        if let Some(host) = act.hosts().iter().find(|host| !terms.allows_host(host)) {
            return refused("host", format!("the grant is not for {host}"));
        }
    }
    None
}
