//! `policy test`: the table tests beside the rules.

use std::io::Read;
use std::path::Path;

use atoll_api::{Error, codes};
use atoll_policy::{Case, Engine, Fact, Profile};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::past::word;

/// A file of tests, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Tests in it.
const TESTS_MAX: usize = 2000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: Vec<Spanned<Case>>,
}

/// The tests of a file, each with its line.
pub struct Tests {
    cases: Vec<(u64, Case)>,
}

/// What came of one.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub line: u64,
    pub ok: bool,
    pub expected: &'static str,
    pub rule: Option<String>,
    /// The verdict; `None`: the question makes no sense.
    pub got: Option<&'static str>,
    pub rules: Vec<String>,
    /// Why, or what is wrong with the question.
    pub why: String,
    /// Of one that failed: the facts that the rules in question read.
    #[serde(serialize_with = "atoll_policy::by_name")]
    pub facts: Vec<Fact>,
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(codes::POLICY_BAD, "the rules' tests can't be read")
        .found(format!("{}: {why}", path.display()))
        .next("atoll policy init writes some to begin with")
}

impl Tests {
    /// From a file.
    pub fn read(path: &Path) -> Result<Tests, Error> {
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|err| wrong(path, err))?;
        file.take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|err| wrong(path, err))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(
                path,
                format!("it is longer than {FILE_BYTES_MAX} bytes"),
            ));
        }
        let file: File = toml::from_str(&text).map_err(|err| {
            let at = err.span().map_or(0, |span| span.start);
            wrong(path, format!("line {}: {}", line(&text, at), err.message()))
        })?;
        if file.test.len() > TESTS_MAX {
            return Err(wrong(path, format!("it has more than {TESTS_MAX} tests")));
        }
        let cases = file.test.into_iter().map(|case| {
            let at = case.span().start;
            (line(&text, at), case.into_inner())
        });
        let cases = cases.collect();
        Ok(Tests { cases })
    }

    /// Puts each to `engine`, under `profile` unless it names its own.
    pub fn run(&self, engine: &Engine, profile: &str) -> Vec<Row> {
        let row = |(line, case): &(u64, Case)| one(*line, case, engine, profile);
        self.cases.iter().map(row).collect()
    }
}

fn line(text: &str, at: usize) -> u64 {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() as u64 + 1
}

fn one(line: u64, case: &Case, engine: &Engine, profile: &str) -> Row {
    let profile = case.profile.as_deref().unwrap_or(profile);
    let ran = match profile.parse::<Profile>() {
        Ok(_) => case.run(engine, profile),
        Err(err) => Err(format!("{profile}: {err}")),
    };
    let mut row = Row {
        name: case.name.clone(),
        line,
        ok: false,
        expected: word(case.expect.decision()),
        rule: case.rule.clone(),
        got: None,
        rules: Vec::new(),
        why: String::new(),
        facts: Vec::new(),
    };
    match ran {
        Err(why) => row.why = why,
        Ok(outcome) => {
            row.ok = outcome.holds;
            row.got = Some(word(outcome.verdict.decision));
            row.rules = outcome.verdict.rule_ids();
            row.why = super::past::why::whys(&outcome.verdict);
            if !row.ok {
                row.facts = facts(case, engine, profile, &row);
            }
        }
    }
    row
}

/// What the rules read that decided, or were to.
fn facts(case: &Case, engine: &Engine, profile: &str, row: &Row) -> Vec<Fact> {
    let rules = engine.rules(profile.parse().unwrap_or_default());
    let asked = |id: &str| row.rule.as_deref() == Some(id) || row.rules.iter().any(|r| r == id);
    let read: Vec<&String> = rules
        .iter()
        .filter(|rule| asked(&rule.id))
        .flat_map(|rule| &rule.reads)
        .collect();
    let all = case.facts_seen(profile).unwrap_or_default();
    let covered = |fact: &Fact| {
        read.iter()
            .any(|path| super::past::why::covers(path, &fact.name))
    };
    all.into_iter().filter(covered).collect()
}
