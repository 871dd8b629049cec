//! Edits as a model writes them, worked out on text. Pure.
//!
//! Small mismatches are tolerated and said: trailing white space, a uniform
//! shift of indentation, line endings, pasted line numbers, typographic quotes,
//! wrong line numbers in a diff. Two places that fit are never chosen between.

mod diff;
mod lines;
mod locate;
mod replace;

/// One edit of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Replace the one place that holds `search`.
    Replace {
        /// What to find.
        search: &'a str,
        /// What stands there after.
        replace: &'a str,
        /// Replace every exact occurrence instead.
        all: bool,
    },
    /// The whole new content.
    Whole(&'a str),
    /// A unified diff of this file alone.
    Diff(&'a str),
}

/// An edit that was worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The new content.
    pub text: String,
    /// What was tolerated, one clause each.
    pub tolerated: Vec<String>,
}

/// Why an edit can't be worked out. The text is for the model: it says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Several places fit.
    #[error("{what} fits {} places, at lines {}: add lines around it until only one fits", .lines.len(), join(.lines))]
    Ambiguous {
        /// `the search text`, `hunk 2`.
        what: String,
        /// The first line of each place, from 1; at most 20.
        lines: Vec<usize>,
    },
    /// No place fits.
    #[error("{what} is not in the file{}{}", if *.already { "; the replacement already is" } else { "" }, shown(.nearest))]
    NotFound {
        /// `the search text`, `hunk 2`.
        what: String,
        /// The place most like it, with line numbers; empty when nothing is.
        nearest: String,
        /// The replacement stands in the file exactly once.
        already: bool,
    },
    /// It would change nothing.
    #[error("the edit changes nothing")]
    NoChange,
    /// It isn't an edit.
    #[error("{0}")]
    Malformed(String),
}

fn join(lines: &[usize]) -> String {
    lines
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn shown(nearest: &str) -> String {
    if nearest.is_empty() {
        "; read the file again".to_owned()
    } else {
        format!(
            "; the nearest place is\n{nearest}\nCopy the lines exactly as they are, without line numbers"
        )
    }
}

/// Files and edits over this are refused.
pub const TEXT_LIMIT_BYTES: usize = 8 << 20;

/// Works `edit` out on `text`.
///
/// # Errors
/// [`Error`]; nothing was guessed.
pub fn apply(text: &str, edit: &Edit<'_>) -> Result<Applied, Error> {
    let edit_bytes = match edit {
        Edit::Replace {
            search, replace, ..
        } => search.len() + replace.len(),
        Edit::Whole(t) | Edit::Diff(t) => t.len(),
    };
    if text.len() > TEXT_LIMIT_BYTES || edit_bytes > TEXT_LIMIT_BYTES {
        return Err(Error::Malformed(format!(
            "the file or the edit is larger than {TEXT_LIMIT_BYTES} bytes"
        )));
    }
    let applied = match edit {
        Edit::Replace {
            search,
            replace,
            all,
        } => replace::apply(text, search, replace, *all)?,
        Edit::Whole(content) => whole(text, content),
        Edit::Diff(diff) => diff::apply(text, diff)?,
    };
    if applied.text == text {
        Err(Error::NoChange)
    } else {
        Ok(applied)
    }
}

fn whole(old: &str, new: &str) -> Applied {
    let mut tolerated = Vec::new();
    let mut text = new.to_owned();
    if lines::all_crlf(old) && !new.contains('\r') {
        text = lines::to_crlf(&text);
        tolerated.push("the file's CRLF line endings were kept".to_owned());
    }
    if old.starts_with('\u{feff}') && !new.starts_with('\u{feff}') {
        text.insert(0, '\u{feff}');
        tolerated.push("the file's byte order mark was kept".to_owned());
    }
    Applied { text, tolerated }
}

#[cfg(test)]
mod tests;
