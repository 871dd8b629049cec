use std::path::Path;

use atoll_domain::PatchClass;
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;

use super::CHANGES_MAX;
use super::class::class;
use super::journal::{Entry, Journal};
use crate::beneath::{Dir, Owner, Sync, kind_of, read_bounded};
use crate::error::{Error, Result};
use crate::files::prune;
use crate::names::RelPath;
use crate::store::object::{Kind, name_of};
use crate::store::tree::{Difference, differences};
use crate::store::{Leaf, Mode, ObjectId, Store};

/// Where a patch goes.
pub(crate) struct Into<'a> {
    pub(crate) root: &'a Dir,
    pub(crate) root_path: &'a Path,
    pub(crate) store: &'a Store,
    pub(crate) journal: &'a Journal,
    pub(crate) file_limit_bytes: u64,
}

/// What a path holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Nothing,
    /// Nothing, and a file stands where a folder of the path would be.
    Blocked,
    Is(Leaf),
    /// A folder, a special file, something unreadable or too large.
    Other,
}

impl State {
    pub(super) fn of(leaf: Option<Leaf>) -> Self {
        leaf.map_or(Self::Nothing, Self::Is)
    }

    /// Does the path hold `leaf`, or nothing where that is `None`?
    pub(super) fn holds(self, leaf: Option<Leaf>) -> bool {
        self == Self::of(leaf) || (self == Self::Blocked && leaf.is_none())
    }
}

/// Writes the patch from `base` to `tree` into the checkout, unstaged: all of it
/// or nothing. `paths` are those that were shown to whoever allowed it.
///
/// # Errors
/// [`Error::Refused`], [`Error::Overlap`] (nothing was changed), [`Error::Pending`].
pub(crate) fn accept(
    into: &Into<'_>,
    base: ObjectId,
    tree: ObjectId,
    paths: &[String],
    step: &mut dyn FnMut(usize),
) -> Result<Vec<String>> {
    let changes = checked(into.store, base, tree, paths)?;
    let entries = changes
        .iter()
        .map(|c| entry(into, c))
        .collect::<Result<Vec<_>>>()?;
    carry_out(into, &entries, step)
}

/// Takes back what [`accept`] did, if every file is as it left it.
///
/// # Errors
/// [`Error::Overlap`] names the files that changed since; nothing was changed.
pub(crate) fn undo(
    into: &Into<'_>,
    base: ObjectId,
    tree: ObjectId,
    paths: &[String],
    step: &mut dyn FnMut(usize),
) -> Result<Vec<String>> {
    let changes = checked(into.store, base, tree, paths)?;
    let back = |c: &Difference| Difference {
        path: c.path.clone(),
        before: c.after,
        after: c.before,
    };
    let entries = changes
        .iter()
        .map(|c| entry(into, &back(c)))
        .collect::<Result<Vec<_>>>()?;
    carry_out(into, &entries, step)
}

/// The changes, none of them refused, and exactly those that were shown.
pub(super) fn checked(
    store: &Store,
    base: ObjectId,
    tree: ObjectId,
    paths: &[String],
) -> Result<Vec<Difference>> {
    let changes = differences(store.odb(), base, tree, CHANGES_MAX)?;
    let mut reasons = Vec::new();
    for change in &changes {
        let target = match change.after.filter(|l| l.mode == Mode::Link) {
            Some(leaf) => Some(store.blob(leaf.id)?),
            None => None,
        };
        if let (PatchClass::Refused, why) = class(change, target.as_deref(), false) {
            reasons.push(format!("{}: {}", change.path, why.unwrap_or_default()));
        }
    }
    if !reasons.is_empty() {
        return Err(Error::Refused { reasons });
    }
    let mut shown: Vec<&str> = paths.iter().map(String::as_str).collect();
    shown.sort_unstable();
    if !changes.iter().map(|c| c.path.as_str()).eq(shown) {
        return Err(Error::Refused {
            reasons: vec!["its files are not those that were shown".into()],
        });
    }
    Ok(changes)
}

fn entry(into: &Into<'_>, change: &Difference) -> Result<Entry> {
    let path = RelPath::parse_outside_git(&change.path)?;
    let stat = into
        .root
        .parent(&path)
        .and_then(|d| d.stat(path.name().as_bytes()));
    let permissions = stat
        .ok()
        .filter(|s| kind_of(s) == "a file")
        .map(|s| s.st_mode & 0o777);
    Ok(Entry {
        path,
        before: change.before,
        after: change.after,
        permissions,
    })
}

fn carry_out(
    into: &Into<'_>,
    entries: &[Entry],
    step: &mut dyn FnMut(usize),
) -> Result<Vec<String>> {
    refuse_overlap(into, entries)?;
    for entry in entries
        .iter()
        .filter(|e| e.after.is_some_and(|l| l.mode == Mode::Link))
    {
        refuse_escape(into, entry)?;
    }
    into.journal.begin(into.root_path, entries)?;
    let mut done: Vec<Entry> = Vec::new();
    // Removals first: a folder may take a file's place.
    let order = entries
        .iter()
        .filter(|e| e.after.is_none())
        .chain(entries.iter().filter(|e| e.after.is_some()));
    for (n, entry) in order.enumerate() {
        step(n);
        // Looked at again: somebody may be typing.
        let written = match state_of(into.root, &entry.path, into.file_limit_bytes) {
            Ok(s) if s == State::of(entry.before) => {
                write(into.root, into.store, entry, Sync::Yes, None)
            }
            Ok(_) => Err(Error::Overlap {
                paths: vec![entry.path.to_string()],
            }),
            Err(e) => Err(e),
        };
        if let Err(e) = written {
            revert(into.root, into.store, &done, None)?;
            into.journal.end()?;
            return Err(e);
        }
        done.push(entry.clone());
    }
    step(entries.len());
    into.journal.end()?;
    Ok(entries.iter().map(|e| e.path.to_string()).collect())
}

fn refuse_overlap(into: &Into<'_>, entries: &[Entry]) -> Result<()> {
    let going: std::collections::BTreeSet<&RelPath> = entries
        .iter()
        .filter(|e| e.after.is_none())
        .map(|e| &e.path)
        .collect();
    let mut paths = Vec::new();
    for entry in entries {
        let now = state_of(into.root, &entry.path, into.file_limit_bytes)?;
        // A new file where a folder of files that go stands (the folder goes with
        // them), or a new folder where a file that goes stands.
        let makes_room = matches!(now, State::Other | State::Blocked)
            && entry.before.is_none()
            && (ancestors(&entry.path).any(|a| going.contains(&a))
                || emptied(into.root, &entry.path, &going));
        if now != State::of(entry.before) && !makes_room {
            paths.push(entry.path.to_string());
        }
    }
    if paths.is_empty() {
        Ok(())
    } else {
        Err(Error::Overlap { paths })
    }
}

fn ancestors(path: &RelPath) -> impl Iterator<Item = RelPath> {
    std::iter::successors(path.parent(), RelPath::parent)
}

// Does everything below the folder `path` go?
fn emptied(root: &Dir, path: &RelPath, going: &std::collections::BTreeSet<&RelPath>) -> bool {
    let mut open = vec![path.clone()];
    let mut seen = 0;
    while let Some(at) = open.pop() {
        let Some(entries) = root
            .sub(Some(&at))
            .ok()
            .and_then(|d| d.entries(CHANGES_MAX).ok())
        else {
            return false;
        };
        for entry in entries {
            seen += 1;
            let Ok(name) = std::str::from_utf8(&entry.name) else {
                return false;
            };
            let below = RelPath::join_checked(Some(&at), name);
            match entry.kind {
                rustix::fs::FileType::Directory => open.push(below),
                _ if going.contains(&below) && seen <= CHANGES_MAX => {}
                _ => return false,
            }
        }
    }
    true
}

// The checkout may hold links that the snapshot left out; a new link must not
// lead outside by way of one.
fn refuse_escape(into: &Into<'_>, entry: &Entry) -> Result<()> {
    let Some(leaf) = entry.after else {
        return Ok(());
    };
    let target = into.store.blob(leaf.id)?;
    let target = String::from_utf8_lossy(&target).into_owned();
    let from = entry
        .path
        .parent()
        .map_or_else(|| target.clone(), |p| format!("{p}/{target}"));
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(
        into.root.fd(),
        from.as_str(),
        OFlags::PATH | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
        resolve,
    );
    match found {
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(_) => Err(Error::Refused {
            reasons: vec![format!("{}: it is a link that leads outside", entry.path)],
        }),
    }
}

/// What `path` holds now, read beneath `root`.
pub(super) fn state_of(root: &Dir, path: &RelPath, file_limit_bytes: u64) -> Result<State> {
    let parent = match root.parent(path) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(State::Nothing),
        Err(Errno::NOTDIR) => return Ok(State::Blocked),
        // A link or another file system stands where a folder of the path would be.
        Err(Errno::LOOP | Errno::XDEV) => return Ok(State::Other),
        Err(e) => return Err(Error::io("open", path, e)),
    };
    let name = path.name().as_bytes();
    let stat = match parent.stat(name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(State::Nothing),
        Err(e) => return Err(Error::io("stat", path, e)),
    };
    let (mode, content) = match kind_of(&stat) {
        "a symlink" => (
            Mode::Link,
            parent
                .link_target(name)
                .map_err(|e| Error::io("read", path, e))?,
        ),
        "a file" => {
            let mut file = parent.file(name).map_err(|e| Error::io("open", path, e))?;
            match read_bounded(&mut file, file_limit_bytes)
                .map_err(|e| Error::io("read", path, e))?
            {
                None => return Ok(State::Other),
                Some(content) => (
                    if stat.st_mode & 0o100 == 0 {
                        Mode::File
                    } else {
                        Mode::Exec
                    },
                    content,
                ),
            }
        }
        _ => return Ok(State::Other),
    };
    Ok(State::Is(Leaf {
        mode,
        id: name_of(Kind::Blob, &content),
    }))
}

/// Brings one path from before to after. `owner`: whom a new file belongs to;
/// without it, as root, whoever owns what it replaces, else the folder it lies in.
pub(super) fn write(
    root: &Dir,
    store: &Store,
    entry: &Entry,
    sync: Sync,
    owner: Option<Owner>,
) -> Result<()> {
    let path = &entry.path;
    let fail = |e: Errno| Error::io("write", path, e);
    let Some(after) = entry.after else {
        let parent = root.parent(path).map_err(fail)?;
        parent.unlink(path.name().as_bytes()).map_err(fail)?;
        if sync == Sync::Yes {
            parent.sync().map_err(fail)?;
        }
        prune(root, path);
        return Ok(());
    };
    let content = store.blob(after.id)?;
    let owner = owner.or_else(|| inherited(root, path));
    let parent = root.parent_made(path, owner).map_err(fail)?;
    let name = path.name();
    if after.mode == Mode::Link {
        let temp = crate::beneath::temp_name();
        parent.symlink(&content, temp.as_bytes()).map_err(fail)?;
        let placed = owner
            .map_or(Ok(()), |o| o.give_link(&parent, temp.as_bytes()))
            .and_then(|()| parent.rename(temp.as_bytes(), name.as_bytes()));
        if let Err(e) = placed {
            let _ = parent.unlink(temp.as_bytes());
            return Err(fail(e));
        }
        return if sync == Sync::Yes {
            parent.sync().map_err(fail)
        } else {
            Ok(())
        };
    }
    let had = entry.permissions.filter(|_| entry.before.is_some());
    let permissions = match (had, after.mode) {
        (None, mode) => mode.permissions(),
        (Some(bits), Mode::Exec) if bits & 0o100 == 0 => bits | (bits & 0o444) >> 2,
        (Some(bits), Mode::File) => bits & !0o111,
        (Some(bits), _) => bits,
    };
    parent
        .replace(name, &content, permissions, owner, sync)
        .map_err(fail)
}

/// Brings one path of a private copy to what `change` says.
pub(crate) fn put_change(
    root: &Dir,
    store: &Store,
    change: &Difference,
    owner: Option<Owner>,
) -> Result<()> {
    let path = RelPath::parse_outside_git(&change.path)?;
    let entry = Entry {
        path,
        before: change.before,
        after: change.after,
        permissions: None,
    };
    write(root, store, &entry, Sync::No, owner)
}

// Only root can give files away, and root's own files in a user's checkout would
// be in the user's way.
fn inherited(root: &Dir, path: &RelPath) -> Option<Owner> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let mut at = Some(path.clone());
    while let Some(p) = at {
        if let Ok(stat) = root.parent(&p).and_then(|d| d.stat(p.name().as_bytes())) {
            return Some(Owner {
                uid: stat.st_uid,
                gid: stat.st_gid,
            });
        }
        at = p.parent();
    }
    root.stat_self().ok().map(|s| Owner {
        uid: s.st_uid,
        gid: s.st_gid,
    })
}

/// Takes back `done`, last first.
pub(super) fn revert(
    root: &Dir,
    store: &Store,
    done: &[Entry],
    owner: Option<Owner>,
) -> Result<()> {
    // Again removals first, as a file may have taken a folder's place.
    let back = |e: &&Entry| e.before.is_none();
    let order = done
        .iter()
        .rev()
        .filter(back)
        .chain(done.iter().rev().filter(|e| e.before.is_some()));
    for entry in order {
        let reverse = Entry {
            path: entry.path.clone(),
            before: entry.after.or(entry.before),
            after: entry.before,
            permissions: entry.permissions,
        };
        write(root, store, &reverse, Sync::Yes, owner)?;
        restore_bits(root, &reverse)?;
    }
    Ok(())
}

// The exact bits, where the file had others than its mode alone tells.
fn restore_bits(root: &Dir, entry: &Entry) -> Result<()> {
    let (Some(bits), true) = (
        entry.permissions,
        entry.after.is_some_and(|l| l.mode != Mode::Link),
    ) else {
        return Ok(());
    };
    let fail = |e| Error::io("write", &entry.path, e);
    let file = root.file(entry.path.as_str().as_bytes()).map_err(fail)?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(bits)).map_err(fail)
}
