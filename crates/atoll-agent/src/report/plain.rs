//! Output as text: without terminal colours, and test events as the lines they carry.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

/// What is looked at of an output at most: its end, in bytes.
const LIMIT_BYTES: usize = 4 << 20;

/// Without colours and other terminal sequences, at most the last 4 MiB; the events of `go test -json` become
/// the text that go would have printed, package by package.
pub(crate) fn readable(output: &str) -> String {
    let text = without_sequences(output);
    match go_events(&text) {
        Some(text) => text,
        None => text,
    }
}

fn without_sequences(output: &str) -> String {
    let mut from = output.len().saturating_sub(LIMIT_BYTES);
    while !output.is_char_boundary(from) {
        from += 1;
    }
    let mut out = String::with_capacity(output.len() - from);
    let mut chars = output[from..].chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // A CSI sequence ends with a byte from @ to ~.
                for c in chars.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&c) {
                        break;
                    }
                }
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            c => out.push(c),
        }
    }
    out
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    package: Cow<'a, str>,
    #[serde(borrow, default)]
    import_path: Cow<'a, str>,
    #[serde(borrow, default)]
    output: Cow<'a, str>,
}

/// The output that events of `go test -json` carry; `None` if the text holds none. What stands between
/// events, such as a compiler's words, comes first.
fn go_events(text: &str) -> Option<String> {
    let looks = |line: &str| line.starts_with('{') && line.contains("\"Action\":\"");
    if !text.lines().any(looks) {
        return None;
    }
    let mut other = String::new();
    let mut order: Vec<String> = Vec::new();
    let mut parts: HashMap<String, String> = HashMap::new();
    let mut seen = false;
    for line in text.lines() {
        let event = looks(line).then(|| serde_json::from_str::<Event<'_>>(line).ok());
        let Some(event) = event.flatten() else {
            other.push_str(line);
            other.push('\n');
            continue;
        };
        seen = true;
        if !matches!(&*event.action, "output" | "build-output") {
            continue;
        }
        let of = if event.package.is_empty() {
            event.import_path
        } else {
            event.package
        };
        if !parts.contains_key(&*of) {
            order.push(of.clone().into_owned());
        }
        parts
            .entry(of.into_owned())
            .or_default()
            .push_str(&event.output);
    }
    if !seen {
        return None;
    }
    let said = order.iter().filter_map(|of| parts.get(of));
    Some(said.fold(other, |mut all, part| {
        all.push_str(part);
        if !part.ends_with('\n') {
            all.push('\n');
        }
        all
    }))
}
