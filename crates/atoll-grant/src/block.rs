//! A block: one grant's terms as facts, and the one check that every biscuit implementation knows to hold: time.

use std::collections::{BTreeSet, HashMap};

use atoll_domain::{Budget, GRANT_NAMES_MAX, INTEGER_MAX, Kind, Ms, Role, Terms};
use atoll_ports::grants::Error;
use biscuit_auth::builder::{BlockBuilder, Fact, Term, bytes, fact, int, string};

/// The version of a block's shape.
const SHAPE: i64 = 1;
/// A name's length, in bytes.
const NAME_BYTES_MAX: usize = 32;
/// A path's length, in bytes.
const PATH_BYTES_MAX: usize = 4096;

pub(crate) fn malformed(why: impl Into<String>) -> Error {
    Error::Malformed(why.into())
}

fn number(n: u64) -> Term {
    int(i64::try_from(n.min(INTEGER_MAX)).unwrap_or(i64::MAX))
}

/// The block of these terms.
pub(crate) fn block(terms: &Terms, name: &str) -> Result<BlockBuilder, Error> {
    check(terms, name)?;
    let until_s = terms.expires.0 / 1000;
    let mut facts = vec![
        fact("atoll", &[int(SHAPE)]),
        fact("name", &[string(name)]),
        fact("role", &[string(terms.role.name())]),
        fact("expires", &[number(until_s)]),
        fact("requests", &[number(terms.requests_per_min)]),
        fact("body", &[number(terms.body_limit_bytes)]),
    ];
    let every = |what: &str| vec![fact("every", &[string(what)])];
    facts.extend(terms.kinds.as_ref().map_or_else(
        || every("kind"),
        |kinds| {
            kinds
                .iter()
                .map(|k| fact("kind", &[string(k.name())]))
                .collect()
        },
    ));
    facts.extend(terms.workspaces.as_ref().map_or_else(
        || every("workspace"),
        |all| {
            all.iter()
                .map(|w| fact("workspace", &[bytes(w.as_bytes())]))
                .collect()
        },
    ));
    facts.extend(terms.hosts.as_ref().map_or_else(
        || every("host"),
        |all| all.iter().map(|h| fact("host", &[string(h)])).collect(),
    ));
    for (unit, limit) in units(&terms.budget) {
        facts.extend(limit.map(|limit| fact("limit", &[string(unit), number(limit)])));
    }
    let built = facts
        .into_iter()
        .try_fold(BlockBuilder::new(), BlockBuilder::fact);
    let until = HashMap::from([("until".to_owned(), Term::Date(until_s))]);
    built
        .and_then(|b| b.code_with_params("check if time($t), $t < {until}", until, HashMap::new()))
        .map_err(|err| malformed(err.to_string()))
}

fn units(budget: &Budget) -> [(&'static str, Option<u64>); 4] {
    [
        ("micros", budget.micros_max),
        ("tokens", budget.tokens_max),
        ("ms", budget.ms_max),
        ("runs", budget.runs_max),
    ]
}

fn check(terms: &Terms, name: &str) -> Result<(), Error> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fine) {
        let want = format!("a name has 1 to {NAME_BYTES_MAX} of a-z, 0-9, `.`, `_` and `-`");
        return Err(malformed(want));
    }
    let count = |set: &Option<BTreeSet<String>>| set.as_ref().map_or(0, BTreeSet::len);
    if count(&terms.workspaces).max(count(&terms.hosts)) > GRANT_NAMES_MAX {
        return Err(malformed(format!(
            "at most {GRANT_NAMES_MAX} folders and hosts"
        )));
    }
    let path = |p: &String| {
        p.starts_with('/') && p.len() <= PATH_BYTES_MAX && !p.split('/').any(|part| part == "..")
    };
    if !terms.workspaces.iter().flatten().all(path) {
        return Err(malformed("a folder is an absolute path without `..`"));
    }
    let host =
        |h: &String| !h.is_empty() && h.len() <= 259 && h.chars().all(|c| fine(c) || c == ':');
    if !terms.hosts.iter().flatten().all(host) {
        return Err(malformed(
            "a host is a name in lowercase, with or without a port",
        ));
    }
    Ok(())
}

/// The terms of a block, out of its Datalog source. Whatever else it holds is refused.
pub(crate) fn read(source: &str) -> Result<(Terms, String), Error> {
    let found = BlockBuilder::new()
        .code(source)
        .map_err(|err| malformed(err.to_string()))?;
    let facts = Facts(&found.facts);
    if facts.number("atoll")? != SHAPE as u64 {
        return Err(malformed("a block of a later version"));
    }
    let kind = |name: &String| Kind::ALL.into_iter().find(|k| k.name() == name.as_str());
    let kinds = facts.set("kind")?;
    let kinds = kinds.map(|names| names.iter().map(kind).collect::<Option<_>>());
    let role = facts.text("role")?;
    let roles = [
        Role::Owner,
        Role::Operator,
        Role::Agent,
        Role::Viewer,
        Role::Worker,
    ];
    let role = roles.into_iter().find(|r| r.name() == role);
    let limit = |unit| facts.limit(unit);
    let terms = Terms {
        role: role.ok_or_else(|| malformed("an unknown role"))?,
        expires: Ms(facts.number("expires")?.saturating_mul(1000)),
        kinds: kinds
            .map(|k| k.ok_or_else(|| malformed("an unknown kind of action")))
            .transpose()?,
        workspaces: facts.set("workspace")?,
        hosts: facts.set("host")?,
        budget: Budget {
            micros_max: limit("micros"),
            tokens_max: limit("tokens"),
            ms_max: limit("ms"),
            runs_max: limit("runs"),
        },
        requests_per_min: facts.number("requests")?,
        body_limit_bytes: facts.number("body")?,
    };
    let name = facts.text("name")?;
    // What these terms are written as is all that may stand there: nothing twice, nothing beside it.
    let wanted = block(&terms, &name)?;
    if lines(&wanted) != lines(&found) {
        return Err(malformed("a block that Atoll does not write"));
    }
    Ok((terms, name))
}

fn lines(b: &BlockBuilder) -> Vec<String> {
    let mut lines: Vec<String> = b.facts.iter().map(ToString::to_string).collect();
    lines.extend(b.checks.iter().map(ToString::to_string));
    lines.extend(b.rules.iter().map(ToString::to_string));
    lines.extend(b.scopes.iter().map(ToString::to_string));
    lines.sort();
    lines
}

struct Facts<'a>(&'a [Fact]);

impl Facts<'_> {
    fn of(&self, name: &str) -> impl Iterator<Item = &[Term]> {
        let found = self.0.iter().filter(move |f| f.predicate.name == name);
        found.map(|f| f.predicate.terms.as_slice())
    }
    fn one(&self, name: &str) -> Result<&Term, Error> {
        match self.of(name).next() {
            Some([term]) => Ok(term),
            _ => Err(malformed(format!("a block without {name}"))),
        }
    }
    fn text(&self, name: &str) -> Result<String, Error> {
        match self.one(name)? {
            Term::Str(text) => Ok(text.clone()),
            _ => Err(malformed(format!("{name} is no text"))),
        }
    }
    fn number(&self, name: &str) -> Result<u64, Error> {
        match self.one(name)? {
            Term::Integer(n) => {
                u64::try_from(*n).map_err(|_| malformed(format!("{name} is below 0")))
            }
            _ => Err(malformed(format!("{name} is no number"))),
        }
    }
    fn limit(&self, unit: &str) -> Option<u64> {
        self.of("limit").find_map(|terms| match terms {
            [Term::Str(u), Term::Integer(n)] if u == unit => u64::try_from(*n).ok(),
            _ => None,
        })
    }
    /// Every one of a kind (`None`), or those that are named.
    fn set(&self, name: &str) -> Result<Option<BTreeSet<String>>, Error> {
        if self.of("every").any(|t| *t == [string(name)]) {
            return Ok(None);
        }
        let text = |term: &[Term]| match term {
            [Term::Str(text)] => Some(text.clone()),
            [Term::Bytes(bytes)] => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        let all: Option<BTreeSet<String>> = self.of(name).map(text).collect();
        all.map(Some)
            .ok_or_else(|| malformed(format!("a {name} that is no text")))
    }
}
