//! Models on disk, and those that can be pulled.

use atoll_domain::Shown;
use atoll_llama::shelf::Entry;

use crate::commands::shelf::Listed;
use crate::ui::words::span;
use crate::ui::{Style, table};

const BAR: u64 = 20;
/// A narrower terminal has no room for columns.
const NARROW: usize = 70;

fn mb(bytes: u64) -> String {
    format!("{} MB", bytes.saturating_add(500_000) / 1_000_000)
}

/// How far a download is: a bar, sizes, the rate and the time left. `fresh`: bytes that came in `ms`.
pub fn progress(done: u64, total: u64, fresh: u64, ms: u64) -> String {
    let full = done.saturating_mul(BAR) / total.max(1);
    let bar: String = (0..BAR)
        .map(|i| {
            if i < full {
                '='
            } else if i == full {
                '>'
            } else {
                ' '
            }
        })
        .collect();
    let rate = fresh.saturating_mul(1000) / ms.max(1);
    let left = match (rate, total.saturating_sub(done)) {
        (_, 0) => String::new(),
        (0, _) => ", waiting".into(),
        (rate, left) => format!(", {} left", span(left.saturating_mul(1000) / rate)),
    };
    let rate = format!("{}.{} MB/s", rate / 1_000_000, rate % 1_000_000 / 100_000);
    format!("[{bar}] {} of {}, {rate}{left}", mb(done), mb(total))
}

/// Models to pick from, numbered: size, where each runs, its price, whether it fits into memory.
pub fn pick_models(style: &Style, listed: &[Listed], to_pull: &[&Entry]) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (i, Listed { view, file }) in listed.iter().enumerate() {
        let fits = match file {
            Some(file) if file.fits => "fits".to_owned(),
            Some(file) => format!("does NOT fit: needs {}", mb(file.needs_bytes)),
            None if view.tools == Some(false) => "calls no tools".into(),
            None => String::new(),
        };
        rows.push(vec![
            format!("{}{}", i + 1, if view.default { " *" } else { "" }),
            Shown::line(&view.name).to_string(),
            file.as_ref().map_or("-".into(), |f| mb(f.size_bytes)),
            if view.remote { "remote" } else { "here" }.into(),
            view.price.clone(),
            fits,
        ]);
    }
    for (i, entry) in to_pull.iter().enumerate() {
        rows.push(vec![
            format!("{}", listed.len() + i + 1),
            entry.name.into(),
            mb(entry.size_bytes),
            "here".into(),
            "$0".into(),
            "is fetched first".into(),
        ]);
    }
    if style.columns >= NARROW {
        return table(style, &rows);
    }
    // On a narrow terminal each on two lines.
    let mut out = String::new();
    for row in rows {
        out.push_str(&style.row(0, &row[0], 4, &row[1]));
        let rest = row[2..].iter().filter(|cell| !cell.is_empty());
        let rest = rest.cloned().collect::<Vec<_>>().join(", ");
        out.push_str(&style.row(4, "", 0, &rest));
    }
    out
}

/// What lies on disk, and what can be pulled.
pub fn shelf(style: &Style, listed: &[Listed], to_pull: &[&Entry]) -> String {
    let mut out = String::new();
    let on_disk = listed
        .iter()
        .filter_map(|l| Some((&l.view, l.file.as_ref()?)));
    let rows: Vec<Vec<String>> = on_disk
        .map(|(view, file)| {
            let free = file.free_bytes.map(|b| format!(" of {} free", mb(b)));
            let fits = if file.fits { "fits" } else { "does NOT fit" };
            let bare = view.name.rsplit('/').next().unwrap_or_default().to_owned();
            let memory = format!(
                "{fits}: {}{}",
                mb(file.needs_bytes),
                free.unwrap_or_default()
            );
            vec!["  ".into(), bare, mb(file.size_bytes), memory]
        })
        .collect();
    if !rows.is_empty() {
        out.push_str("\nOn disk\n");
        out.push_str(&table(style, &rows));
    }
    let rows: Vec<Vec<String>> = to_pull
        .iter()
        .map(|e| vec!["  ".into(), e.name.into(), mb(e.size_bytes), e.about.into()])
        .collect();
    if !rows.is_empty() {
        out.push_str("\nTo pull, and run here: atoll model pull NAME\n");
        out.push_str(&table(style, &rows));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn a_rate_and_the_time_left() {
        assert_eq!(
            progress(310_000_000, 676_000_000, 90_000_000, 10_000),
            "[=========>          ] 310 MB of 676 MB, 9.0 MB/s, 40 s left"
        );
        assert_eq!(
            progress(0, 10, 0, 0),
            "[>                   ] 0 MB of 0 MB, 0.0 MB/s, waiting"
        );
        let done = progress(5_000_000, 5_000_000, 5_000_000, 1000);
        assert_eq!(done, "[====================] 5 MB of 5 MB, 5.0 MB/s");
        progress(u64::MAX, 0, u64::MAX, u64::MAX);
    }
}
