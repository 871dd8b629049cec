//! `atoll policy test`, `init` and `edit`: rules that are written, tried and taken.

use std::path::{Path, PathBuf};

use atoll_api::{Error, codes};
use atoll_domain::Shown;
use atoll_policy::{Engine, Source};

use super::policy::{Age, simulation};
use crate::app::{App, env, now, say};
use crate::config;
use crate::offline::rules::{self, Draft, TESTS};
use crate::offline::table::{Row, Tests};
use crate::offline::{self};
use crate::term;
use crate::ui;
use crate::ui::words::utc;

/// How far back a change is tried before it is taken, in days.
const TRIED_DAYS: u64 = 30;

/// What to put to which rules.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// The tests; tests.toml beside your rules if left out.
    file: Option<PathBuf>,
    /// With this rule file in the place of yours with its name, or beside them; may be given again.
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Under this profile, where a test names none.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// Which rule file.
#[derive(Debug, clap::Args)]
pub struct Edit {
    /// Its name in your policy folder.
    #[arg(default_value = rules::MINE)]
    name: String,
    /// Take it without asking, whatever would differ.
    #[arg(long, short)]
    yes: bool,
}

fn profile(app: &App, named: Option<&str>) -> Result<String, Error> {
    if let Some(name) = named {
        return Ok(offline::policy::profile(name)?.name().to_owned());
    }
    let set = config::load(&app.paths.config_file())?.get("policy.profile");
    Ok(env("ATOLL_PROFILE").unwrap_or(set))
}

pub fn test(app: &App, args: &Test) -> Result<u8, Error> {
    let beside = app.paths.policy().join(TESTS);
    let path = args.file.as_deref().unwrap_or(&beside);
    let tests = Tests::read(path)?;
    let engine = offline::policy::engine(&app.paths, offline::policy::given(&args.with)?)?;
    let rows = tests.run(&engine, &profile(app, args.profile.as_deref())?);
    let failed = rows.iter().filter(|row| !row.ok).count();
    let data = serde_json::json!({ "tests": rows.len(), "failed": failed, "rows": rows });
    app.show_paged("policy_test", &data, |style| {
        ui::rules_tested(style, &rows, &file_name(path))
    })?;
    Ok(u8::from(failed > 0))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Shown::line(&name).to_string()
}

pub fn init(app: &App) -> Result<u8, Error> {
    let files = rules::init(&app.paths)?;
    let rows = files
        .iter()
        .map(|(path, written)| serde_json::json!({ "file": path, "written": written }));
    let data: Vec<_> = rows.collect();
    app.show("policy_init", &data, |_| {
        let mut out = String::new();
        for (path, written) in &files {
            let word = if *written {
                "written"
            } else {
                "stays as it is"
            };
            out.push_str(&format!(
                "{}  {word}\n",
                Shown::line(&path.display().to_string())
            ));
        }
        out.push_str(
            "\nNext  atoll policy edit        write rules; a wrong one is never taken\n      \
             atoll policy test        put the questions in tests.toml to them\n      \
             atoll policy show        all rules in force\n",
        );
        out
    })
}

/// Opens the editor on a draft, and takes it if it holds.
pub async fn edit(app: &App, args: &Edit) -> Result<u8, Error> {
    let draft = Draft::begin(&app.paths, &args.name)?;
    if draft.kept {
        let place = Shown::line(&draft.draft.display().to_string()).to_string();
        say(&format!(
            "note    it goes on from {place}, which an earlier edit left\n"
        ));
    }
    let edited = match term::edit(std::slice::from_ref(&draft.draft)) {
        Ok(true) => Ok(()),
        Ok(false) => Err("the editor ended with an error".to_owned()),
        Err(why) => Err(why),
    };
    if let Err(why) = edited {
        let err = Error::new(codes::USAGE, "the rules were not edited").found(why);
        if draft.unchanged()? {
            draft.drop_it()?;
        }
        return Err(err.next("EDITOR=nano atoll policy edit"));
    }
    if draft.unchanged()? {
        draft.drop_it()?;
        let data = serde_json::json!({ "taken": false, "changed": false });
        return app.show("policy_edit", &data, |_| {
            "Nothing was changed.\n".to_owned()
        });
    }
    let (kept, name) = (
        draft.draft.display().to_string(),
        draft.file_name().to_owned(),
    );
    let taken = take(app, draft, args.yes).map_err(|err| {
        let kept = format!("your version is kept in {kept}; what was in force stays");
        let found: Vec<&str> = err
            .found
            .iter()
            .chain([&kept])
            .map(String::as_str)
            .collect();
        let found = found.join("\n");
        let goes_on = format!("atoll policy edit {name}");
        err.found(found)
            .next(format!("{} goes on with it", goes_on.trim_end()))
    })?;
    super::config::reload(app).await;
    let data = serde_json::json!({ "taken": true, "changed": true, "differ": taken.differ, "file": taken.file });
    app.show("policy_edit", &data, |_| {
        format!("{} is in force.\n", Shown::line(&taken.file))
    })
}

/// A draft that is in force now.
pub struct Taken {
    /// How many past verdicts differ by it.
    pub differ: u64,
    /// Where it stands.
    pub file: String,
}

/// Checks a draft, puts the tests to it, says what would have differed, and puts it in force.
pub fn take(app: &App, draft: Draft, yes: bool) -> Result<Taken, Error> {
    let text = draft.text()?;
    let source = Source::new(draft.name.clone(), text.clone());
    let engine = offline::policy::engine(&app.paths, vec![source.clone()])?;
    let failed = tests_of(app, &engine)?;
    if let Some(rows) = failed {
        say(&ui::rules_tested(&app.err, &rows, TESTS));
        let err = Error::new(
            codes::POLICY_BAD,
            "the rules' tests fail under this version",
        );
        return Err(err);
    }
    let differ = differences(app, source)?;
    if differ > 0 && !yes {
        confirmed(app)?;
    }
    let file = draft.file.display().to_string();
    draft.take(&text)?;
    Ok(Taken { differ, file })
}

/// The table tests' rows if one of them fails; `None`: all hold, or there are none.
fn tests_of(app: &App, engine: &Engine) -> Result<Option<Vec<Row>>, Error> {
    let path = app.paths.policy().join(TESTS);
    if !path.exists() {
        return Ok(None);
    }
    let rows = Tests::read(&path)?.run(engine, &profile(app, None)?);
    let fails = rows.iter().any(|row| !row.ok);
    Ok(fails.then_some(rows))
}

/// Says what would have differed lately, and how much. A log that isn't there yet holds nothing that could.
fn differences(app: &App, source: Source) -> Result<u64, Error> {
    let since = Age::Seconds(TRIED_DAYS * 86_400).begins(now());
    match simulation(app, vec![source], since, None) {
        Ok(found) => {
            let words = format!("since {}", utc(since));
            say(&ui::simulated(&app.err, &found, &words));
            Ok(found.differ)
        }
        Err(err) if err.is(codes::NO_SUCH) => Ok(0),
        Err(err) => Err(err),
    }
}

fn confirmed(app: &App) -> Result<(), Error> {
    if !app.terminal.stdin || !app.terminal.stderr || app.json {
        let err = Error::new(codes::NEEDS_PERSON, "past verdicts would differ");
        return Err(err
            .found("there is no terminal to ask on")
            .next("say --yes as well"));
    }
    match term::line("Take it? [y/N] ").as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        _ => Err(Error::new(codes::CANCELLED, "it was not taken")),
    }
}
