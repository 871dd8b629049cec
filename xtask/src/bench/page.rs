//! docs/benchmarks.md: its table is rewritten between two marks, its words stay.

use super::{Error, Row, table};
use std::path::Path;

pub const PATH: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- bench: what follows is written by ./dev bench -->";
const END: &str = "<!-- bench: end -->";

/// Puts the rows into the page; those of benchmarks that did not run stay.
///
/// # Errors
/// The page is there but can't be read or written, or has lost its marks.
pub fn write(root: &Path, rows: &[Row]) -> Result<(), Error> {
    let path = root.join(PATH);
    let old = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("# Benchmarks\n\n{BEGIN}\n{END}\n")
        }
        Err(error) => return Err(error.into()),
    };
    let new = insert(&old, rows).ok_or("it has lost the marks that the table stands between")?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Beside it, then in its place: a crash leaves the old page.
    let beside = path.with_extension("md.new");
    std::fs::write(&beside, new)?;
    Ok(std::fs::rename(beside, path)?)
}

/// The page with the rows in it; `None` if its marks are missing.
fn insert(page: &str, rows: &[Row]) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (inside, after) = rest.split_once(END)?;
    let fresh = table::markdown(rows);
    let mut lines: Vec<&str> = fresh.lines().collect();
    let kept = inside
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what |"))
        .filter(|line| {
            let name = line.split(" | ").next();
            !fresh.lines().any(|new| new.split(" | ").next() == name)
        });
    lines.extend(kept);
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Reach;
    use super::*;

    fn row(name: &str, ours: f64) -> Row {
        Row::alone(name, ours, "MB", Reach::AtMost(30.0), "./dev bench idle")
    }

    #[test]
    fn words_and_other_rows_stay() {
        let page = format!("# Benchmarks\n\nWords.\n\n{BEGIN}\n{END}\n\nMore.\n");
        let first = insert(&page, &[row("idle", 20.0), row("busy", 90.0)]).unwrap();
        let second = insert(&first, &[row("idle", 25.0)]).unwrap();
        assert!(second.starts_with("# Benchmarks\n\nWords.") && second.ends_with("More.\n"));
        assert!(
            second.contains("| idle | 25.0 MB") && !second.contains("20.0"),
            "{second}"
        );
        assert!(second.contains("| busy | 90.0 MB"), "{second}");
        assert_eq!(second.matches("| what |").count(), 1);
        assert_eq!(insert(&second, &[row("idle", 25.0)]).unwrap(), second);
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        assert_eq!(insert("# Benchmarks\n", &[row("idle", 20.0)]), None);
    }
}
