//! `atoll status`.

use atoll_api::{DiskView, ModelView, Status};
use atoll_domain::{Ms, Shown};

use crate::ui::words::{bytes, count, dollars, span};
use crate::ui::{Page, Style};

const LABEL: usize = 11;

/// The page.
pub fn status(style: &Style, s: &Status, now: Ms) -> String {
    let mut page = Page::new(style, 0, LABEL);
    needs_you(style, s, &mut page);
    for (i, run) in s.running.iter().enumerate() {
        let head = if i == 0 { "running" } else { "" };
        let prompt = Shown::line(&run.prompt).cut(40);
        let figures = format!("step {}, {}", run.steps, span(now.since(run.opened)));
        let left = format!("{} {prompt:?}", run.ordinal);
        page.line(format!(
            "{head:<LABEL$}{}",
            inner(style).edges(&left, &figures)
        ));
    }
    if s.running.is_empty() {
        page.row("running", "nothing");
    }
    page.row(
        "model",
        s.model
            .as_ref()
            .map_or("none: atoll model use NAME".into(), model),
    );
    page.row("policy", &s.policy);
    page.row("sandbox", &s.sandbox);
    let limit = s
        .day_micros_max
        .map_or(String::new(), |max| format!(" of {}", dollars(max)));
    let providers = s
        .providers_left
        .iter()
        .map(|(name, left)| format!("; {}: {} left", Shown::line(name), dollars(*left)));
    let providers: String = providers.collect();
    page.row(
        "today",
        format!("{}{limit}{providers}", dollars(s.today.micros)),
    );
    granted(s, now, &mut page);
    let checkpoint = match s.checkpoint {
        Some(ago_s) => format!("checkpoint {} ago, {}", span(ago_s * 1000), kept(s)),
        None => "no checkpoint yet".into(),
    };
    let full = if s.full {
        "; FULL: new actions are refused until the disk has room"
    } else {
        ""
    };
    page.row(
        "log",
        format!("{} events; {checkpoint}{full}", count(s.events)),
    );
    if let Some(mirror) = &s.mirror {
        page.row("mirror", mirrored(mirror));
    }
    if let Some(archive) = &s.archive {
        page.row("archive", archived(archive));
    }
    if let Some(vault) = &s.vault {
        page.row("vault", crate::ui::vault_words(vault));
    }
    if let Some(disk) = &s.disk {
        page.row("disk", self::disk(disk, now));
    }
    let up = span(s.up_s * 1000);
    page.row(
        "node",
        format!("up {up}, {}, {}", bytes(s.rss_bytes), s.socket),
    );
    page.end()
}

/// The token that asks, or how many there are.
fn granted(s: &Status, now: Ms, page: &mut Page) {
    match &s.grant {
        Some(own) => {
            let left = crate::ui::grant::left(&own.left, &own.budget);
            let left = if left.is_empty() {
                left
            } else {
                format!(", {left}")
            };
            let (name, until) = (Shown::line(&own.name), span(own.expires.since(now)));
            page.row(
                "token",
                format!(
                    "{} {name}: {}, {until} left{left}",
                    own.ordinal,
                    own.role.name()
                ),
            );
        }
        None if s.grants > 0 => {
            page.row("grants", format!("{} good: atoll grant list", s.grants));
        }
        None => {}
    }
}

fn inner(style: &Style) -> Style {
    Style {
        columns: style.columns.saturating_sub(LABEL),
        ..*style
    }
}

/// `120 MB: log 3 MB, snapshots and copies 40 MB, dependencies 77 MB`, and what went.
fn disk(d: &DiskView, now: Ms) -> String {
    let parts = [
        ("log", d.log_bytes),
        ("snapshots and copies", d.files_bytes),
        ("dependencies", d.deps_bytes),
    ];
    let all: u64 = parts.iter().map(|(_, n)| n).sum();
    let parts = parts.map(|(name, n)| format!("{name} {}", bytes(n)));
    let freed = match d.freed_bytes {
        0 => String::new(),
        freed => format!("; {} freed {} ago", bytes(freed), span(now.since(d.swept))),
    };
    format!("{}: {}{freed}", bytes(all), parts.join(", "))
}

fn model(m: &ModelView) -> String {
    let place = if m.remote { "remote" } else { "here" };
    format!("{}, {place} ({})", m.name, m.endpoint)
}

fn needs_you(style: &Style, s: &Status, page: &mut Page) {
    let mut rows: Vec<(String, String)> = Vec::new();
    for g in &s.needs_you.gates {
        let what = Shown::line(&g.question.what).cut(36);
        rows.push((
            format!("{:<3} {what}", g.ordinal),
            format!("atoll gate answer {}", g.ordinal),
        ));
    }
    for p in &s.needs_you.patches {
        let tests = match p.tests_ok {
            Some(true) => "tests pass",
            Some(false) => "tests FAIL",
            None => "no tests",
        };
        let title = Shown::line(&p.title).cut(26);
        rows.push((
            format!("{:<3} {title}, {tests}", p.ordinal),
            format!("atoll patch show {}", p.ordinal),
        ));
    }
    for (i, (left, right)) in rows.iter().enumerate() {
        let head = if i == 0 {
            format!("{:<LABEL$}", "needs you")
        } else {
            " ".repeat(LABEL)
        };
        page.line(format!(
            "{}{}",
            style.yellow(&head),
            inner(style).edges(left, right)
        ));
    }
}

/// Where events are written a second time.
fn mirrored(mirror: &atoll_api::WitnessView) -> String {
    let place = Shown::line(&mirror.place);
    match &mirror.trouble {
        None => format!("each event in {place} too"),
        Some(why) => format!("NOT written to {place}: {}", Shown::line(why)),
    }
}

/// Where old events are put away.
fn archived(archive: &atoll_api::ArchiveView) -> String {
    let place = Shown::line(&archive.place);
    match (&archive.trouble, archive.last) {
        (Some(why), _) => format!("NOT put into {place}: {}", Shown::line(why)),
        (None, None | Some(0)) => format!("nothing in {place} yet"),
        (None, Some(last)) => format!("events up to {} in {place}", count(last)),
    }
}

/// Where checkpoints are kept.
fn kept(s: &Status) -> String {
    match &s.witness {
        None => "kept only here".into(),
        Some(witness) => {
            let place = Shown::line(&witness.place);
            match &witness.trouble {
                None => format!("kept in {place} too"),
                Some(why) => format!("NOT kept in {place}: {}", Shown::line(why)),
            }
        }
    }
}
