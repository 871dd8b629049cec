//! Amounts, times and counts, in words.

use atoll_domain::{Cost, Ms};

/// `$0.04`; never rounded to nothing.
pub fn dollars(micros: u64) -> String {
    match micros {
        0 => "$0.00".into(),
        m if m < 10_000 => format!("${}.{:06}", m / 1_000_000, m % 1_000_000)
            .trim_end_matches('0')
            .to_owned(),
        m => format!("${}.{:02}", m / 1_000_000, (m % 1_000_000) / 10_000),
    }
}

/// `1,204`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 test`, `9 tests`.
pub fn plural(n: u64, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", count(n))
}

/// A length of time: `0.8 s`, `47 s`, `2 min`, `3 h`, `5 d`.
pub fn span(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// `24 MB`.
pub fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{} kB", n / 1024),
        1_048_576..1_073_741_824 => format!("{} MB", n / 1_048_576),
        _ => format!("{}.{} GB", n >> 30, ((n >> 20) % 1024) * 10 / 1024),
    }
}

/// `$0.00, 4,120 tokens, 47 s in jobs`; time that nobody measured is not told.
pub fn cost(cost: &Cost) -> String {
    let mut parts = vec![dollars(cost.micros), plural(cost.tokens, "token")];
    if cost.ms > 0 {
        parts.push(format!("{} in jobs", span(cost.ms)));
    }
    parts.join(", ")
}

/// `2026-11-21 01:18:23Z`.
pub fn utc(at: Ms) -> String {
    let (days, s) = (at.0 / 86_400_000, at.0 / 1000 % 86_400);
    let (y, m, d) = civil(days);
    format!(
        "{y:04}-{m:02}-{d:02} {:02}:{:02}:{:02}Z",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

/// Year, month and day of a day since 1970, in the Gregorian calendar (days are counted from 1 March, so that
/// the leap day is a year's last).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_read_as_people_say_them() {
        assert_eq!(
            [dollars(0), dollars(120), dollars(40_000)],
            ["$0.00", "$0.00012", "$0.04"]
        );
        assert_eq!(
            [count(4), count(1204), count(1_234_567)],
            ["4", "1,204", "1,234,567"]
        );
        assert_eq!(
            [plural(1, "file"), plural(0, "file")],
            ["1 file", "0 files"]
        );
        assert_eq!(
            [
                span(840),
                span(47_000),
                span(125_000),
                span(3 * 3_600_000),
                span(5 * 86_400_000)
            ],
            ["0.8 s", "47 s", "2 min", "3 h", "5 d"]
        );
        assert_eq!(
            [bytes(5), bytes(24 << 20), bytes(3 << 29)],
            ["5 B", "24 MB", "1.5 GB"]
        );
    }

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(utc(Ms(0)), "1970-01-01 00:00:00Z");
        assert_eq!(utc(Ms(951_782_400_000)), "2000-02-29 00:00:00Z");
        assert_eq!(utc(Ms(1_763_600_000_123)), "2025-11-20 00:53:20Z");
    }
}
