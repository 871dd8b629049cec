//! The two forms of a question: a part of a line and what stands there instead; every third time, a whole line.
//!
//! The smallest models copy a line rather than change it. Asked for the part that is wrong they find it, and what
//! was tried there before is kept out of the form, so that each reply is a new try.

use serde_json::{Value, json};

use super::look::{Shown, find, indented};

/// Parts of one line that are offered.
const PARTS_MAX: usize = 10;
/// Ways that one form offers, at most: of more, what was tried isn't kept out.
const WAYS_MAX: usize = 200;
/// A reply's text is taken up to this length, in bytes.
const TEXT_BYTES_MAX: usize = 2000;
/// Words that are never what is wrong.
const FRAME: [&str; 12] = [
    "return", "def", "fn", "func", "function", "let", "const", "var", "self", "this", "class",
    "pub",
];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A part of a line.
    Part,
    /// A whole line.
    Line,
}

impl Ask {
    /// In the round that comes after so many.
    pub(super) fn after(rounds: u64) -> Ask {
        match rounds % 3 {
            2 => Ask::Line,
            _ => Ask::Part,
        }
    }
}

/// A reply that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// In this line, this part, and what stands there instead.
    Part {
        line: String,
        part: String,
        by: String,
    },
    /// This line, and the one in its stead.
    Line { wrong: String, right: String },
}

/// A reply, if it is in one of the forms; what stands around it is overlooked.
pub(super) fn understood(text: &str) -> Option<Said> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    let value: Value = serde_json::from_str(text.get(start..=end)?).ok()?;
    let field = |name: &str| {
        let text = value[name].as_str()?;
        let fits = text.len() <= TEXT_BYTES_MAX && !text.trim().is_empty();
        fits.then(|| text.to_owned())
    };
    if let (Some(line), Some(part), Some(by)) = (field("line"), field("replace"), field("by")) {
        return Some(Said::Part { line, part, by });
    }
    let (wrong, right) = (field("wrong")?, field("right")?);
    Some(Said::Line { wrong, right })
}

impl Said {
    /// The file and line that it means, and the line that is to stand there.
    pub(super) fn change(&self, files: &[Shown]) -> Option<(usize, usize, String)> {
        let text = match self {
            Said::Part { line, .. } | Said::Line { wrong: line, .. } => line,
        };
        let (file, at) = find(files, text)?;
        let was = files.get(file)?.lines.get(at)?;
        let now = match self {
            Said::Line { right, .. } => indented(was, right),
            Said::Part { part, by, .. } => {
                let (start, end) = places(was)
                    .into_iter()
                    .find(|(a, b)| &was[*a..*b] == part)?;
                format!("{}{}{}", &was[..start], by.trim(), &was[end..])
            }
        };
        Some((file, at, now))
    }
}

/// Where the parts of a line stand: names, numbers, and signs that calculate or compare.
fn places(line: &str) -> Vec<(usize, usize)> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Name,
        Number,
        Sign,
        None,
    }
    let kind = |c: char, before: Kind| match c {
        '.' if before == Kind::Number => Kind::Number,
        c if c.is_ascii_digit() && before != Kind::Name => Kind::Number,
        c if c.is_alphanumeric() || c == '_' => Kind::Name,
        c if "+-*/<>=!%&|".contains(c) => Kind::Sign,
        _ => Kind::None,
    };
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut before = Kind::None;
    for (at, c) in line.char_indices() {
        let now = kind(c, before);
        match found.last_mut() {
            Some(last) if now == before && now != Kind::None => last.1 = at + c.len_utf8(),
            _ if now != Kind::None => found.push((at, at + c.len_utf8())),
            _ => {}
        }
        before = now;
    }
    found
}

/// The parts of a line that are offered.
pub(super) fn parts(line: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for (start, end) in places(line) {
        let part = &line[start..end];
        if !FRAME.contains(&part) && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.truncate(PARTS_MAX);
    parts
}

fn object(fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

/// One of the lines, and any other in its stead.
pub(super) fn whole(lines: &[String]) -> Value {
    let one = json!({ "type": "string", "enum": lines });
    object(&[("wrong", one), ("right", json!({ "type": "string" }))])
}

/// One of the lines, one of its parts, and what wasn't tried there yet.
pub(super) fn part(lines: &[String], tried: &[(String, String, String)]) -> Value {
    let all: Vec<(&String, Vec<&str>)> = lines.iter().map(|l| (l, parts(l))).collect();
    let many = all.iter().map(|(_, parts)| parts.len()).sum::<usize>() > WAYS_MAX;
    let mut ways = Vec::new();
    for (line, parts) in all.iter().filter(|(_, parts)| !parts.is_empty()) {
        let line_is = json!({ "const": line });
        if many {
            let one = json!({ "type": "string", "enum": parts });
            let by = json!({ "type": "string" });
            ways.push(object(&[("line", line_is), ("replace", one), ("by", by)]));
            continue;
        }
        for part in parts {
            let here = tried.iter().filter(|(l, p, _)| l == *line && p == part);
            let mut barred: Vec<&str> = vec!["", part];
            barred.extend(here.map(|(_, _, by)| by.as_str()));
            let by = json!({ "type": "string", "not": { "enum": barred } });
            let part_is = json!({ "const": part });
            ways.push(object(&[
                ("line", line_is.clone()),
                ("replace", part_is),
                ("by", by),
            ]));
        }
    }
    json!({ "anyOf": ways })
}
