//! A patch as a commit on a new branch: objects and a ref, plain data that this
//! code writes itself. No git runs in the user's repository, so no hook, filter
//! or configured command does.

use super::accept::checked;
use crate::beneath::{Dir, Owner};
use crate::copy::is_pointer;
use crate::error::{Error, Result};
use crate::names::RelPath;
use crate::origin::{Repo, valid_branch};
use crate::store::object::{Commit, Kind, name_of};
use crate::store::tree::Difference;
use crate::store::{Flat, Leaf, Mode, ObjectId, Odb, Store, loose, tree};
use std::io::Write as _;

/// The branch to make.
pub(crate) struct Branch<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) store: &'a Store,
    pub(crate) name: &'a str,
    pub(crate) message: &'a str,
    /// Name and e-mail address of the commit.
    pub(crate) author: (&'a str, &'a str),
    /// Seconds since the epoch.
    pub(crate) at_s: i64,
    pub(crate) file_limit_bytes: u64,
}

const ENTRIES_MAX: usize = 500_000;

const OTHER: &str = "give it another name";
const FILES: &str = "accept the patch into your files, and commit it with git";

/// Makes the branch at HEAD's commit plus the patch from `base` to `after`. The
/// checkout, its index and its branch stay as they are. `before` is told the commit
/// before the ref is there, so that a crash between the two leaves no stranger.
///
/// # Errors
/// [`Error::Branch`] (name taken, HEAD unreadable), [`Error::Overlap`] where the
/// base of a changed file is not what HEAD has.
pub(crate) fn branch(
    how: &Branch<'_>,
    base: ObjectId,
    after: ObjectId,
    paths: &[String],
    before: &mut dyn FnMut(ObjectId) -> Result<()>,
) -> Result<ObjectId> {
    let fail = |why: &str, todo: &str| Error::Branch {
        name: how.name.to_owned(),
        why: why.to_owned(),
        todo: todo.to_owned(),
    };
    let common = how.repo.common();
    if !valid_branch(how.name) {
        return Err(fail("that is no valid branch name", OTHER));
    }
    if common.stat(b"reftable").is_ok() {
        return Err(fail(
            "this repository keeps its refs in a form Atoll does not write",
            FILES,
        ));
    }
    let reference = format!("refs/heads/{}", how.name);
    refuse_taken(how, &reference)?;
    let changes = checked(how.store, base, after, paths)?;
    let head = how
        .repo
        .head()
        .commit
        .ok_or_else(|| fail("HEAD names no commit", FILES))?;
    let odb = how
        .repo
        .odb(how.file_limit_bytes)
        .ok_or_else(|| fail("the objects cannot be opened", FILES))?;
    let patched = patched_head(how, &odb, head, &changes)?;
    let objects = how
        .repo
        .objects()
        .ok_or_else(|| fail("the objects cannot be opened", FILES))?;
    let owner = owner_of(common);
    let root = write_trees(how.store, &odb, &objects, owner, &patched)?;
    let (name, email) = how.author;
    let rest = Commit::signed(name, email, how.at_s, how.message);
    let made = Commit {
        tree: root,
        parents: vec![head],
        rest,
    };
    let id = loose::write(&objects, Kind::Commit, &made.encode(), owner)?;
    before(id)?;
    write_ref(common, &reference, id, owner)
        .map_err(|e| fail(&format!("its ref cannot be written: {e}"), OTHER))?;
    Ok(id)
}

struct Patched {
    flat: Flat,
    /// What it holds that HEAD doesn't: from Atoll's store, or with other line endings than there.
    blobs: Vec<(ObjectId, Option<Vec<u8>>)>,
}

/// HEAD's files with the changes, each of which starts from what HEAD has.
fn patched_head(
    how: &Branch<'_>,
    odb: &Odb,
    head: ObjectId,
    changes: &[Difference],
) -> Result<Patched> {
    let fail = |why: String| Error::Branch {
        name: how.name.to_owned(),
        why,
        todo: FILES.to_owned(),
    };
    let commit = Commit::decode(head, &odb.read_kind(head, Kind::Commit)?)?;
    let mut refused = Vec::new();
    let mut flat = tree::read(odb, commit.tree, ENTRIES_MAX, &mut refused)?;
    if !refused.is_empty() {
        return Err(fail("HEAD holds names that Atoll does not write".into()));
    }
    let (mut overlap, mut blobs) = (Vec::new(), Vec::new());
    for change in changes {
        let path = RelPath::parse_outside_git(&change.path)?;
        let theirs = flat.get(&path).copied();
        let mut after = change.after.map(|leaf| (leaf, None));
        if theirs != change.before {
            match as_head_has_it(how.store, odb, theirs, change)? {
                Stored::Otherwise => overlap.push(change.path.clone()),
                Stored::Pointer => {
                    let path = &change.path;
                    return Err(fail(format!(
                        "{path} is kept by Git LFS, which Atoll does not run"
                    )));
                }
                Stored::Lf(made) => after = made,
            }
        }
        match after {
            Some((leaf, content)) => {
                if leaf.mode != Mode::Gitlink {
                    blobs.push((leaf.id, content));
                }
                flat.insert(path, leaf)
            }
            None => flat.remove(&path),
        };
    }
    if overlap.is_empty() {
        Ok(Patched { flat, blobs })
    } else {
        Err(Error::Overlap { paths: overlap })
    }
}

/// How HEAD has a file that differs from the working tree's.
enum Stored {
    /// It is another file.
    Otherwise,
    /// It stands for one that is elsewhere.
    Pointer,
    /// With LF where the working tree has CRLF (`core.autocrlf`, `eol=crlf`); what the change makes of it.
    Lf(Option<(Leaf, Option<Vec<u8>>)>),
}

fn as_head_has_it(
    store: &Store,
    odb: &Odb,
    theirs: Option<Leaf>,
    change: &Difference,
) -> Result<Stored> {
    let file = |leaf: &Leaf| matches!(leaf.mode, Mode::File | Mode::Exec);
    let (Some(theirs), Some(before)) = (theirs.filter(file), change.before.filter(file)) else {
        return Ok(Stored::Otherwise);
    };
    let content = odb.read_kind(theirs.id, Kind::Blob)?;
    if is_pointer(&content) {
        return Ok(Stored::Pointer);
    }
    if theirs.mode != before.mode || lf(&store.blob(before.id)?).as_ref() != Some(&content) {
        return Ok(Stored::Otherwise);
    }
    let Some(after) = change.after.filter(file) else {
        return Ok(Stored::Lf(change.after.map(|leaf| (leaf, None))));
    };
    let Some(content) = lf(&store.blob(after.id)?) else {
        return Ok(Stored::Otherwise);
    };
    let id = name_of(Kind::Blob, &content);
    Ok(Stored::Lf(Some((Leaf { id, ..after }, Some(content)))))
}

/// A text with each CRLF as LF; `None` for what git takes for no text.
fn lf(content: &[u8]) -> Option<Vec<u8>> {
    if content.contains(&0) {
        return None;
    }
    let mut out = Vec::with_capacity(content.len());
    let mut bytes = content.iter().peekable();
    while let Some(byte) = bytes.next() {
        if *byte != b'\r' || bytes.peek() != Some(&&b'\n') {
            out.push(*byte);
        }
    }
    Some(out)
}

/// Writes the blobs and trees that the user's repository lacks; the root's id.
fn write_trees(
    store: &Store,
    odb: &Odb,
    objects: &Dir,
    owner: Option<Owner>,
    patched: &Patched,
) -> Result<ObjectId> {
    for (id, made) in &patched.blobs {
        match made {
            _ if odb.holds(*id) => continue,
            Some(content) => loose::write(objects, Kind::Blob, content, owner)?,
            None => loose::write(objects, Kind::Blob, &store.blob(*id)?, owner)?,
        };
    }
    tree::write_with(&patched.flat, &mut |content| {
        let id = name_of(Kind::Tree, content);
        if odb.holds(id) {
            Ok(id)
        } else {
            loose::write(objects, Kind::Tree, content, owner)
        }
    })
}

// The name itself, or one that is its folder, or lies below it.
fn refuse_taken(how: &Branch<'_>, reference: &str) -> Result<()> {
    let fail = |why: String| {
        Err(Error::Branch {
            name: how.name.to_owned(),
            why,
            todo: OTHER.to_owned(),
        })
    };
    let taken = how.repo.branches();
    for other in &taken {
        if other == reference {
            return fail("there is such a branch already".into());
        }
        if other.starts_with(&format!("{reference}/"))
            || reference.starts_with(&format!("{other}/"))
        {
            return fail(format!(
                "it collides with {}",
                other.trim_start_matches("refs/heads/")
            ));
        }
    }
    Ok(())
}

pub(super) fn owner_of(common: &Dir) -> Option<Owner> {
    let stat = common
        .stat_self()
        .ok()
        .filter(|_| rustix::process::geteuid().is_root())?;
    Some(Owner {
        uid: stat.st_uid,
        gid: stat.st_gid,
    })
}

// git's own way: a lock file made exclusively, then renamed.
fn write_ref(
    common: &Dir,
    reference: &str,
    id: ObjectId,
    owner: Option<Owner>,
) -> std::io::Result<()> {
    let path = RelPath::parse(reference).map_err(std::io::Error::other)?;
    let dir = common.parent_made(&path, owner)?;
    let lock = format!("{}.lock", path.name());
    let mut file = dir.new_file(lock.as_bytes(), 0o644)?;
    let written = (|| {
        file.write_all(format!("{id}\n").as_bytes())?;
        if let Some(owner) = owner {
            owner.give(&file)?;
        }
        file.sync_all()?;
        dir.rename_new(lock.as_bytes(), path.name().as_bytes())?;
        dir.sync()?;
        Ok(())
    })();
    if written.is_err() {
        let _ = dir.unlink(lock.as_bytes());
    }
    written
}
