//! git's configuration files as text (`Documentation/config.txt`, "Syntax"): values are compared or
//! opened as data by who asks, and never run.

/// Larger files are not read.
pub(super) const LIMIT_BYTES: u64 = 1 << 20;
const LINES_MAX: usize = 20_000;

/// The last value of `key` (`core.worktree`, in lower case); `None` where no line sets it.
pub(super) fn last(text: &str, key: &str) -> Option<String> {
    let mut found = None;
    each(text, |name, value| {
        if name == key {
            found = Some(value.to_owned());
        }
    });
    found
}

/// Calls `line` for each variable outside of sub-sections, in order. What can't be understood is passed
/// over.
pub(super) fn each(text: &str, mut line: impl FnMut(&str, &str)) {
    let mut section = None;
    let mut lines = text.lines().take(LINES_MAX);
    while let Some(raw) = lines.next() {
        let mut at = raw.trim();
        if let Some(header) = at.strip_prefix('[') {
            let Some((name, rest)) = header.split_once(']') else {
                section = None;
                continue;
            };
            // `[section "sub"]` and the old `[section.sub]` name something narrower.
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            section = plain.then(|| name.to_ascii_lowercase());
            at = rest.trim();
        }
        if at.is_empty() || at.starts_with(['#', ';']) {
            continue;
        }
        let (name, value) = at.split_once('=').unwrap_or((at, "true"));
        let value = unquoted(value.trim_start(), &mut lines);
        if let (Some(section), Some(value)) = (&section, value) {
            line(
                &format!("{section}.{}", name.trim().to_ascii_lowercase()),
                &value,
            );
        }
    }
}

/// A value without quotes, comment and trailing space; a `\` at a line's end goes on in the next.
fn unquoted<'a>(first: &str, rest: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let (mut value, mut kept, mut quoted) = (String::new(), 0, false);
    let mut chars: Vec<char> = first.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        at += 1;
        match c {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => {
                match chars.get(at) {
                    None => {
                        chars = rest.next()?.chars().collect();
                        at = 0;
                        continue;
                    }
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('b') => value.push('\u{8}'),
                    Some(c @ ('"' | '\\')) => value.push(*c),
                    Some(_) => return None,
                }
                at += 1;
            }
            c => value.push(c),
        }
        if quoted || !c.is_whitespace() {
            kept = value.len();
        }
    }
    value.truncate(kept);
    (!quoted).then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test")]
    use super::*;

    #[test]
    fn values_are_read_as_git_reads_them() {
        let text = "\u{feff}top = x\n[Core]\n\tautoCRLF = input ; why\n# excludesfile = no\n\texcludesFile = \"~/a b#c\" \n\
                    \tbare\n[core \"sub\"]\nexcludesfile = other\n[alias]x = !sh -c 'ls'\n[core]\n long = one \\\n two\n tab = a\\tb\\\\\n bad = \\q\n open = \"x\n";
        let want = [
            ("core.autocrlf", Some("input")),
            ("core.excludesfile", Some("~/a b#c")),
            ("core.bare", Some("true")),
            ("alias.x", Some("!sh -c 'ls'")),
            ("core.long", Some("one  two")),
            ("core.tab", Some("a\tb\\")),
            ("core.bad", None),
            ("core.open", None),
            ("core.none", None),
        ];
        for (key, value) in want {
            assert_eq!(last(text, key).as_deref(), value, "{key}");
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(
            &file,
            text.replace(" bad = \\q\n open = \"x\n", "")
                .replace("\u{feff}top = x\n", ""),
        )
        .unwrap();
        for (key, value) in want.iter().filter_map(|(k, v)| Some((k, (*v)?))) {
            let args = ["config", "--file", file.to_str().unwrap(), "--get", key];
            let theirs = if *key == "core.bare" {
                "true".to_owned()
            } else {
                crate::testing::git(dir.path(), &args)
            };
            assert_eq!(theirs, value, "git's own reading of {key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_text_does_not_panic(text in "[\\[\\]\"\\\\=#; \na-c\u{e9}]{0,80}") {
            each(&text, |_, _| {});
        }
    }
}
