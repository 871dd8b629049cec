//! The system prompt and the opening of a turn.

use crate::clip::clip;
use crate::config::{Mode, OnAsk, SessionConfig};
use crate::report::{digest, failing};
use crate::state::TestRun;

const CODE: &str = include_str!("../prompts/system.md");
const PLAN: &str = include_str!("../prompts/plan.md");
const CHAT: &str = include_str!("../prompts/chat.md");

/// The system message.
pub(crate) fn system(config: &SessionConfig) -> String {
    let ask = match config.on_ask {
        OnAsk::Wait => {
            "What needs more than the sandbox allows is put to a person, who may say no."
        }
        OnAsk::Deny => {
            "Nobody is there to ask: what needs more than the sandbox allows is denied. Find a way without it."
        }
        OnAsk::Fail => {
            "Nobody is there to ask: a request for more than the sandbox allows ends the run. Don't make one."
        }
    };
    let test = match (config.test_line(), config.plan) {
        (Some(line), false) => format!("The tests run with `{line}`: call `test`."),
        (Some(line), true) => format!("The tests run with `{line}`."),
        (None, false) => "No test command is known. If you find one, run it with `run`.".to_owned(),
        (None, true) => "No test command is known.".to_owned(),
    };
    let template = match (config.plan, config.mode) {
        (true, _) => PLAN,
        (false, Mode::Chat) => CHAT,
        (false, Mode::Code) => CODE,
    };
    // The name is the last to be filled in: what it holds is not a placeholder.
    template
        .trim_end()
        .replace("{ask}", ask)
        .replace("{test}", &clip(&test, 6, 400))
        .replace("{name}", &one_line(&config.workspace, 80))
}

/// What is known at the start of a turn, for the model.
pub(crate) fn opening(
    config: &SessionConfig,
    listing: Option<&str>,
    baseline: Option<(&TestRun, &str)>,
    limit_bytes: usize,
) -> String {
    let mut parts = Vec::new();
    if !config.languages.is_empty() {
        let names: Vec<String> = config
            .languages
            .iter()
            .map(|l| format!("{l:?}").to_lowercase())
            .collect();
        parts.push(format!("Languages: {}.", names.join(", ")));
    }
    if let Some(listing) = listing.filter(|l| !l.trim().is_empty()) {
        let listing = clip(listing, 150, limit_bytes / 3);
        parts.push(format!(
            "Files (the first two levels):\n```\n{listing}\n```"
        ));
    }
    if let Some((run, text)) = baseline {
        let line = config.test_line().unwrap_or_default();
        let mut said = run.words();
        if let Some(names) = failing(text).filter(|_| !run.ok) {
            said.push_str(&format!("; failing: {names}"));
        }
        let text = digest(&relative(config, text), 120, limit_bytes / 2);
        parts.push(format!(
            "Tests before any change, `{line}`: {said}\n```\n{text}\n```"
        ));
    }
    parts.join("\n\n")
}

/// A command's output with the workspace's files named as the tools name them: relative to its root.
pub(crate) fn relative(config: &SessionConfig, text: &str) -> String {
    match config.root.trim_end_matches('/') {
        "" => text.to_owned(),
        root => text.replace(&format!("{root}/"), ""),
    }
}

/// One line of at most `chars_max` characters, without controls.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let flat: String = flat.chars().filter(|c| !c.is_control()).collect();
    if flat.chars().count() <= chars_max {
        return flat;
    }
    let mut cut: String = flat.chars().take(chars_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        for (plan, mode) in [(false, Mode::Code), (true, Mode::Code), (false, Mode::Chat)] {
            for test in [
                None,
                Some(vec!["go".to_owned(), "test".into(), "./...".into()]),
            ] {
                let config = SessionConfig {
                    plan,
                    mode,
                    test,
                    workspace: "sh{ask}op\n\u{1b}[2J".into(),
                    ..SessionConfig::default()
                };
                let text = system(&config);
                assert!(
                    !text.contains("{test}") && !text.contains("{name}"),
                    "{text}"
                );
                assert!(text.contains("sh{ask}op [2J"), "{text}");
            }
        }
    }

    #[test]
    fn files_are_named_as_the_tools_name_them() {
        let mut config = SessionConfig {
            root: "/srv/till".into(),
            ..SessionConfig::default()
        };
        let text = "/srv/till/lib/a.js:3\nin /srv/tills/x and /srv/till";
        assert_eq!(
            relative(&config, text),
            "lib/a.js:3\nin /srv/tills/x and /srv/till"
        );
        config.root = "/".into();
        assert_eq!(relative(&config, text), text);
    }

    #[test]
    fn one_line_is_one_short_line() {
        assert_eq!(one_line("a\n b\tc", 10), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
