//! What `atoll try` says.

use atoll_api::PatchDetail;
use atoll_domain::{SessionEnd, Shown};
use atoll_llama::PROVIDER;
use atoll_ports::models::ModelChoice;

use super::sample;
use crate::app::env;
use crate::commands::watch::Ended;
use crate::ui::words::plural;
use crate::ui::{Style, next_rows, ready_then, wrap};

const LABEL: usize = 8;

/// How a person calls this program: `./dev run` where that started it.
pub fn program() -> String {
    env("ATOLL_CALLED_AS").map_or_else(|| "atoll".into(), |name| Shown::line(&name).to_string())
}

/// Where a model runs, in a few words.
fn place(choice: &ModelChoice) -> String {
    let name = Shown::line(&choice.model.model);
    match choice.model.provider.as_str() {
        PROVIDER => format!("{name}, embedded, here"),
        provider if choice.remote => {
            let (provider, at) = (Shown::line(provider), Shown::line(&choice.endpoint));
            format!("{name} of {provider}, on another machine: {at}")
        }
        provider => format!("{name} of {}, here", Shown::line(provider)),
    }
}

fn row(style: &Style, label: &str, text: &str) -> String {
    let room = style.columns.saturating_sub(LABEL).max(12);
    let mut out = String::new();
    for (i, line) in wrap(text, room).iter().enumerate() {
        let head = if i == 0 { label } else { "" };
        out.push_str(format!("{head:<LABEL$}{line}").trim_end());
        out.push('\n');
    }
    out
}

/// The chosen model.
pub fn model(style: &Style, choice: &ModelChoice) -> String {
    row(style, "model", &place(choice))
}

/// What is about to happen, and what leaves the machine.
pub fn head(style: &Style, choice: &ModelChoice) -> String {
    let leaves = match choice.remote {
        true => format!("The sample is sent to {}.", Shown::line(&choice.endpoint)),
        false => "Runs here; no code leaves.".into(),
    };
    let text = format!("Trying Atoll on a copy of {}. {leaves}", sample::NAME);
    let lines = wrap(&text, style.columns).join("\n");
    format!("\n{}\n", style.bold(&lines))
}

/// Between two tries.
pub fn next_try(style: &Style, ended: &Ended) -> String {
    let words = Shown::line(ended.words.trim()).to_string();
    row(style, "", &words)
}

/// The patch, its evidence, and what to do next.
pub fn mended(style: &Style, patch: &PatchDetail, tries: u64, is_default_now: bool) -> String {
    let program = program();
    let next = [
        format!("{program} patch show {}", patch.view.ordinal),
        format!("{program} code \"make the tests pass\" --repo ~/mine"),
        format!("{program} log show {}", patch.view.session_ordinal),
    ];
    let mut out = String::from("\n");
    out.push_str(&ready_then(style, patch, &next));
    let mut more = Vec::new();
    if tries > 1 {
        more.push(format!(
            "It was mended in try {tries}; the tests judged each."
        ));
    }
    if is_default_now {
        more.push(format!(
            "Its model is your default now: `{program} model use` picks another."
        ));
    }
    for line in more {
        out.push_str(&format!("{}\n", wrap(&line, style.columns).join("\n")));
    }
    out
}

/// That it wasn't mended: what was tried, and what to try next.
pub fn not_mended(
    style: &Style,
    choice: &ModelChoice,
    session: &str,
    ended: &Ended,
    (tries, tries_max): (u64, u64),
) -> String {
    let program = program();
    let mut next = Vec::new();
    match ended.end {
        Some(SessionEnd::Unreachable) => {
            next.push(format!("{program} model test {}", choice.model));
            next.push(format!("{program} try --model PROVIDER/MODEL"));
        }
        Some(SessionEnd::NeedsYou) => next.push(format!("{program} gate list")),
        Some(SessionEnd::Denied) => next.push(format!("{program} policy show")),
        Some(SessionEnd::Cancelled) => next.push(format!("{program} try")),
        _ if choice.small => {
            next.push(format!("{program} try --model ollama/qwen2.5-coder:7b"));
            next.push(format!(
                "{program} try --tries {}",
                (tries_max * 4).clamp(20, 100)
            ));
        }
        _ => next.push(format!("{program} try --model PROVIDER/MODEL")),
    }
    next.push(format!("{program} log show {session}"));
    let what = match ended.end {
        Some(SessionEnd::Cancelled) => "Stopped",
        _ => "No patch",
    };
    let shown = Shown::text(ended.words.trim());
    let rest = shown.as_str().strip_prefix(what);
    let rest = rest.map_or_else(|| format!(". {}", shown.as_str()), str::to_owned);
    let said = wrap(&format!("{what}{rest}"), style.columns).join("\n");
    let after = said.strip_prefix(what).unwrap_or_default();
    let mut out = format!("\n{}{after}\n", style.bold(what));
    let mut facts = Vec::new();
    if tries > 1 {
        facts.push(format!(
            "{} of {} made, each from the start; the tests judged each, and none passed.",
            plural(tries, "try").replace("trys", "tries"),
            tries_max
        ));
    }
    if choice.small && ended.end != Some(SessionEnd::Cancelled) {
        facts.push(format!(
            "{} is a very small model: a larger one mends more.",
            Shown::line(&choice.model.model)
        ));
    }
    facts.push("Your files are unchanged.".into());
    for fact in facts {
        out.push_str(&format!("{}\n", wrap(&fact, style.columns).join("\n")));
    }
    out.push('\n');
    out.push_str(&next_rows(style, &next));
    out
}
