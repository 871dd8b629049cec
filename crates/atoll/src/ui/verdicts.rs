//! Past verdicts: why, and what other rules would have said.

use atoll_domain::Shown;
use atoll_policy::Fact;
use serde_json::Value;

use crate::offline::past::simulate::{Group, Simulation};
use crate::offline::past::why::Explained;
use crate::offline::table::Row;
use crate::ui::words::{plural, utc};
use crate::ui::{Page, Style, table};

/// Ways to differ that are shown; JSON has all.
const GROUPS_SHOWN_MAX: usize = 40;
/// Of a fact's value, in columns.
const VALUE_COLUMNS_MAX: usize = 400;

/// One verdict in full, several in a line each.
pub fn explained(style: &Style, found: &[Explained]) -> String {
    match found {
        [one] => whole(style, one),
        many => {
            let rows: Vec<Vec<String>> = many
                .iter()
                .map(|e| {
                    let rules: Vec<&str> = e.rules.iter().map(|rule| rule.id.as_str()).collect();
                    vec![
                        e.event.to_string(),
                        e.kind.name().to_owned(),
                        e.verdict.unwrap_or("limit").to_owned(),
                        rules.join(", "),
                        Shown::line(e.what.as_deref().unwrap_or("erased")).to_string(),
                    ]
                })
                .collect();
            format!(
                "{}\natoll policy why EVENT tells one in full.\n",
                table(style, &rows)
            )
        }
    }
}

fn whole(style: &Style, e: &Explained) -> String {
    let mut page = Page::new(style, 2, 10);
    let verdict = e.verdict.unwrap_or("stopped by a limit");
    page.line(style.bold(&format!("Event {}: {verdict}", e.event)));
    let session = e
        .session
        .as_ref()
        .map_or(String::new(), |s| format!(", session {s}"));
    page.row("when", format!("{}{session}", utc(e.at)));
    page.row("who", &e.actor.id);
    let what = match (&e.what, e.missing) {
        (Some(what), _) => format!("{} {what}", e.kind.name()),
        (None, Some("erased")) => format!("{}; what exactly was erased", e.kind.name()),
        (None, _) => format!(
            "{}; what exactly is written in a way unknown here",
            e.kind.name()
        ),
    };
    page.row("what", what);
    page.row("ended", &e.ended);
    for rule in &e.rules {
        let why = rule.why.as_ref().filter(|why| !why.is_empty());
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        page.row("rule", format!("{}{why}", rule.id));
        let place = rule
            .place
            .as_ref()
            .map(|place| format!("{place} as it reads now"));
        let own = ["guard.", "policy."]
            .iter()
            .any(|own| rule.id.starts_with(own));
        match place {
            Some(place) => page.row("", place),
            None if own => page.row("", "the guard's own, above all rules"),
            None => page.row("", "it is not among the rules any more"),
        };
        for fact in &rule.reads {
            page.row("", format!("  {}", said(fact)));
        }
    }
    let policy = match (e.in_force, &e.now) {
        (true, _) => "the rules in force".to_owned(),
        (false, None) => "changed since".to_owned(),
        (false, Some(now)) => format!(
            "changed since; the rules in force say {} ({})",
            now.verdict,
            now.rules.join(", ")
        ),
    };
    page.row("policy", format!("{}, {policy}", e.policy.short()));
    match e.missing {
        Some("erased") => page.row("facts", "erased: the rules' names are all that is left"),
        Some(_) => page.row("facts", "written by another version, in a way unknown here"),
        None => {
            let facts: Vec<String> = e.facts.iter().map(said).collect();
            page.row("facts", facts.join("\n"))
        }
    };
    page.end()
}

/// `context.network = true`, as a rule would have it.
fn said(fact: &Fact) -> String {
    let value = match &fact.value {
        // A name of a closed list is written as rules write it, without quotes around it.
        Value::String(text) if named(&fact.name) => text.clone(),
        other => other.to_string(),
    };
    let line = format!("{} = {value}", fact.name);
    Shown::line(&line).cut(VALUE_COLUMNS_MAX).to_string()
}

/// Whether a fact is a name of a closed list, and no text.
fn named(name: &str) -> bool {
    const NAMED: [&str; 7] = [
        "principal.kind",
        "principal.role",
        "resource",
        "context.purpose",
        "context.runner",
        "context.class",
        "context.op",
    ];
    NAMED.contains(&name)
}

/// What came of the rules' tests: those that hold in a line each, the others in full.
pub fn rules_tested(style: &Style, rows: &[Row], file: &str) -> String {
    let mut out = String::new();
    for row in rows {
        let name = Shown::line(&row.name);
        if row.ok {
            out.push_str(&format!("{}    {name}\n", style.green("ok")));
            continue;
        }
        let mut page = Page::new(style, 6, 10);
        page.line(format!(
            "{}  {name}  ({file}:{})",
            style.red("FAIL"),
            row.line
        ));
        let rule = row
            .rule
            .as_ref()
            .map_or(String::new(), |rule| format!(" by {rule}"));
        page.row("expected", format!("{}{rule}", row.expected));
        let why = match row.why.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        let got = match row.got {
            Some(got) => format!("{got} by {}{why}", row.rules.join(", ")),
            None => format!("no verdict{why}"),
        };
        page.row("got", got);
        let facts: Vec<String> = row.facts.iter().map(said).collect();
        page.row("facts", facts.join("\n"));
        out.push_str(&page.end());
    }
    let failed = rows.iter().filter(|row| !row.ok).count();
    let end = match failed {
        0 => "all hold".to_owned(),
        n => style.red(&format!("{n} failed")),
    };
    out.push_str(&format!("{}: {end}.\n", plural(rows.len() as u64, "test")));
    out
}

/// What would differ.
pub fn simulated(style: &Style, found: &Simulation, since: &str) -> String {
    let mut out = format!(
        "{} {since} judged again: {}.\n",
        plural(found.judged, "verdict"),
        match found.differ {
            0 => "none would differ".to_owned(),
            n => style.bold(&format!("{n} would differ")),
        }
    );
    for group in found.groups.iter().take(GROUPS_SHOWN_MAX) {
        out.push('\n');
        out.push_str(&one(style, group));
    }
    if let Some(more) = found.groups.len().checked_sub(GROUPS_SHOWN_MAX + 1) {
        let more = plural(more as u64 + 1, "more way");
        out.push_str(&format!("\n{more} to differ; --json has them all\n"));
    }
    let rows = [
        (found.erased, "erased, so that nothing is left to judge"),
        (
            found.unreadable,
            "written by another version, in a way unknown here",
        ),
        (found.limits, "stopped by a limit and not by the rules"),
    ];
    let rows = rows.iter().filter(|(count, _)| *count > 0);
    let rows: Vec<String> = rows.map(|(n, why)| format!("  {n}  {why}\n")).collect();
    if !rows.is_empty() {
        out.push_str(&format!("\nNot judged:\n{}", rows.concat()));
    }
    out
}

fn one(style: &Style, group: &Group) -> String {
    let rules = |rules: &[String]| Shown::line(&rules.join(", ")).to_string();
    let mut page = Page::new(style, 2, 8);
    let head = format!(
        "{} {}: {} -> {}",
        group.count,
        group.kind.name(),
        group.then,
        group.now
    );
    page.line(match group.now {
        "deny" => style.red(&head),
        "ask" => style.yellow(&head),
        _ => style.green(&head),
    });
    page.row("then", rules(&group.rules_then));
    let why = match group.why.as_str() {
        "" => String::new(),
        why => format!(": {why}"),
    };
    page.row("now", format!("{}{why}", rules(&group.rules_now)));
    for example in &group.examples {
        let room = style.columns.saturating_sub(12).max(20);
        let what = Shown::line(&example.what).cut(room).to_string();
        page.row(&example.event.to_string(), what);
    }
    if group.count > group.examples.len() as u64 {
        page.row(
            "",
            format!("and {} more", group.count - group.examples.len() as u64),
        );
    }
    page.end()
}
