/// A text as lines, each with the ending that it has.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    /// Content and ending (`"\n"`, `"\r\n"`, or `""` for an unfinished last line).
    pub(crate) all: Vec<(&'a str, &'a str)>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let all = text
            .split_inclusive('\n')
            .map(|l| match l.strip_suffix('\n') {
                None => (l, ""),
                Some(rest) => match rest.strip_suffix('\r') {
                    Some(rest) => (rest, "\r\n"),
                    None => (rest, "\n"),
                },
            })
            .collect();
        Self { all }
    }

    pub(crate) fn texts(&self) -> Vec<&'a str> {
        self.all.iter().map(|(t, _)| *t).collect()
    }

    /// The ending that most lines have.
    pub(crate) fn ending(&self) -> &'static str {
        let crlf = self.all.iter().filter(|(_, e)| *e == "\r\n").count();
        if crlf * 2 > self.all.len() {
            "\r\n"
        } else {
            "\n"
        }
    }
}

/// Does every line of a text with lines end in CRLF?
pub(super) fn all_crlf(text: &str) -> bool {
    text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count()
}

pub(super) fn to_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The lines of a needle: an ending of the last line makes no empty line.
pub(super) fn needle(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text
        .split('\n')
        .map(|l| l.strip_suffix('\r').unwrap_or(l))
        .collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    lines
}

/// A place with line numbers, as the `read` tool shows it.
pub(super) fn numbered(lines: &[&str], from: usize, count: usize) -> String {
    let to = (from + count).min(lines.len());
    let mut out = Vec::new();
    for (n, line) in lines.iter().enumerate().take(to).skip(from).take(24) {
        let cut: String = line.chars().take(240).collect();
        out.push(format!("{:>6}\t{cut}", n + 1));
    }
    out.join("\n")
}
