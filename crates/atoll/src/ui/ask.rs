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
        None if gate.expires <= now => format!("GATE {} ran out", gate.ordinal),
        None => format!("GATE {} needs you", gate.ordinal),
        Some(_) => format!("GATE {} was answered: {}", gate.ordinal, answered(gate)),
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

/// How it was answered, and by whom.
fn answered(gate: &GateView) -> String {
    let words = gate.answer.map(GateAnswerKind::words).unwrap_or_default();
    match &gate.by {
        Some(by) => format!("{words}, by {}", Shown::line(by)),
        None => words.to_owned(),
    }
}

/// Those that ask the same, in one line: `g5 (s6), g8 (s9)`.
fn names(like: &[GateView]) -> String {
    let one = |g: &GateView| match &g.session_ordinal {
        Some(session) => format!("{} ({session})", g.ordinal),
        None => g.ordinal.clone(),
    };
    like.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The keys that answer it; and, if others ask the same, all of them.
pub fn keys(style: &Style, gate: &GateView, like: &[GateView]) -> String {
    let session = match gate.question.widening {
        Some(_) => "[s] this exact widening, this session  ",
        None => "",
    };
    let yes = style.bold("[y]");
    let all = match like {
        [] => String::new(),
        like => format!(
            "  [a] once, for this and {} like it: {}\n",
            like.len(),
            names(like)
        ),
    };
    format!(
        "  {yes} once  {session}[n] no, with a reason\n{all}  [d] detail  [l] later, leave it open\n"
    )
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
                Some(_) => answered(g),
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
    let mut out = table(style, &rows);
    let mut told: Vec<&str> = Vec::new();
    for gate in gates {
        let like: Vec<GateView> = gates.iter().filter(|g| g.is_like(gate)).cloned().collect();
        if !like.is_empty() && !told.contains(&gate.like.as_str()) {
            told.push(&gate.like);
            out.push_str(&format!(
                "\n{} asks the same as {}\n  atoll gate answer {} --like\n",
                gate.ordinal,
                names(&like),
                gate.ordinal
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_api::Question;
    use atoll_domain::GateId;

    fn view(detail: &str) -> GateView {
        GateView {
            ordinal: "g3".into(),
            gate: GateId::new(Ms(1), [0; 10]),
            session: None,
            session_ordinal: Some("s4".into()),
            kind: "job".into(),
            question: Question {
                what: "npm ci --ignore-scripts\u{1b}[2J".into(),
                place: "fetch job for a copy of ~/shop; network to registry.example:443".into(),
                why: "network needs a person".into(),
                spent: "$0.04 of $2.00".into(),
                turn: "turn 6 of 30".into(),
                detail: detail.into(),
                ..Question::default()
            },
            rules: vec!["careful.network".into()],
            opened: Ms(0),
            expires: Ms(7_200_000),
            answer: None,
            by: None,
            like: String::new(),
        }
    }

    #[test]
    fn a_gate_says_what_where_why_and_what_it_cost() {
        let text = gate(&Style::PLAIN, &view(""), Ms(0), false);
        let head = format!("GATE g3 needs you{:39}session s4, turn 6 of 30\n", "");
        let foot = format!("  elsewhere: atoll gate answer g3{:33}expires in 2 h\n", "");
        assert_eq!(
            text,
            format!(
                "{head}  what   npm ci --ignore-scripts\\e[2J\n\
                 \x20 where  fetch job for a copy of ~/shop; network to registry.example:443\n\
                 \x20 why    careful.network: network needs a person\n\
                 \x20 spent  $0.04 of $2.00\n{foot}"
            )
        );
        assert!(!gate_long(&view("")));
        assert!(
            !keys(&Style::PLAIN, &view(""), &[]).contains("[s]"),
            "no session answer is possible"
        );
    }

    #[test]
    fn a_long_detail_shows_head_and_tail_and_counts_what_is_hidden() {
        let lines: Vec<String> = (1..=30).map(|i| format!("line {i}")).collect();
        let long = view(&lines.join("\n"));
        assert!(gate_long(&long));
        let closed = gate(&Style::PLAIN, &long, Ms(0), false);
        assert!(
            closed.contains("line 1\n")
                && closed.contains("line 30\n")
                && closed.contains("22 lines are hidden")
        );
        let opened = gate(&Style::PLAIN, &long, Ms(0), true);
        assert!(lines.iter().all(|l| opened.contains(l.as_str())) && !opened.contains("hidden"));
    }

    #[test]
    fn who_answered_is_said_and_what_ran_out_needs_nobody() {
        let mut told = view("");
        (told.answer, told.by) = (Some(GateAnswerKind::No), Some("ana\u{202e}".into()));
        let text = gate(&Style::PLAIN, &told, Ms(0), false);
        assert!(
            text.contains("GATE g3 was answered: no, by ana") && !text.contains('\u{202e}'),
            "{text}"
        );
        let late = gate(&Style::PLAIN, &view(""), Ms(7_200_001), false);
        assert!(
            late.contains("GATE g3 ran out") && late.contains("expired"),
            "{late}"
        );
    }

    #[test]
    fn like_gates_are_listed_once_and_offered_together() {
        let of = |n: u8, like: &str| GateView {
            ordinal: format!("g{n}"),
            gate: GateId::new(Ms(1), [n; 10]),
            session_ordinal: Some(format!("s{n}")),
            like: like.into(),
            ..view("")
        };
        let open = [of(5, "x"), of(4, ""), of(3, "x"), of(2, ""), of(1, "x")];
        let text = gates(&Style::PLAIN, &open, Ms(0));
        assert!(
            text.ends_with(
                "\ng5 asks the same as g3 (s3), g1 (s1)\n  atoll gate answer g5 --like\n"
            ) && text.matches("asks the same").count() == 1,
            "{text}"
        );
        let offered = keys(&Style::PLAIN, &open[0], &open[2..3]);
        assert!(
            offered.contains("[a] once, for this and 1 like it: g3 (s3)"),
            "{offered}"
        );
    }

    #[test]
    fn a_narrow_terminal_wraps_and_loses_nothing() {
        let narrow = Style {
            columns: 40,
            ..Style::PLAIN
        };
        let text = gate(&narrow, &view(""), Ms(0), false);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(
            words
                .join(" ")
                .contains("fetch job for a copy of ~/shop; network to registry.example:443"),
            "{text}"
        );
    }
}
