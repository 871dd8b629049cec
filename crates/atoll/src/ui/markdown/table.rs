//! Tables: held until they are whole, since a column is as wide as its widest cell.

use atoll_domain::Shown;
use unicode_width::UnicodeWidthStr;

use super::{Line, Markdown, WORD_BYTES_MAX};
use crate::ui::wrap;

/// A longer table is written in pieces of so many rows.
const ROWS_MAX: usize = 500;
/// Between two columns.
const GAP: &str = "  ";

/// The cells of `| a | b |`; a bar behind a backslash is none.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for c in row.trim().trim_start_matches('|').chars() {
        match c {
            '|' if !escaped => cells.push(String::new()),
            c => {
                let cell = cells.last_mut();
                cell.into_iter().for_each(|cell| {
                    if c == '|' {
                        cell.pop();
                    }
                    cell.push(c);
                });
            }
        }
        escaped = c == '\\' && !escaped;
    }
    if cells.last().is_some_and(|last| last.trim().is_empty()) {
        cells.pop();
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// Whether each column goes to the right, if this is the line below a table's head.
fn rights(row: &str) -> Option<Vec<bool>> {
    let cells = cells(row);
    let rule = |cell: &String| {
        let dashes = cell.trim_start_matches(':').trim_end_matches(':');
        !dashes.is_empty() && dashes.chars().all(|c| c == '-')
    };
    let right = |cell: &String| cell.ends_with(':') && !cell.starts_with(':');
    (!cells.is_empty() && cells.iter().all(rule)).then(|| cells.iter().map(right).collect())
}

impl Markdown {
    /// Whether this letter belongs to a table. The table before it is written, if it ends here.
    pub(super) fn takes_in_table(&mut self, c: char, out: &mut String) -> bool {
        let begins = self.line == Line::New && self.word.is_empty() && self.spaces == 0;
        match &mut self.row {
            Some(row) if c == '\n' => {
                let row = std::mem::take(row);
                self.row = None;
                self.table.push(row);
                if self.table.len() >= ROWS_MAX {
                    self.end_table(out);
                }
                true
            }
            Some(row) => {
                row.push(c);
                if row.len() >= WORD_BYTES_MAX {
                    self.end_table(out);
                }
                true
            }
            None if begins && !self.fenced && c == '|' => {
                self.row = Some(c.into());
                true
            }
            None => {
                if begins {
                    self.end_table(out);
                }
                false
            }
        }
    }

    /// Writes the table, if there is one.
    pub(super) fn end_table(&mut self, out: &mut String) {
        let mut rows = std::mem::take(&mut self.table);
        rows.extend(self.row.take());
        if rows.is_empty() {
            return;
        }
        let Some(rights) = rows.get(1).and_then(|row| rights(row)) else {
            for row in rows {
                out.push_str(&format!("{}\n", Shown::line(&row)));
            }
            return;
        };
        rows.remove(1);
        let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
        let count = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let all = rows.iter().filter_map(|row| row.get(column));
            all.map(|cell| self.shown_width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..count).map(widest).collect();
        let whole = widths.iter().sum::<usize>() + GAP.len() * count.saturating_sub(1);
        match whole <= self.style.columns {
            true => self.lined_up(&rows, &widths, &rights, out),
            false => self.listed(&rows, out),
        }
    }

    fn lined_up(
        &mut self,
        rows: &[Vec<String>],
        widths: &[usize],
        rights: &[bool],
        out: &mut String,
    ) {
        for (n, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = widths[column].saturating_sub(self.shown_width(cell));
                let text = match n {
                    0 => self.style.bold(Shown::line(cell).as_str()),
                    _ => self.cell(cell),
                };
                let gap = if column == 0 { "" } else { GAP };
                line.push_str(&match rights.get(column) {
                    Some(true) => format!("{gap}{:pad$}{text}", ""),
                    _ => format!("{gap}{text}{:pad$}", ""),
                });
            }
            out.push_str(line.trim_end());
            out.push('\n');
            if n == 0 {
                let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
                out.push_str(&self.style.dim(&rule.join(GAP)));
                out.push('\n');
            }
        }
    }

    /// Where it is too wide: each row as a list of its cells, by their column's name.
    fn listed(&self, rows: &[Vec<String>], out: &mut String) {
        let Some((head, body)) = rows.split_first() else {
            return;
        };
        for (n, row) in body.iter().enumerate() {
            if n > 0 {
                out.push('\n');
            }
            for (column, cell) in row.iter().enumerate() {
                let name = head.get(column).map_or("", String::as_str);
                let line = Shown::line(&format!("{name}: {cell}"));
                let lines = wrap(line.as_str(), self.style.columns);
                out.push_str(&format!("{}\n", lines.join("\n")));
            }
        }
    }

    /// A cell, with its marks as in prose.
    fn cell(&mut self, text: &str) -> String {
        (self.bold, self.code) = (false, false);
        let shown = self.spans(text);
        (self.bold, self.code) = (false, false);
        shown
    }

    fn shown_width(&self, cell: &str) -> usize {
        match self.style.color {
            true => Shown::line(&cell.replace("**", "").replace('`', "")).width(),
            false => Shown::line(cell).as_str().width(),
        }
    }
}
