//! What changed rules would have said: the log's own actions and facts, judged again.

use std::collections::BTreeMap;

use atoll_domain::{Event, Kind, Ms};
use atoll_guard::{Decision, Verdict, decide};
use atoll_policy::{Engine, Profile};
use atoll_ports::log::{Error, Filter};
use atoll_store::Reader;
use serde::Serialize;

use super::{KINDS, Past, Recorded, Standing, at_once, what, word};

/// Events that are read and judged together.
const PAGE: usize = 4096;
/// Of each group, so many are named.
const EXAMPLES_MAX: usize = 5;
/// Groups that are told apart; what differs in yet another way is counted in one.
const GROUPS_MAX: usize = 1000;
/// An action's words in an example, in columns.
const WHAT_COLUMNS_MAX: usize = 200;

/// One of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Its number: `atoll policy why` tells more.
    pub event: u64,
    /// The command, the path, the model.
    pub what: String,
}

/// Verdicts that would differ in the same way.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub kind: Kind,
    pub then: &'static str,
    pub now: &'static str,
    pub rules_then: Vec<String>,
    pub rules_now: Vec<String>,
    /// Why the rules now say so.
    pub why: String,
    pub count: u64,
    pub examples: Vec<Example>,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Simulation {
    /// Verdicts that were judged again.
    pub judged: u64,
    /// Those of them that would differ.
    pub differ: u64,
    /// Not judged: what they were made from was erased.
    pub erased: u64,
    /// Not judged: another version wrote them.
    pub unreadable: u64,
    /// Not judged: a limit stopped them, not the rules.
    pub limits: u64,
    /// Not judged again: a person's answer to a question that is counted.
    pub answers: u64,
    /// The most frequent first.
    pub groups: Vec<Group>,
}

/// Whom a difference is counted with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    then: Decision,
    now: Decision,
    rules_then: Vec<String>,
    rules_now: Vec<String>,
}

#[derive(Default)]
struct Tally {
    found: Simulation,
    groups: BTreeMap<Key, Group>,
}

/// The rules to judge by.
pub struct Under<'a> {
    pub engine: &'a Engine,
    /// In place of the profile that was in force.
    pub profile: Option<Profile>,
}

/// Judges every verdict since `since` again.
pub fn run(reader: &Reader, under: &Under<'_>, since: Ms) -> Result<Simulation, Error> {
    let filter = Filter {
        kinds: KINDS.map(str::to_owned).to_vec(),
        ..Filter::default()
    };
    let (mut all, mut after) = (Tally::default(), 0);
    loop {
        let page = reader.events(after, PAGE, &filter)?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for tally in at_once(&page, |events| piece(reader, under, since, events)) {
            all.add(tally?);
        }
    }
    let mut found = all.found;
    found.groups = all.groups.into_values().collect();
    found
        .groups
        .sort_by_key(|group| std::cmp::Reverse(group.count));
    Ok(found)
}

fn piece(reader: &Reader, under: &Under<'_>, since: Ms, events: &[Event]) -> Result<Tally, Error> {
    let (mut tally, mut standing) = (Tally::default(), Standing::default());
    for past in events.iter().filter(|e| e.ts >= since).filter_map(Past::of) {
        // A gate that was opened in time is counted already.
        if let (super::End::Granted, Some(gate)) = (&past.end, &past.gate)
            && reader.gate(gate)?.is_some_and(|gate| gate.opened >= since)
        {
            tally.found.answers += 1;
            continue;
        }
        let Some(then) = past.decision(standing.covers(reader, &past)?) else {
            tally.found.limits += 1;
            continue;
        };
        match past.recorded(reader)? {
            Recorded::Erased => tally.found.erased += 1,
            Recorded::Unreadable => tally.found.unreadable += 1,
            Recorded::Known(known) => {
                let (action, mut facts) = *known;
                if let Some(profile) = under.profile {
                    facts.profile = profile.name().to_owned();
                }
                let now = decide(under.engine, &past.question(&action, &facts));
                tally.found.judged += 1;
                if now.decision != then {
                    tally.differs(&past, then, now, &action.value);
                }
            }
        }
    }
    Ok(tally)
}

impl Tally {
    fn differs(&mut self, past: &Past, then: Decision, now: Verdict, action: &serde_json::Value) {
        self.found.differ += 1;
        let words = atoll_domain::Shown::line(&what(past.kind, action)).cut(WHAT_COLUMNS_MAX);
        let example = Example {
            event: past.seq,
            what: words.to_string(),
        };
        let key = Key {
            kind: past.kind,
            then,
            now: now.decision,
            rules_then: past.rules.clone(),
            rules_now: now.rule_ids(),
        };
        let whys: Vec<String> = now.rules.into_iter().map(|rule| rule.why).collect();
        let group = Group {
            kind: key.kind,
            then: word(then),
            now: word(key.now),
            rules_then: key.rules_then.clone(),
            rules_now: key.rules_now.clone(),
            why: whys.join("; "),
            count: 1,
            examples: vec![example],
        };
        self.put(key, group);
    }

    fn put(&mut self, key: Key, group: Group) {
        let full = self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key);
        let (key, group) = if full {
            let rules = vec!["…".to_owned()];
            let key = Key {
                rules_then: rules.clone(),
                rules_now: rules.clone(),
                ..key
            };
            let group = Group {
                rules_then: rules.clone(),
                rules_now: rules,
                why: "in other ways".into(),
                ..group
            };
            (key, group)
        } else {
            (key, group)
        };
        match self.groups.get_mut(&key) {
            Some(old) => {
                old.count += group.count;
                old.examples.extend(group.examples);
                old.examples.truncate(EXAMPLES_MAX);
            }
            None => {
                self.groups.insert(key, group);
            }
        }
    }

    fn add(&mut self, other: Tally) {
        let (all, more) = (&mut self.found, other.found);
        all.judged += more.judged;
        all.differ += more.differ;
        all.erased += more.erased;
        all.unreadable += more.unreadable;
        all.limits += more.limits;
        all.answers += more.answers;
        for (key, group) in other.groups {
            self.put(key, group);
        }
    }
}
