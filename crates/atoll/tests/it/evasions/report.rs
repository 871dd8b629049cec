//! What is counted, said and judged.

use std::collections::{BTreeMap, BTreeSet};

use atoll_domain::action::Job;
use atoll_domain::{
    Act as _, Actor, Facts, JobId, JobSpec, Limits, Ms, Network, Purpose, Role, RunnerKind,
};
use atoll_guard::{Decision, PolicyEngine as _, Question};
use atoll_policy::{Engine, Source};

use super::boxed::Mode;
use super::corpus::{Entry, link};
use super::world::{Seen, tell};

/// What `./dev` and the system that it runs on always have: an entry that needs no more is never skipped.
const BASE: [&str; 60] = [
    "awk", "bash", "base64", "cat", "cc", "chmod", "cp", "curl", "cut", "date", "dd", "diff",
    "env", "expr", "find", "flock", "gcc", "git", "grep", "gzip", "head", "install", "join", "ld",
    "ln", "make", "mkfifo", "mv", "nice", "nl", "nohup", "od", "paste", "perl", "pr", "printf",
    "ps", "rev", "rm", "sed", "setsid", "sh", "shuf", "sort", "split", "stdbuf", "tac", "tail",
    "tar", "taskset", "tee", "timeout", "tr", "unshare", "unlink", "wc", "xargs", "nsenter",
    "prlimit", "mount",
];
/// Entries that are proven and kept in on such a machine at least: those of the corpus that need no other program.
const FLOOR: usize = 480;

/// What came of an entry once.
pub struct Row {
    pub seen: Seen,
    pub said: String,
}

#[derive(Default)]
struct Line {
    missing: Option<String>,
    bare: Option<Row>,
    boxed: BTreeMap<Mode, Row>,
}

#[derive(Default)]
pub struct Report {
    entries: Vec<Entry>,
    lines: BTreeMap<String, Line>,
}

/// How a rule that denies a program takes a command.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Named,
    Unclear,
    Missed,
}

impl Report {
    pub fn add(&mut self, entry: Entry, missing: Option<String>) {
        let line = Line {
            missing,
            ..Line::default()
        };
        self.lines.insert(entry.id.clone(), line);
        self.entries.push(entry);
    }

    pub fn done(&mut self, id: &str, mode: Option<Mode>, row: Row) {
        let line = self.lines.get_mut(id).unwrap();
        match mode {
            None => line.bare = Some(row),
            Some(mode) => {
                line.boxed.insert(mode, row);
            }
        }
    }

    fn proven(&self, entry: &Entry) -> bool {
        let bare = self.lines[&entry.id].bare.as_ref();
        bare.is_some_and(|row| row.seen.has(entry.effect))
    }

    fn kept(&self, entry: &Entry) -> bool {
        let boxed = &self.lines[&entry.id].boxed;
        !boxed.is_empty() && boxed.values().all(|row| row.seen.none())
    }

    pub fn tell(&self) {
        let families: BTreeSet<&String> = self.entries.iter().map(|e| &e.family).collect();
        let mut sums = [0; 5];
        tell("evasions: family        entries  proven  kept in  skipped  apart");
        for family in families {
            let of: Vec<&Entry> = self
                .entries
                .iter()
                .filter(|e| &e.family == family)
                .collect();
            let count = |f: &dyn Fn(&&&Entry) -> bool| of.iter().filter(|e| f(e)).count();
            let row = [
                of.len(),
                count(&|e| self.proven(e)),
                count(&|e| self.kept(e)),
                count(&|e| self.lines[&e.id].missing.is_some()),
                count(&|e| !e.unproven.is_empty()),
            ];
            tell(&line(family, &row));
            for (sum, n) in sums.iter_mut().zip(row) {
                *sum += n;
            }
        }
        tell(&line("all", &sums));
        for entry in &self.entries {
            if let Some(program) = &self.lines[&entry.id].missing {
                tell(&format!(
                    "evasions: skipped {}: {program} isn't here",
                    entry.id
                ));
            }
        }
        let denied: Vec<(&Entry, Parsed)> = self
            .entries
            .iter()
            .filter(|e| !e.deny.is_empty())
            .map(|e| (e, parsed(e)))
            .collect();
        let count = |what: Parsed| denied.iter().filter(|(_, p)| *p == what).count();
        tell(&format!(
            "evasions: of {} commands that disguise a denied program, parsing names it in {}, can't tell and denies in {}, misses it in {}",
            denied.len(),
            count(Parsed::Named),
            count(Parsed::Unclear),
            count(Parsed::Missed),
        ));
    }

    /// Fails for each entry that took effect, and for each that could not have.
    pub fn judge(&self, whole: bool) {
        let mut bad = Vec::new();
        for entry in &self.entries {
            let found = &self.lines[&entry.id];
            let say = |what: &str, row: &Row| {
                let link = link(&entry.source).unwrap_or_default();
                let said: String = row.said.chars().take(600).collect();
                format!(
                    "{} {what}: {:?}\n  {}\n  {link}\n{}",
                    entry.id, row.seen, entry.tries, said
                )
            };
            for (mode, row) in &found.boxed {
                if !row.seen.none() {
                    bad.push(say(&format!("TOOK EFFECT ({mode:?})"), row));
                }
            }
            if let Some(row) = &found.bare
                && !self.proven(entry)
            {
                bad.push(say("shows nothing without a box", row));
            }
            if let Some(program) = &found.missing
                && BASE.contains(&program.as_str())
            {
                bad.push(format!("{}: {program} isn't here, and must be", entry.id));
            }
        }
        let held = self
            .entries
            .iter()
            .filter(|e| self.proven(e) && self.kept(e))
            .count();
        if whole && held < FLOOR {
            bad.push(format!(
                "only {held} entries were proven and kept in, not {FLOOR}"
            ));
        }
        assert!(
            bad.is_empty(),
            "{} of the corpus:\n{}",
            bad.len(),
            bad.join("\n---\n")
        );
    }
}

fn line(name: &str, row: &[usize; 5]) -> String {
    format!(
        "evasions: {name:<12} {:>8} {:>7} {:>8} {:>8} {:>6}",
        row[0], row[1], row[2], row[3], row[4]
    )
}

/// What a rule that denies the entry's program makes of its command.
fn parsed(entry: &Entry) -> Parsed {
    match (
        denies(entry, &entry.deny),
        denies(entry, "a-program-that-is-nowhere"),
    ) {
        (_, true) => Parsed::Unclear,
        (true, false) => Parsed::Named,
        (false, false) => Parsed::Missed,
    }
}

fn denies(entry: &Entry, program: &str) -> bool {
    let rule = format!(
        "@id(\"a.b\") @why(\"no\") forbid (principal, action == Action::\"run\", resource) \
         when {{ context.programs.contains(\"{program}\") }};"
    );
    let engine = Engine::new(&[Source::new("mine.cedar", rule)]).unwrap();
    let spec = JobSpec {
        id: JobId::new(Ms(1), [7; 10]),
        runner: RunnerKind::Process,
        language: None,
        image: None,
        cmd: vec![entry.shell.clone(), "-c".into(), entry.run.clone()],
        stdin: false,
        tty: None,
        env: BTreeMap::new(),
        workdir: "/home/ana/shop".into(),
        mounts: Vec::new(),
        limits: Limits::default(),
        ttl_s: 60,
        network: Network::None,
        secrets: Vec::new(),
        artifacts: Vec::new(),
        snapshot: None,
    };
    let job = Job {
        spec,
        purpose: Purpose::Run,
        session: None,
        copy: None,
        exe: None,
    };
    let mut facts = Facts::of(Role::Agent, "careful");
    facts.workspace = Some("/home/ana/shop".into());
    facts.in_box = true;
    facts.ceiling = job.ceiling();
    let verdict = engine.judge(&Question {
        actor: &Actor::ai("coder"),
        kind: Job::KIND,
        action: &job.canonical(),
        facts: &facts,
    });
    verdict.map_or(Decision::Deny, |v| v.decision) == Decision::Deny
}
