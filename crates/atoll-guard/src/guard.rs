//! Judge, reserve, journal, permit: the one place where a permit is made.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use atoll_domain::{
    Act, ActionKey, Actor, ActorKind, Canonical, Cost, Draft, Entropy, EventId, Facts, GateId,
    Hash, Kind, Ms, PermitId, PolicyDenied, Sealer, SessionId, Standing, Tick, Topic,
};

use crate::permit::{Duty, Grant};
use crate::warrant;
use crate::{
    Account, Decision, Entry, Full, Journal, Ledger, Permit, PolicyEngine, Question, Rule, Stop,
    Verdict,
};

/// A person's yes to a gate, bound to what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateAnswer {
    /// The gate.
    pub gate: GateId,
    /// The action's hash, as it was shown.
    pub hash: Hash,
    /// Whether the same widening is covered for the rest of the session.
    pub for_session: bool,
    /// Who answered. Only a human's answer counts.
    pub by: Actor,
}

/// A request for a permit.
#[derive(Debug)]
pub struct Admission<A: Act> {
    /// Who wants it.
    pub actor: Actor,
    /// What the node knows.
    pub facts: Facts,
    /// The action.
    pub act: A,
    /// In which session.
    pub session: Option<SessionId>,
    /// What it is about.
    pub topic: Topic,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// Its idempotency key.
    pub key: Option<ActionKey>,
    /// Whose budgets pay.
    pub accounts: Vec<Account>,
    /// The grants that it is proposed under, the first one first; none: the owner's own.
    pub warrant: Vec<Standing>,
    /// How long the permit is good, in milliseconds.
    pub ttl_ms: u64,
    /// Now, monotonic.
    pub now: Tick,
    /// Now, by the wall clock.
    pub wall: Ms,
    /// A person's answer, if one was given.
    pub answer: Option<GateAnswer>,
}

/// Why there is a question, and what an answer must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The rules that ask.
    pub rules: Vec<Rule>,
    /// The canonical action.
    pub canonical: Canonical,
    /// What a session answer would cover; `None`: none is possible.
    pub widening: Option<String>,
    /// Hash of the policy.
    pub policy: Hash,
    /// The facts as they were judged.
    pub facts: Facts,
}

/// No permit. The action comes back.
#[derive(Debug)]
pub enum Refusal<A> {
    /// The policy says no.
    Deny(A, Vec<Rule>),
    /// A person must be asked.
    Ask(A, Box<Asked>),
    /// A limit is reached, or what was answered has changed.
    Stop(A, Stop),
    /// The log can't take it.
    Full(A, Full),
}

impl<A> Refusal<A> {
    /// Without the action.
    pub fn action(self) -> A {
        match self {
            Refusal::Deny(a, _)
            | Refusal::Ask(a, _)
            | Refusal::Stop(a, _)
            | Refusal::Full(a, _) => a,
        }
    }
}

pub(crate) struct Inner {
    pub(crate) engine: Box<dyn PolicyEngine>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ledger: Arc<Ledger>,
    standing: Mutex<HashSet<(SessionId, Kind, String)>>,
}

impl Inner {
    pub(crate) fn permit_id(&self) -> PermitId {
        // Ordered by chance alone: the guard has no clock, and the log orders grants.
        PermitId::new(Ms(0), self.entropy.ten())
    }
}

/// The guard of a node. Built in the node and in testkit only.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

/// The guard's own rule on flows, as verdicts name it.
pub const FLOW_RULE: &str = "guard.flow";

/// `untrusted` and (`private` or `secret`) and egress: asks, whatever was answered for the session; with
/// `secret` it is denied.
fn flow(facts: &Facts) -> Option<Verdict> {
    let l = facts.labels;
    if !(facts.egress && l.untrusted && (l.private || l.secret)) {
        return None;
    }
    let decision = if l.secret {
        Decision::Deny
    } else {
        Decision::Ask
    };
    let why = match l.secret {
        true => {
            "untrusted content was read here, and this would carry a secret out: begin a new session without it"
        }
        false => "untrusted content was read here, and this would carry private data out",
    };
    Some(Verdict {
        decision,
        rules: vec![Rule {
            id: FLOW_RULE.into(),
            why: why.into(),
        }],
    })
}

/// What a guard over `engine` would say to a question: the policy's verdict, or the guard's own rule where that is as
/// strict or stricter. An error is a deny. For `policy why`, `simulate` and `test`, which judge without a guard.
pub fn decide(engine: &dyn PolicyEngine, question: &Question<'_>) -> Verdict {
    let judged = engine.judge(question).unwrap_or_else(|err| Verdict {
        decision: Decision::Deny,
        rules: vec![Rule {
            id: "guard.error".into(),
            why: err.to_string(),
        }],
    });
    match flow(question.facts) {
        Some(flow) if flow.decision >= judged.decision => {
            let mut rules = flow.rules;
            rules.extend(
                judged
                    .rules
                    .into_iter()
                    .filter(|_| flow.decision == judged.decision),
            );
            Verdict {
                decision: flow.decision,
                rules,
            }
        }
        _ => judged,
    }
}

impl Guard {
    /// A guard over a policy, a log and a ledger.
    pub fn new(
        engine: Box<dyn PolicyEngine>,
        journal: Arc<dyn Journal>,
        ledger: Arc<Ledger>,
        entropy: Arc<dyn Entropy>,
    ) -> Guard {
        Guard {
            inner: Arc::new(Inner {
                engine,
                journal,
                entropy,
                ledger,
                standing: Mutex::default(),
            }),
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Hash of the policy in force.
    pub fn policy_hash(&self) -> Hash {
        self.inner.engine.hash()
    }

    /// The verdict on a question, without asking anyone and without a trace.
    pub fn verdict(&self, question: &Question<'_>) -> Verdict {
        decide(&*self.inner.engine, question)
    }

    /// Forgets what was answered for a session.
    pub fn forget_answers(&self, session: &SessionId) {
        self.standing().retain(|(s, _, _)| s != session);
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, HashSet<(SessionId, Kind, String)>> {
        self.inner
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an ask is lifted: by this answer, or by one for the whole session.
    fn lifted<A: Act>(&self, r: &Admission<A>, canonical: &Canonical) -> Result<bool, Stop> {
        let widening = r.act.widening();
        if let Some(answer) = &r.answer {
            if answer.by.kind != ActorKind::Human {
                return Err(Stop::Changed("only a person answers a gate".into()));
            }
            if answer.hash != canonical.hash {
                return Err(Stop::Changed(
                    "the action is not the one that was answered".into(),
                ));
            }
            if let (true, Some(session), Some(widening)) = (answer.for_session, r.session, widening)
                && flow(&r.facts).is_none()
            {
                self.standing().insert((session, A::KIND, widening));
            }
            return Ok(true);
        }
        let (Some(session), Some(widening)) = (r.session, widening) else {
            return Ok(false);
        };
        Ok(flow(&r.facts).is_none() && self.standing().contains(&(session, A::KIND, widening)))
    }

    /// Judges, reserves, journals; then there is a permit. A refusal for any reason but an open question
    /// is logged as `PolicyDenied`.
    pub async fn admit<A: Act>(&self, r: Admission<A>) -> Result<Permit<A>, Refusal<A>> {
        let canonical = r.act.canonical();
        let question = Question {
            actor: &r.actor,
            kind: A::KIND,
            action: &canonical,
            facts: &r.facts,
        };
        let verdict = warrant::refuses(&r.warrant, &r.act, &r.facts, r.wall)
            .unwrap_or_else(|| self.verdict(&question));
        let lifted = match (verdict.decision, self.lifted(&r, &canonical)) {
            (Decision::Deny, _) => {
                self.log_denied(&r, &canonical, verdict.rule_ids(), "deny")
                    .await;
                return Err(Refusal::Deny(r.act, verdict.rules));
            }
            (_, Err(stop)) => {
                self.log_denied(&r, &canonical, verdict.rule_ids(), "changed")
                    .await;
                return Err(Refusal::Stop(r.act, stop));
            }
            (Decision::Ask, Ok(lifted)) => lifted,
            (Decision::Allow, Ok(_)) => true,
        };
        if !lifted {
            let widening = r.act.widening().filter(|_| flow(&r.facts).is_none());
            let policy = self.policy_hash();
            let asked = Asked {
                rules: verdict.rules,
                canonical,
                widening,
                policy,
                facts: r.facts,
            };
            return Err(Refusal::Ask(r.act, Box::new(asked)));
        }
        self.grant(r, canonical, verdict).await
    }

    async fn grant<A: Act>(
        &self,
        r: Admission<A>,
        canonical: Canonical,
        verdict: Verdict,
    ) -> Result<Permit<A>, Refusal<A>> {
        let reserve = r.act.ceiling();
        if let Err(exceeded) = self.inner.ledger.reserve(&r.accounts, reserve) {
            self.log_denied(&r, &canonical, verdict.rule_ids(), "budget")
                .await;
            return Err(Refusal::Stop(r.act, Stop::Budget(exceeded)));
        }
        // From here on the reserve is held; `hold` gives it back if this future is dropped.
        let hold = Hold {
            guard: self,
            accounts: &r.accounts,
            reserve,
            kept: false,
        };
        let id = self.inner.permit_id();
        let mut sealer = Sealer::new(&*self.inner.entropy);
        let grant = Grant {
            id,
            kind: A::KIND,
            key: r.key,
            again: r.act.again(),
            action: &canonical.bytes,
            facts: &r.facts,
            rules: verdict.rule_ids(),
            policy: self.policy_hash(),
            reserve,
            gate: r.answer.as_ref().map(|a| a.gate),
            grant: r.warrant.last().map(|grant| grant.id),
        };
        let body = grant.body(&mut sealer);
        let draft = draft(&r, body, sealer);
        let entry = Entry {
            draft,
            keeps_room: true,
        };
        let appended = match self.inner.journal.append(entry, r.act.sync()).await {
            Ok(appended) => appended,
            Err(full) => {
                drop(hold);
                return Err(Refusal::Full(r.act, full));
            }
        };
        hold.keep();
        let duty = Duty {
            inner: self.inner.clone(),
            id,
            kind: A::KIND,
            topic: r.topic,
            actor: r.actor,
            session: r.session,
            granted: appended.id,
            accounts: r.accounts,
            reserve,
            charged: Cost::ZERO,
            grant: r.warrant.last().map(|grant| grant.id),
            begun: false,
            settled: false,
        };
        Ok(Permit {
            act: r.act,
            duty,
            expires: r.now.plus_ms(r.ttl_ms),
            key: r.key,
        })
    }

    async fn log_denied<A: Act>(
        &self,
        r: &Admission<A>,
        canonical: &Canonical,
        rules: Vec<String>,
        verdict: &str,
    ) {
        let mut sealer = Sealer::new(&*self.inner.entropy);
        let body = PolicyDenied {
            kind: A::KIND,
            action: sealer.bytes(canonical.bytes.clone()),
            facts: sealer.json(&r.facts),
            rules,
            policy: self.policy_hash(),
            verdict: verdict.into(),
        };
        let draft = draft(r, body, sealer);
        // A denial that the log can't take is a denial all the same.
        let _ = self.inner.journal.append(Entry::plain(draft), false).await;
    }
}

fn draft<A: Act>(
    r: &Admission<A>,
    body: impl Into<atoll_domain::Body>,
    sealer: Sealer<'_>,
) -> Draft {
    Draft {
        topic: r.topic.clone(),
        actor: r.actor.clone(),
        session: r.session,
        cause: r.cause,
        body: body.into(),
        sides: sealer.into_sides(),
    }
}

struct Hold<'a> {
    guard: &'a Guard,
    accounts: &'a [Account],
    reserve: Cost,
    kept: bool,
}

impl Hold<'_> {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.guard
                .inner
                .ledger
                .settle(self.accounts, self.reserve, Cost::ZERO);
        }
    }
}
