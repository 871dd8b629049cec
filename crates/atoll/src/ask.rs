//! A gate on the terminal: the question, and one key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atoll_api::GateView;
use atoll_domain::GateAnswerKind;

use crate::app::{App, now, say};
use crate::term;
use crate::ui;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An answer and its reason.
    Answer(GateAnswerKind, String),
    /// Not now.
    Later,
    /// It was answered elsewhere meanwhile, or the terminal ended.
    Gone,
}

/// What a key means at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    Once,
    Session,
    No,
    Detail,
    Later,
    /// The detail must be opened first.
    Unread,
    Nothing,
}

fn meant(key: u8, gate: &GateView, opened: bool) -> Meant {
    let read = opened || !ui::gate_long(gate);
    match key {
        b'y' | b's' if !read => Meant::Unread,
        b'y' => Meant::Once,
        b's' if gate.question.widening.is_some() => Meant::Session,
        b'n' => Meant::No,
        b'd' => Meant::Detail,
        b'l' => Meant::Later,
        // Enter alone, and everything else, means nothing.
        _ => Meant::Nothing,
    }
}

/// Shows the gate and waits for a key, or until `elsewhere` resolves. Keys typed before the question was
/// there are dropped.
pub async fn ask(app: &App, gate: &GateView, elsewhere: impl Future<Output = ()>) -> Asked {
    let mut opened = false;
    let mut elsewhere = std::pin::pin!(elsewhere);
    say(&format!(
        "\n{}{}",
        ui::gate(&app.err, gate, now(), false),
        ui::keys(&app.err, gate)
    ));
    term::notify(&format!("{} needs you", gate.ordinal));
    loop {
        let Some(mode) = term::Mode::keys() else {
            return Asked::Gone;
        };
        term::drop_typed();
        let stop = Arc::new(AtomicBool::new(false));
        let mut keys = term::stdin_bytes(stop.clone());
        let key = tokio::select! {
            typed = keys.recv() => typed.and_then(|bytes| bytes.first().copied()),
            () = &mut elsewhere => {
                stop.store(true, Ordering::Relaxed);
                return Asked::Gone;
            }
        };
        // The thread is done before the line for a reason is read: two readers would share it.
        stop.store(true, Ordering::Relaxed);
        while keys.recv().await.is_some() {}
        drop(mode);
        let Some(key) = key else { return Asked::Gone };
        match meant(key, gate, opened) {
            Meant::Once => return Asked::Answer(GateAnswerKind::Once, String::new()),
            Meant::Session => return Asked::Answer(GateAnswerKind::Session, String::new()),
            Meant::No => {
                let why = term::line("  no, because (Enter: no reason): ").unwrap_or_default();
                return Asked::Answer(GateAnswerKind::No, why);
            }
            Meant::Detail => {
                opened = true;
                say(&format!(
                    "{}{}",
                    ui::gate(&app.err, gate, now(), true),
                    ui::keys(&app.err, gate)
                ));
            }
            Meant::Unread => say("  a part of it is hidden: open it with [d] first\n"),
            Meant::Later => return Asked::Later,
            Meant::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_api::Question;
    use atoll_domain::{GateId, Ms};

    fn gate(detail: &str, widening: Option<&str>) -> GateView {
        GateView {
            ordinal: "g3".into(),
            gate: GateId::new(Ms(1), [0; 10]),
            session: None,
            session_ordinal: None,
            kind: "job".into(),
            question: Question {
                detail: detail.into(),
                widening: widening.map(str::to_owned),
                ..Question::default()
            },
            rules: vec![],
            opened: Ms(1),
            expires: Ms(2),
            answer: None,
        }
    }

    #[test]
    fn enter_means_nothing_and_a_hidden_part_is_read_first() {
        let short = gate("one line", None);
        for key in [b'\n', b'\r', b' ', b'Y', b's', 0x1b] {
            assert_eq!(meant(key, &short, false), Meant::Nothing, "{key}");
        }
        assert_eq!(meant(b'y', &short, false), Meant::Once);
        let long = gate(&"line\n".repeat(100), Some("network to a.example:443"));
        assert_eq!(meant(b'y', &long, false), Meant::Unread);
        assert_eq!(meant(b's', &long, false), Meant::Unread);
        assert_eq!(meant(b'n', &long, false), Meant::No);
        assert_eq!(meant(b's', &long, true), Meant::Session);
    }
}
