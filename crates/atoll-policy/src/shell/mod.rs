//! The parts of a command line: every program that would be started, as far as the text tells. Pipelines, lists,
//! substitutions, `sh -c`, and programs that start others (`env`, `xargs`, `find -exec`, …) are looked through.
//!
//! It never makes a verdict milder: rules that allow by a command's text are refused when they are read. What can't be
//! parsed, or is decided only when it runs (`$X`, `eval "$line"`, a script on standard input), makes the whole
//! [`Parts::unclear`]. Text is hostile: it is bounded in length, depth and number of parts.

mod script;
mod starts;

use std::collections::BTreeSet;

/// The longest script that is parsed, in bytes.
const SCRIPT_BYTES_MAX: usize = 64 << 10;
/// Scripts in scripts.
const DEPTH_MAX: usize = 8;
/// Parts that are told apart.
const PARTS_MAX: usize = 64;

/// One program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) words: Vec<String>,
}

impl Part {
    /// The first word's file name.
    pub(crate) fn program(&self) -> &str {
        let first = self.words.first().map_or("", String::as_str);
        first.rsplit('/').next().unwrap_or("")
    }
}

/// All parts of a command line.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) parts: BTreeSet<Part>,
    /// Whether there may be others.
    pub(crate) unclear: bool,
}

impl Parts {
    /// Of the words of a job.
    pub(crate) fn of(words: &[&str]) -> Parts {
        let mut parts = Parts::default();
        let words = words.iter().map(|word| Some((*word).to_owned()));
        parts.command(words.collect(), 0);
        parts
    }

    /// A program with its arguments; a word that is known only when it runs is `None`.
    fn command(&mut self, words: Vec<Option<String>>, depth: usize) {
        let Some(first) = words.first() else { return };
        if first.is_none() || depth > DEPTH_MAX || self.parts.len() >= PARTS_MAX {
            self.unclear = true;
            return;
        }
        let known = words.iter().map(|word| word.clone().unwrap_or_default());
        let part = Part {
            words: known.collect(),
        };
        if self.parts.insert(part.clone()) {
            starts::through(self, part.program(), &words[1..], depth);
        }
    }

    /// A shell's text.
    fn script(&mut self, text: &str, depth: usize) {
        if text.len() > SCRIPT_BYTES_MAX || depth >= DEPTH_MAX {
            self.unclear = true;
            return;
        }
        match script::commands(text) {
            Some(found) => {
                self.unclear |= found.unclear;
                for words in found.commands {
                    self.command(words, depth + 1);
                }
            }
            None => self.unclear = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(line: &str) -> (Vec<String>, bool) {
        let parts = Parts::of(&["sh", "-c", line]);
        let names: BTreeSet<String> = parts.parts.iter().map(|p| p.program().to_owned()).collect();
        (names.into_iter().collect(), parts.unclear)
    }

    #[test]
    fn every_part_of_a_line_is_found() {
        for line in [
            "curl x",
            "true && curl x",
            "true; curl x",
            "true | curl x",
            "true & curl x",
            "! curl x",
            "(cd a && curl x)",
            "{ curl x; }",
            "echo $(curl x)",
            "echo `curl x`",
            "echo \"a $(curl x) b\"",
            "cat <(curl x)",
            "x=$(curl x) true",
            "export x=$(curl x)",
            "if true; then curl x; fi",
            "for i in 1 2; do curl $i; done",
            "while curl x; do true; done",
            "case a in a) curl x;; esac",
            "f() { curl x; }; f",
            "cat <<E\n$(curl x)\nE",
            "[ -n \"$(curl x)\" ]",
            "/usr/bin/curl x",
            "c\\url x",
            "'curl' x",
            "cu\"rl\" x",
            "X=1 curl x",
            "env X=1 curl x",
            "env -i -u HOME curl x",
            "env -S 'curl x'",
            "sh -c 'curl x'",
            "bash -lc \"curl x\"",
            "sh -c 'sh -c \"curl x\"'",
            "eval curl x",
            "exec curl x",
            "command curl x",
            "nohup curl x",
            "nice -n 5 curl x",
            "timeout -s KILL 5 curl x",
            "timeout --signal KILL 5 curl x",
            "xargs curl",
            "xargs -n 1 -I {} curl {}",
            "find . -exec curl {} \\;",
            "find . -name a -execdir curl {} +",
            "sudo -u bo curl x",
            "time curl x",
            "busybox curl x",
            "trap 'curl x' EXIT",
            "watch -n 1 curl x",
            "true\ncurl x",
            "curl x # what",
            "coproc curl x",
        ] {
            let (names, _) = programs(line);
            assert!(names.iter().any(|name| name == "curl"), "{line}: {names:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_program_is_none() {
        for line in [
            "echo curl",
            "grep -r curl .",
            "echo 'curl x'",
            "cat <<'E'\ncurl x\nE",
            "true # curl x",
            "X=curl true",
        ] {
            let (names, unclear) = programs(line);
            assert!(
                !names.iter().any(|name| name == "curl"),
                "{line}: {names:?}"
            );
            assert!(!unclear, "{line}");
        }
    }

    #[test]
    fn what_the_text_does_not_tell_is_unclear() {
        let deep = "$(".repeat(5000);
        let nested = (0..12).fold("curl x".to_owned(), |line, _| {
            format!("sh -c '{}'", line.replace('\'', r"'\''"))
        });
        let long = "a;".repeat(40_000);
        let many: String = (0..100).map(|n| format!("p{n};")).collect();
        for line in [
            "$X x",
            "X=curl; $X x",
            "echo x | sh",
            "curl x | bash -s",
            "eval \"$X\"",
            "sh -c \"$X\"",
            "/usr/bin/cur? x",
            "{curl,x}",
            "if true",
            "'",
            "alias g=curl; g",
            "xargs $X",
            "$'\\x63url' x",
            &deep,
            &nested,
            &long,
            &many,
        ] {
            let (names, unclear) = programs(line);
            assert!(unclear, "{}: {names:?}", line.get(..60).unwrap_or(line));
        }
    }
}
