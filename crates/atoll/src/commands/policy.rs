//! `atoll policy`.

use std::path::PathBuf;

use atoll_api::{Error, PolicyView};
use atoll_domain::{Ms, Shown};
use atoll_policy::Source;
use clap::Subcommand;

use crate::app::{App, now};
use crate::offline::past::simulate::{Simulation, Under};
use crate::offline::past::why::{Failed, Why};
use crate::offline::{self, past};
use crate::ui::words::utc;
use crate::ui::{self, Style, table};

/// The rules.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// The rules in force, by what they do.
    #[command(after_help = "Examples:\n  atoll policy show\n  atoll policy show --profile open")]
    Show {
        /// Of this profile; the configured one if left out.
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
    },
    /// Check rule files; with line and column where something is wrong.
    #[command(after_help = "Examples:\n  atoll policy check\n  atoll policy check mine.cedar")]
    Check {
        /// The files; those of your configuration if left out.
        files: Vec<PathBuf>,
    },
    /// The rules and the facts behind a past verdict.
    #[command(
        after_help = "Examples:\n  atoll policy why g3\n  atoll policy why 1204\n  atoll policy why @ --json"
    )]
    Why {
        /// An event's number, g3, j9, p7; s4 or @ for every verdict of a session.
        #[arg(default_value = "@")]
        what: String,
    },
    /// Which past verdicts would differ under changed rules.
    #[command(
        after_help = "Examples:\n  atoll policy simulate mine.cedar\n  atoll policy simulate mine.cedar --since 7d\n  atoll policy simulate --profile open --since all"
    )]
    Simulate(Simulate),
    /// A rule that answers a past question the next time, as narrow as it; --save puts it in force.
    #[command(
        after_help = "Examples:\n  atoll policy suggest g3\n  atoll policy suggest g3 --name my.registry --save"
    )]
    Suggest(super::suggest::Suggest),
    /// Put the questions of tests.toml to the rules.
    #[command(
        after_help = "Examples:\n  atoll policy test\n  atoll policy test --with new.cedar\n  atoll policy test other.toml --profile open"
    )]
    Test(super::rules::Test),
    /// Write a rule file and tests to begin with; what is there stays.
    #[command(after_help = "Examples:\n  atoll policy init")]
    Init,
    /// Change a rule file in your editor; it is checked, tested and tried before it takes effect.
    #[command(
        after_help = "Examples:\n  atoll policy edit\n  EDITOR=\"code --wait\" atoll policy edit team.cedar"
    )]
    Edit(super::rules::Edit),
}

/// What to judge again, and by what.
#[derive(Debug, clap::Args)]
pub struct Simulate {
    /// Rule files: each takes the place of yours with its name, or stands beside them.
    files: Vec<PathBuf>,
    /// Verdicts of this long: 12h, 30d, or all.
    #[arg(long, value_name = "TIME", value_parser = age, default_value = "30d")]
    since: Age,
    /// Under this profile, whichever was in force.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// How far to look back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// So many seconds.
    Seconds(u64),
    /// To the log's beginning.
    All,
}

/// `90s`, `10m`, `12h`, `30d`, `all`.
pub fn age(text: &str) -> Result<Age, String> {
    let want = || format!("{text} is no time; write 12h, 30d or all");
    if text == "all" {
        return Ok(Age::All);
    }
    match text.strip_suffix('d') {
        Some(days) => {
            let days: u64 = days.parse().map_err(|_| want())?;
            let days = (1..=36_500).contains(&days).then_some(days);
            Ok(Age::Seconds(days.ok_or_else(want)? * 86_400))
        }
        None => super::code::seconds(text)
            .map(Age::Seconds)
            .map_err(|_| want()),
    }
}

impl Age {
    /// Since when.
    pub fn begins(self, now: Ms) -> Ms {
        match self {
            Age::Seconds(s) => Ms(now.0.saturating_sub(s.saturating_mul(1000))),
            Age::All => Ms(0),
        }
    }
}

pub async fn run(app: &App, policy: Policy) -> Result<u8, Error> {
    match policy {
        Policy::Check { files } => offline::policy::check(app, &files),
        Policy::Show { profile } => {
            let view = offline::policy::view(&app.paths, profile.as_deref())?;
            app.show_paged("policy", &view, |style| rules(style, &view))
        }
        Policy::Why { what } => why(app, &what),
        Policy::Simulate(args) => simulate(app, &args),
        Policy::Suggest(args) => super::suggest::run(app, &args).await,
        Policy::Test(args) => super::rules::test(app, &args),
        Policy::Init => super::rules::init(app),
        Policy::Edit(args) => super::rules::edit(app, &args).await,
    }
}

fn why(app: &App, what: &str) -> Result<u8, Error> {
    let data = &app.paths.data;
    let why = Why {
        reader: &past::reader(data)?,
        engine: &offline::policy::engine(&app.paths, Vec::new())?,
    };
    let found = why.of(what).map_err(|failed| match failed {
        Failed::Log(err) => past::unreadable(data, err),
        Failed::Said(err) => *err,
    })?;
    app.show_paged("why", &found, |style| ui::explained(style, &found))
}

/// What would differ under the owner's rules with `more` among them.
pub fn simulation(
    app: &App,
    more: Vec<Source>,
    since: Ms,
    profile: Option<&str>,
) -> Result<Simulation, Error> {
    let under = Under {
        engine: &offline::policy::engine(&app.paths, more)?,
        profile: profile.map(offline::policy::profile).transpose()?,
    };
    let data = &app.paths.data;
    let found = past::simulate::run(&past::reader(data)?, &under, since);
    found.map_err(|err| past::unreadable(data, err))
}

fn simulate(app: &App, args: &Simulate) -> Result<u8, Error> {
    let since = args.since.begins(now());
    let given = offline::policy::given(&args.files)?;
    let found = simulation(app, given, since, args.profile.as_deref())?;
    let data = serde_json::json!({ "since": since, "profile": args.profile, "found": found });
    let words = match args.since {
        Age::All => "of the whole log".to_owned(),
        Age::Seconds(_) => format!("since {}", utc(since)),
    };
    app.show_paged("simulation", &data, |style| {
        ui::simulated(style, &found, &words)
    })
}

fn rules(style: &Style, view: &PolicyView) -> String {
    let mut out = style.bold(&format!(
        "Profile {}, {} rules, {}",
        view.profile,
        view.rules.len(),
        view.hash.short()
    ));
    out.push('\n');
    let rows: Vec<Vec<String>> = view
        .rules
        .iter()
        .map(|r| {
            let why = Shown::line(&r.why).to_string();
            let place = Shown::line(&format!("{}:{}", r.file, r.line)).to_string();
            vec![
                r.verdict.clone(),
                Shown::line(&r.id).to_string(),
                place,
                why,
            ]
        })
        .collect();
    out.push_str(&table(style, &rows));
    out
}
