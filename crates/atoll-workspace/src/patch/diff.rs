use std::fmt::Write as _;
use std::time::Duration;

use atoll_domain::{Change, FileChange, PatchClass, PatchSummary, TreeId};
use similar::{ChangeTag, TextDiff};

use super::CHANGES_MAX;
use super::class::{class, is_test, manifest_matters};
use crate::error::{Error, Result};
use crate::files::is_binary;
use crate::store::tree::{Difference, differences};
use crate::store::{Leaf, Mode, ObjectId, Store};

/// Files over this are named in a diff, not shown.
const SHOWN_LIMIT_BYTES: usize = 2 << 20;
const DIFF_LIMIT_BYTES: usize = 8 << 20;
/// Past this a file's diff is right, but no longer the shortest.
const EFFORT: Duration = Duration::from_secs(3);

/// The patch that leads from `base` to `tree`, with its unified diff.
pub(crate) fn patch(
    store: &Store,
    base: ObjectId,
    tree: ObjectId,
) -> Result<(PatchSummary, String)> {
    let mut diff = String::new();
    let mut files = Vec::new();
    for change in differences(store.odb(), base, tree, CHANGES_MAX)? {
        files.push(one(store, &change, &mut diff)?);
    }
    let worst = files
        .iter()
        .map(|f: &FileChange| f.class)
        .max()
        .unwrap_or(PatchClass::Ordinary);
    let id = |o: ObjectId| {
        TreeId::parse(&o.to_string()).ok_or_else(|| Error::corrupt("a tree", "its id is not one"))
    };
    Ok((
        PatchSummary {
            base: id(base)?,
            tree: id(tree)?,
            files,
            class: worst,
        },
        diff,
    ))
}

fn one(store: &Store, change: &Difference, diff: &mut String) -> Result<FileChange> {
    let content = |leaf: Option<Leaf>| -> Result<Vec<u8>> {
        leaf.filter(|l| l.mode != Mode::Gitlink)
            .map_or(Ok(Vec::new()), |l| store.blob(l.id))
    };
    let (old, new) = (content(change.before)?, content(change.after)?);
    let target = change
        .after
        .filter(|l| l.mode == Mode::Link)
        .map(|_| new.as_slice());
    let (class, why) = class(change, target, manifest_matters(&change.path, &old, &new));
    let binary = is_binary(&old) || is_binary(&new);
    let (added, removed) = show(change, &old, &new, binary, diff);
    let mode = |l: Option<Leaf>| {
        l.map(|l| match l.mode {
            Mode::Exec => 755,
            Mode::Link => 120_000,
            Mode::Gitlink => 160_000,
            Mode::File | Mode::Dir => 644,
        })
    };
    let kind = match (change.before, change.after) {
        (None, _) => Change::Added,
        (_, None) => Change::Deleted,
        (Some(a), Some(b)) if a.id == b.id => Change::Mode,
        _ => Change::Modified,
    };
    Ok(FileChange {
        path: change.path.clone(),
        change: kind,
        class,
        why,
        before: change.before.map(|l| l.id.to_string()),
        after: change.after.map(|l| l.id.to_string()),
        mode_before: mode(change.before),
        mode_after: mode(change.after),
        binary,
        added,
        removed,
        is_test: is_test(&change.path),
    })
}

/// Appends one file in git's form; lines added and removed.
fn show(change: &Difference, old: &[u8], new: &[u8], binary: bool, out: &mut String) -> (u64, u64) {
    let (a, b) = (quoted("a/", &change.path), quoted("b/", &change.path));
    let mut head = format!("diff --git {a} {b}\n");
    match (change.before, change.after) {
        (None, Some(l)) => writeln!(head, "new file mode {}", l.mode.octal()),
        (Some(l), None) => writeln!(head, "deleted file mode {}", l.mode.octal()),
        (Some(x), Some(y)) if x.mode != y.mode => {
            writeln!(
                head,
                "old mode {}\nnew mode {}",
                x.mode.octal(),
                y.mode.octal()
            )
        }
        _ => Ok(()),
    }
    .unwrap_or_default(); // writing to a String cannot fail
    let from = if change.before.is_some() {
        a.clone()
    } else {
        "/dev/null".into()
    };
    let to = if change.after.is_some() {
        b.clone()
    } else {
        "/dev/null".into()
    };
    if old == new {
        out.push_str(&head);
        return (0, 0);
    }
    if binary || old.len().max(new.len()) > SHOWN_LIMIT_BYTES || out.len() > DIFF_LIMIT_BYTES {
        let kind = if binary {
            "Binary files"
        } else {
            "Large files"
        };
        let _ = writeln!(head, "{kind} {from} and {to} differ");
        out.push_str(&head);
        return if binary {
            (0, 0)
        } else {
            (lines(new), lines(old))
        };
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let text = TextDiff::configure()
        .timeout(EFFORT)
        .diff_lines(old.as_ref(), new.as_ref());
    let (mut added, mut removed) = (0, 0);
    for change in text.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => added += 1,
            ChangeTag::Delete => removed += 1,
            ChangeTag::Equal => {}
        }
    }
    out.push_str(&head);
    let _ = write!(
        out,
        "{}",
        text.unified_diff().context_radius(3).header(&from, &to)
    );
    (added, removed)
}

fn lines(content: &[u8]) -> u64 {
    content.split_inclusive(|b| *b == b'\n').count() as u64
}

/// As git quotes a path that could break the form.
fn quoted(prefix: &str, path: &str) -> String {
    if !path
        .chars()
        .any(|c| c.is_control() || c == '"' || c == '\\')
    {
        return format!("{prefix}{path}");
    }
    let mut out = format!("\"{prefix}");
    for c in path.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|b| {
                    let _ = write!(out, "\\{b:03o}");
                });
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
