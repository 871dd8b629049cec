//! A gate on the terminal: the question, and one key. Others may answer the same gate meanwhile: the first counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atoll_api::{AnswerRequest, Commands, Error, GATES_AT_ONCE_MAX, GateView, codes};
use atoll_client::Client;
use atoll_domain::{GateAnswerKind, Shown};

use crate::app::{App, now, say};
use crate::term;
use crate::ui;

/// How often it is looked whether there is a gate, or somebody else answered.
pub const LOOK: Duration = Duration::from_millis(500);

/// What became of a gate that was shown here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The answer given here counts; for so many more gates too.
    Here(GateAnswerKind, usize),
    /// Somebody else's counts; it was said.
    Elsewhere,
    /// It stays open.
    Later,
}

/// Shows the gate, waits for an answer here or elsewhere, and sends it.
pub async fn decide(app: &App, client: &Client, gate: &GateView) -> Result<Decided, Error> {
    let caller = app.caller();
    let name = gate.gate.to_string();
    // An old gate of the log that is replayed to this watcher may be answered long since.
    let fresh = client.gate(&caller, name.clone()).await?;
    if fresh.answer.is_some() {
        return Ok(Decided::Elsewhere);
    }
    let mut like = client.gates(&caller, true).await?;
    like.retain(|other| other.is_like(&fresh));
    like.truncate(GATES_AT_ONCE_MAX - 1);
    let elsewhere = async {
        loop {
            tokio::time::sleep(LOOK).await;
            match client.gate(&caller, name.clone()).await {
                Ok(view) if view.answer.is_none() => {}
                _ => return,
            }
        }
    };
    let (answer, why, also) = match ask(app, &fresh, &like, elsewhere).await {
        Asked::Answer(answer, why) => (answer, why, Vec::new()),
        Asked::All => {
            let also = like.iter().map(|g| g.gate).collect();
            (GateAnswerKind::Once, String::new(), also)
        }
        Asked::Later => return Ok(Decided::Later),
        Asked::Gone => {
            if let Ok(view) = client.gate(&caller, name).await {
                say(&told(&view));
            }
            return Ok(Decided::Elsewhere);
        }
    };
    let more = also.len();
    let request = AnswerRequest {
        answer,
        why,
        gate: gate.gate,
        also,
    };
    match client.gate_answer(&caller, name.clone(), request).await {
        Ok(_) => Ok(Decided::Here(answer, more)),
        Err(err) if err.is(codes::GATE_CLOSED) && more == 0 => {
            say(&told(&client.gate(&caller, name).await?));
            Ok(Decided::Elsewhere)
        }
        Err(err) => Err(err),
    }
}

/// Who was first, for those who weren't.
fn told(gate: &GateView) -> String {
    let (words, by) = (gate.answer.map(GateAnswerKind::words), gate.by.as_deref());
    match (words, by) {
        (Some(words), Some(by)) => format!(
            "Gate {} was answered elsewhere: {words}, by {}.\n",
            gate.ordinal,
            Shown::line(by)
        ),
        (Some(words), None) => format!("Gate {} was closed: {words}.\n", gate.ordinal),
        (None, _) => String::new(),
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    /// An answer and its reason.
    Answer(GateAnswerKind, String),
    /// Yes, once, to this one and to all that are like it.
    All,
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
    All,
    No,
    Detail,
    Later,
    /// The detail must be opened first.
    Unread,
    Nothing,
}

fn meant(key: u8, gate: &GateView, like: &[GateView], opened: bool) -> Meant {
    let hidden = |g: &GateView| ui::gate_long(g) || g.question.detail != gate.question.detail;
    let read = opened || !ui::gate_long(gate);
    let all_read = opened || !like.iter().any(hidden);
    match key {
        b'y' | b's' if !read => Meant::Unread,
        b'a' if like.is_empty() => Meant::Nothing,
        b'a' if !(read && all_read) => Meant::Unread,
        b'a' => Meant::All,
        b'y' => Meant::Once,
        b's' if gate.question.widening.is_some() => Meant::Session,
        b'n' => Meant::No,
        b'd' => Meant::Detail,
        b'l' => Meant::Later,
        // Enter alone, and everything else, means nothing.
        _ => Meant::Nothing,
    }
}

/// Shows the gate, and says which others are like it, and waits for a key, or until `elsewhere` resolves. Keys typed
/// before the question was there are dropped.
async fn ask(
    app: &App,
    gate: &GateView,
    like: &[GateView],
    elsewhere: impl Future<Output = ()>,
) -> Asked {
    let mut opened = false;
    let mut elsewhere = std::pin::pin!(elsewhere);
    say(&format!(
        "\n{}{}",
        ui::gate(&app.err, gate, now(), false),
        ui::keys(&app.err, gate, like)
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
        match meant(key, gate, like, opened) {
            Meant::Once => return Asked::Answer(GateAnswerKind::Once, String::new()),
            Meant::Session => return Asked::Answer(GateAnswerKind::Session, String::new()),
            Meant::All => return Asked::All,
            Meant::No => {
                let why = term::line("  no, because (Enter: no reason): ").unwrap_or_default();
                return Asked::Answer(GateAnswerKind::No, why);
            }
            Meant::Detail => {
                opened = true;
                for other in like.iter().rev() {
                    say(&ui::gate(&app.err, other, now(), true));
                }
                say(&format!(
                    "{}{}",
                    ui::gate(&app.err, gate, now(), true),
                    ui::keys(&app.err, gate, like)
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
            by: None,
            like: String::new(),
        }
    }

    #[test]
    fn gates_like_it_are_read_before_they_are_answered_with_it() {
        let (one, same, other) = (
            gate("tree 1", None),
            gate("tree 1", None),
            gate("tree 2", None),
        );
        assert_eq!(meant(b'a', &one, &[same], false), Meant::All);
        assert_eq!(
            meant(b'a', &one, std::slice::from_ref(&other), false),
            Meant::Unread
        );
        assert_eq!(
            meant(b'a', &one, std::slice::from_ref(&other), true),
            Meant::All
        );
        assert_eq!(
            meant(b'y', &one, &[other], false),
            Meant::Once,
            "its own detail is shown"
        );
    }

    #[test]
    fn enter_means_nothing_and_a_hidden_part_is_read_first() {
        let short = gate("one line", None);
        for key in [b'\n', b'\r', b' ', b'Y', b'A', b's', 0x1b] {
            assert_eq!(meant(key, &short, &[], false), Meant::Nothing, "{key}");
        }
        assert_eq!(meant(b'y', &short, &[], false), Meant::Once);
        let long = gate(&"line\n".repeat(100), Some("network to a.example:443"));
        assert_eq!(meant(b'y', &long, &[], false), Meant::Unread);
        assert_eq!(meant(b's', &long, &[], false), Meant::Unread);
        assert_eq!(meant(b'n', &long, &[], false), Meant::No);
        assert_eq!(meant(b's', &long, &[], true), Meant::Session);
        assert_eq!(
            meant(b'a', &short, &[], false),
            Meant::Nothing,
            "none is like it"
        );
        assert_eq!(
            meant(b'a', &short, &[gate("one line", None)], false),
            Meant::All
        );
        assert_eq!(meant(b'a', &long, &[gate("", None)], false), Meant::Unread);
    }
}
