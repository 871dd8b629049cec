//! The log.

use atoll_api::{EventView, Replayed, Verification};
use atoll_domain::Shown;

use crate::ui::words::{count, plural, utc};
use crate::ui::{Page, Style};

/// Events, a line each; with their words below if `full`.
pub fn events(style: &Style, events: &[EventView], full: bool) -> String {
    let mut out = String::new();
    for view in events {
        let e = &view.event;
        let actor = format!("{:?} {}", e.actor.kind, e.actor.id).to_lowercase();
        let words = view.words.iter().find(|(name, _)| !name.contains("config"));
        let first = words.map_or("", |(_, text)| text.lines().next().unwrap_or_default());
        let line = format!(
            "{:>6}  {}  {:<16} {:<12} {first}",
            e.seq,
            utc(e.ts),
            e.kind,
            actor
        );
        out.push_str(Shown::line(&line).cut(style.columns).as_str().trim_end());
        out.push('\n');
        if full {
            out.push_str(&body(style, view));
        }
    }
    out
}

fn body(style: &Style, view: &EventView) -> String {
    let mut page = Page::new(style, 8, 12);
    page.row("hash", view.event.hash.to_string());
    if let serde_json::Value::Object(body) = &view.event.body {
        for (name, value) in body {
            match view.words.get(name) {
                Some(text) => {
                    let cut = Shown::text(text).excerpt(12, 4);
                    page.row(name, cut.head.as_str());
                    if cut.hidden_lines > 0 {
                        page.row("", format!("… {} more lines …", cut.hidden_lines));
                        page.row("", cut.tail.as_str());
                    }
                }
                None if value.is_null() => {}
                None if is_content(value) => {
                    page.row(name, "erased");
                }
                None => {
                    page.row(name, value.to_string());
                }
            }
        }
    }
    page.end()
}

/// Whether a field commits to a content: `{"h": "sha256:…", …}`.
fn is_content(value: &serde_json::Value) -> bool {
    serde_json::from_value::<atoll_domain::Commitment>(value.clone()).is_ok()
}

/// What verification found.
pub fn verification(style: &Style, v: &Verification) -> String {
    let mut page = Page::new(style, 2, 13);
    match &v.bad {
        None => page.line(style.green(&format!(
            "The log is intact: {}.",
            plural(v.events, "event")
        ))),
        Some((seq, why)) => {
            let head = format!("The log is NOT intact: first at event {seq}.");
            page.line(style.red(&head)).row("why", why)
        }
    };
    if let Some(root) = &v.root {
        page.row("root", root);
    }
    page.row("head", v.head.to_string());
    let elsewhere = match v.kept {
        0 => String::new(),
        kept => format!("; {} kept elsewhere fit", count(kept)),
    };
    page.row(
        "checkpoints",
        format!("{} hold{elsewhere}", count(v.checkpoints)),
    );
    let erased = if v.erased > 0 {
        format!(", {} erased", count(v.erased))
    } else {
        String::new()
    };
    page.row("contents", format!("{} hold{erased}", count(v.contents)));
    if v.clock_back > 0 {
        let times = match v.clock_back {
            1 => "once".to_owned(),
            n => format!("{} times", count(n)),
        };
        let words = format!("was set back {times}; the order is by number and holds");
        page.row("clock", words);
    }
    page.row("promise", &v.promise);
    if let Some(note) = &v.note {
        page.line("")
            .line("The newest checkpoint; keep it elsewhere to see a later rewriting:")
            .line("");
        page.line(Shown::text(note).as_str());
    }
    page.end()
}

/// What a replay found.
pub fn replayed(style: &Style, r: &Replayed) -> String {
    match &r.divergence {
        None => format!(
            "{} replayed: {} proposed again, no divergence.\n",
            Shown::line(&r.session),
            plural(r.effects, "effect")
        ),
        Some((step, how)) => {
            let mut page = Page::new(style, 2, 9);
            let head = format!("{} DIVERGED at step {step}.", Shown::line(&r.session));
            page.line(style.red(&head)).row("how", how);
            page.end()
        }
    }
}
