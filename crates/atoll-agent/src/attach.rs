//! `@path` in a person's words: files of the workspace that are read before the model is asked.
//!
//! They are read as `read_file` reads, by the same action: masked files stay masked, and a replay sees them.

use atoll_domain::action::ReadOp;

/// Files that one message may name; of more the first count.
const FILES_MAX: usize = 8;
const PATH_BYTES_MAX: usize = 1024;

/// What the words name: `@src/a.rs`, `@"with spaces.txt"`, `@src/` for a folder. An `@` inside a word, as in an
/// address, names nothing.
pub(crate) fn named(words: &str) -> Vec<ReadOp> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for (at, c) in words.char_indices() {
        let starts = c == '@' && (before.is_whitespace() || "([{\"'".contains(before));
        before = c;
        if !starts {
            continue;
        }
        let rest = &words[at + 1..];
        let path = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split(['"', '\n']).next().unwrap_or_default(),
            None => {
                let word = rest.split(char::is_whitespace).next().unwrap_or_default();
                word.trim_end_matches([',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '.'])
            }
        };
        let fine =
            !path.is_empty() && path.len() <= PATH_BYTES_MAX && !path.chars().any(char::is_control);
        if fine && found.len() < FILES_MAX && !found.iter().any(|p| p == path) {
            found.push(path.to_owned());
        }
    }
    found.into_iter().map(read).collect()
}

fn read(path: String) -> ReadOp {
    match path.strip_suffix('/') {
        Some(folder) => ReadOp::List {
            path: folder.to_owned(),
            depth: Some(2),
        },
        None => ReadOp::Read {
            path,
            start_line: None,
            lines_max: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(words: &str) -> Vec<String> {
        let path = |op: ReadOp| match op {
            ReadOp::Read { path, .. } => path,
            ReadOp::List { path, .. } => format!("{path}/"),
            ReadOp::Search { .. } => String::new(),
        };
        named(words).into_iter().map(path).collect()
    }

    #[test]
    fn paths_are_found_and_addresses_are_not() {
        assert_eq!(
            paths("why does @till/total.py, and (@src/) differ from @\"a b.txt\"? @.env!"),
            ["till/total.py", "src/", "a b.txt", ".env"]
        );
        assert_eq!(paths("mail a@b.c about @ and @@"), ["@"]);
        assert_eq!(paths("@a @a @b"), ["a", "b"]);
        assert!(paths(&format!("@{}", "x".repeat(5000))).is_empty());
        let many: String = (0..100).map(|n| format!("@f{n} ")).collect();
        assert_eq!(paths(&many).len(), FILES_MAX);
    }
}
