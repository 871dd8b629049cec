//! The rules and the facts behind past verdicts.

use std::collections::HashMap;

use atoll_api::{Error, codes};
use atoll_domain::{Actor, Body, Event, EventId, Hash, Kind, Ms, PatchId, PermitId, SessionId};
use atoll_guard::{PolicyEngine, Verdict, decide};
use atoll_policy::{Engine, Fact, Profile, RuleInfo, seen};
use atoll_ports::log::{Error as LogError, Filter};
use atoll_store::{PAGE_MAX, Reader};
use serde::Serialize;

use super::{End, KINDS, Past, Recorded, Standing, at_once, what, word};
use crate::offline::policy::effect;

/// What the guard decides by itself, beside all rules.
const OWN: [(&str, &str); 4] = [
    (
        "guard.flow",
        "untrusted content was read, and private data would have been carried out",
    ),
    ("guard.error", "a rule could not be evaluated"),
    ("guard.rate", "the session asked too often within the hour"),
    ("policy.no_match", "no rule allowed it"),
];

/// A rule that decided.
#[derive(Clone, Debug, Serialize)]
pub struct Decided {
    pub id: String,
    /// What it does, why and where it stands, as it reads now; `None`: it is not among the rules any more.
    pub verdict: Option<String>,
    pub why: Option<String>,
    pub place: Option<String>,
    /// The facts that it reads, as they were.
    #[serde(serialize_with = "atoll_policy::by_name")]
    pub reads: Vec<Fact>,
}

/// What the rules in force would say.
#[derive(Clone, Debug, Serialize)]
pub struct Now {
    pub verdict: &'static str,
    pub rules: Vec<String>,
    pub why: String,
}

/// A past verdict, explained.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    pub event: u64,
    pub at: Ms,
    pub kind: Kind,
    pub actor: Actor,
    /// `s4`.
    pub session: Option<String>,
    /// What the rules said: `allow`, `ask`, `deny`; `None`: a limit came first.
    pub verdict: Option<&'static str>,
    /// How it ended, in words.
    pub ended: String,
    /// The command, the path, the model.
    pub what: Option<String>,
    pub rules: Vec<Decided>,
    /// Hash of the rules that judged it.
    pub policy: Hash,
    /// Whether they are those in force.
    pub in_force: bool,
    /// Why there are no facts: `erased`, or `unreadable` (another version wrote them).
    pub missing: Option<&'static str>,
    /// All facts that rules could read, as they were.
    #[serde(serialize_with = "atoll_policy::by_name")]
    pub facts: Vec<Fact>,
    pub now: Option<Now>,
}

/// Where to look and what to judge by.
pub struct Why<'a> {
    pub reader: &'a Reader,
    pub engine: &'a Engine,
}

fn no_such(what: &str, why: &str, next: &str) -> Failed {
    let words = format!("there is no verdict at {what}");
    Failed::Said(Box::new(
        Error::new(codes::NO_SUCH, words).found(why).next(next),
    ))
}

/// What is looked up once for all verdicts of a session.
#[derive(Default)]
struct Known {
    standing: Standing,
    names: HashMap<SessionId, Option<String>>,
}

impl Known {
    /// `s4`.
    fn name(
        &mut self,
        reader: &Reader,
        session: Option<SessionId>,
    ) -> Result<Option<String>, LogError> {
        let Some(id) = session else { return Ok(None) };
        if let Some(name) = self.names.get(&id) {
            return Ok(name.clone());
        }
        let row = reader.session(&id)?;
        let name = row.map(|row| format!("s{}", row.ordinal));
        self.names.insert(id, name.clone());
        Ok(name)
    }
}

/// Why there is nothing to explain.
pub enum Failed {
    Log(LogError),
    Said(Box<Error>),
}

impl From<LogError> for Failed {
    fn from(err: LogError) -> Failed {
        Failed::Log(err)
    }
}

impl Why<'_> {
    /// Of an event's number, a gate (`g3`), a job (`j9`), a patch (`p7`), a session (`s4`, `@`).
    pub fn of(&self, name: &str) -> Result<Vec<Explained>, Failed> {
        let pasts = self.find(name)?;
        let explained = at_once(&pasts, |pasts| {
            let mut known = Known::default();
            let each = pasts.iter().map(|past| self.explain(past, &mut known));
            each.collect::<Result<Vec<_>, LogError>>()
        });
        let explained: Result<Vec<_>, LogError> = explained.into_iter().collect();
        Ok(explained?.into_iter().flatten().collect())
    }

    /// The verdicts that a name stands for.
    pub fn find(&self, name: &str) -> Result<Vec<Past>, Failed> {
        if let Ok(seq) = name.parse::<u64>() {
            return self.at(seq);
        }
        let number = |prefix: char| name.strip_prefix(prefix).and_then(|n| n.parse().ok());
        let list = |noun: &str| {
            no_such(
                name,
                &format!("no such {noun}"),
                &format!("atoll {noun} list"),
            )
        };
        if let Some(n) = number('g') {
            let row = self.reader.gate_by_ordinal(n)?.filter(|_| n > 0);
            let row = row.ok_or_else(|| list("gate"))?;
            let opened = self.all(row.session, &["GateOpened"])?;
            return Ok(opened
                .into_iter()
                .filter(|p| p.gate == Some(row.id))
                .collect());
        }
        if let Some(n) = number('j') {
            let row = self.reader.job_by_ordinal(n)?.filter(|_| n > 0);
            let row = row.ok_or_else(|| no_such(name, "no such job", "atoll session show @"))?;
            return self.permit(row.session, &row.permit);
        }
        if let Some(n) = number('p') {
            let row = self.reader.patch_by_ordinal(n)?.filter(|_| n > 0);
            return self.patch(name, &row.ok_or_else(|| list("patch"))?.id);
        }
        let row = match (name, number('s')) {
            ("@", _) => self.reader.session_by_ordinal(0)?,
            (_, Some(n)) if n > 0 => self.reader.session_by_ordinal(n)?,
            _ => None,
        };
        let Some(row) = row else {
            let err = no_such(
                name,
                "it is no number of an event, and none of s4, g3, j9, p7, @",
                "atoll log tail",
            );
            return Err(err);
        };
        let found = self.all(Some(row.id), &KINDS)?;
        match found.is_empty() {
            true => Err(no_such(
                name,
                "nothing was judged in it",
                "atoll log show @",
            )),
            false => Ok(found),
        }
    }

    /// Verdicts of these kinds, of one session or outside all; the first [`PAGE_MAX`].
    fn all(&self, session: Option<SessionId>, kinds: &[&str]) -> Result<Vec<Past>, LogError> {
        let events = self.reader.events(0, PAGE_MAX, &filter(session, kinds))?;
        Ok(events.iter().filter_map(Past::of).collect())
    }

    fn permit(&self, session: Option<SessionId>, permit: &PermitId) -> Result<Vec<Past>, Failed> {
        let mut after = 0;
        loop {
            let page = self
                .reader
                .events(after, PAGE_MAX, &filter(session, &["Granted"]))?;
            let Some(last) = page.last() else {
                return Err(no_such(
                    "its permit",
                    "the permit was never granted",
                    "atoll log verify",
                ));
            };
            after = last.seq;
            let mut found = page.iter().filter_map(Past::of);
            if let Some(past) = found.find(|past| past.permit.as_ref() == Some(permit)) {
                return Ok(vec![past]);
            }
        }
    }

    /// The verdicts on letting a patch out and on taking it back.
    fn patch(&self, name: &str, patch: &PatchId) -> Result<Vec<Past>, Failed> {
        let (mut found, mut after) = (Vec::new(), 0);
        let wanted = patch.to_string();
        loop {
            let page = self.reader.events(after, PAGE_MAX, &filter(None, &KINDS))?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            let pasts = page.iter().filter_map(Past::of);
            for past in pasts.filter(|p| matches!(p.kind, Kind::Accept | Kind::Undo)) {
                if let Recorded::Known(known) = past.recorded(self.reader)?
                    && known.0.value["patch"] == wanted.as_str()
                {
                    found.push(past);
                }
            }
        }
        match found.is_empty() {
            true => {
                let next = format!("atoll patch show {name}");
                Err(no_such(
                    name,
                    "nobody asked to let it out yet, or what was asked was erased",
                    &next,
                ))
            }
            false => Ok(found),
        }
    }

    /// The verdict in an event, or the one that the event rests on.
    fn at(&self, seq: u64) -> Result<Vec<Past>, Failed> {
        let tail = "atoll log tail";
        let one = |after: u64| self.reader.events(after, 1, &Filter::default());
        let event = match seq.checked_sub(1) {
            Some(after) => one(after)?.into_iter().next(),
            None => None,
        };
        let name = format!("event {seq}");
        let event = event.ok_or_else(|| no_such(&name, "the log has no such event", tail))?;
        if let Some(past) = Past::of(&event) {
            return Ok(vec![past]);
        }
        match event.typed() {
            Body::Closed(body) => return self.permit(event.session, &body.permit),
            Body::ExecStarted(body) => return self.permit(event.session, &body.permit),
            Body::GateAnswered(body) => {
                let opened = self.all(event.session, &["GateOpened"])?.into_iter();
                return Ok(opened.filter(|p| p.gate == Some(body.gate)).collect());
            }
            Body::ToolCall(_) | Body::ModelAsked(_) => {
                let found = self.step(&event)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            _ => {}
        }
        if let Some(past) = self.cause(event.cause.as_ref())? {
            return Ok(vec![past]);
        }
        let why = format!("{} is an event without one", event.kind);
        Err(no_such(&name, &why, "atoll policy why @"))
    }

    /// What was judged for a step: up to the session's next one.
    fn step(&self, event: &Event) -> Result<Vec<Past>, LogError> {
        let kinds = [&KINDS[..], &["ToolCall", "ModelAsked", "TurnEnded"]].concat();
        let Some(session) = event.session else {
            return Ok(Vec::new());
        };
        let next = self
            .reader
            .events(event.seq, 100, &filter(Some(session), &kinds))?;
        Ok(next.iter().map_while(Past::of).collect())
    }

    fn cause(&self, cause: Option<&EventId>) -> Result<Option<Past>, LogError> {
        let event = cause.map(|id| self.reader.event(id)).transpose()?.flatten();
        Ok(event.as_ref().and_then(Past::of))
    }

    fn explain(&self, past: &Past, sessions: &mut Known) -> Result<Explained, LogError> {
        let standing = sessions.standing.covers(self.reader, past)?;
        let session = sessions.name(self.reader, past.session)?;
        let recorded = past.recorded(self.reader)?;
        let (known, missing) = match &recorded {
            Recorded::Known(known) => (Some(&**known), None),
            Recorded::Erased => (None, Some("erased")),
            Recorded::Unreadable => (None, Some("unreadable")),
        };
        let facts = known.map_or_else(Vec::new, |(action, facts)| {
            seen(&past.question(action, facts)).unwrap_or_default()
        });
        let verdict =
            known.map(|(action, facts)| decide(self.engine, &past.question(action, facts)));
        let profile = known.and_then(|(_, facts)| facts.profile.parse::<Profile>().ok());
        let place = known.and_then(|(_, facts)| facts.workspace.as_deref());
        let rules = past.rules.iter();
        let rules = rules.map(|id| self.decided(id, profile, place, &facts, verdict.as_ref()));
        Ok(Explained {
            event: past.seq,
            at: past.at,
            kind: past.kind,
            actor: past.actor.clone(),
            session,
            verdict: past.decision(standing).map(word),
            ended: self.ended(past, standing)?,
            what: known.map(|(action, _)| what(past.kind, &action.value)),
            rules: rules.collect(),
            policy: past.policy,
            in_force: past.policy == self.engine.hash(),
            missing,
            now: verdict.map(|verdict| Now {
                verdict: word(verdict.decision),
                rules: verdict.rule_ids(),
                why: whys(&verdict),
            }),
            facts,
        })
    }

    fn ended(&self, past: &Past, standing: bool) -> Result<String, LogError> {
        let gate = past
            .gate
            .map(|id| self.reader.gate(&id))
            .transpose()?
            .flatten();
        Ok(match (&past.end, gate) {
            (End::Granted, Some(gate)) => format!("done: a person said yes at g{}", gate.ordinal),
            (End::Granted, None) if past.gate.is_some() => {
                "done: the person's own command was the answer".into()
            }
            (End::Granted, None) if standing => {
                "done: a person had said yes for the session".into()
            }
            (End::Granted, None) => "done".into(),
            (End::Opened, Some(gate)) => match (gate.answer, gate.answerer) {
                (Some(answer), Some(by)) => {
                    let answer = serde_json::to_value(answer).unwrap_or_default();
                    let answer = answer.as_str().unwrap_or("answered");
                    format!("g{}: {answer}, by {}", gate.ordinal, by.id)
                }
                _ => format!("g{}: not answered", gate.ordinal),
            },
            (End::Opened, None) => "a person was asked".into(),
            (End::Denied(verdict), _) => match verdict.as_str() {
                "deny" | "error" => "not done".into(),
                "ask" => "not done: there was nobody to ask".into(),
                "changed" => "not done: the answer was to another action, or no person's".into(),
                limit => format!("not done: stopped by a limit ({limit}), not by the rules"),
            },
        })
    }

    fn decided(
        &self,
        id: &str,
        profile: Option<Profile>,
        place: Option<&str>,
        facts: &[Fact],
        now: Option<&Verdict>,
    ) -> Decided {
        // Of an erased one the profile isn't known: the first rule of that name is it in each.
        let profiles = profile.map_or(Profile::ALL.to_vec(), |profile| vec![profile]);
        let mut rules = profiles.iter().flat_map(|p| self.engine.rules(*p));
        let theirs = place.map_or(&[][..], |place| self.engine.workspace_rules(place));
        let rule: Option<&RuleInfo> = rules
            .find(|rule| rule.id == id)
            .or_else(|| theirs.iter().find(|rule| rule.id == id));
        let said = now.and_then(|now| now.rules.iter().find(|rule| rule.id == id));
        let own = OWN.iter().find(|(own, _)| *own == id);
        let why = said.map(|rule| rule.why.clone());
        let why = why.or_else(|| rule.map(|rule| rule.why.clone()));
        let reads = |fact: &&Fact| {
            rule.is_some_and(|rule| rule.reads.iter().any(|path| covers(path, &fact.name)))
        };
        Decided {
            id: id.to_owned(),
            verdict: rule.map(|rule| effect(rule.effect).to_owned()),
            why: why.or_else(|| own.map(|(_, why)| (*why).to_owned())),
            place: rule.map(|rule| format!("{}:{}", rule.file, rule.line)),
            reads: facts.iter().filter(reads).cloned().collect(),
        }
    }
}

/// Whether a rule that reads `path` reads the fact `name`: the same, or a part of it.
pub fn covers(path: &str, name: &str) -> bool {
    name.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The reasons of a verdict's rules, in one line.
pub fn whys(verdict: &Verdict) -> String {
    let whys: Vec<&str> = verdict.rules.iter().map(|rule| rule.why.as_str()).collect();
    whys.into_iter()
        .filter(|why| !why.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

fn filter(session: Option<SessionId>, kinds: &[&str]) -> Filter {
    Filter {
        session,
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..Filter::default()
    }
}
