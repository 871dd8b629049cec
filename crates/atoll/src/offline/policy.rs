//! Rules, read and checked without a node.

use std::io::Read;
use std::path::{Path, PathBuf};

use atoll_api::{Error, PolicyView, RuleView, codes};
use atoll_guard::PolicyEngine;
use atoll_policy::{Effect, Engine, Problem, Profile, RuleInfo, Source, TEXT_BYTES_MAX};

use crate::app::App;
use crate::config;
use crate::paths::Paths;
use crate::ui::words::plural;

/// A rule file, by the name that problems in it are told with.
pub fn read(path: &Path, name: String) -> Result<Source, Error> {
    let failed = |why: String| {
        Error::new(codes::POLICY_BAD, "a policy file can't be read")
            .found(format!("{}: {why}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(|err| failed(err.to_string()))?;
    let mut text = String::new();
    let mut bounded = file.take(TEXT_BYTES_MAX as u64 + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(|err| failed(err.to_string()))?;
    Ok(Source::new(name, text))
}

/// The owner's rule files, in the order of their names.
pub fn sources(paths: &Paths) -> Result<Vec<Source>, Error> {
    let folder = paths.policy();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => {
            let found = format!("{}: {err}", folder.display());
            return Err(Error::new(codes::POLICY_BAD, "the rules can't be read").found(found));
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "cedar"))
        .collect();
    files.sort();
    let name = |p: &Path| {
        format!(
            "policy/{}",
            p.file_name().unwrap_or_default().to_string_lossy()
        )
    };
    files.iter().map(|p| read(p, name(p))).collect()
}

/// What is wrong with rules, as people read it.
pub fn bad(problems: &[Problem]) -> Error {
    let found: Vec<String> = problems.iter().take(20).map(ToString::to_string).collect();
    let mut err = Error::new(
        codes::POLICY_BAD,
        format!(
            "the rules are wrong in {}",
            plural(problems.len() as u64, "place")
        ),
    )
    .found(found.join("\n"));
    if let Some(first) = problems.first() {
        err = err.next(format!("mend {}:{}", first.file, first.line));
    }
    err.next("atoll policy check")
}

/// What a rule does, in a word.
pub fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Answer => "answer",
        Effect::Ask => "ask",
        Effect::Confirm => "confirm",
        Effect::Deny => "deny",
    }
}

/// A rule, for people.
pub fn rule(info: &RuleInfo) -> RuleView {
    RuleView {
        id: info.id.clone(),
        verdict: effect(info.effect).into(),
        why: info.why.clone(),
        file: info.file.clone(),
        line: info.line as u64,
    }
}

/// Rule files as they would stand among the owner's, by their names.
pub fn given(files: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        read(path, format!("policy/{name}"))
    };
    files.iter().map(named).collect()
}

/// The engine with the owner's rules and `more` among them, as a node would have it: each takes the place of the one
/// with its name, or stands beside them.
pub fn engine(paths: &Paths, more: Vec<Source>) -> Result<Engine, Error> {
    let mut all = sources(paths)?;
    for source in more {
        match all.iter_mut().find(|old| old.name == source.name) {
            Some(old) => *old = source,
            None => all.push(source),
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let config = config::load(&paths.config_file())?;
    let trusted = config.trust.iter().map(|t| (t.path.clone(), t.hash));
    crate::wiring::engine(&all, trusted)
}

/// A profile by its name.
pub fn profile(name: &str) -> Result<Profile, Error> {
    name.parse().map_err(|err: atoll_policy::UnknownProfile| {
        Error::new(codes::NO_SUCH, format!("{name}: {err}"))
            .next("atoll policy show --profile careful")
    })
}

/// The rules of a profile with the owner's.
pub fn view(paths: &Paths, profile: Option<&str>) -> Result<PolicyView, Error> {
    let name = match profile {
        Some(name) => name.to_owned(),
        None => config::load(&paths.config_file())?.get("policy.profile"),
    };
    let profile = self::profile(&name)?;
    let engine = Engine::new(&sources(paths)?).map_err(|problems| bad(&problems))?;
    Ok(PolicyView {
        profile: name,
        hash: engine.hash(),
        rules: engine.rules(profile).iter().map(rule).collect(),
    })
}

/// `policy check`.
pub fn check(app: &App, files: &[PathBuf]) -> Result<u8, Error> {
    let sources = match files {
        [] => sources(&app.paths)?,
        files => files
            .iter()
            .map(|p| read(p, p.display().to_string()))
            .collect::<Result<_, _>>()?,
    };
    match Engine::new(&sources) {
        Err(problems) if app.json => {
            app.show("policy_check", &problems, |_| String::new())?;
            Ok(codes::POLICY_BAD.exit)
        }
        Err(problems) => Err(bad(&problems)),
        Ok(engine) => {
            let own = engine
                .rules(Profile::Careful)
                .iter()
                .filter(|r| sources.iter().any(|s| s.name == r.file))
                .count();
            let data =
                serde_json::json!({ "files": sources.len(), "rules": own, "hash": engine.hash() });
            app.show("policy_check", &data, |_| {
                let files = plural(sources.len() as u64, "file");
                format!(
                    "{files} with {} of yours beside the profiles: nothing is wrong.\n",
                    plural(own as u64, "rule")
                )
            })
        }
    }
}
