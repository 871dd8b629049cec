//! `atoll policy suggest`: a question that was asked, made into a rule, tested, tried and taken.

use atoll_api::{Error, codes};
use atoll_domain::{Canonical, Facts, Kind, Shown};
use atoll_guard::{Decision, decide};
use atoll_policy::{Engine, Fact, Source, Suggestion, lets, seen, suggest};
use serde_json::Value;

use super::rules::take;
use crate::app::App;
use crate::offline::past::why::{Failed, Why};
use crate::offline::past::{self, Past, Recorded, what};
use crate::offline::rules::{self, Draft};
use crate::offline::{self};
use crate::ui::Style;
use crate::ui::words::utc;

/// The file that saved answers stand in.
const ANSWERS: &str = "answers.cedar";

/// Of which question.
#[derive(Debug, clap::Args)]
pub struct Suggest {
    /// g3, or an event's number.
    question: String,
    /// The rule's name; my.g3 if left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Check it, put the tests to it, tell what would have differed, and put it in force with a test of its own.
    #[arg(long)]
    save: bool,
    /// Save it without asking, whatever would differ.
    #[arg(long, short, requires = "save")]
    yes: bool,
}

/// A suggestion with what it was made from.
struct Made {
    rule: Suggestion,
    /// The rule with a line above it that says where it comes from.
    text: String,
    /// A table test of it.
    test: String,
    /// What it lets through from then on.
    lets: String,
    place: String,
}

pub async fn run(app: &App, args: &Suggest) -> Result<u8, Error> {
    let made = made(app, args)?;
    if !args.save {
        let data = serde_json::json!({
            "rule": made.rule.rule, "name": made.rule.id, "answers": made.rule.answers,
            "lets": made.lets, "workspace": made.place, "test": made.test,
        });
        return app.show("suggestion", &data, |style| shown(style, args, &made));
    }
    let draft = Draft::begin(&app.paths, ANSWERS)?;
    if draft.kept {
        let found = format!("{} was left by an earlier edit", draft.draft.display());
        return Err(
            Error::new(codes::USAGE, "another change of this file is under way")
                .found(found)
                .next(format!("atoll policy edit {ANSWERS}")),
        );
    }
    let gap = if draft.text()?.is_empty() { "" } else { "\n" };
    draft.add(&format!("{gap}{}", made.text))?;
    let left = draft.draft.clone();
    let taken = match take(app, draft, args.yes) {
        Ok(taken) => taken,
        Err(err) => {
            rules::drop_draft(&left)?; // it was made by this command, whole
            return Err(err);
        }
    };
    let tests = rules::add_test(&app.paths, &made.test)?;
    super::config::reload(app).await;
    let data = serde_json::json!({
        "taken": true, "name": made.rule.id, "file": taken.file, "tests": tests, "differ": taken.differ,
    });
    app.show("suggestion", &data, |_| {
        format!(
            "{} is in force: {}\nIts test: {}\n\nNext  atoll policy test\n      atoll policy edit {ANSWERS}\n",
            made.rule.id,
            Shown::line(&taken.file),
            Shown::line(&tests.display().to_string()),
        )
    })
}

fn shown(style: &Style, args: &Suggest, made: &Made) -> String {
    let name = match &args.name {
        Some(name) => format!(" --name {name}"),
        None => String::new(),
    };
    format!(
        "{}\n{}\n{}\n\nNext  atoll policy suggest {}{name} --save\n",
        made.text,
        style.dim(&format!("Where   {}", made.place)),
        style.dim(&format!("Lets    {}", made.lets)),
        args.question,
    )
}

fn made(app: &App, args: &Suggest) -> Result<Made, Error> {
    let data = &app.paths.data;
    let engine = offline::policy::engine(&app.paths, Vec::new())?;
    let reader = past::reader(data)?;
    let why = Why {
        reader: &reader,
        engine: &engine,
    };
    let pasts = why.find(&args.question).map_err(|failed| match failed {
        Failed::Log(err) => past::unreadable(data, err),
        Failed::Said(err) => *err,
    })?;
    let asked = pasts
        .iter()
        .rev()
        .find(|past| past.decision(false) == Some(Decision::Ask));
    let past = asked.ok_or_else(|| {
        Error::new(
            codes::USAGE,
            format!("{} was no question to a person", args.question),
        )
        .next("atoll gate list --all")
    })?;
    let recorded = past
        .recorded(&reader)
        .map_err(|err| past::unreadable(data, err))?;
    let Recorded::Known(known) = recorded else {
        let words = "what was asked was erased, or another version wrote it";
        return Err(Error::new(codes::NO_SUCH, words).next("atoll gate list --all"));
    };
    let (action, facts) = *known;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let default = format!("my.{}", args.question)
        .chars()
        .filter(|c| plain(*c))
        .collect();
    let name = args.name.clone().unwrap_or(default);
    let rule = suggest(&engine, &past.question(&action, &facts), &name).map_err(|no| {
        Error::new(
            codes::USAGE,
            format!("no rule can answer {}: {no}", args.question),
        )
        .next(format!("atoll policy why {}", args.question))
    })?;
    let said = Shown::line(&what(past.kind, &action.value));
    let text = format!(
        "// {}, {}: {}\n{}",
        args.question,
        utc(past.at),
        said.cut(100),
        rule.rule
    );
    holds(app, past, &action, &facts, &text)?;
    let seen = seen(&past.question(&action, &facts)).unwrap_or_default();
    Ok(Made {
        test: test(past, (&action, &facts), &seen, &rule.id),
        lets: lets(past.kind, &seen),
        place: Shown::line(facts.workspace.as_deref().unwrap_or("this node")).to_string(),
        rule,
        text,
    })
}

/// The rule, put to the very question among all rules in force: nothing is suggested that would not do.
fn holds(
    app: &App,
    past: &Past,
    action: &Canonical,
    facts: &Facts,
    text: &str,
) -> Result<(), Error> {
    let file = app.paths.policy().join(ANSWERS);
    let before = match file.exists() {
        true => offline::policy::read(&file, String::new())?.text,
        false => String::new(),
    };
    let source = Source::new(format!("policy/{ANSWERS}"), format!("{before}\n{text}"));
    let with: Engine = offline::policy::engine(&app.paths, vec![source])?;
    let verdict = decide(&with, &past.question(action, facts));
    if verdict.decision == Decision::Allow {
        return Ok(());
    }
    let words = "a rule for it would not be enough";
    Err(Error::new(codes::USAGE, words).found(verdict.rule_ids().join(", ")))
}

/// The question as a table test.
fn test(past: &Past, of: (&Canonical, &Facts), seen: &[Fact], rule: &str) -> String {
    let (action, facts) = of;
    let mut row = String::from("[[test]]\n");
    let mut put = |name: &str, value: toml::Value| row.push_str(&format!("{name} = {value}\n"));
    put("name", format!("{rule} answers what was asked").into());
    put("action", past.kind.name().into());
    put("by", facts.role.name().into());
    put("actor", past.actor.id.clone().into());
    put("profile", facts.profile.clone().into());
    put(
        "workspace",
        facts.workspace.clone().unwrap_or_default().into(),
    );
    put("trusted", facts.workspace_trusted.into());
    put("in_box", facts.in_box.into());
    put("egress", facts.egress.into());
    put("sandbox_ok", facts.sandbox_ok.into());
    let labels = facts.labels;
    let labels = [
        ("untrusted", labels.untrusted),
        ("private", labels.private),
        ("secret", labels.secret),
    ];
    let labels = labels
        .iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| toml::Value::from(*name));
    put("labels", toml::Value::Array(labels.collect()));
    for (name, value) in asked(past.kind, seen) {
        put(name, value);
    }
    if let Some(words) = action.value.get("cmd").and_then(Value::as_array) {
        let words = words
            .iter()
            .filter_map(Value::as_str)
            .map(toml::Value::from);
        put("command", toml::Value::Array(words.collect()));
    }
    put("expect", "allow".into());
    put("rule", rule.into());
    row
}

/// The fields of the action, by their names in tests.
fn asked(kind: Kind, seen: &[Fact]) -> Vec<(&'static str, toml::Value)> {
    let value = |name: &str| {
        seen.iter()
            .find(|f| f.name == format!("context.{name}"))
            .map(|f| &f.value)
    };
    let of = |test: &'static str, name: &str| {
        let plain = match value(name)? {
            Value::String(text) => {
                match text.strip_suffix('"').and_then(|t| t.split_once("::\"")) {
                    Some((_, closed)) if name == "purpose" || name == "class" => closed.into(),
                    _ => text.clone().into(),
                }
            }
            Value::Bool(yes) => (*yes).into(),
            Value::Number(n) => n.as_i64()?.into(),
            Value::Array(items) => {
                let items = items.iter().filter_map(Value::as_str);
                toml::Value::Array(items.map(toml::Value::from).collect())
            }
            _ => return None,
        };
        Some((test, plain))
    };
    let fields = match kind {
        Kind::Snapshot => vec![],
        Kind::Read => match value("op").and_then(Value::as_str) {
            Some("Reading::\"list\"") => vec![of("list", "path")],
            Some("Reading::\"search\"") => vec![Some(("search", ".".into()))],
            _ => vec![of("path", "path")],
        },
        Kind::Write => vec![
            of("path", "path"),
            of("bytes", "bytes"),
            of("creates", "creates"),
            of("deletes", "deletes"),
        ],
        Kind::Run => vec![
            of("purpose", "purpose"),
            of("hosts", "hosts"),
            of("secrets", "secrets"),
            of("mounts", "mounts"),
            of("mounts_writable", "mounts_writable"),
            of("ttl_s", "ttl_s"),
            of("workdir", "workdir"),
        ],
        Kind::Stdin => vec![of("bytes", "bytes")],
        Kind::Call => {
            let text = |name| value(name).and_then(Value::as_str).unwrap_or_default();
            let model = format!("{}/{}", text("provider"), text("model"));
            vec![
                Some(("model", model.into())),
                of("endpoint", "endpoint"),
                of("remote", "remote"),
                of("priced", "priced"),
                of("output_tokens_max", "output_tokens_max"),
            ]
        }
        Kind::Secret => {
            let provider = of("provider", "provider").filter(|(_, name)| name.as_str() != Some(""));
            vec![of("secret", "secret"), provider]
        }
        Kind::Accept => vec![of("paths", "paths"), of("class", "class")],
        Kind::Undo => vec![of("paths", "paths")],
    };
    fields.into_iter().flatten().collect()
}
