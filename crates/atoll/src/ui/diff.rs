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
