//! The permit: an allowed action, sealed, and the duty to say how it ended.

use std::fmt;
use std::sync::Arc;

use atoll_domain::{
    Act, ActionKey, Actor, Again, Closed, ClosedHow, Cost, Covers, Draft, EventId, Exceeded, Facts,
    GrantId, Granted, Hash, Kind, PermitId, Reason, Sealer, SessionId, Tick, Topic,
};

use crate::guard::Inner;
use crate::{Account, Entry, Full};

/// Why an admitted action must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Its permit expired.
    #[error("the permit expired")]
    Expired,
    /// A budget is used up.
    #[error(transparent)]
    Budget(#[from] Exceeded),
    /// What was asked for and what is there differ.
    #[error("what was permitted has changed since: {0}")]
    Changed(String),
    /// The adapter can't do it here.
    #[error("{0}")]
    Unable(String),
    /// The sandbox can't be made as strong as it must be.
    #[error("the sandbox can't be made: {0}")]
    Sandbox(String),
}

/// How an effect ended, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub how: ClosedHow,
    /// Why, if it failed.
    pub reason: Option<Reason>,
    /// What it cost; `None`: what was charged on the way.
    pub cost: Option<Cost>,
    /// The outcome as JSON, kept beside the log.
    pub outcome: Option<Vec<u8>>,
}

impl End {
    /// Done, at the cost that was charged.
    pub fn done() -> End {
        End {
            how: ClosedHow::Done,
            reason: None,
            cost: None,
            outcome: None,
        }
    }
    /// Tried without success, and that is known.
    pub fn failed(reason: Option<Reason>) -> End {
        End {
            how: ClosedHow::Failed,
            reason,
            cost: None,
            outcome: None,
        }
    }
    /// At this cost.
    pub fn cost(mut self, cost: Cost) -> End {
        self.cost = Some(cost);
        self
    }
    /// With the outcome's JSON.
    pub fn outcome(mut self, json: Vec<u8>) -> End {
        self.outcome = Some(json);
        self
    }
}

/// What must be settled and logged, once, whatever happens to the permit.
pub(crate) struct Duty {
    pub(crate) inner: Arc<Inner>,
    pub(crate) id: PermitId,
    pub(crate) kind: Kind,
    pub(crate) topic: Topic,
    pub(crate) actor: Actor,
    pub(crate) session: Option<SessionId>,
    pub(crate) granted: EventId,
    pub(crate) accounts: Vec<Account>,
    pub(crate) reserve: Cost,
    pub(crate) charged: Cost,
    pub(crate) grant: Option<GrantId>,
    pub(crate) begun: bool,
    pub(crate) settled: bool,
}

impl Duty {
    fn close(&mut self, end: End) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let cost = end.cost.unwrap_or(self.charged);
        self.inner.ledger.settle(&self.accounts, self.reserve, cost);
        let mut sealer = Sealer::new(&*self.inner.entropy);
        let outcome = end.outcome.map(|json| sealer.bytes(json));
        let body = Closed {
            permit: self.id,
            kind: self.kind,
            how: end.how,
            reason: end.reason,
            cost,
            outcome,
        };
        let draft = Draft {
            topic: self.topic.clone(),
            actor: self.actor.clone(),
            session: self.session,
            cause: Some(self.granted),
            body: body.into(),
            sides: sealer.into_sides(),
        };
        self.inner.journal.close(Entry::plain(draft));
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        let end = if self.begun {
            End {
                how: ClosedHow::Lost,
                reason: Some(Reason::Lost),
                cost: Some(self.reserve.max(self.charged)),
                outcome: None,
            }
        } else {
            End {
                how: ClosedHow::Unused,
                reason: None,
                cost: Some(Cost::ZERO),
                outcome: None,
            }
        };
        self.close(end);
    }
}

/// An admitted action that has not begun. Dropped, it is logged as unused.
#[must_use = "a permit that is dropped is logged as unused"]
pub struct Permit<A: Act> {
    pub(crate) act: A,
    pub(crate) duty: Duty,
    pub(crate) expires: Tick,
    pub(crate) key: Option<ActionKey>,
}

/// An effect under way. Dropped, it is logged as lost at its whole reserve.
#[must_use = "an effect that is dropped is logged as lost"]
pub struct Live<A: Act> {
    act: A,
    duty: Duty,
    expires: Tick,
    key: Option<ActionKey>,
}

impl<A: Act> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit<{}>({})", A::KIND.name(), self.duty.id)
    }
}

impl<A: Act> fmt::Debug for Live<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live<{}>({})", A::KIND.name(), self.duty.id)
    }
}

impl<A: Act> Permit<A> {
    /// Opens the seal. Too late: the permit is spent all the same, and logged as unused.
    pub fn begin(mut self, now: Tick) -> Result<Live<A>, Stop> {
        if now >= self.expires {
            return Err(Stop::Expired);
        }
        self.duty.begun = true;
        Ok(Live {
            act: self.act,
            duty: self.duty,
            expires: self.expires,
            key: self.key,
        })
    }
    /// Its id.
    pub fn id(&self) -> PermitId {
        self.duty.id
    }
    /// The event that granted it.
    pub fn granted(&self) -> EventId {
        self.duty.granted
    }
}

impl<A: Act> Live<A> {
    /// What to do.
    pub fn act(&self) -> &A {
        &self.act
    }
    /// The permit's id: fencing, new with each admission.
    pub fn id(&self) -> PermitId {
        self.duty.id
    }
    /// The event that granted it.
    pub fn granted(&self) -> EventId {
        self.duty.granted
    }
    /// When it expires.
    pub fn expires(&self) -> Tick {
        self.expires
    }
    /// What was charged so far.
    pub fn charged(&self) -> Cost {
        self.duty.charged
    }
    /// Charges what was used. Past the reserve, the budget is asked for more; `Err`: stop now.
    pub fn charge(&mut self, cost: Cost, now: Tick) -> Result<(), Stop> {
        let charged = self.duty.charged.plus(cost);
        let over = charged.minus(self.duty.reserve);
        self.duty.charged = charged;
        if over != Cost::ZERO {
            self.duty.inner.ledger.reserve(&self.duty.accounts, over)?;
            self.duty.reserve = self.duty.reserve.plus(over);
        }
        if now >= self.expires {
            Err(Stop::Expired)
        } else {
            Ok(())
        }
    }
    /// A permit for `b`, if this action covers it: no new question, no new budget.
    pub async fn sub<B: Act>(&self, b: B) -> Result<Permit<B>, Stop>
    where
        A: Covers<B>,
    {
        if !self.act.covers(&b) {
            return Err(Stop::Changed(format!(
                "a {} does not cover this {}",
                A::KIND.name(),
                B::KIND.name()
            )));
        }
        let d = &self.duty;
        let inner = &d.inner;
        let canonical = b.canonical();
        let mut sealer = Sealer::new(&*inner.entropy);
        let id = inner.permit_id();
        let body = Granted {
            permit: id,
            parent: Some(d.id),
            kind: B::KIND,
            key: None,
            again: b.again(),
            action: sealer.bytes(canonical.bytes),
            facts: sealer.bytes(*b"{}"),
            rules: vec!["covered".into()],
            policy: inner.engine.hash(),
            reserve: Cost::ZERO,
            gate: None,
            grant: d.grant,
        };
        let draft = Draft {
            topic: d.topic.clone(),
            actor: d.actor.clone(),
            session: d.session,
            cause: Some(d.granted),
            body: body.into(),
            sides: sealer.into_sides(),
        };
        let appended = inner
            .journal
            .append(
                Entry {
                    draft,
                    keeps_room: true,
                },
                b.sync(),
            )
            .await;
        let appended = appended.map_err(|full: Full| Stop::Unable(full.to_string()))?;
        let duty = Duty {
            inner: inner.clone(),
            id,
            kind: B::KIND,
            topic: d.topic.clone(),
            actor: d.actor.clone(),
            session: d.session,
            granted: appended.id,
            accounts: Vec::new(),
            reserve: Cost::ZERO,
            charged: Cost::ZERO,
            grant: d.grant,
            begun: false,
            settled: false,
        };
        Ok(Permit {
            act: b,
            duty,
            expires: self.expires,
            key: None,
        })
    }
    /// Ends it: the one way to say that it wasn't lost. Gives the action back.
    pub fn finish(mut self, end: End) -> A {
        self.duty.close(end);
        self.act
    }
    /// What a resume may do with it, were its end unknown.
    pub fn again(&self) -> Again {
        self.act.again()
    }
    /// The idempotency key, if the action was proposed under one.
    pub fn key(&self) -> Option<ActionKey> {
        self.key
    }
}

/// What a `Granted` event needs, gathered by the guard.
pub(crate) struct Grant<'a> {
    pub(crate) id: PermitId,
    pub(crate) kind: Kind,
    pub(crate) key: Option<ActionKey>,
    pub(crate) again: Again,
    pub(crate) action: &'a [u8],
    pub(crate) facts: &'a Facts,
    pub(crate) rules: Vec<String>,
    pub(crate) policy: Hash,
    pub(crate) reserve: Cost,
    pub(crate) gate: Option<atoll_domain::GateId>,
    pub(crate) grant: Option<GrantId>,
}

impl Grant<'_> {
    pub(crate) fn body(self, sealer: &mut Sealer<'_>) -> Granted {
        Granted {
            permit: self.id,
            parent: None,
            kind: self.kind,
            key: self.key,
            again: self.again,
            action: sealer.bytes(self.action),
            facts: sealer.json(self.facts),
            rules: self.rules,
            policy: self.policy,
            reserve: self.reserve,
            gate: self.gate,
            grant: self.grant,
        }
    }
}
