//! The facts of a question: from the node's own state alone. Nothing here comes from a model, a tool or
//! a repository.

use std::sync::Arc;

use atoll_domain::{Actor, Cost, Facts, GrantId, Labels, ModelRef, Role, SessionId, WorkspaceId};
use atoll_guard::Account;

use crate::clock::day_of;
use crate::labels::Marks;
use crate::shared::Shared;

/// For whom an action is, as the node knows it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) session: Option<SessionId>,
    /// Whose budget pays, if not the session's own: the one that it was forked from, at first.
    pub(crate) purse: Option<SessionId>,
    pub(crate) actor: Actor,
    pub(crate) role: Role,
    /// The grant that it is under; none: the owner's own.
    pub(crate) grant: Option<GrantId>,
    pub(crate) profile: String,
    pub(crate) workspace: Option<(WorkspaceId, String)>,
    pub(crate) trusted: bool,
    pub(crate) labels: Labels,
    /// The models that have this context already: calls to their providers are no egress.
    pub(crate) known: Vec<ModelRef>,
    /// What its snapshot holds of contents that came out of untrusted contexts.
    pub(crate) marks: Arc<Marks>,
    pub(crate) on_ask: atoll_api::OnAsk,
    /// For people, at a gate: `turn 6 of 30`.
    pub(crate) turn: String,
}

impl Context {
    /// Of a caller's own command, outside sessions: the owner's, or what its token makes of it.
    pub(crate) fn owner(shared: &Shared, caller: &atoll_api::Caller) -> Context {
        Context {
            session: None,
            purse: None,
            actor: Actor::human(caller.name.clone()),
            role: caller.role,
            grant: caller.grant,
            profile: shared.current().options.profile.clone(),
            workspace: None,
            trusted: true,
            labels: Labels::default(),
            known: Vec::new(),
            marks: Arc::default(),
            on_ask: atoll_api::OnAsk::Fail,
            turn: String::new(),
        }
    }

    /// The facts that hold for any of its actions.
    pub(crate) fn facts(&self, shared: &Shared) -> Facts {
        let mut facts = Facts::of(self.role, self.profile.clone());
        facts.workspace = self.workspace.as_ref().map(|(_, root)| root.clone());
        facts.workspace_trusted = self.trusted;
        facts.labels = self.labels;
        facts.spent = self.spent(shared);
        let floor = &shared.current().options.sandbox_floor;
        let level = shared.runner.abilities().level;
        facts.sandbox_ok = level == "full" || (*floor == level && level != "none");
        facts
    }

    /// What its session spent, with those that share its budget.
    pub(crate) fn spent(&self, shared: &Shared) -> Cost {
        let account = self.account();
        account.map_or(Cost::ZERO, |a| shared.ledger.balance(a).spent)
    }

    /// The session that its family began with: forks share its budget and its placeholders.
    pub(crate) fn family(&self) -> Option<SessionId> {
        self.purse.or(self.session)
    }

    /// The account of its session, or of the one that it was forked from.
    pub(crate) fn account(&self) -> Option<Account> {
        self.family().map(Account::Session)
    }

    /// Whose budgets pay for it, and for a call of `provider`. Opens the day's accounts if this is their first use.
    pub(crate) fn accounts(&self, shared: &Shared, provider: Option<&str>) -> Vec<Account> {
        let day = day_of(shared.clock.wall());
        let account = Account::Day(day);
        if shared.ledger.balance(account) == atoll_guard::Balance::default() {
            let spent = shared.log.spent_on(day).unwrap_or_default();
            shared
                .ledger
                .open(account, shared.current().options.day, spent);
        }
        let mut accounts = vec![account];
        accounts.extend(provider.and_then(|p| shared.provider_account(p)));
        accounts.extend(self.account());
        accounts
    }
}

/// An amount, for people: `$0.04`.
pub(crate) fn dollars(micros: u64) -> String {
    match micros {
        0 => "$0.00".into(),
        m if m < 10_000 => format!("${}.{:06}", m / 1_000_000, m % 1_000_000)
            .trim_end_matches('0')
            .to_owned(),
        m => format!("${}.{:02}", m / 1_000_000, (m % 1_000_000) / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn amounts_are_short_but_never_round_to_nothing() {
        assert_eq!(dollars(0), "$0.00");
        assert_eq!(dollars(120), "$0.00012");
        assert_eq!(dollars(40_000), "$0.04");
        assert_eq!(dollars(2_000_000), "$2.00");
    }
}
