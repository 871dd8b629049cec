//! `cargo xtask tidy`: what the compiler can't see of the project's shape, each
//! rule a function over the same tree of files, each failure with its why.

mod allow;
mod calls;
mod errors;
mod floors;
mod ignored;
mod licences;
mod papers;
mod promises;
mod pure;
mod rooms;
mod spdx;
mod weights;
mod words;

use crate::tree::Tree;
use std::path::Path;
use std::process::ExitCode;

/// Something a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A file, with its line where there is one.
    pub place: String,
    pub what: String,
    pub why: &'static str,
    pub weight: Weight,
}

/// Does a finding fail the run?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Fail,
    Warn,
}

impl Finding {
    pub fn fail(place: impl Into<String>, what: impl Into<String>, why: &'static str) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
            why,
            weight: Weight::Fail,
        }
    }

    pub fn warn(place: impl Into<String>, what: impl Into<String>, why: &'static str) -> Self {
        Self {
            weight: Weight::Warn,
            ..Self::fail(place, what, why)
        }
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

/// The checks that look at files alone, by the name they are asked for.
const CHECKS: [(&str, Check); 10] = [
    ("floors", floors::check),
    ("pure", pure::check),
    ("rooms", rooms::check),
    ("calls", calls::check),
    ("words", words::check),
    ("weights", weights::check),
    ("errors", errors::check),
    ("papers", papers::check),
    ("promises", promises::check),
    ("ignored", ignored::check),
];

/// The one check that asks cargo.
const LICENCES: &str = "licences";

pub fn list() {
    for name in names() {
        println!("tidy   {name}");
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, _)| *name).chain([LICENCES])
}

/// Runs the named checks, or all; success if none of them fails.
pub fn run(root: &Path, wanted: &[String]) -> ExitCode {
    if let Some(unknown) = wanted.iter().find(|want| names().all(|n| n != *want)) {
        eprintln!("no such check: {unknown}; `cargo xtask list` names them");
        return ExitCode::from(2);
    }
    let tree = match Tree::read(root) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("tidy can't read the project: {error}");
            return ExitCode::FAILURE;
        }
    };
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|want| want == name);
    let mut found = Vec::new();
    for (name, check) in CHECKS.iter().filter(|(name, _)| asked(name)) {
        found.extend(check(&tree).into_iter().map(|finding| (*name, finding)));
    }
    if asked(LICENCES) {
        let licences = licences::check(root);
        found.extend(licences.into_iter().map(|finding| (LICENCES, finding)));
    }
    report(&found)
}

/// Prints warnings, then failures, then the sum.
fn report(found: &[(&str, Finding)]) -> ExitCode {
    let of = |weight| found.iter().filter(move |(_, f)| f.weight == weight);
    for (name, finding) in of(Weight::Warn) {
        println!("warn    {name}: {}: {}", finding.place, finding.what);
    }
    for (name, finding) in of(Weight::Fail) {
        println!("FAILED  {name}: {}: {}", finding.place, finding.what);
        println!("   why  {}", finding.why);
    }
    let (failures, warnings) = (of(Weight::Fail).count(), of(Weight::Warn).count());
    println!("tidy    {failures} failures, {warnings} warnings");
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
pub mod testing {
    use super::{Check, Weight};
    use crate::tree::Tree;

    /// What a check refuses in a tree, as "place: what".
    pub fn failures(check: Check, files: &[(&str, &str)]) -> Vec<String> {
        findings(check, files, Weight::Fail)
    }

    /// What a check only mentions.
    pub fn warnings(check: Check, files: &[(&str, &str)]) -> Vec<String> {
        findings(check, files, Weight::Warn)
    }

    fn findings(check: Check, files: &[(&str, &str)], weight: Weight) -> Vec<String> {
        check(&Tree::of(files))
            .into_iter()
            .filter(|finding| finding.weight == weight)
            .map(|finding| format!("{}: {}", finding.place, finding.what))
            .collect()
    }
}
