//! What was spent with one provider on one day, and whose budget that is.

use std::collections::HashMap;

use atoll_api::Error;
use atoll_domain::{Body, Budget, Cost, Exceeded, Hash, Kind, Unit};
use atoll_guard::Account;
use atoll_ports::log::Filter;
use serde::Deserialize;

use crate::clock::day_of;
use crate::shared::{Shared, log_error};

/// Events that are read at once.
const PAGE: usize = 500;

/// What is read of a call's canonical action.
#[derive(Deserialize)]
struct Called {
    provider: String,
}

/// The account of a provider's day.
fn account(provider: &str, day: u64) -> Account {
    Account::Provider {
        day,
        provider: Hash::of(provider.as_bytes()),
    }
}

impl Shared {
    /// The account that a call of `provider` is paid from beside the day's, if it has a budget of its own.
    pub(crate) fn provider_account(&self, provider: &str) -> Option<Account> {
        let mut micros_max = *self.current().options.providers.get(provider)?;
        let day = day_of(self.clock.wall());
        let account = account(provider, day);
        let open = self.ledger.balance(account).budget.micros_max;
        let mut spent = Cost::ZERO;
        // The first use of the day: the log knows what was spent before. Where it can't be read nothing may be
        // spent, until it can.
        if open.is_none_or(|micros| micros == 0) {
            match self.spent_with(provider, day) {
                Ok(before) => spent = before,
                Err(err) => {
                    tracing::warn!("what was spent with {provider} is unknown: {err}");
                    micros_max = 0;
                }
            }
        }
        let budget = Budget {
            micros_max: Some(micros_max),
            ..Budget::default()
        };
        // Each time: the configuration may have changed.
        self.ledger.open(account, budget, spent);
        Some(account)
    }

    /// The provider whose budget was exceeded, if it was that.
    pub(crate) fn is_providers(&self, provider: &str, exceeded: &Exceeded) -> bool {
        let limit = self.current().options.providers.get(provider).copied();
        exceeded.unit == Unit::Money && limit == Some(exceeded.limit)
    }

    /// What the calls of `provider` cost that ended on `day`. A call whose action was erased counts for all.
    fn spent_with(&self, provider: &str, day: u64) -> Result<Cost, Error> {
        let filter = Filter {
            session: None,
            kinds: vec!["Granted".into(), "Closed".into()],
            topic: None,
        };
        // A call that ended on this day was granted on it, or on the day before.
        let mut after = self.last_before(day.saturating_sub(1))?;
        let (mut open, mut spent) = (HashMap::new(), Cost::ZERO);
        loop {
            let page = self.log.events(after, PAGE, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                return Ok(spent);
            };
            after = last.seq;
            for event in page {
                match event.typed() {
                    Body::Granted(b) if b.kind == Kind::Call => {
                        open.insert(b.permit, b.action);
                    }
                    Body::Closed(b) if b.kind == Kind::Call => {
                        let action = open.remove(&b.permit);
                        let called: Option<Called> = action.and_then(|a| self.json(&a));
                        if day_of(event.ts) == day && called.is_none_or(|c| c.provider == provider)
                        {
                            spent = spent.plus(b.cost);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// The last event before a day, by halving: the log's clock never goes back.
    fn last_before(&self, day: u64) -> Result<u64, Error> {
        let (mut low, mut high) = (0, self.log.head());
        let any = Filter {
            session: None,
            kinds: Vec::new(),
            topic: None,
        };
        while low < high {
            let middle = low + (high - low) / 2;
            let event = self.log.events(middle, 1, &any).map_err(log_error)?;
            match event.first() {
                Some(event) if day_of(event.ts) < day => low = event.seq,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
