//! Names of files in a zip that any system can unpack where it was meant to.

use std::collections::BTreeSet;

/// One part of a name, in bytes.
const PART_BYTES_MAX: usize = 100;
/// Parts of a name.
const PARTS_MAX: usize = 16;

/// Names that Windows keeps for devices, whatever follows their dot.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A path from outside as a relative one without surprises: no way up, no root, no drive, nothing hidden, nothing that
/// Windows would take for something else. Never empty.
pub fn safe(path: &str) -> String {
    let parts: Vec<String> = path
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .map(part)
        .collect();
    let from = parts.len().saturating_sub(PARTS_MAX);
    match parts.get(from..) {
        Some(kept) if !kept.is_empty() => kept.join("/"),
        _ => "_".into(),
    }
}

fn part(part: &str) -> String {
    let plain = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '.' | '-' | '_' | '+' | '=' | '@' | ' ' | ',' | '(' | ')')
    };
    let mut out: String = part
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    while out.len() > PART_BYTES_MAX {
        out.pop();
    }
    // Windows drops these at a name's end, so that two names would meet.
    let end = out.trim_end_matches(['.', ' ']).len();
    out.replace_range(end.., &"_".repeat(out.len() - end));
    if out.starts_with(' ') {
        out.replace_range(0..1, "_");
    }
    let stem = out.split('.').next().unwrap_or_default().trim_end();
    if DEVICES.contains(&stem.to_lowercase().as_str()) {
        out.insert(0, '_');
    }
    out
}

/// Names that were given out. Two that differ by case alone would meet on some systems.
#[derive(Default)]
pub struct Given(BTreeSet<String>);

impl Given {
    /// `name`, or the next like it that nobody has.
    pub fn give(&mut self, name: String) -> String {
        let mut given = name.clone();
        let mut n = 1u64;
        while !self.0.insert(given.to_lowercase()) {
            n += 1;
            given = match name.rsplit_once('/') {
                Some((folder, file)) => format!("{folder}/{n}-{file}"),
                None => format!("{n}-{name}"),
            };
        }
        given
    }
}

/// Whether a name in a zip from elsewhere is one that an export may hold: relative, without a way up.
pub fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 4096
        && !name.contains(['\\', ':'])
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_lead_nowhere_else() {
        let rows = [
            ("out/report.txt", "out/report.txt"),
            ("../../etc/passwd", "__/__/etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("C:\\x\\..\\y", "C_/x/__/y"),
            ("nul", "_nul"),
            ("a/COM1.txt", "a/_COM1.txt"),
            ("aux .c", "_aux .c"),
            ("dot.", "dot_"),
            ("a\u{202e}gpj.exe", "a_gpj.exe"),
            ("..", "__"),
            ("", "_"),
            ("///", "_"),
        ];
        for (path, wanted) in rows {
            assert_eq!(safe(path), wanted, "{path:?}");
        }
        assert!(safe(&"x".repeat(5000)).len() <= PART_BYTES_MAX);
        assert!(safe(&"é/".repeat(500)).split('/').count() <= PARTS_MAX);
    }

    #[test]
    fn names_that_would_meet_are_told_apart() {
        let mut given = Given::default();
        assert_eq!(given.give("a/b.txt".into()), "a/b.txt");
        assert_eq!(given.give("a/B.txt".into()), "a/2-B.txt");
        assert_eq!(given.give("a/b.txt".into()), "a/3-b.txt");
    }

    proptest! {
        #[test]
        fn any_path_becomes_a_safe_name(path in any::<String>()) {
            let name = safe(&path);
            prop_assert!(is_safe(&name), "{name:?}");
            prop_assert!(name.len() <= PARTS_MAX * (PART_BYTES_MAX + 2));
        }
    }
}
