//! Past verdicts, read off the log by this command's own hand: it works beside a running node and without one.

pub mod simulate;
pub mod why;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use atoll_api::{Error, codes};
use atoll_domain::{
    Actor, Body, Canonical, Commitment, Event, Facts, GateAnswerKind, GateId, Hash, Kind, Ms,
    PermitId, SessionId,
};
use atoll_guard::{Decision, Question};
use atoll_store::Reader;
use serde_json::Value;

/// Kinds of events that hold a verdict with what it was made from.
pub const KINDS: [&str; 3] = ["Granted", "PolicyDenied", "GateOpened"];

/// Threads that judge at once, at most: as many as the log has connections for readers.
const THREADS_MAX: usize = 4;

/// Gates of one session that are looked through for answers that covered all of it.
const GATES_MAX: usize = 1000;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A permit.
    Granted,
    /// A question to a person.
    Opened,
    /// A no, and whose: `deny`, `ask`, or the limit that stopped it.
    Denied(String),
}

/// A verdict as an event holds it.
#[derive(Clone, Debug)]
pub struct Past {
    pub seq: u64,
    pub at: Ms,
    pub actor: Actor,
    pub session: Option<SessionId>,
    pub kind: Kind,
    pub end: End,
    pub permit: Option<PermitId>,
    pub gate: Option<GateId>,
    pub rules: Vec<String>,
    pub policy: Hash,
    action: Commitment,
    facts: Commitment,
}

/// What a verdict was made from.
pub enum Recorded {
    Known(Box<(Canonical, Facts)>),
    /// The contents were erased.
    Erased,
    /// Another version wrote them in a form that this one can't judge.
    Unreadable,
}

impl Past {
    /// Of an event; `None` if it holds no verdict.
    pub fn of(event: &Event) -> Option<Past> {
        let (kind, end, permit, gate, rules, policy, action, facts) = match event.typed() {
            // What another permit covers was put to no rule.
            Body::Granted(b) if b.parent.is_some() => return None,
            Body::Granted(b) => (
                b.kind,
                End::Granted,
                Some(b.permit),
                b.gate,
                b.rules,
                b.policy,
                b.action,
                b.facts,
            ),
            Body::PolicyDenied(b) => {
                let end = End::Denied(b.verdict);
                (
                    b.kind, end, None, None, b.rules, b.policy, b.action, b.facts,
                )
            }
            Body::GateOpened(b) => {
                let gate = Some(b.gate);
                (
                    b.kind,
                    End::Opened,
                    None,
                    gate,
                    b.rules,
                    b.policy,
                    b.action,
                    b.facts,
                )
            }
            _ => return None,
        };
        Some(Past {
            seq: event.seq,
            at: event.ts,
            actor: event.actor.clone(),
            session: event.session,
            kind,
            end,
            permit,
            gate,
            rules,
            policy,
            action,
            facts,
        })
    }

    /// What the rules said, whatever a person or a limit made of it; `None`: a limit stopped it, and what the rules
    /// said before isn't told.
    pub fn decision(&self, standing: bool) -> Option<Decision> {
        match &self.end {
            End::Opened => Some(Decision::Ask),
            End::Granted if self.gate.is_some() || standing => Some(Decision::Ask),
            End::Granted => Some(Decision::Allow),
            End::Denied(verdict) => match verdict.as_str() {
                "deny" | "error" => Some(Decision::Deny),
                "ask" => Some(Decision::Ask),
                _ => None,
            },
        }
    }

    /// The action and the facts, as they were judged.
    pub fn recorded(&self, reader: &Reader) -> Result<Recorded, atoll_ports::log::Error> {
        let (Some(action), Some(facts)) =
            (reader.content(&self.action)?, reader.content(&self.facts)?)
        else {
            return Ok(Recorded::Erased);
        };
        let action = Canonical::read(self.kind, action);
        Ok(match (action, serde_json::from_slice(&facts)) {
            (Ok(action), Ok(facts)) => Recorded::Known(Box::new((action, facts))),
            _ => Recorded::Unreadable,
        })
    }

    /// The question, to be put again.
    pub fn question<'a>(&'a self, action: &'a Canonical, facts: &'a Facts) -> Question<'a> {
        Question {
            actor: &self.actor,
            kind: self.kind,
            action,
            facts,
        }
    }
}

/// What people answered for whole sessions, looked up once for each.
#[derive(Default)]
pub struct Standing(HashMap<SessionId, Vec<Vec<String>>>);

impl Standing {
    /// Whether a permit without a gate of its own rests on an answer for its session: the rules that "allowed" it are
    /// those that asked at such a gate.
    pub fn covers(
        &mut self,
        reader: &Reader,
        past: &Past,
    ) -> Result<bool, atoll_ports::log::Error> {
        let (End::Granted, None, Some(session)) = (&past.end, &past.gate, past.session) else {
            return Ok(false);
        };
        let answered = match self.0.entry(session) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let gates = reader.gates_of(&session, GATES_MAX)?.into_iter();
                let all = gates.filter(|g| g.answer == Some(GateAnswerKind::Session));
                unknown.insert(all.map(|g| g.rules).collect())
            }
        };
        Ok(answered.contains(&past.rules))
    }
}

/// `items`, in pieces that are worked on at once; the results in their order.
fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = items.len().div_ceil(threads.min(THREADS_MAX)).max(1);
    std::thread::scope(|scope| {
        let begun: Vec<_> = items
            .chunks(size)
            .map(|chunk| scope.spawn(|| work(chunk)))
            .collect();
        let ended = begun.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}

/// The log in a data directory, for reading.
pub fn reader(data: &Path) -> Result<Reader, Error> {
    Reader::open(data).map_err(|err| unreadable(data, err))
}

/// Why the log can't be read, and what to do.
pub fn unreadable(data: &Path, err: atoll_ports::log::Error) -> Error {
    use atoll_ports::log::Error as E;
    let code = match &err {
        E::Missing(_) => codes::NO_SUCH,
        E::Newer { .. } => codes::STORE_NEWER,
        E::Damaged { .. } => codes::LOG_BAD,
        _ => codes::STORE_UNUSABLE,
    };
    let err = Error::new(code, err.to_string()).found(data.display().to_string());
    if code == codes::NO_SUCH {
        err.next("atoll up begins one")
    } else {
        err.next("atoll doctor")
    }
}

/// `allow`, `ask`, `deny`.
pub fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Ask => "ask",
        Decision::Deny => "deny",
    }
}

/// An action in a few words, from its canonical form: the command, the path, the model.
pub fn what(kind: Kind, action: &Value) -> String {
    let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| -> Vec<&str> {
        let items = action.get(name).and_then(Value::as_array);
        items.map_or_else(Vec::new, |items| {
            items.iter().filter_map(Value::as_str).collect()
        })
    };
    match kind {
        Kind::Snapshot => text("root").to_owned(),
        Kind::Read => match text("op") {
            "search" => format!("search {}", text("pattern")),
            op => format!("{op} {}", text("path")),
        },
        Kind::Write => text("path").to_owned(),
        Kind::Run => atoll_policy::command_line(&list("cmd")),
        Kind::Stdin => format!("{} bytes", action.get("bytes").unwrap_or(&Value::Null)),
        Kind::Call => format!("{}/{}", text("provider"), text("model")),
        Kind::Secret => text("name").to_owned(),
        Kind::Accept | Kind::Undo => list("paths").join(", "),
    }
}
