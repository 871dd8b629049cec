//! Which command needs what: the one table. The node holds each caller against it before anything else.

use atoll_domain::Role;

use crate::{Caller, Error, codes};

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A caller whom the node knows, whatever the role.
    Any,
    /// To look at sessions, gates, patches, the log.
    Look,
    /// To run jobs.
    Jobs,
    /// To start agents and talk to them.
    Start,
    /// To answer, accept, stop and remove on the owner's behalf.
    Decide,
    /// To be the owner.
    Own,
}

impl Need {
    /// Whether a role has it.
    pub fn met_by(self, role: Role) -> bool {
        match self {
            Need::Any => true,
            Need::Look => role != Role::Worker,
            Need::Jobs => role != Role::Viewer,
            Need::Start => matches!(role, Role::Owner | Role::Operator | Role::Agent),
            Need::Decide => matches!(role, Role::Owner | Role::Operator),
            Need::Own => role == Role::Owner,
        }
    }
}

/// Every command and what it needs. Beside the role, a token reaches only what its scope names, and goes on only with
/// sessions and jobs that were begun under it.
pub const NEEDS: &[(&str, Need)] = &[
    ("health", Need::Any),
    ("enter", Need::Any),
    ("status", Need::Any),
    ("down", Need::Own),
    ("code", Need::Start),
    ("chat", Need::Start),
    ("say", Need::Start),
    ("resume", Need::Start),
    ("cancel", Need::Start),
    ("sessions", Need::Look),
    ("session", Need::Look),
    ("session_undo", Need::Start),
    ("session_undo_to", Need::Start),
    ("session_fork", Need::Start),
    ("session_declassify", Need::Own),
    ("session_delete", Need::Decide),
    ("watch", Need::Any),
    ("exec", Need::Jobs),
    ("exec_stdin", Need::Jobs),
    ("exec_resize", Need::Jobs),
    ("exec_stop", Need::Jobs),
    ("artifact", Need::Any),
    ("gates", Need::Look),
    ("gate", Need::Look),
    ("gate_answer", Need::Decide),
    ("patches", Need::Look),
    ("patch", Need::Look),
    ("patch_accept", Need::Decide),
    ("patch_edit", Need::Decide),
    ("patch_edited", Need::Decide),
    ("patch_reject", Need::Decide),
    ("patch_undo", Need::Decide),
    ("events", Need::Look),
    ("follow", Need::Look),
    ("verify", Need::Look),
    ("checkpoint", Need::Decide),
    ("archive", Need::Own),
    ("replay", Need::Look),
    ("export", Need::Look),
    ("rebuild", Need::Own),
    ("erase", Need::Own),
    ("models", Need::Any),
    ("model_test", Need::Start),
    ("reload", Need::Own),
    ("policy", Need::Look),
    ("vault", Need::Own),
    ("vault_make", Need::Own),
    ("vault_unlock", Need::Own),
    ("vault_lock", Need::Own),
    ("secrets", Need::Own),
    ("secret_put", Need::Own),
    ("secret_remove", Need::Own),
    ("grant_mint", Need::Own),
    ("grants", Need::Any),
    ("grant_revoke", Need::Own),
];

/// Whether a caller may give a command. One that the table doesn't know is nobody's but the owner's own.
pub fn may(caller: &Caller, command: &str) -> Result<(), Error> {
    let need = NEEDS.iter().find(|(name, _)| *name == command);
    let need = need.map_or(Need::Own, |(_, need)| *need);
    if need.met_by(caller.role)
        && (need != Need::Own || caller.grant.is_none() || caller.role == Role::Owner)
    {
        return Ok(());
    }
    let role = caller.role.name();
    Err(Error::new(
        codes::TOKEN_ROLE,
        format!("a token with the role {role} is not for that"),
    )
    .next("atoll grant list    says what it is for")
    .next("ask whose node it is for another token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods of `Commands`, as its file has them.
    fn methods() -> Vec<String> {
        let text = include_str!("commands.rs");
        let after = text.split_once("pub trait Commands").unwrap().1;
        let names = after.split("\n    fn ").skip(1);
        names
            .map(|rest| rest.split('(').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn each_command_is_in_the_table_once_and_nothing_else() {
        let mut listed: Vec<&str> = NEEDS.iter().map(|(name, _)| *name).collect();
        let mut methods = methods();
        assert!(methods.len() > 40, "{methods:?}");
        listed.sort_unstable();
        methods.sort_unstable();
        assert_eq!(listed, methods);
    }

    #[test]
    fn a_role_that_is_handed_on_meets_no_need_that_its_giver_does_not() {
        let roles = [
            Role::Owner,
            Role::Operator,
            Role::Agent,
            Role::Viewer,
            Role::Worker,
        ];
        let needs = [
            Need::Any,
            Need::Look,
            Need::Jobs,
            Need::Start,
            Need::Decide,
            Need::Own,
        ];
        for (a, b) in roles
            .iter()
            .flat_map(|a| roles.iter().map(move |b| (*a, *b)))
        {
            if a.covers(b) {
                assert!(
                    needs.iter().all(|n| !n.met_by(b) || n.met_by(a)),
                    "{a:?} gives {b:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_listed_is_the_owners() {
        let mut caller = Caller::owner(1, "ada");
        assert!(may(&caller, "unheard_of").is_ok());
        caller.role = Role::Operator;
        assert!(
            may(&caller, "unheard_of")
                .unwrap_err()
                .is(codes::TOKEN_ROLE)
        );
        assert!(may(&caller, "grant_mint").is_err());
        assert!(may(&caller, "gate_answer").is_ok());
    }
}
