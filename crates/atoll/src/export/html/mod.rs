//! The page of an export: one file, without scripts, without anything from elsewhere. All that it tells came from
//! outside, so that every word of it goes through [`esc`].

mod blocks;

use atoll_domain::{Hash, Shown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::facts::Facts;
use super::story::{Item, Mark, Story, Turn};
use crate::ui::words::{bytes, count, dollars, plural, span, utc};
use blocks::block;

const STYLE: &str = include_str!("style.css");
/// Turns that a reader finds without a list of them.
const TURNS_PLAIN_MAX: usize = 3;

/// Text from outside in a page: what would act or hide is shown as an escape, and markup is text.
pub fn esc(text: &str) -> String {
    let shown = Shown::text(text);
    let mut out = String::with_capacity(shown.as_str().len() + 16);
    for c in shown.as_str().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The name of a file in the zip, as a link to it.
pub fn link(name: &str) -> String {
    let mut out = String::new();
    for b in name.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                out.push(char::from(b))
            }
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    // A colon before the first slash would make a scheme of it; there is none, it is escaped.
    format!("<a href=\"{out}\">{}</a>", esc(name))
}

/// What this page may do: show itself.
fn rules() -> String {
    let style = BASE64.encode(Hash::of(STYLE.as_bytes()).0);
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'")
}

/// The page.
pub fn page(story: &Story, facts: &Facts) -> String {
    let title = format!("Session {}", facts.ordinal);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        rules(),
        esc(&title)
    );
    head(&mut out, story, facts);
    for turn in &story.turns {
        section(&mut out, turn);
    }
    if story.turns.is_empty() {
        out.push_str("<p class=\"soft\">Nothing happened in this session.</p>\n");
    }
    if story.untold > 0 {
        let untold = plural(story.untold, "event");
        out.push_str(&format!(
            "<p class=\"soft\">{untold} more found no room here; all are in events.ndjson.</p>\n"
        ));
    }
    costs(&mut out, story, facts);
    foot(&mut out, facts);
    out.push_str("</body>\n</html>\n");
    out
}

fn head(out: &mut String, story: &Story, facts: &Facts) {
    out.push_str(&format!(
        "<header>\n<h1>Session {}</h1>\n",
        esc(&facts.ordinal)
    ));
    let state = format!(
        "{}, {} to {}",
        facts.state,
        utc(facts.from),
        utc(facts.until)
    );
    out.push_str(&format!("<p class=\"soft\">{}</p>\n", esc(&state)));
    if !facts.first.trim().is_empty() {
        let first = facts.first.trim();
        let cut = first.floor_char_boundary(first.len().min(1000));
        let dots = if cut < first.len() { "…" } else { "" };
        out.push_str(&format!(
            "<p class=\"lead\">{}{dots}</p>\n",
            esc(&first[..cut])
        ));
    }
    let mut rows: Vec<(&str, String)> = story.about.clone();
    rows.push(("spent", crate::ui::words::cost(&facts.spent)));
    rows.push((
        "decided",
        format!(
            "{} allowed, {} asked, {} denied",
            plural(story.permits, "action"),
            count(story.asked),
            count(story.denied)
        ),
    ));
    dl(out, &rows);
    if !story.labels.is_empty() {
        out.push_str("<ul class=\"chips\" aria-label=\"What its context touched\">");
        let labels: std::collections::BTreeSet<&String> = story.labels.iter().collect();
        for label in labels {
            out.push_str(&format!("<li>{}</li>", esc(label)));
        }
        out.push_str("</ul>\n");
    }
    missing(out, facts);
    if story.turns.len() > TURNS_PLAIN_MAX {
        out.push_str("<nav aria-label=\"Turns\"><ol>");
        for turn in &story.turns {
            out.push_str(&format!(
                "<li><a href=\"#turn-{}\">{}</a></li>",
                turn.number,
                name(turn)
            ));
        }
        out.push_str("</ol></nav>\n");
    }
    out.push_str("</header>\n");
}

fn dl(out: &mut String, rows: &[(&'static str, String)]) {
    out.push_str("<dl>");
    for (name, value) in rows {
        out.push_str(&format!("<dt>{}</dt><dd>{}</dd>", esc(name), esc(value)));
    }
    out.push_str("</dl>\n");
}

/// What is not here, said where nobody reads past it.
fn missing(out: &mut String, facts: &Facts) {
    let said = facts.missing();
    if said.is_empty() {
        return;
    }
    out.push_str("<aside class=\"box\"><h2>Not everything is in this export</h2><ul>");
    for line in said {
        out.push_str(&format!("<li>{}</li>", esc(&line)));
    }
    out.push_str("</ul>");
    if !facts.left.is_empty() {
        out.push_str("<details><summary>What was left out for its size</summary><ul>");
        for left in &facts.left {
            let line = format!("{}, {}", left.what, bytes(left.bytes));
            out.push_str(&format!("<li>{}</li>", esc(&line)));
        }
        out.push_str("</ul></details>");
    }
    out.push_str("</aside>\n");
}

fn name(turn: &Turn) -> String {
    match turn.number {
        0 => "Before the first turn".into(),
        n => format!("Turn {n}"),
    }
}

fn section(out: &mut String, turn: &Turn) {
    let mut told = vec![span(turn.until.since(turn.from))];
    if turn.input_tokens + turn.output_tokens > 0 {
        told.push(format!(
            "{} tokens",
            count(turn.input_tokens + turn.output_tokens)
        ));
    }
    if turn.micros > 0 {
        told.push(dollars(turn.micros));
    }
    if let Some(end) = turn.end {
        told.push(crate::ui::ended(end).into());
    }
    out.push_str(&format!(
        "<section id=\"turn-{}\">\n<h2>{} <span class=\"soft small\">{}</span></h2>\n<ol class=\"steps\">\n",
        turn.number,
        name(turn),
        esc(&told.join(", "))
    ));
    turn.items.iter().for_each(|item| step(out, item));
    out.push_str("</ol>\n</section>\n");
}

/// A class of the style for a tag; tags of tools that a later version adds have none of their own.
fn class(tag: &str) -> &'static str {
    match tag {
        "you" => "you",
        "gate" => "gate",
        "patch" => "patch",
        "decision" => "decision",
        _ => "plain",
    }
}

fn step(out: &mut String, item: &Item) {
    let (mark, sign, words) = match item.mark {
        Mark::Plain => ("none", "", ""),
        Mark::Good => ("good", "✓", "done"),
        Mark::Bad => ("bad", "✗", "not done"),
        Mark::Asks => ("asks", "?", "asks"),
    };
    let sign = match sign {
        "" => String::new(),
        sign => format!(
            "<span class=\"mark\" aria-hidden=\"true\">{sign}</span><span class=\"hidden\">{words}: </span>"
        ),
    };
    let time = utc(item.ts);
    let clock = time.get(11..19).unwrap_or_default();
    out.push_str(&format!(
        "<li class=\"{} {mark}\" id=\"event-{}\"><time class=\"when\" datetime=\"{}\" title=\"event {}\">{clock}</time>\
         <span class=\"tag\">{}</span><div class=\"what\"><div class=\"head\">{sign}{}</div>\n",
        class(&item.tag),
        item.seq,
        time.replace(' ', "T"),
        item.seq,
        esc(&item.tag),
        esc(&item.head)
    ));
    item.blocks.iter().for_each(|b| block(out, b));
    out.push_str("</div></li>\n");
}

fn costs(out: &mut String, story: &Story, facts: &Facts) {
    let told: Vec<&Turn> = story.turns.iter().filter(|t| t.number > 0).collect();
    if told.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>What it cost</h2>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Turn</th><th scope=\"col\">Tokens in</th><th scope=\"col\">Tokens out</th><th scope=\"col\">Money</th><th scope=\"col\">Time</th></tr></thead><tbody>\n");
    let row = |out: &mut String, class: &str, name: &str, of: (u64, u64, u64, u64)| {
        out.push_str(&format!(
            "<tr{class}><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            count(of.0),
            count(of.1),
            dollars(of.2),
            span(of.3)
        ));
    };
    let mut all = (0, 0, 0, 0);
    for turn in told {
        let of = (
            turn.input_tokens,
            turn.output_tokens,
            turn.micros,
            turn.until.since(turn.from),
        );
        all = (all.0 + of.0, all.1 + of.1, all.2 + of.2, all.3 + of.3);
        row(out, "", &turn.number.to_string(), of);
    }
    row(out, " class=\"all\"", "All", all);
    out.push_str("</tbody></table></div>\n");
    let told = format!(
        "Of the session's budget, the node counted {}.",
        crate::ui::words::cost(&facts.spent)
    );
    out.push_str(&format!(
        "<p class=\"soft small\">{}</p>\n</section>\n",
        esc(&told)
    ));
}

fn foot(out: &mut String, facts: &Facts) {
    out.push_str("<footer>\n<p>Made by Atoll from events.ndjson, for reading. This page proves nothing by itself: the events do, and ");
    out.push_str(&link("README.txt"));
    out.push_str(" says how to check them. Times are UTC.</p>\n");
    let rows = [
        ("root key", facts.root.clone()),
        (
            "checkpoint",
            format!("over {}", plural(facts.checkpoint, "event")),
        ),
        (
            "here",
            format!("{} of them, each with its proof", count(facts.events)),
        ),
        ("atoll", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    dl(out, &rows);
    out.push_str("</footer>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup_or_hides() {
        assert_eq!(
            esc("<img src=x onerror=\"a('b')\">&\u{202e}\u{1b}[2J"),
            "&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;\\u{202e}\\e[2J"
        );
        assert_eq!(
            link("a b/java:x\"é"),
            "<a href=\"a%20b/java%3Ax%22%C3%A9\">a b/java:x&quot;é</a>"
        );
    }

    #[test]
    fn the_page_allows_itself_its_own_style_alone() {
        let rules = rules();
        assert!(rules.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(!rules.contains("unsafe"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'));
    }
}
