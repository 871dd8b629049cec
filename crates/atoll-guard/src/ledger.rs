//! Budgets: reserved before dispatch, settled after, so that parallel actions can't overspend.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use atoll_domain::{Budget, Cost, Exceeded, GrantId, Hash, SessionId};

/// Whose budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// A session's.
    Session(SessionId),
    /// A grant's: of all who act under it or an attenuation of it.
    Grant(GrantId),
    /// The node's for the day, in days since the Unix epoch.
    Day(u64),
    /// The node's for the day with one provider.
    Provider {
        /// The day, in days since the Unix epoch.
        day: u64,
        /// SHA-256 of the provider's name.
        provider: Hash,
    },
}

/// An account's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Its limits.
    pub budget: Budget,
    /// What was settled.
    pub spent: Cost,
    /// What open permits hold.
    pub reserved: Cost,
}

/// All accounts. Mirrors the log: the node opens accounts with what the log says was spent.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Mutex<HashMap<Account, Balance>>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Balance>> {
        // A panic elsewhere can't leave a balance half written: each is replaced whole.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens or changes an account. What is reserved stays; `spent` only grows.
    pub fn open(&self, account: Account, budget: Budget, spent: Cost) {
        let mut accounts = self.lock();
        let balance = accounts.entry(account).or_default();
        balance.budget = budget;
        balance.spent = balance.spent.max(spent);
    }

    /// Forgets accounts of other days than `day`, and those in `sessions`, unless something is reserved.
    pub fn forget(&self, day: u64, sessions: &[SessionId]) {
        self.lock().retain(|account, balance| {
            balance.reserved != Cost::ZERO
                || match account {
                    Account::Day(d) | Account::Provider { day: d, .. } => *d >= day,
                    Account::Session(s) => !sessions.contains(s),
                    // A grant's spending has no day and no end but the node's: what the log says may lag behind.
                    Account::Grant(_) => true,
                }
        });
    }

    /// Whether an account was opened.
    pub fn is_open(&self, account: Account) -> bool {
        self.lock().contains_key(&account)
    }

    /// An account's state; empty if it was never opened.
    pub fn balance(&self, account: Account) -> Balance {
        self.lock().get(&account).copied().unwrap_or_default()
    }

    /// Reserves `cost` in all `accounts`, or in none.
    pub(crate) fn reserve(&self, accounts: &[Account], cost: Cost) -> Result<(), Exceeded> {
        let mut all = self.lock();
        for account in accounts {
            let b = all.get(account).copied().unwrap_or_default();
            b.budget.check(b.spent.plus(b.reserved).plus(cost))?;
        }
        for account in accounts {
            let b = all.entry(*account).or_default();
            b.reserved = b.reserved.plus(cost);
        }
        Ok(())
    }

    /// Takes a reserve back and adds what was spent.
    pub(crate) fn settle(&self, accounts: &[Account], reserved: Cost, spent: Cost) {
        let mut all = self.lock();
        for account in accounts {
            let b = all.entry(*account).or_default();
            b.reserved = b.reserved.minus(reserved);
            b.spent = b.spent.plus(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_domain::{Ms, Unit};

    fn cents(n: u64) -> Cost {
        Cost {
            micros: n * 10_000,
            ..Cost::ZERO
        }
    }

    #[test]
    fn ten_parallel_calls_cannot_overspend() {
        let ledger = Ledger::default();
        let account = Account::Session(SessionId::new(Ms(1), [0; 10]));
        ledger.open(
            account,
            Budget {
                micros_max: Some(100_000),
                ..Budget::default()
            },
            Cost::ZERO,
        );
        let admitted = (0..10)
            .filter(|_| ledger.reserve(&[account], cents(3)).is_ok())
            .count();
        assert_eq!(admitted, 3);
        ledger.settle(&[account], cents(3), cents(1));
        assert_eq!(ledger.balance(account).reserved, cents(6));
        assert_eq!(
            ledger.reserve(&[account], cents(4)).unwrap_err().unit,
            Unit::Money
        );
        assert!(ledger.reserve(&[account], cents(3)).is_ok());
    }

    #[test]
    fn a_providers_day_ends_with_the_day_and_stops_only_its_own() {
        let ledger = Ledger::default();
        let of = |name: &[u8], day| Account::Provider {
            day,
            provider: Hash::of(name),
        };
        let (mine, other) = (of(b"mine", 7), of(b"other", 7));
        let budget = Budget {
            micros_max: Some(50_000),
            ..Budget::default()
        };
        ledger.open(mine, budget, cents(4));
        assert!(ledger.reserve(&[Account::Day(7), mine], cents(2)).is_err());
        assert_eq!(ledger.balance(Account::Day(7)).reserved, Cost::ZERO);
        assert!(ledger.reserve(&[Account::Day(7), other], cents(2)).is_ok());
        ledger.forget(8, &[]);
        assert_eq!(ledger.balance(mine), Balance::default());
        assert_eq!(ledger.balance(other).reserved, cents(2));
    }

    #[test]
    fn a_reserve_is_in_all_accounts_or_in_none() {
        let ledger = Ledger::default();
        let (a, day) = (
            Account::Session(SessionId::new(Ms(1), [0; 10])),
            Account::Day(1),
        );
        ledger.open(
            day,
            Budget {
                runs_max: Some(0),
                ..Budget::default()
            },
            Cost::ZERO,
        );
        assert!(
            ledger
                .reserve(
                    &[a, day],
                    Cost {
                        runs: 1,
                        ..Cost::ZERO
                    }
                )
                .is_err()
        );
        assert_eq!(ledger.balance(a), Balance::default());
    }
}
