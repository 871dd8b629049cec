//! Sessions.

use atoll_api::{Cleared, SessionDetail, SessionView};
use atoll_domain::{Label, Labels, Ms, SessionEnd, SessionState, Shown};

use crate::ui::words::{cost, dollars, plural, span, utc};
use crate::ui::{Page, Style, table, wrap};

pub fn state(view: &SessionView) -> &'static str {
    match (view.state, view.end) {
        (SessionState::Running, _) => "running",
        (SessionState::NeedsYou, _) => "needs you",
        (SessionState::Parked, _) => "parked",
        (SessionState::Closed, _) => "closed",
        (SessionState::Idle, None) => "idle",
        (SessionState::Idle, Some(end)) => ended(end),
    }
}

/// How a turn ended, in words.
pub fn ended(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Patch => "patch",
        SessionEnd::Answer => "answered",
        SessionEnd::Failed => "failed",
        SessionEnd::Limit => "at a limit",
        SessionEnd::Denied => "denied",
        SessionEnd::NeedsYou => "needs you",
        SessionEnd::Cancelled => "stopped",
        SessionEnd::Unreachable => "provider unreachable",
        SessionEnd::Error => "error",
    }
}

fn names(labels: Labels) -> String {
    let on: Vec<&str> = labels.each().map(Label::name).collect();
    on.join(", ")
}

/// The labels as they stand in a line: a word each, the worse the louder.
pub fn chips(style: &Style, labels: Labels) -> String {
    let chip = |label: Label| match label {
        Label::Untrusted => style.yellow(label.name()),
        Label::Private => style.cyan(label.name()),
        Label::Secret => style.red(label.name()),
    };
    let all: Vec<String> = labels.each().map(chip).collect();
    all.join(" ")
}

/// Where a session's labels come from.
pub fn labels(style: &Style, detail: &SessionDetail) -> String {
    let v = &detail.view;
    let on = match names(v.labels) {
        on if on.is_empty() => "no labels".into(),
        on => on,
    };
    let head = style.bold(&format!("Session {}: {on}", v.ordinal));
    let mut page = Page::new(style, 2, 11);
    for s in &detail.sources {
        let cleared = s.cleared.map(|seq| format!("; cleared by event {seq}"));
        let cleared = cleared.unwrap_or_default();
        page.row(
            s.label.name(),
            format!("event {}: {}{cleared}", s.seq, s.what),
        );
    }
    let next = match v.labels.untrusted {
        true => format!(
            "\nNext  atoll session declassify {} --label untrusted --why \"…\"\n",
            v.ordinal
        ),
        false => String::new(),
    };
    format!("{head}\n{}{next}", page.end())
}

/// What was cleared.
pub fn cleared(cleared: &Cleared) -> String {
    let name = cleared.label.name();
    if cleared.sources.is_empty() {
        let files: Vec<String> = cleared
            .files
            .iter()
            .map(|f| Shown::line(f).to_string())
            .collect();
        return format!(
            "No longer {name}: {}.\nA session that read it before keeps the label.\n",
            files.join(", ")
        );
    }
    let mut out = format!("No longer {name}. It came from\n");
    for s in &cleared.sources {
        out.push_str(&format!("  event {}: {}\n", s.seq, Shown::line(&s.what)));
    }
    out.push_str("A new source sets it again.\n");
    out
}

/// A list of sessions.
pub fn sessions(style: &Style, sessions: &[SessionView], now: Ms) -> String {
    if sessions.is_empty() {
        return "No session yet: atoll code \"make the tests pass\" begins one.\n".into();
    }
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|s| {
            vec![
                s.ordinal.clone(),
                s.mode.clone(),
                state(s).into(),
                format!("{} ago", span(now.since(s.updated))),
                dollars(s.spent.micros),
                Shown::line(&s.prompt).to_string(),
            ]
        })
        .collect();
    table(style, &rows)
}

/// One session in full.
pub fn session(style: &Style, detail: &SessionDetail, now: Ms) -> String {
    let v = &detail.view;
    let mut page = Page::new(style, 2, 8);
    let head = format!(
        "Session {} {}: {}",
        v.ordinal,
        state(v),
        Shown::line(&v.prompt)
    );
    page.line(style.bold(Shown::line(&head).cut(style.columns).as_str()));
    page.row("in", &v.root).row("model", &v.model);
    page.row("spent", cost(&v.spent));
    let left = crate::ui::grant::left(&detail.left, &v.budget);
    if !left.is_empty() {
        page.row("budget", left);
    }
    if let Some(grant) = &v.grant {
        page.row("under", format!("grant {grant}: atoll grant list"));
    }
    page.row(
        "taken",
        format!("{}, {}", plural(v.turns, "turn"), plural(v.steps, "step")),
    );
    page.row(
        "since",
        format!("{} ({} ago)", utc(v.opened), span(now.since(v.opened))),
    );
    page.row("labels", names(v.labels));
    for s in detail.sources.iter().filter(|s| s.cleared.is_none()) {
        page.row("", format!("event {}: {}", s.seq, s.what));
    }
    for gate in &detail.gates {
        page.row(
            "gate",
            format!(
                "{} {}: atoll gate answer {}",
                gate.ordinal, gate.question.what, gate.ordinal
            ),
        );
    }
    for patch in &detail.patches {
        page.row(
            "patch",
            format!("{} {}: {}", patch.ordinal, patch.state, patch.title),
        );
    }
    page.line("");
    for step in &detail.steps_taken {
        let mark = match step.ok {
            Some(false) => "failed",
            _ => "",
        };
        let left = format!(
            "{:>6}  {:<9} {}",
            step.seq,
            step.what,
            Shown::line(&step.line)
        );
        page.line(style.edges(&left, mark).trim_end());
    }
    if matches!(v.state, SessionState::Parked) {
        page.line("")
            .row("next", format!("atoll session resume {}", v.ordinal));
    }
    page.end()
}

/// The block at the end of a turn without a patch: what was said, what to try next.
pub fn no_patch(style: &Style, ordinal: &str, end: SessionEnd, words: &str) -> String {
    let shown = Shown::text(words.trim());
    if end == SessionEnd::Answer {
        let said = wrap(shown.as_str(), style.columns).join("\n");
        return format!("\n{said}\n");
    }
    let next = match end {
        SessionEnd::Limit => format!("atoll session resume {ordinal} \"go on\""),
        SessionEnd::NeedsYou => "atoll gate list".into(),
        SessionEnd::Denied => "atoll policy show".into(),
        SessionEnd::Unreachable => {
            format!("atoll model test\n      atoll session resume {ordinal}")
        }
        _ => format!("atoll session resume {ordinal} \"try another way: …\""),
    };
    let what = match end {
        SessionEnd::Cancelled => "Stopped",
        _ => "No patch",
    };
    // The node's own word for it is not said twice.
    let text = match shown.as_str().strip_prefix(what) {
        Some(rest) => format!("{what}{rest}"),
        None => format!("{what}. {}", shown.as_str()),
    };
    let said = wrap(&text, style.columns).join("\n");
    let rest = said.strip_prefix(what).unwrap_or_default();
    format!(
        "\n{}{rest}\nYour files are unchanged.\n\nNext  {next}\n      atoll session show {ordinal}\n",
        style.bold(what)
    )
}

/// The line between a conversation's turns: who answers, what of the window is in use (tokens, of so many), the cost.
pub fn chat_line(style: &Style, view: &SessionView, who: &str, used: Option<(u64, u64)>) -> String {
    let context = match used {
        Some((used, window)) => format!(", context {} %", used.saturating_mul(100) / window),
        None => String::new(),
    };
    let line = format!(
        "{} turn {}, {who}{context}, {}",
        view.ordinal,
        view.turns,
        cost(&view.spent)
    );
    let shown = Shown::line(&line).cut(style.columns);
    // Chips that don't fit beside it stand below it: a label is never cut away.
    let width = shown.width() + 2 + names(view.labels).len();
    let gap = if width > style.columns { "\n" } else { "  " };
    let chips = chips(style, view.labels);
    let line = style.dim(shown.as_str());
    format!("{line}{gap}{chips}").trim_end().to_owned()
}

/// The same in a conversation that goes on: what helps there. No words: they were said above.
pub fn no_answer_in_chat(style: &Style, end: SessionEnd, words: &str) -> String {
    let said = Shown::text(words.trim());
    let next = match end {
        SessionEnd::Cancelled => "say what to do instead; /undo takes this turn's changes back",
        SessionEnd::NeedsYou => "/gate",
        SessionEnd::Denied => "/model NAME for another model; atoll policy show",
        SessionEnd::Unreachable => "say it again; /model NAME for another model; atoll model test",
        SessionEnd::Limit => "\"go on\", and it does",
        _ => "say it in another way; /undo takes this turn's changes back",
    };
    let mut out = String::from("\n");
    if !said.as_str().is_empty() {
        out.push_str(&format!(
            "{}\n",
            wrap(said.as_str(), style.columns).join("\n")
        ));
    }
    out + &style.row(0, "Next", 6, next)
}

/// The block at the end of a conversation's turn that gave no answer.
pub fn no_answer(style: &Style, ordinal: &str, end: SessionEnd, words: &str) -> String {
    let said = wrap(Shown::text(words.trim()).as_str(), style.columns).join("\n");
    let next = match end {
        SessionEnd::NeedsYou => "atoll gate list".to_owned(),
        SessionEnd::Denied => "atoll policy show".to_owned(),
        SessionEnd::Unreachable => "atoll model test".to_owned(),
        _ => format!("atoll session show {ordinal}"),
    };
    format!("\n{said}\nNext  {next}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_a_patch_is_said_once_and_fits() {
        let style = Style {
            columns: 40,
            ..Style::PLAIN
        };
        let said = |end, words| no_patch(&style, "s3", end, words);
        let failed = said(
            SessionEnd::Failed,
            "No patch: 2 tests still fail after 12 turns; it went in circles.",
        );
        assert!(
            failed.starts_with("\nNo patch: 2 tests still fail after 12\nturns; it"),
            "{failed}"
        );
        assert_eq!(failed.matches("No patch").count(), 1);
        let unreachable = said(
            SessionEnd::Unreachable,
            "m: 127.0.0.1:9 can't be reached: nothing listens there",
        );
        assert!(
            unreachable.starts_with("\nNo patch. m: 127.0.0.1:9 can't be"),
            "{unreachable}"
        );
        assert!(unreachable.lines().all(|line| line.len() <= 40));
        let stopped = said(SessionEnd::Cancelled, "Stopped.");
        assert!(
            stopped.starts_with("\nStopped.\nYour files are unchanged."),
            "{stopped}"
        );
    }
}
