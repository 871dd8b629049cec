//! What stands below a row of the page.

use super::super::story::{Block, Text};
use super::{dl, esc, link};
use crate::ui::words::bytes;

/// Lines of a folded text that its line promises.
fn lines(text: &str) -> String {
    crate::ui::words::plural(text.lines().count() as u64, "line")
}

fn more(out: &mut String, text: &Text) {
    if text.more > 0 {
        let left = format!(
            "… {} more, in events.ndjson unless it was left out",
            bytes(text.more)
        );
        out.push_str(&format!("<p class=\"soft small\">{}</p>", esc(&left)));
    }
}

pub fn block(out: &mut String, block: &Block) {
    match block {
        Block::Rows(rows) => dl(out, rows),
        Block::File(name) => out.push_str(&format!("<p class=\"small\">{}</p>\n", link(name))),
        Block::Text(text) if text.folded => {
            out.push_str(&format!(
                "<details><summary>{}, {}</summary><pre>{}</pre>",
                esc(text.title),
                lines(&text.text),
                esc(&text.text)
            ));
            more(out, text);
            out.push_str("</details>\n");
        }
        Block::Text(text) => {
            // A long text would hide what comes after it.
            let long = text.text.len() > 4000 || text.text.lines().count() > 60;
            if long {
                out.push_str(&format!(
                    "<details open><summary>{}</summary>",
                    lines(&text.text)
                ));
            }
            out.push_str(&format!("<div class=\"text\">{}</div>", esc(&text.text)));
            more(out, text);
            out.push_str(if long { "</details>\n" } else { "\n" });
        }
        Block::Diff(text) => {
            let long = text.text.lines().count() > 400;
            let open = if long { "" } else { " open" };
            out.push_str(&format!(
                "<details{open}><summary>{}, {}</summary>",
                esc(text.title),
                lines(&text.text)
            ));
            diff(out, &text.text);
            more(out, text);
            out.push_str("</details>\n");
        }
    }
}

/// A unified diff: each line keeps its sign, and has an edge of its own form beside its colour.
fn diff(out: &mut String, text: &str) {
    out.push_str("<pre class=\"diff\">");
    let mut head = true;
    for line in text.lines() {
        if line.starts_with("diff ") {
            head = true;
        } else if line.starts_with("@@") {
            head = false;
        }
        let class = match line.as_bytes().first() {
            Some(b'@') if line.starts_with("@@") => "hunk",
            _ if head => "file",
            Some(b'+') => "add",
            Some(b'-') => "del",
            _ => "same",
        };
        let line = if line.is_empty() { " " } else { line };
        out.push_str(&format!("<span class=\"{class}\">{}</span>", esc(line)));
    }
    out.push_str("</pre>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_line_of_dashes_is_no_head_and_signs_stay() {
        let mut out = String::new();
        diff(&mut out, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- old\n+<b>\n");
        assert!(out.contains("<span class=\"file\">--- a/x</span>"), "{out}");
        assert!(out.contains("<span class=\"del\">--- old</span>"), "{out}");
        assert!(
            out.contains("<span class=\"add\">+&lt;b&gt;</span>"),
            "{out}"
        );
    }
}
