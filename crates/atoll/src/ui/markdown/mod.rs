//! A model's Markdown as it streams: wrapped, headings and bold and code told apart, everything else as it is.
//!
//! Words are written when they are whole, so that none is broken and what comes later can't undo them. Without
//! colour the marks themselves stay: nothing is said by colour alone. All of it is outside text, escaped.

mod table;

use atoll_domain::Shown;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::ui::Style;

/// A word that is longer is written in pieces, in bytes.
const WORD_BYTES_MAX: usize = 4096;

/// Whether it is of the blocks of signs and emoji, or can be made an emoji as digits can.
fn is_sign(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// What a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Not known yet: nothing of it was seen.
    #[default]
    New,
    Prose,
    Heading,
    /// The line of three backticks.
    Fence,
    Code,
}

/// What must be remembered from piece to piece.
#[derive(Debug)]
pub struct Markdown {
    style: Style,
    line: Line,
    /// Whether the lines are inside a fence.
    fenced: bool,
    bold: bool,
    code: bool,
    /// The word so far, as it came.
    word: String,
    /// The column where the next word goes.
    column: usize,
    /// Where a wrapped line begins: under the text of its list item.
    indent: usize,
    /// Spaces that wait for a word behind them.
    spaces: usize,
    /// The letter before.
    last: char,
    /// Lines of a table, which is written when it is whole.
    table: Vec<String>,
    /// The table's line so far.
    row: Option<String>,
}

impl Markdown {
    /// At the beginning of a text.
    pub fn new(style: Style) -> Markdown {
        Markdown {
            style,
            line: Line::New,
            fenced: false,
            bold: false,
            code: false,
            word: String::new(),
            column: 0,
            indent: 0,
            spaces: 0,
            last: '\n',
            table: Vec::new(),
            row: None,
        }
    }

    /// The column in which the line goes on.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The page is so wide now.
    pub fn fit(&mut self, columns: usize) {
        self.style.columns = columns;
    }

    /// What can be written now.
    pub fn feed(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for c in piece.chars() {
            let last = std::mem::replace(&mut self.last, c);
            if self.takes_in_table(c, &mut out) {
                continue;
            }
            match c {
                '\n' => {
                    self.flush(&mut out);
                    self.end_line(&mut out);
                }
                ' ' if !self.fenced && self.line != Line::Fence => {
                    self.flush(&mut out);
                    self.spaces += 1;
                }
                // What makes one emoji of several, or a sign an emoji: each stands for itself here.
                '\u{fe0f}' | '\u{200d}' if is_sign(last) => self.last = last,
                c => {
                    self.word.push(c);
                    // Between wide letters a line can be broken, as nobody writes spaces there.
                    let wide = !self.fenced && c.width() == Some(2);
                    if wide || self.word.len() >= WORD_BYTES_MAX {
                        self.flush(&mut out);
                    }
                }
            }
        }
        out
    }

    /// The rest, with the line's end.
    pub fn end(&mut self) -> String {
        let mut out = String::new();
        self.end_table(&mut out);
        self.flush(&mut out);
        if self.column > 0 {
            self.end_line(&mut out);
        }
        *self = Markdown::new(self.style);
        out
    }

    fn end_line(&mut self, out: &mut String) {
        out.push('\n');
        if self.line == Line::Fence {
            self.fenced = !self.fenced;
        }
        (self.line, self.bold, self.code) = (Line::New, false, false);
        (self.column, self.indent, self.spaces) = (0, 0, 0);
    }

    /// What the line is, by its first word.
    fn begin_line(&mut self) {
        let marks = self.word.trim_start();
        self.line = match (marks.starts_with("```"), self.fenced) {
            (true, _) => Line::Fence,
            (false, true) => Line::Code,
            (false, false) => {
                let heading = self.spaces < 4
                    && (1..=6).contains(&self.word.len())
                    && self.word.chars().all(|c| c == '#');
                let item = matches!(self.word.as_str(), "-" | "*" | "+" | ">")
                    || self
                        .word
                        .strip_suffix(['.', ')'])
                        .is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
                // Under its text; never more than a third of the line.
                let under = self.spaces + if item { self.word.len() + 1 } else { 0 };
                self.indent = under.min(self.style.columns / 3);
                match heading {
                    true => Line::Heading,
                    false => Line::Prose,
                }
            }
        };
    }

    fn flush(&mut self, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        if self.line == Line::New {
            self.begin_line();
        }
        let word = std::mem::take(&mut self.word);
        let shown = match self.line {
            Line::Code => {
                let text = Shown::text(&word);
                self.style.cyan(text.as_str())
            }
            Line::Fence => self.style.dim(Shown::line(&word).as_str()),
            Line::Heading => self.style.bold(Shown::line(&word).as_str()),
            _ => self.spans(&word),
        };
        let width = self.width(&word);
        let wraps = matches!(self.line, Line::Prose | Line::Heading);
        let full = self.column + self.spaces + width > self.style.columns;
        if wraps && full && self.column > self.indent {
            out.push('\n');
            out.push_str(&" ".repeat(self.indent));
            self.column = self.indent;
        } else {
            out.push_str(&" ".repeat(self.spaces));
            self.column += self.spaces;
        }
        self.spaces = 0;
        self.column += width.max(1);
        out.push_str(&shown);
    }

    fn width(&self, word: &str) -> usize {
        match self.style.color && self.line == Line::Prose {
            true => Shown::line(&word.replace("**", "").replace('`', "")).width(),
            false => word.width(),
        }
    }

    /// A word of prose: `**bold**` and `` `code` ``, the marks left out where colour says it.
    fn spans(&mut self, word: &str) -> String {
        if !self.style.color {
            return Shown::line(word).to_string();
        }
        let mut out = String::new();
        let mut rest = word;
        while !rest.is_empty() {
            let mark = rest.find(['*', '`']).unwrap_or(rest.len());
            let (text, after) = rest.split_at(mark);
            self.paint(&mut out, text);
            rest = if let Some(after) = after.strip_prefix('`') {
                self.code = !self.code;
                after
            } else if let Some(after) = after.strip_prefix("**").filter(|_| !self.code) {
                self.bold = !self.bold;
                after
            } else if let Some(after) = after.strip_prefix('*') {
                self.paint(&mut out, "*");
                after
            } else {
                after
            };
        }
        out
    }

    fn paint(&self, out: &mut String, text: &str) {
        let text = Shown::line(text);
        let text = text.as_str();
        out.push_str(&match (self.code, self.bold) {
            _ if text.is_empty() => String::new(),
            (true, _) => self.style.cyan(text),
            (false, true) => self.style.bold(text),
            (false, false) => text.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOR: Style = Style {
        color: true,
        columns: 80,
    };

    fn whole(style: Style, text: &str) -> String {
        let mut markdown = Markdown::new(style);
        let mut out = markdown.feed(text);
        out.push_str(&markdown.end());
        out
    }

    /// However it is cut, the same comes out.
    fn cut(style: Style, text: &str) -> String {
        let mut markdown = Markdown::new(style);
        let mut out: String = text
            .chars()
            .map(|c| markdown.feed(c.encode_utf8(&mut [0; 4])))
            .collect();
        out.push_str(&markdown.end());
        out
    }

    #[test]
    fn marks_are_told_by_style_or_stay() {
        let text = "# A title\n\nUse **two words** and `a b` here: 2 * 3.\n";
        assert_eq!(whole(Style::PLAIN, text), text);
        let styled = whole(COLOR, text);
        assert!(
            styled.contains("\x1b[1mtwo\x1b[0m \x1b[1mwords\x1b[0m and \x1b[36ma\x1b[0m \x1b[36mb\x1b[0m here: 2 * 3."),
            "{styled:?}"
        );
        assert!(styled.starts_with("\x1b[1m#\x1b[0m \x1b[1mA\x1b[0m"));
        assert_eq!(styled, cut(COLOR, text));
    }

    #[test]
    fn code_keeps_its_lines_and_prose_wraps_under_its_item() {
        let narrow = Style {
            color: false,
            columns: 20,
        };
        let text = "- one two three four five\n```rust\nlet x =   1; // never wrapped, whatever\n    **not bold**\n```\ndone";
        assert_eq!(
            whole(narrow, text),
            "- one two three four\n  five\n```rust\nlet x =   1; // never wrapped, whatever\n    **not bold**\n```\ndone\n"
        );
        assert_eq!(whole(narrow, text), cut(narrow, text));
        for columns in [1, 5, 20] {
            let style = Style {
                columns,
                ..Style::PLAIN
            };
            let out = whole(style, "12345678. aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b\n");
            let words: Vec<&str> = out.split_whitespace().collect();
            assert_eq!(words, ["12345678.", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b"]);
        }
    }

    #[test]
    fn a_table_lines_up_once_it_is_whole() {
        let text =
            "Sums:\n| name | n |\n|---|--:|\n| `a` **b** | 1 |\n| 漢字 | 200 |\n\nSo it is.\n";
        assert_eq!(
            whole(Style::PLAIN, text),
            "Sums:\nname         n\n---------  ---\n`a` **b**    1\n漢字       200\n\nSo it is.\n"
        );
        let styled = whole(COLOR, text);
        assert!(
            styled.contains("\x1b[36ma\x1b[0m \x1b[1mb\x1b[0m     1\n漢字  200\n"),
            "{styled:?}"
        );
        for style in [Style::PLAIN, COLOR] {
            assert_eq!(whole(style, text), cut(style, text));
        }
        // Where it doesn't fit, each row is a list of its cells; what is no table stays as it is.
        let narrow = Style {
            columns: 20,
            ..Style::PLAIN
        };
        let wide = "| name | what it is |\n|---|---|\n| a | one two three four |\n| b |";
        assert_eq!(
            whole(narrow, wide),
            "name: a\nwhat it is: one two\nthree four\n\nname: b\n"
        );
        let bars = "| a pipe\n|| b\n```\n| c |\n```\n";
        assert_eq!(whole(Style::PLAIN, bars), bars);
        let endless = format!(
            "| a | b |\n|---|---|\n{}",
            "| x\u{1b}[2J | y |\n".repeat(2000)
        );
        let shown = whole(Style::PLAIN, &endless);
        assert_eq!(shown.matches("x\\e[2J").count(), 2000);
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn wide_letters_break_anywhere_and_emoji_stand_for_themselves() {
        let narrow = Style {
            columns: 20,
            ..Style::PLAIN
        };
        let text = "漢字漢字漢字漢字漢字漢字漢字 ab\n";
        assert_eq!(whole(narrow, text), "漢字漢字漢字漢字漢字\n漢字漢字 ab\n");
        assert_eq!(whole(narrow, text), cut(narrow, text));
        let signs = "⚠\u{fe0f} 1\u{fe0f}\u{20e3} 👩\u{200d}👧 a\u{200d}b\n";
        assert_eq!(whole(Style::PLAIN, signs), "⚠ 1\u{20e3} 👩👧 a\\u{200d}b\n");
        assert_eq!(whole(COLOR, signs), cut(COLOR, signs));
    }

    #[test]
    fn nothing_hostile_gets_through() {
        for line in [
            "a \u{1b}[2Jb\u{7}\r\u{202e}c",
            "`\u{1b}]0;x\u{7}`",
            "```\n\u{1b}[5A\u{9b}31m\n```",
        ] {
            for style in [Style::PLAIN, COLOR] {
                let out = cut(style, line);
                let plain = out
                    .replace("\x1b[0m", "")
                    .replace("\x1b[1m", "")
                    .replace("\x1b[2m", "")
                    .replace("\x1b[36m", "");
                assert!(
                    plain
                        .chars()
                        .all(|c| (!c.is_control() || c == '\n') && c != '\u{202e}'),
                    "{out:?}"
                );
            }
        }
    }
}
