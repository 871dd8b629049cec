//! The door to the guard: an action is admitted, refused, or becomes a gate that a person answers.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use atoll_api::{OnAsk, Question};
use atoll_domain::{
    Act, ActionKey, Facts, GateAnswerKind, GateAnswered, GateId, GateOpened, Hash, Kind, Ms,
    SessionId,
};
use atoll_guard::{Admission, Asked, GateAnswer, Permit, Refusal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::facts::{Context, dollars};
use crate::refused::{Refused, refused};
use crate::shared::{Origin, Shared, lock};

/// A permit's life, in milliseconds: it is begun at once, and outlives the longest job.
const PERMIT_TTL_MS: u64 = 25 * 3_600_000;

/// A session's gates that are looked through for the same question: the newest.
const GATES_MAX: usize = 200;

const HOUR_MS: u64 = 3_600_000;

/// Gates that wait, and what was denied before.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    waiting: Mutex<HashMap<GateId, oneshot::Sender<Answered>>>,
    denied: Mutex<HashSet<(SessionId, Kind, String)>>,
    /// Held while answers are written: of several at once the first is the only one in the log.
    pub(crate) answering: tokio::sync::Mutex<()>,
}

/// An answer on its way to who waits.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) kind: GateAnswerKind,
    pub(crate) by: atoll_domain::Actor,
    pub(crate) why: String,
}

impl Gates {
    /// Hands an answer to who waits; `false`: nobody does.
    pub(crate) fn answer(&self, gate: &GateId, answered: Answered) -> bool {
        lock(&self.waiting)
            .remove(gate)
            .is_some_and(|sender| sender.send(answered).is_ok())
    }
}

/// A request to the door.
pub(crate) struct Ask<'a, A: Act> {
    pub(crate) context: &'a Context,
    pub(crate) act: A,
    pub(crate) facts: Facts,
    pub(crate) key: Option<ActionKey>,
    pub(crate) cause: Option<atoll_domain::EventId>,
    /// What, where and more: the rest is filled in here.
    pub(crate) question: Question,
    /// What a repetition of the same wish looks like: a second one is not asked again after a no.
    pub(crate) same: String,
    pub(crate) cancel: &'a CancellationToken,
}

impl Shared {
    /// A permit, or why there is none. Waits at a gate where the run waits.
    pub(crate) async fn admit<A: Act>(&self, ask: Ask<'_, A>) -> Result<Permit<A>, Refused> {
        let Ask {
            context,
            act,
            facts,
            key,
            cause,
            question,
            same,
            cancel,
        } = ask;
        let refusal = match self
            .try_admit(context, act, facts.clone(), key, cause, None)
            .await
        {
            Ok(permit) => return Ok(permit),
            Err(refusal) => refusal,
        };
        let (act, asked) = match refusal {
            Refusal::Ask(act, asked) => (act, asked),
            other => return Err(refused(other)),
        };
        let (rules, why) = rules_words(&asked);
        let Some(session) = context.session else {
            return Err(Refused::NeedsPerson { rules, why });
        };
        let why = self.flow_words(session, &asked).unwrap_or(why);
        let repeated = lock(&self.gates.denied).contains(&(session, A::KIND, same.clone()));
        if repeated {
            let why = "a person said no to the same before".into();
            return Err(Refused::Denied { rules, why });
        }
        match context.on_ask {
            OnAsk::Deny => return Err(self.headless(context, &asked, rules, why, A::KIND).await),
            OnAsk::Fail => return Err(Refused::NeedsPerson { rules, why }),
            OnAsk::Wait => {}
        }
        let question = Question {
            why,
            spent: self.spent_words(context),
            turn: context.turn.clone(),
            ..question
        };
        let (gate, answered) = self
            .ask_person(context, session, A::KIND, &asked, question, cancel)
            .await?;
        if !matches!(
            answered.kind,
            GateAnswerKind::Once | GateAnswerKind::Session
        ) {
            lock(&self.gates.denied).insert((session, A::KIND, same));
            let why = if answered.why.is_empty() {
                "a person said no".into()
            } else {
                answered.why
            };
            return Err(Refused::Denied { rules, why });
        }
        let answer = GateAnswer {
            gate,
            hash: asked.canonical.hash,
            for_session: answered.kind == GateAnswerKind::Session,
            by: answered.by,
        };
        self.try_admit(context, act, facts, key, cause, Some(answer))
            .await
            .map_err(refused)
    }

    /// A permit for an action whose question was answered by the very command that wants it.
    pub(crate) async fn admit_answered<A: Act>(
        &self,
        context: &Context,
        act: A,
        facts: Facts,
        answer: GateAnswer,
    ) -> Result<Permit<A>, Refused> {
        self.try_admit(context, act, facts, None, None, Some(answer))
            .await
            .map_err(refused)
    }

    async fn try_admit<A: Act>(
        &self,
        context: &Context,
        act: A,
        facts: Facts,
        key: Option<ActionKey>,
        cause: Option<atoll_domain::EventId>,
        answer: Option<GateAnswer>,
    ) -> Result<Permit<A>, Refusal<A>> {
        let mut facts = facts;
        facts.ceiling = act.ceiling();
        facts.spent = context.spent(self); // afresh, also after a gate
        let priced = facts.price.as_ref().map(|p| p.model.clone());
        let payee = priced.as_deref().and_then(|m| m.split('/').next());
        let mut accounts = context.accounts(self, payee);
        let (act, warrant) = self.warranted(context, act, &mut accounts)?;
        let admission = Admission {
            actor: context.actor.clone(),
            facts,
            act,
            session: context.session,
            topic: context.session.map_or_else(atoll_domain::Topic::node, |s| {
                atoll_domain::Topic::session(&s)
            }),
            cause,
            key,
            accounts,
            warrant,
            ttl_ms: PERMIT_TTL_MS,
            now: self.clock.now(),
            wall: self.wall_ever(),
            answer,
        };
        self.current().guard.admit(admission).await
    }

    /// An ask in a run without a person is a no, and is logged as one.
    async fn headless(
        &self,
        context: &Context,
        asked: &Asked,
        rules: Vec<String>,
        why: String,
        kind: Kind,
    ) -> Refused {
        let draft = Origin {
            actor: context.actor.clone(),
            session: context.session,
            cause: None,
        };
        let denied = self.append(false, |s| {
            let body = atoll_domain::PolicyDenied {
                kind,
                action: s.bytes(asked.canonical.bytes.clone()),
                facts: s.json(&asked.facts),
                rules: rules.clone(),
                policy: asked.policy,
                verdict: "ask".into(),
            };
            (draft, body)
        });
        match denied.await {
            Ok(_) => Refused::Denied {
                rules,
                why: format!("{why} (and this run denies what it would ask)"),
            },
            Err(err) => Refused::Full(atoll_guard::Full::Failed(err.message)),
        }
    }

    fn spent_words(&self, context: &Context) -> String {
        let spent = context.spent(self);
        let limit = context
            .account()
            .and_then(|account| self.ledger.balance(account).budget.micros_max);
        match limit {
            Some(limit) => format!("{} of {}", dollars(spent.micros), dollars(limit)),
            None => dollars(spent.micros),
        }
    }

    /// Opens a gate, or finds the one that asks the same, and waits for its answer.
    async fn ask_person(
        &self,
        context: &Context,
        session: SessionId,
        kind: Kind,
        asked: &Asked,
        question: Question,
        cancel: &CancellationToken,
    ) -> Result<(GateId, Answered), Refused> {
        let now = self.clock.wall();
        let (gate, expires) = match self.gate_for(session, asked.canonical.hash) {
            Some(Found::Answered(gate, answered)) => return Ok((gate, answered)),
            Some(Found::Open(gate, expires)) => (gate, expires),
            None => {
                if self.asked_too_often(&session, now) {
                    let why = "this session asked too often within the hour".into();
                    return Err(Refused::Denied {
                        rules: vec!["guard.rate".into()],
                        why,
                    });
                }
                self.open_gate(context, session, kind, asked, question, now)
                    .await?
            }
        };
        let (sender, mut receiver) = oneshot::channel();
        lock(&self.gates.waiting).insert(gate, sender);
        // The gate was to be seen before anybody waited at it: its answer may be there.
        if let Some(answered) = self.answer_of(&gate) {
            lock(&self.gates.waiting).remove(&gate);
            return Ok((gate, answered));
        }
        let left_ms = expires.since(self.clock.wall());
        tokio::select! {
            biased; // the node's own end stops everything, and is nobody's wish
            () = self.down.cancelled() => { lock(&self.gates.waiting).remove(&gate); Err(Refused::Park) }
            answered = &mut receiver => answered.map(|a| (gate, a)).map_err(|_| Refused::Park),
            () = tokio::time::sleep(std::time::Duration::from_millis(left_ms)) => {
                lock(&self.gates.waiting).remove(&gate);
                let answered = self.expire_gate(session, gate).await;
                answered.map(|a| (gate, a)).ok_or(Refused::Park)
            }
            () = cancel.cancelled() => {
                lock(&self.gates.waiting).remove(&gate);
                self.expire_gate(session, gate).await; // nobody waits at it any more
                Err(Refused::Cancelled)
            }
        }
    }

    async fn open_gate(
        &self,
        context: &Context,
        session: SessionId,
        kind: Kind,
        asked: &Asked,
        question: Question,
        now: Ms,
    ) -> Result<(GateId, Ms), Refused> {
        let gate = GateId::new(now, self.entropy.ten());
        let expires = now.plus_s(self.current().options.gate_ttl_s);
        let question = Question {
            labels: label_names(asked.facts.labels),
            widening: asked.widening.clone(),
            ..question
        };
        let draft = Origin {
            actor: context.actor.clone(),
            session: Some(session),
            cause: None,
        };
        let opened = self.append(true, |s| {
            let body = GateOpened {
                gate,
                kind,
                hash: s.text(&asked.canonical.hash.to_string()),
                action: s.bytes(asked.canonical.bytes.clone()),
                facts: s.json(&asked.facts),
                rules: asked.rules.iter().map(|r| r.id.clone()).collect(),
                policy: asked.policy,
                question: s.json(&question),
                expires,
            };
            (draft, body)
        });
        opened
            .await
            .map_err(|err| Refused::Full(atoll_guard::Full::Failed(err.message)))?;
        Ok((gate, expires))
    }

    /// Closes a gate that nobody waits at any more. An answer that came just before counts, and is given back.
    async fn expire_gate(&self, session: SessionId, gate: GateId) -> Option<Answered> {
        let _one_at_a_time = self.gates.answering.lock().await;
        if let Some(answered) = self.answer_of(&gate) {
            return Some(answered);
        }
        let expired = self.append(true, |s| {
            let body = GateAnswered {
                gate,
                answer: GateAnswerKind::Expired,
                why: s.text(""),
            };
            (Origin::system(session), body)
        });
        let _ = expired.await; // a full log leaves it open; it has expired by its own time all the same
        None
    }

    /// Whether a session may not ask again yet. Read off the log, so that a restart doesn't begin the hour anew.
    fn asked_too_often(&self, session: &SessionId, now: Ms) -> bool {
        let max = self.current().options.gates_per_hour_max;
        let limit = usize::try_from(max).unwrap_or(usize::MAX);
        match self.log.gates_of(session, limit.min(GATES_MAX)) {
            Ok(gates) => {
                gates
                    .iter()
                    .filter(|g| now.since(g.opened) < HOUR_MS)
                    .count() as u64
                    >= max.min(GATES_MAX as u64)
            }
            Err(_) => true, // a log that can't be read takes no question either
        }
    }

    /// A gate's answer, as the log has it: the first one counts.
    pub(crate) fn answer_of(&self, gate: &GateId) -> Option<Answered> {
        let row = self.log.gate(gate).ok()??;
        Some(Answered {
            kind: row.answer?,
            by: row.answerer?,
            why: String::new(),
        })
    }

    /// A gate of this session that asks the very same: open, answered with a yes that was not used, or with a no.
    fn gate_for(&self, session: SessionId, hash: Hash) -> Option<Found> {
        let gates = self.log.gates_of(&session, GATES_MAX).ok()?;
        let row = gates
            .into_iter()
            .find(|g| self.digest(&g.hash) == Some(hash))?;
        match row.answer {
            None if row.expires > self.clock.wall() => Some(Found::Open(row.id, row.expires)),
            // A no stands for the very same action, also after a restart.
            Some(kind @ (GateAnswerKind::Once | GateAnswerKind::Session | GateAnswerKind::No))
                if row.used.is_none() =>
            {
                let by = row.answerer?;
                Some(Found::Answered(
                    row.id,
                    Answered {
                        kind,
                        by,
                        why: String::new(),
                    },
                ))
            }
            _ => None,
        }
    }
}

enum Found {
    Open(GateId, Ms),
    Answered(GateId, Answered),
}

fn label_names(labels: atoll_domain::Labels) -> Vec<String> {
    let rows = [
        (labels.untrusted, "untrusted"),
        (labels.private, "private"),
        (labels.secret, "secret"),
    ];
    rows.into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// The rules that ask, and their reasons in one line.
fn rules_words(asked: &Asked) -> (Vec<String>, String) {
    let rules = asked.rules.iter().map(|r| r.id.clone()).collect();
    let whys: Vec<&str> = asked.rules.iter().map(|r| r.why.as_str()).collect();
    (rules, whys.join("; "))
}
