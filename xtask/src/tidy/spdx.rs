//! Licence expressions: is there a way to use this that we accept?

/// Permissive licences, and weak copyleft that reaches no further than its files.
const ACCEPTED: [&str; 25] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "LGPL-2.1",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "WTFPL",
    "Zlib",
];

/// `MIT OR (GPL-3.0 AND ISC)` and the like; an old `/` means OR. What can't be
/// read is not accepted.
pub fn accepted(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = any(&mut rest);
    verdict == Some(true) && rest.is_empty()
}

fn any(words: &mut &[&str]) -> Option<bool> {
    let mut verdict = all(words)?;
    while take(words, "OR") {
        // Both sides are read, whichever decides.
        verdict |= all(words)?;
    }
    Some(verdict)
}

fn all(words: &mut &[&str]) -> Option<bool> {
    let mut verdict = one(words)?;
    while take(words, "AND") {
        verdict &= one(words)?;
    }
    Some(verdict)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let verdict = any(words)?;
        return take(words, ")").then_some(verdict);
    }
    let (name, rest) = words.split_first()?;
    if ["OR", "AND", "WITH", ")"].contains(name) {
        return None;
    }
    *words = rest;
    let mut whole = (*name).to_owned();
    if take(words, "WITH") {
        let (exception, rest) = words.split_first()?;
        *words = rest;
        whole = format!("{whole} WITH {exception}");
    }
    Some(ACCEPTED.contains(&whole.as_str()))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        *words = &words[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn one_good_way_is_enough() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0-only",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "MPL-2.0",
        ] {
            assert!(accepted(good), "{good}");
        }
    }

    #[test]
    fn strong_copyleft_the_unknown_and_the_unreadable_are_refused() {
        for bad in [
            "GPL-3.0-only",
            "MIT AND AGPL-3.0-only",
            "(MIT",
            "MIT)",
            "MIT OR",
            "OR MIT",
            "",
            "SSPL-1.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "MIT MIT",
        ] {
            assert!(!accepted(bad), "{bad}");
        }
    }
}
