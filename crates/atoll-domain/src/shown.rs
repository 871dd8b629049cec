//! Text from outside, made safe to show: the only way it reaches a person's eyes.

use std::fmt;

use unicode_width::UnicodeWidthChar;

/// A text in which nothing can move the cursor, hide, reorder or pretend: controls, escape sequences,
/// bidi controls and zero-width characters are written as visible escapes. New lines and tabs stay
/// where [`Shown::text`] made it; [`Shown::line`] escapes them too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shown(String);

fn hides(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' |
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' |
        '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' |
        '\u{e000}'..='\u{f8ff}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' |
        '\u{f0000}'..='\u{10ffff}')
}

fn escape(out: &mut String, text: &str, keep_lines: bool) {
    for c in text.chars() {
        match c {
            '\n' | '\t' if keep_lines => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{1b}' => out.push_str("\\e"),
            c if (c as u32) < 0x20 || (0x7f..0xa0).contains(&(c as u32)) => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c if hides(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
}

impl Shown {
    /// Many lines: new lines and tabs stay. A carriage return before a new line is dropped, since it
    /// is only the line's ending.
    pub fn text(text: &str) -> Shown {
        let mut out = String::with_capacity(text.len());
        escape(&mut out, &text.replace("\r\n", "\n"), true);
        Shown(out)
    }

    /// One line: new lines and tabs are escaped too.
    pub fn line(text: &str) -> Shown {
        let mut out = String::with_capacity(text.len());
        escape(&mut out, text, false);
        Shown(out)
    }

    /// A JSON text that means the same and can be shown: what a terminal would act on, or a reader not
    /// see, is written as JSON's own escapes. Such characters stand in its strings alone.
    pub fn json(text: &str) -> Shown {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if hides(c) || (0x7f..0xa0).contains(&(c as u32)) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                out.push(c);
            }
        }
        Shown(out)
    }

    /// Bytes that may not be UTF-8: what is not becomes `\xNN`.
    pub fn bytes(bytes: &[u8]) -> Shown {
        let mut out = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            escape(&mut out, &chunk.valid().replace("\r\n", "\n"), true);
            for b in chunk.invalid() {
                out.push_str(&format!("\\x{b:02x}"));
            }
        }
        Shown(out)
    }

    /// The safe text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Columns on a terminal, of the widest line.
    pub fn width(&self) -> usize {
        self.0
            .lines()
            .map(|l| l.chars().map(|c| c.width().unwrap_or(0)).sum())
            .max()
            .unwrap_or(0)
    }

    /// Cut to `columns`, with an ellipsis where something is missing.
    pub fn cut(&self, columns: usize) -> Shown {
        if self.width() <= columns {
            return self.clone();
        }
        let (mut out, mut used) = (String::new(), 0);
        for c in self.0.chars() {
            let w = c.width().unwrap_or(0);
            if used + w + 1 > columns {
                break;
            }
            out.push(c);
            used += w;
        }
        out.push('…');
        Shown(out)
    }

    /// One line's end in `columns`, with an ellipsis where something before it is missing.
    pub fn cut_left(&self, columns: usize) -> Shown {
        if self.width() <= columns {
            return self.clone();
        }
        let (mut from, mut used) = (self.0.len(), 0);
        for (at, c) in self.0.char_indices().rev() {
            used += c.width().unwrap_or(0);
            if used + 1 > columns {
                break;
            }
            from = at;
        }
        Shown(format!("…{}", &self.0[from..]))
    }

    /// Head and tail of a long text, with the number of hidden lines between.
    pub fn excerpt(&self, head: usize, tail: usize) -> ShownExcerpt {
        let lines: Vec<&str> = self.0.lines().collect();
        if lines.len() <= head + tail {
            return ShownExcerpt {
                head: self.clone(),
                hidden_lines: 0,
                tail: Shown(String::new()),
            };
        }
        ShownExcerpt {
            head: Shown(lines[..head].join("\n")),
            hidden_lines: lines.len() - head - tail,
            tail: Shown(lines[lines.len() - tail..].join("\n")),
        }
    }
}

/// Head and tail of a long text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownExcerpt {
    /// The first lines.
    pub head: Shown,
    /// How many lines are hidden; 0 if `head` is all.
    pub hidden_lines: usize,
    /// The last lines.
    pub tail: Shown,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_visible() {
        assert_eq!(
            Shown::line("a\u{1b}[2Jb\r\n\u{202e}c\u{200b}").as_str(),
            "a\\e[2Jb\\r\\n\\u{202e}c\\u{200b}"
        );
        assert_eq!(Shown::text("a\r\nb\tc\u{9b}").as_str(), "a\nb\tc\\x9b");
        assert_eq!(Shown::bytes(b"ok\xff\x07").as_str(), "ok\\xff\\x07");
    }

    #[test]
    fn long_text_is_counted() {
        let text = (0..100)
            .map(|i| i.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        let cut = Shown::text(&text).excerpt(10, 5);
        assert_eq!(cut.hidden_lines, 85);
        assert_eq!(cut.tail.as_str(), "95\n96\n97\n98\n99");
    }

    proptest! {
        #[test]
        fn json_means_the_same(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let shown = Shown::json(&json);
            prop_assert!(shown.as_str().chars().all(|c| !hides(c) && !c.is_control()));
            prop_assert_eq!(serde_json::from_str::<String>(shown.as_str()).unwrap(), text);
        }
        #[test]
        fn nothing_dangerous_survives(text in any::<String>()) {
            let shown = Shown::text(&text);
            prop_assert!(shown.as_str().chars().all(|c| !hides(c) && (!c.is_control() || c == '\n' || c == '\t')));
            prop_assert!(!Shown::line(&text).as_str().contains(['\n', '\t']));
        }
    }
}
