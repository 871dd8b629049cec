//! Gates, as people read and answer them.

use atoll_api::GateView;
use atoll_domain::{GateAnswerKind, Ms, Shown};

use crate::ui::words::span;
use crate::ui::{Page, Style, table};

const LABEL: usize = 7;
/// Lines of detail that are shown with the question itself.
const HEAD_LINES: usize = 4;
const TAIL_LINES: usize = 4;

/// Whether the question hides something: it must be opened before it can be answered.
pub fn gate_long(gate: &GateView) -> bool {
    Shown::text(&gate.question.detail)
        .excerpt(HEAD_LINES, TAIL_LINES)
        .hidden_lines
        > 0
}

fn expires(gate: &GateView, now: Ms) -> String {
    match gate.expires.since(now) {
        0 => "expired".into(),
        left => format!("expires in {}", span(left)),
    }
}

/// The question; with all its detail if `opened`.
pub fn gate(style: &Style, gate: &GateView, now: Ms, opened: bool) -> String {
    let q = &gate.question;
    let mut page = Page::new(style, 2, LABEL);
    let from = gate
        .session_ordinal
        .as_deref()
        .map(|s| format!("session {s}"));
    let from = [from.unwrap_or_default(), q.turn.clone()];
    let from: Vec<&str> = from
        .iter()
        .map(String::as_str)
        .filter(|s| !s.is_empty())
        .collect();
    let head = match gate.answer {
        None => format!("GATE {} needs you", gate.ordinal),
        Some(answer) => format!(
            "GATE {} was answered: {}",
            gate.ordinal,
            answer_words(answer)
        ),
    };
    page.line(style.bold(&style.edges(&head, Shown::line(&from.join(", ")).as_str())));
    page.row("what", &q.what)
        .row("where", &q.place)
        .row("why", why(gate));
    page.row("spent", &q.spent)
        .row("labels", q.labels.join(", "));
    if let Some(widening) = &q.widening {
        page.row("[s]", format!("would allow, in this session: {widening}"));
    }
    if !q.detail.is_empty() && q.detail != q.what {
        detail(&mut page, &q.detail, opened);
    }
    if gate.answer.is_none() {
        let elsewhere = format!("  elsewhere: atoll gate answer {}", gate.ordinal);
        page.line(style.edges(&elsewhere, &expires(gate, now)));
    }
    page.end()
}

fn why(gate: &GateView) -> String {
    let rules = gate.rules.join(", ");
    match (gate.question.why.as_str(), rules.as_str()) {
        ("", rules) => rules.to_owned(),
        (why, "") => why.to_owned(),
        (why, rules) => format!("{rules}: {why}"),
    }
}

fn detail(page: &mut Page, detail: &str, opened: bool) {
    let shown = Shown::text(detail);
    if opened {
        page.row("detail", shown.as_str());
        return;
    }
    let cut = shown.excerpt(HEAD_LINES, TAIL_LINES);
    page.row("detail", cut.head.as_str());
    if cut.hidden_lines > 0 {
        page.row(
            "",
            format!(
                "… {} lines are hidden: open it with [d] before you answer …",
                cut.hidden_lines
            ),
        );
        page.row("", cut.tail.as_str());
    }
}

/// The keys that answer it.
pub fn keys(style: &Style, gate: &GateView) -> String {
    let session = match gate.question.widening {
        Some(_) => "[s] this exact widening, this session  ",
        None => "",
    };
    let yes = style.bold("[y]");
    format!(
        "  {yes} once  {session}[n] no, with a reason\n  [d] detail  [l] later, leave it open\n"
    )
}

fn answer_words(answer: GateAnswerKind) -> &'static str {
    match answer {
        GateAnswerKind::Once => "once",
        GateAnswerKind::Session => "for this session",
        GateAnswerKind::No => "no",
        GateAnswerKind::Expired => "nobody, it expired",
        GateAnswerKind::Headless => "denied, nobody could be asked",
    }
}

/// A list of gates.
pub fn gates(style: &Style, gates: &[GateView], now: Ms) -> String {
    if gates.is_empty() {
        return "No gate is open.\n".into();
    }
    let rows: Vec<Vec<String>> = gates
        .iter()
        .map(|g| {
            let state = match g.answer {
                None => expires(g, now),
                Some(answer) => answer_words(answer).into(),
            };
            let session = g.session_ordinal.clone().unwrap_or_default();
            vec![
                g.ordinal.clone(),
                session,
                state,
                Shown::line(&g.question.what).to_string(),
            ]
        })
        .collect();
    table(style, &rows)
}
