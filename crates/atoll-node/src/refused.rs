//! Why an action gets no permit, and how that is said to people.

use atoll_domain::Exceeded;
use atoll_guard::{Refusal, Stop};

use crate::facts::dollars;

/// Why there is no permit, and nothing more to try.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// The policy, or a person, says no.
    Denied { rules: Vec<String>, why: String },
    /// A person must be asked, and this run does not wait.
    NeedsPerson { rules: Vec<String>, why: String },
    /// A limit.
    Stop(Stop),
    /// What may be spent with one provider in a day.
    Provider {
        provider: String,
        exceeded: Exceeded,
    },
    /// The log takes nothing.
    Full(atoll_guard::Full),
    /// It waits for a person: the session is to be parked.
    Park,
    /// Someone stopped it while it waited.
    Cancelled,
}

pub(crate) fn refused<A>(refusal: Refusal<A>) -> Refused {
    let words = |rules: Vec<atoll_guard::Rule>| {
        let why = rules
            .iter()
            .map(|r| r.why.clone())
            .collect::<Vec<_>>()
            .join("; ");
        (rules.into_iter().map(|r| r.id).collect(), why)
    };
    match refusal {
        Refusal::Deny(_, rules) => {
            let (rules, why) = words(rules);
            Refused::Denied { rules, why }
        }
        Refusal::Ask(_, asked) => {
            let (rules, why) = words(asked.rules);
            Refused::NeedsPerson { rules, why }
        }
        Refusal::Stop(_, stop) => Refused::Stop(stop),
        Refusal::Full(_, full) => Refused::Full(full),
    }
}

impl Refused {
    /// As a person reads it.
    pub(crate) fn error(&self) -> atoll_api::Error {
        use atoll_api::{Error, codes};
        match self {
            Refused::Denied { rules, why } => {
                Error::new(codes::DENIED, format!("the policy says no: {why}"))
                    .found(rules.join(", "))
                    .next("atoll policy show")
            }
            Refused::NeedsPerson { rules, why } => {
                Error::new(codes::NEEDS_PERSON, format!("a person must decide: {why}"))
                    .found(rules.join(", "))
                    .next("run it with --on-ask wait, and answer with: atoll gate answer @")
            }
            Refused::Stop(Stop::Budget(exceeded)) => {
                Error::new(codes::BUDGET, exceeded.to_string())
                    .next("give it more: --max-cost, --max-steps or --time")
                    .next("atoll config set budget.day.usd 10")
            }
            Refused::Provider { provider, exceeded } => Error::new(
                codes::BUDGET,
                format!(
                    "the day's budget with {provider} is used up: {} of {} with this call",
                    dollars(exceeded.used),
                    dollars(exceeded.limit)
                ),
            )
            .next(format!(
                "atoll config set providers.{provider}.budget_usd_per_day 5"
            ))
            .next("atoll session resume @ --model OTHER/MODEL"),
            Refused::Stop(Stop::Sandbox(why)) => Error::new(
                codes::SANDBOX_FAILED,
                format!("the sandbox can't be made: {why}"),
            )
            .next("atoll doctor"),
            Refused::Stop(stop) => Error::new(codes::CHANGED, stop.to_string()),
            Refused::Full(full) => crate::shared::full_error(full),
            Refused::Park => {
                Error::new(codes::NEEDS_PERSON, "it waits for a person").next("atoll gate list")
            }
            Refused::Cancelled => Error::new(codes::CANCELLED, "it was stopped"),
        }
    }
}
