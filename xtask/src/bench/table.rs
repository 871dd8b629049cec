//! Rows as a table, for a terminal and for a page.

use super::Row;

const HEAD: [&str; 7] = [
    "what", "ours", "peer", "ratio", "reach", "verdict", "command",
];

fn cells(row: &Row) -> [&str; 7] {
    [
        &row.name,
        &row.ours,
        &row.peer,
        &row.ratio,
        &row.reach,
        row.verdict,
        &row.command,
    ]
}

/// Columns aligned by spaces.
pub fn plain(rows: &[Row]) -> String {
    let lines: Vec<[&str; 7]> = std::iter::once(HEAD)
        .chain(rows.iter().map(cells))
        .collect();
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A table of Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows {
        let mut cells: Vec<String> = cells(row).iter().map(|cell| escape(cell)).collect();
        if let Some(command) = cells.last_mut() {
            *command = format!("`{command}`");
        }
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::Reach;
    use super::*;

    #[test]
    fn both_tables_hold_every_cell() {
        let rows = [
            Row::against("a|b", (1.0, 4.0), "ms", Reach::AtMost(0.5), "./dev bench a"),
            Row::alone("idle", 40.0, "MB", Reach::AtMost(30.0), "./dev bench idle"),
        ];
        let plain = plain(&rows);
        assert_eq!(plain.lines().count(), 3);
        assert!(
            plain
                .lines()
                .nth(2)
                .is_some_and(|line| line.contains("missed")),
            "{plain}"
        );
        let page = markdown(&rows);
        let row = "| a\\|b | 1.00 ms | 4.00 ms | 0.25 | ≤ 0.50 × | reached | `./dev bench a` |";
        assert_eq!(page.lines().nth(2), Some(row), "{page}");
    }
}
