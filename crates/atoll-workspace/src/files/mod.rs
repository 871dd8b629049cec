//! What an agent's tools do in its copy: read, list, search, write, all on an
//! open directory, beneath it, past symlinks, and bounded.

mod list;
mod picture;
mod read;
mod search;
mod write;

pub(crate) use list::{ListAsk, list};
pub(crate) use picture::picture;
pub(crate) use read::{ReadAsk, content, read};
pub(crate) use search::{SearchAsk, search};
pub(crate) use write::{Put, adds_placeholder, delete, prune, put};

use crate::error::{Error, Result};
use crate::names::{Mask, RelPath, mask};

/// What a tool shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) text: String,
    /// What was left out and how to get it.
    pub(crate) more: Option<String>,
}

/// A path that a tool may touch: not `.git`, not a credential file by name.
pub(crate) fn tool_path(path: &str) -> Result<RelPath> {
    let path = RelPath::parse_outside_git(path)?;
    if mask(&path) == Mask::Yes {
        Err(Error::Masked { path: path.into() })
    } else {
        Ok(path)
    }
}

/// A folder that a tool may look below; `None` is the root.
pub(crate) fn tool_folder(path: &str) -> Result<Option<RelPath>> {
    match path.trim_end_matches('/') {
        "" | "." => Ok(None),
        _ => tool_path(path).map(Some),
    }
}

/// Cuts a line that is too long to show, saying how much is gone.
pub(crate) fn cut(line: &str, chars_max: usize) -> String {
    match line.char_indices().nth(chars_max) {
        None => line.to_owned(),
        Some((at, _)) => format!("{} […{} more bytes]", &line[..at], line.len() - at),
    }
}

/// Does it look like something that isn't text? As git: a NUL in the first 8,000 bytes.
pub(crate) fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(8000)].contains(&0)
}

#[cfg(test)]
mod tests;
