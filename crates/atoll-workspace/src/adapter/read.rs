use atoll_domain::action::{FileRead, FileWrite, ReadOp, WriteOp};
use atoll_domain::{Hash, SessionId};
use atoll_ports::workspace::{Detected, Edit, Error, Picture, Planned, ReadOut};
use similar::{ChangeTag, TextDiff};

use super::{Inner, locked};
use crate::edit;
use crate::files::{
    ListAsk, Put, ReadAsk, SearchAsk, adds_placeholder, content, delete, list, picture, put, read,
    search, tool_folder, tool_path,
};
use crate::names::RelPath;

const LIST_DEPTH_MAX: u64 = 16;
const LINES_MAX: u64 = 5_000;
/// The diff of one edit, for the transcript.
const EDIT_DIFF_BYTES_MAX: usize = 8 << 10;

impl Inner {
    pub(super) fn read(&self, act: &FileRead) -> Result<ReadOut, Error> {
        let copy = self.copy(act.session)?;
        let dir = copy.dir()?;
        let mut seen = None;
        let (mut shown, hash) = match &act.op {
            ReadOp::Read {
                path,
                start_line,
                lines_max,
            } => {
                let default = ReadAsk::default();
                let ask = ReadAsk {
                    start_line: start_line.unwrap_or(1),
                    lines_max: lines_max.unwrap_or(default.lines_max).clamp(1, LINES_MAX),
                    ..default
                };
                let path = tool_path(path)?;
                seen = picture(&dir, &path)?;
                let (shown, hash) = read(&dir, &path, ask)?;
                (shown, Some(hash))
            }
            ReadOp::List { path, depth } => {
                let default = ListAsk::default();
                let depth = depth.map_or(default.depth, |d| {
                    usize::try_from(d.clamp(1, LIST_DEPTH_MAX)).unwrap_or(1)
                });
                (
                    list(
                        &dir,
                        tool_folder(path)?.as_ref(),
                        ListAsk { depth, ..default },
                        &copy.tracked,
                    )?,
                    None,
                )
            }
            ReadOp::Search {
                pattern,
                literal,
                path,
                glob,
                context,
            } => {
                let from = tool_folder(path.as_deref().unwrap_or_default())?;
                let ask = SearchAsk {
                    glob: glob.as_deref().filter(|g| !g.is_empty()),
                    context: usize::try_from(context.unwrap_or(0)).unwrap_or(usize::MAX),
                    ..SearchAsk::of(pattern, *literal)
                };
                (search(&dir, from.as_ref(), ask, &copy.tracked)?, None)
            }
        };
        if let (Some((kind, bytes)), ReadOp::Read { path, .. }) = (&seen, &act.op) {
            shown.text = format!("{path} is a picture, {kind}, {} bytes", bytes.len());
        }
        let picture = seen.map(|(media_type, bytes)| Picture { media_type, bytes });
        Ok(ReadOut {
            text: shown.text,
            hash,
            more: shown.more,
            picture,
        })
    }

    pub(super) fn plan_edit(
        &self,
        session: SessionId,
        path: &str,
        how: &Edit,
    ) -> Result<Planned, Error> {
        let copy = self.copy(session)?;
        let path = tool_path(path)?;
        let old = content(&copy.dir()?, &path, edit::TEXT_LIMIT_BYTES as u64)?;
        let before = old.as_deref().map(Hash::of);
        let missing = || Error::Missing(path.to_string());
        let how = match how {
            Edit::Delete => return removal(&path, &old.ok_or_else(missing)?),
            Edit::Replace {
                search,
                replace,
                all,
            } => {
                if old.is_none() {
                    return Err(missing());
                }
                edit::Edit::Replace {
                    search,
                    replace,
                    all: *all,
                }
            }
            Edit::Whole { content } => edit::Edit::Whole(content),
            Edit::Diff { diff } => edit::Edit::Diff(diff),
        };
        let text = String::from_utf8(old.unwrap_or_default()).map_err(|_| {
            Error::Edit(format!(
                "{path} is not UTF-8 text, so it can't be edited; change it with a command"
            ))
        })?;
        let applied = match edit::apply(&text, &how) {
            // A new empty file is a change, if the file was not there.
            Err(edit::Error::NoChange) if before.is_none() => edit::Applied {
                text: text.clone(),
                tolerated: vec![],
            },
            other => other.map_err(|e| Error::Edit(format!("{path}: {e}")))?,
        };
        if adds_placeholder(text.as_bytes(), applied.text.as_bytes()) {
            let path = path.to_string();
            return Err(crate::Error::Placeholder { path }.into());
        }
        let (added, removed, diff) = small_diff(path.as_str(), &text, &applied.text);
        let content = Some(applied.text.into_bytes());
        Ok(Planned {
            before,
            content,
            added,
            removed,
            diff,
            tolerated: applied.tolerated,
        })
    }

    pub(super) fn write(&self, act: &FileWrite) -> Result<Hash, Error> {
        let copy = self.copy(act.session)?;
        let _busy = locked(&copy.busy);
        let path = tool_path(&act.path)?;
        let how = Put {
            before: act.before,
            owner: copy.owner(),
            file_limit_bytes: self.options.limits.file_limit_bytes,
        };
        match &act.op {
            WriteOp::Put(new) => Ok(put(&copy.dir()?, &path, new, how)?),
            WriteOp::Delete => {
                delete(&copy.dir()?, &path, how)?;
                Ok(Hash::of(b""))
            }
        }
    }

    pub(super) fn detect(&self, session: SessionId, below: &str) -> Result<Detected, Error> {
        let below = tool_folder(below)?;
        crate::detect::detect(&self.copy(session)?.dir()?, below.as_ref()).map_err(Error::from)
    }
}

fn removal(path: &RelPath, old: &[u8]) -> Result<Planned, Error> {
    let removed = String::from_utf8_lossy(old).lines().count() as u64;
    Ok(Planned {
        before: Some(Hash::of(old)),
        content: None,
        added: 0,
        removed,
        diff: format!("{path} is removed, {removed} lines"),
        tolerated: vec![],
    })
}

/// Lines added and removed, and a diff that is cut where it is long.
fn small_diff(path: &str, old: &str, new: &str) -> (u64, u64, String) {
    let diff = TextDiff::configure()
        .timeout(std::time::Duration::from_secs(2))
        .diff_lines(old, new);
    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count() as u64;
    let (added, removed) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
    let (a, b) = (format!("a/{path}"), format!("b/{path}"));
    let mut text = diff
        .unified_diff()
        .context_radius(2)
        .header(&a, &b)
        .to_string();
    if text.len() > EDIT_DIFF_BYTES_MAX {
        let at = (0..=EDIT_DIFF_BYTES_MAX)
            .rev()
            .find(|n| text.is_char_boundary(*n))
            .unwrap_or(0);
        let hidden = text[at..].lines().count();
        text.truncate(at);
        text.push_str(&format!("\n[…{hidden} more lines of the diff]\n"));
    }
    (added, removed, text)
}
