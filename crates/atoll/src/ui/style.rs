//! How text is laid out: colour, width, wrapping. Nothing here says anything by colour alone.

use atoll_domain::Shown;
use unicode_width::UnicodeWidthStr;

/// The width of a page that isn't a terminal, in columns.
pub const COLUMNS: usize = 80;

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colour.
    pub color: bool,
    /// Columns.
    pub columns: usize,
}

impl Style {
    /// Without colour, 80 columns.
    pub const PLAIN: Style = Style {
        color: false,
        columns: COLUMNS,
    };

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }
    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }
    pub fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }
    pub fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }
    pub fn yellow(&self, text: &str) -> String {
        self.paint("33", text)
    }
    pub fn cyan(&self, text: &str) -> String {
        self.paint("36", text)
    }

    /// `label   text`, the label in a column of `width`, the text wrapped beside it.
    pub fn row(&self, indent: usize, label: &str, width: usize, text: &str) -> String {
        let left = indent + width;
        let room = self.columns.saturating_sub(left).max(20);
        let mut out = String::new();
        for (i, line) in wrap(text, room).iter().enumerate() {
            let head = if i == 0 { label } else { "" };
            let pad = width.saturating_sub(head.width());
            let head = self.dim(head);
            out.push_str(&format!("{:indent$}{head}{:pad$}{line}\n", "", ""));
        }
        out
    }

    /// `left` and `right` on one line, `right` at the edge; `left` is cut to fit.
    pub fn edges(&self, left: &str, right: &str) -> String {
        if right.is_empty() {
            return Shown::line(left).cut(self.columns).to_string();
        }
        let room = self.columns.saturating_sub(right.width() + 2).max(10);
        let left = Shown::line(left).cut(room);
        let gap = self
            .columns
            .saturating_sub(left.width() + right.width())
            .max(1);
        format!("{left}{:gap$}{right}", "")
    }
}

/// Lines of at most `room` columns, broken at spaces; a word longer than a line is left whole. New lines stay.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for given in text.split('\n') {
        let mut line = String::new();
        for word in given.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > room {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Columns side by side, each as wide as its widest cell; the last one is cut to fit.
pub fn table(style: &Style, rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|r| r.get(column))
            .map(|c| c.width())
            .max()
    };
    let widths: Vec<usize> = (0..count).map(|c| width(c).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let left = style.columns.saturating_sub(line.width());
            if i + 1 == row.len() {
                line.push_str(Shown::line(cell).cut(left.max(8)).as_str());
            } else {
                let pad = widths[i].saturating_sub(cell.width()) + 2;
                line.push_str(&format!("{cell}{:pad$}", ""));
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_beside_its_label() {
        let style = Style {
            columns: 40,
            ..Style::PLAIN
        };
        let row = style.row(
            2,
            "found",
            9,
            "this system forbids user namespaces to users",
        );
        assert_eq!(
            row,
            "  found    this system forbids user\n           namespaces to users\n"
        );
    }

    #[test]
    fn edges_keep_the_right_and_cut_the_left() {
        let style = Style {
            columns: 20,
            ..Style::PLAIN
        };
        assert_eq!(
            style.edges("a/very/long/path/name.rs", "+2 -1"),
            "a/very/long/…  +2 -1"
        );
        assert_eq!(style.edges("a", "+2 -1"), "a              +2 -1");
    }

    #[test]
    fn a_table_lines_up_and_colour_can_be_off() {
        let rows = [
            vec!["p7".into(), "fix".into()],
            vec!["p10".into(), "x".repeat(100)],
        ];
        let text = table(
            &Style {
                columns: 12,
                ..Style::PLAIN
            },
            &rows,
        );
        assert_eq!(text, "p7   fix\np10  xxxxxxx…\n");
        assert_eq!(Style::PLAIN.red("x"), "x");
        assert_eq!(
            Style {
                color: true,
                ..Style::PLAIN
            }
            .red("x"),
            "\x1b[31mx\x1b[0m"
        );
    }
}
