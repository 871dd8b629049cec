//! Patches.

use atoll_api::{PatchDetail, PatchRecord, PatchView};
use atoll_domain::{Ms, PatchClass, Shown};

use crate::ui::turn::evidence;
use crate::ui::words::{cost, plural, span};
use crate::ui::{Page, Style, diff, table};

const LABEL: usize = 8;

fn tests(record: &PatchRecord) -> String {
    let Some(after) = &record.after else {
        return match &record.edited {
            Some(from) => format!("not run on it: it was made of {from} by hand"),
            None => "none were run".into(),
        };
    };
    let mut words = evidence(after);
    if let Some(before) = record.before.as_ref().and_then(|b| b.passed)
        && after.passed.is_some_and(|now| now != before)
    {
        words.push_str(&format!(", {before} passed before"));
    }
    if !record.sandbox.is_empty() {
        words.push_str(&format!("; sandbox {}", record.sandbox));
    }
    words.push_str(&format!(", {}", span(after.wall_ms)));
    if edits_tests(record) && record.before.is_some() {
        words.push_str("; it changes tests");
    }
    words
}

fn edits_tests(record: &PatchRecord) -> bool {
    record.change.files.iter().any(|f| f.is_test)
}

fn class(patch: &PatchDetail, page: &mut Page) {
    let files = patch.record.iter().flat_map(|r| &r.change.files);
    for file in files.filter(|f| f.class != PatchClass::Ordinary) {
        let why = file
            .why
            .as_deref()
            .unwrap_or("something outside the box runs it");
        let (label, more) = match file.class {
            PatchClass::Refused => ("REFUSED", "it is never let out"),
            _ => (
                "OUTSIDE",
                "look at it, then accept with --confirm-runs-outside",
            ),
        };
        page.row(label, format!("{}: {why}; {more}", file.path));
    }
}

fn facts(style: &Style, patch: &PatchDetail) -> String {
    let mut page = Page::new(style, 2, LABEL);
    if let Some(record) = &patch.record {
        let steps = plural(record.steps, "step");
        page.row("tests", tests(record));
        page.row("cost", format!("{}, {steps}", cost(&record.cost)));
        page.row("model", &record.model);
    } else {
        page.row("record", "erased");
    }
    page.row(
        "proof",
        format!(
            "events {}-{} of {}",
            patch.events.0, patch.events.1, patch.view.session_ordinal
        ),
    );
    class(patch, &mut page);
    page.end()
}

fn proposed(style: &Style, patch: &PatchDetail) -> String {
    let v = &patch.view;
    let head = format!("Patch {} ready: {}", v.ordinal, Shown::line(&v.title));
    let facts = facts(style, patch);
    format!("{}\n{facts}Your files are unchanged.\n", style.bold(&head))
}

/// The block at the end of a turn of a conversation that goes on.
pub fn ready_in_chat(style: &Style, patch: &PatchDetail) -> String {
    let next = "/patch shows it, /accept writes it into your files";
    proposed(style, patch) + &style.row(0, "Next", 6, next)
}

/// The block at the end of a turn.
pub fn ready(style: &Style, patch: &PatchDetail) -> String {
    let v = &patch.view;
    let next = [
        format!("atoll patch show {}", v.ordinal),
        format!("atoll patch accept {}", v.ordinal),
        format!("atoll log show {}", v.session_ordinal),
    ];
    ready_then(style, patch, &next)
}

/// The same, with other commands to go on with.
pub fn ready_then(style: &Style, patch: &PatchDetail, next: &[String]) -> String {
    proposed(style, patch) + "\n" + &next_rows(style, next)
}

/// Commands to go on with.
pub fn next_rows(style: &Style, next: &[String]) -> String {
    let mut page = Page::new(style, 0, 6);
    for (i, command) in next.iter().enumerate() {
        page.row(if i == 0 { "Next" } else { "" }, command);
    }
    page.end()
}

/// One patch in full.
pub fn patch(style: &Style, patch: &PatchDetail) -> String {
    let v = &patch.view;
    let onto = match &v.branch {
        Some(name) => format!(" onto branch {}", Shown::line(name)),
        None => String::new(),
    };
    let (state, title) = (&v.state, Shown::line(&v.title));
    let head = format!("Patch {} {state}{onto}: {title}", v.ordinal);
    let mut out = format!("{}\n{}", style.bold(&head), facts(style, patch));
    let mut page = Page::new(style, 2, LABEL);
    page.row("for", &patch.root);
    page.row(
        "files",
        format!("{}, +{} -{}", plural(v.files, "file"), v.added, v.removed),
    );
    page.row(
        "why",
        patch.record.as_ref().map_or("", |r| r.summary.trim()),
    );
    out.push_str(&page.end());
    out.push('\n');
    out.push_str(&diff(style, &patch.diff));
    out
}

/// What an acceptance did.
pub fn accepted(style: &Style, patch: &PatchDetail, branch: Option<&str>) -> String {
    let v = &patch.view;
    let mut page = Page::new(style, 0, 6);
    match branch {
        Some(name) => {
            page.line(format!(
                "Patch {} is on branch {}; your files are unchanged.",
                v.ordinal,
                Shown::line(name)
            ));
        }
        None => {
            page.line(format!(
                "Patch {} accepted into {}, unstaged.",
                v.ordinal,
                Shown::line(&patch.root)
            ));
        }
    }
    for file in patch.record.iter().flat_map(|r| &r.change.files) {
        let figures = format!("+{} -{}", file.added, file.removed);
        page.line(style.edges(&format!("  {}", Shown::line(&file.path)), &figures));
    }
    page.line("")
        .row("Undo", format!("atoll patch undo {}", v.ordinal));
    page.end()
}

/// A list of patches.
pub fn patches(style: &Style, patches: &[PatchView], now: Ms) -> String {
    if patches.is_empty() {
        return "No patch yet: atoll code \"make the tests pass\" makes one.\n".into();
    }
    let tests = |ok: Option<bool>| match ok {
        Some(true) => "tests pass",
        Some(false) => "tests fail",
        None => "no tests",
    };
    let rows: Vec<Vec<String>> = patches
        .iter()
        .map(|p| {
            vec![
                p.ordinal.clone(),
                p.state.clone(),
                format!("{} ago", span(now.since(p.proposed))),
                format!("+{} -{}", p.added, p.removed),
                tests(p.tests_ok).into(),
                Shown::line(&p.title).to_string(),
            ]
        })
        .collect();
    table(style, &rows)
}
