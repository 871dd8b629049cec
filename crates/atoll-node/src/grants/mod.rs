//! Grants: who a token makes its bearer, what holds for an action that is proposed under one, and whose budget pays.
//! What a grant allows is read off the log each time, so that a revocation counts with the next request and action.

mod enter;
mod reach;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use atoll_api::{Error, codes};
use atoll_domain::{GRANT_DEPTH_MAX, GrantId, Ms, Standing, Terms};
use atoll_guard::{Account, Balance, Refusal, Rule};
use atoll_ports::log::GrantRow;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::facts::Context;
use crate::shared::{Shared, log_error};

pub(crate) use enter::{minted, token_error};
pub(crate) use reach::Hold;

/// What is kept in memory of grants.
pub(crate) struct Held {
    pub(crate) keys: Arc<dyn atoll_ports::Grants>,
    /// When each was used within the last minute, in milliseconds since the node's start.
    calls: Mutex<HashMap<GrantId, VecDeque<u64>>>,
    /// When each was used last.
    seen: Mutex<HashMap<GrantId, Ms>>,
    /// The latest that the wall clock ever was.
    latest: AtomicU64,
    /// Told of each revocation.
    pub(crate) revoked: watch::Sender<u64>,
    /// Held while a grant is written down, so that each is once.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl Held {
    /// `latest`: of any event in the log.
    pub(crate) fn new(keys: Arc<dyn atoll_ports::Grants>, latest: Ms) -> Held {
        Held {
            keys,
            calls: Mutex::default(),
            seen: Mutex::default(),
            latest: AtomicU64::new(latest.0),
            revoked: watch::Sender::new(0),
            writing: tokio::sync::Mutex::default(),
        }
    }
}

impl Held {
    /// The latest of all times that were seen, this one with them.
    fn ever(&self, now: Ms) -> Ms {
        Ms(self.latest.fetch_max(now.0, Ordering::Relaxed).max(now.0))
    }
}

/// The part of the terms that people's words are in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) workspaces: Option<BTreeSet<String>>,
    pub(crate) hosts: Option<BTreeSet<String>>,
}

/// Why a grant of the log can't be used.
pub(crate) const UNREADABLE: &str = "what the grant allows can't be read any more";

impl Shared {
    /// The wall clock, as far as it ever came: setting it back makes nothing last longer.
    pub(crate) fn wall_ever(&self) -> Ms {
        self.grants.ever(self.clock.wall())
    }

    /// A grant and those that it comes from, the first one first.
    pub(crate) fn chain(&self, leaf: &GrantId) -> Result<Vec<GrantRow>, Error> {
        let (mut chain, mut next) = (Vec::new(), Some(*leaf));
        while let Some(id) = next {
            let row = self.log.grant(&id).map_err(log_error)?;
            let row = row.filter(|_| chain.len() < GRANT_DEPTH_MAX);
            let row =
                row.ok_or_else(|| Error::new(codes::TOKEN_BAD, "the log does not know the grant"))?;
            next = row.parent;
            chain.insert(0, row);
        }
        Ok(chain)
    }

    /// `c3`.
    pub(crate) fn grant_ordinal(&self, id: &GrantId) -> Option<String> {
        let row = self.log.grant(id).ok().flatten()?;
        Some(format!("c{}", row.ordinal))
    }

    /// A grant as it stands; one whose words were erased allows nothing more.
    pub(crate) fn standing(&self, row: &GrantRow) -> Result<Standing, Error> {
        let scope: Option<Scope> = self.json(&row.scope);
        let scope = scope.ok_or_else(|| Error::new(codes::TOKEN_ENDED, UNREADABLE))?;
        Ok(Standing {
            id: row.id,
            terms: Terms {
                role: row.role,
                expires: row.expires,
                kinds: row.kinds.as_ref().map(|k| k.iter().copied().collect()),
                workspaces: scope.workspaces,
                hosts: scope.hosts,
                budget: row.budget,
                requests_per_min: row.requests_per_min,
                body_limit_bytes: row.body_limit_bytes,
            },
            revoked: row.revoked.is_some(),
        })
    }

    /// The grants that an action is proposed under, with their accounts open; none without a grant.
    pub(crate) fn warrant(&self, leaf: Option<GrantId>) -> Result<Vec<Standing>, Error> {
        let Some(leaf) = leaf else {
            return Ok(Vec::new());
        };
        let chain = self.chain(&leaf)?;
        for row in &chain {
            self.grant_balance(row);
        }
        chain.iter().map(|row| self.standing(row)).collect()
    }

    /// The same for an action that is about to be proposed: each grant's account pays too. Where they can't be read the
    /// action is refused.
    pub(crate) fn warranted<A>(
        &self,
        context: &Context,
        act: A,
        accounts: &mut Vec<Account>,
    ) -> Result<(A, Vec<Standing>), Refusal<A>> {
        match self.warrant(context.grant) {
            Ok(warrant) => {
                accounts.extend(warrant.iter().map(|grant| Account::Grant(grant.id)));
                Ok((act, warrant))
            }
            Err(err) => {
                let rule = Rule {
                    id: "grant.unknown".into(),
                    why: err.message,
                };
                Err(Refusal::Deny(act, vec![rule]))
            }
        }
    }

    /// What was spent under a grant and what is reserved. Its account stays open: until the node ends the ledger knows
    /// better than the log, which hears of a settlement after it.
    pub(crate) fn grant_balance(&self, row: &GrantRow) -> Balance {
        let account = Account::Grant(row.id);
        if !self.ledger.is_open(account) {
            self.ledger.open(account, row.budget, row.spent);
        }
        self.ledger.balance(account)
    }

    /// Whether the owner let money be spent under it: a person gave it a budget of money.
    pub(crate) fn grant_pays(&self, leaf: Option<GrantId>) -> bool {
        let chain = leaf.and_then(|leaf| self.chain(&leaf).ok());
        chain.is_some_and(|chain| {
            chain
                .iter()
                .any(|row| row.budget.micros_max.is_some_and(|m| m > 0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_ports::grants::{Block, Error, Grants};

    struct None;

    impl Grants for None {
        fn key(&self) -> Result<String, Error> {
            Err(Error::Foreign)
        }
        fn mint(&self, _: &Terms, _: &str) -> Result<(GrantId, String), Error> {
            Err(Error::Foreign)
        }
        fn read(&self, _: &str, _: Ms) -> Result<Vec<Block>, Error> {
            Err(Error::Foreign)
        }
    }

    #[test]
    fn time_never_goes_back_for_a_grant() {
        let held = Held::new(Arc::new(None), Ms(1_000));
        let seen = [500, 2_000, 1_500, 0, 2_001].map(|now| held.ever(Ms(now)).0);
        assert_eq!(seen, [1_000, 2_000, 2_000, 2_000, 2_001]);
    }
}
