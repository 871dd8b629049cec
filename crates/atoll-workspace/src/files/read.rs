use atoll_domain::Hash;
use rustix::io::Errno;

use super::{Shown, cut, is_binary};
use crate::beneath::{Dir, kind_of, read_bounded};
use crate::error::{Error, Result};
use crate::names::{Mask, RelPath, holds_token, mask};

/// Which lines, and how much at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadAsk {
    /// From 1.
    pub(crate) start_line: u64,
    pub(crate) lines_max: u64,
    pub(crate) text_limit_bytes: usize,
    pub(crate) file_limit_bytes: u64,
}

impl Default for ReadAsk {
    fn default() -> Self {
        Self {
            start_line: 1,
            lines_max: 1000,
            text_limit_bytes: 64 << 10,
            file_limit_bytes: 16 << 20,
        }
    }
}

const LINE_CHARS_MAX: usize = 2000;

/// The content of a regular file, bounded. `None` when nothing is there.
pub(crate) fn content(root: &Dir, path: &RelPath, limit_bytes: u64) -> Result<Option<Vec<u8>>> {
    let fail = |e: Errno| Error::io("read", path, e);
    let parent = match root.parent(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP | Errno::XDEV) => {
            return Err(Error::Path {
                path: path.to_string(),
                why: "a folder in it is a symlink or another file system",
            });
        }
        other => other.map_err(fail)?,
    };
    let name = path.name().as_bytes();
    match parent.stat(name) {
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(fail(e)),
        Ok(stat) if kind_of(&stat) != "a file" => {
            return Err(Error::NotAFile {
                path: path.to_string(),
                kind: kind_of(&stat),
            });
        }
        Ok(_) => {}
    }
    let mut file = parent.file(name).map_err(fail)?;
    // It may have been swapped since: ask what was opened.
    let stat = rustix::fs::fstat(&file).map_err(fail)?;
    if kind_of(&stat) != "a file" {
        return Err(Error::NotAFile {
            path: path.to_string(),
            kind: kind_of(&stat),
        });
    }
    match read_bounded(&mut file, limit_bytes).map_err(|e| Error::io("read", path, e))? {
        None => Err(Error::Limit {
            what: format!("the size of {path}"),
            limit: limit_bytes,
            hint: "search it, or read parts of it with a command",
        }),
        Some(content) if mask(path) == Mask::IfToken && holds_token(&content) => {
            Err(Error::Masked {
                path: path.to_string(),
            })
        }
        content => Ok(content),
    }
}

/// Numbered lines of a file, and the hash of the whole.
pub(crate) fn read(root: &Dir, path: &RelPath, ask: ReadAsk) -> Result<(Shown, Hash)> {
    let content = content(root, path, ask.file_limit_bytes)?.ok_or_else(|| Error::Missing {
        path: path.to_string(),
    })?;
    let hash = Hash::of(&content);
    if is_binary(&content) {
        let text = format!("{path} is a binary file of {} bytes", content.len());
        return Ok((Shown { text, more: None }, hash));
    }
    let lossy = std::str::from_utf8(&content).is_err();
    let text = String::from_utf8_lossy(&content);
    let total = text.lines().count();
    let first = usize::try_from(ask.start_line.max(1)).unwrap_or(usize::MAX);
    if first > total.max(1) {
        return Err(Error::Limit {
            what: format!("the first line asked for of {path}"),
            limit: total as u64,
            hint: "that is the file's last line",
        });
    }
    let mut out = String::new();
    let mut last = first - 1;
    let mut cuts = 0;
    for line in text
        .lines()
        .skip(first - 1)
        .take(usize::try_from(ask.lines_max).unwrap_or(usize::MAX))
    {
        let shown = cut(line, LINE_CHARS_MAX);
        if out.len() + shown.len() + 8 > ask.text_limit_bytes {
            break;
        }
        cuts += usize::from(shown.len() != line.len());
        last += 1;
        out.push_str(&format!("{last:>6}\t{shown}\n"));
    }
    Ok((
        Shown {
            text: out,
            more: notes(path, first, last, total, lossy, cuts),
        },
        hash,
    ))
}

fn notes(
    path: &RelPath,
    first: usize,
    last: usize,
    total: usize,
    lossy: bool,
    cuts: usize,
) -> Option<String> {
    let mut notes = Vec::new();
    if total == 0 {
        notes.push(format!("{path} is empty"));
    } else if first > 1 || last < total {
        notes.push(format!("lines {first} to {last} of {total}"));
        if last < total {
            notes.push(format!("read on with start_line {}", last + 1));
        }
    }
    if lossy {
        notes.push(
            "it is not UTF-8; \u{fffd} stands for what is not text, and edits of such lines fail"
                .to_owned(),
        );
    }
    if cuts > 0 {
        notes.push(format!("{cuts} long lines were cut"));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}
