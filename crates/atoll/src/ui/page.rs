//! Rows of a page: a label, and words beside it.

use atoll_domain::Shown;

use crate::ui::Style;

/// A page under construction.
pub struct Page {
    style: Style,
    label: usize,
    indent: usize,
    text: String,
}

impl Page {
    /// With labels of `label` columns, indented by `indent`.
    pub fn new(style: &Style, indent: usize, label: usize) -> Page {
        Page {
            style: *style,
            label,
            indent,
            text: String::new(),
        }
    }
    /// A row, unless `text` is empty. `text` may come from outside.
    pub fn row(&mut self, label: &str, text: impl AsRef<str>) -> &mut Page {
        let text = text.as_ref();
        if !text.is_empty() {
            let shown = Shown::text(text);
            self.text.push_str(
                &self
                    .style
                    .row(self.indent, label, self.label, shown.as_str()),
            );
        }
        self
    }
    /// A line as it is.
    pub fn line(&mut self, line: impl AsRef<str>) -> &mut Page {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
        self
    }
    /// The page.
    pub fn end(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}
