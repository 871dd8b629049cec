//! What rules are asked about a job's command: the whole line, each part of it, and, where a part can't be told, what
//! it might be. The strictest of the verdicts counts, so that a rule that denies a program denies it in any part.

use std::collections::BTreeSet;

use atoll_domain::Kind;
use atoll_guard::{PolicyError, Question};

use crate::shell::{Part, Parts};
use crate::view;

/// Among the programs of a command: there may be others.
const OTHERS: &str = "?";
/// Names that rules speak of, each of which a part that can't be told might be.
const NAMES_MAX: usize = 1024;

/// A command, as one question is asked about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) command: String,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) programs: Vec<String>,
}

/// A command and what it consists of.
pub(crate) struct Spoken {
    pub(crate) whole: Said,
    parts: Vec<Part>,
    unclear: bool,
}

/// Of a question about a job; `None` for another one.
pub(crate) fn of(question: &Question<'_>) -> Result<Option<Spoken>, PolicyError> {
    if question.kind != Kind::Run {
        return Ok(None);
    }
    let run: view::Run = view::of(question, &["exe"])?;
    let Parts { parts, unclear } = Parts::of(&run.cmd);
    let mut programs: BTreeSet<String> =
        parts.iter().map(|part| part.program().to_owned()).collect();
    if unclear {
        programs.insert(OTHERS.to_owned());
    }
    let words = run.cmd.iter().map(|word| (*word).to_owned()).collect();
    let whole = Part { words };
    Ok(Some(Spoken {
        whole: said(&whole, programs.into_iter().collect()),
        parts: parts.into_iter().filter(|part| *part != whole).collect(),
        unclear,
    }))
}

fn said(part: &Part, programs: Vec<String>) -> Said {
    let words: Vec<&str> = part.words.iter().map(String::as_str).collect();
    Said {
        command: view::command(&words),
        program: part.program().to_owned(),
        arguments: part.words.iter().skip(1).cloned().collect(),
        programs,
    }
}

impl Spoken {
    /// What else is asked, beside the whole, of rules that speak of `names`. Where a part can't be told, each of the
    /// names might be it, with or without the others as its arguments, or all of them might occur.
    pub(crate) fn others(&self, names: &BTreeSet<String>) -> Result<Vec<Said>, PolicyError> {
        let all = &self.whole.programs;
        let mut others: Vec<Said> = self.parts.iter().map(|p| said(p, all.clone())).collect();
        if !self.unclear {
            return Ok(others);
        }
        if names.len() > NAMES_MAX {
            return Err(PolicyError(format!(
                "a part of the command can't be told, and the rules speak of more than {NAMES_MAX} names that it might be"
            )));
        }
        let every: Vec<String> = names.iter().cloned().collect();
        let with = |name: &str, arguments: &[String], more: &[String]| Said {
            command: name.to_owned(),
            program: name.to_owned(),
            arguments: arguments.to_vec(),
            programs: all.iter().chain(more).cloned().collect(),
        };
        for name in names {
            let alone = std::slice::from_ref(name);
            others.push(with(name, &every, alone));
            others.push(with(name, &[], alone));
        }
        others.push(with("", &every, &every));
        Ok(others)
    }
}
