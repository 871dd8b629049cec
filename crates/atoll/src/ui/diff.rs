//! Diffs, coloured where colour is on. Each line keeps its sign.

use atoll_domain::Shown;

use crate::ui::Style;

/// A unified diff.
pub fn diff(style: &Style, text: &str) -> String {
    let shown = Shown::text(text);
    let mut out = String::with_capacity(shown.as_str().len() + 64);
    for line in shown.as_str().lines() {
        let painted =
            if line.starts_with("+++") || line.starts_with("---") || line.starts_with("diff ") {
                style.bold(line)
            } else if line.starts_with("@@") {
                style.cyan(line)
            } else if line.starts_with('+') {
                style.green(line)
            } else if line.starts_with('-') {
                style.red(line)
            } else {
                line.to_owned()
            };
        out.push_str(&painted);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stay_with_and_without_colour_and_escapes_are_shown() {
        let text = "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\u{202e}\n";
        assert_eq!(
            diff(&Style::PLAIN, text),
            "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\\u{202e}\n"
        );
        let coloured = diff(
            &Style {
                color: true,
                ..Style::PLAIN
            },
            text,
        );
        assert!(coloured.contains("\x1b[31m-x\x1b[0m") && coloured.contains("\x1b[32m+y"));
    }
}
