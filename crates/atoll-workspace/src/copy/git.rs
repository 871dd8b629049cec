//! A copy's own `.git`, to be thrown away: HEAD's commit with its tags, shallow,
//! without credential files. The user's repository is read as data; its
//! configuration, hooks and object store never come near the box.

use std::collections::BTreeSet;

use crate::beneath::{Dir, Owner, Sync};
use crate::error::{Error, Result};
use crate::names::{Mask, RelPath, holds_token, mask};
use crate::origin::{AutoCrlf, Repo};
use crate::store::object::{Commit, Kind, name_of};
use crate::store::{Flat, Leaf, Loosened, Mode, ObjectId, Odb, Store, tree};

/// What a private `.git` is made from.
pub(crate) struct Private<'a> {
    pub(crate) repo: Option<&'a Repo>,
    /// How git translates lines in the checkout: the copy's files are the checkout's, so its git must
    /// compare them as the user's does.
    pub(crate) autocrlf: AutoCrlf,
    pub(crate) store: &'a Store,
    /// The tree that the copy holds.
    pub(crate) base: ObjectId,
    pub(crate) flat: &'a Flat,
    pub(crate) owner: Option<Owner>,
    pub(crate) object_limit_bytes: u64,
    /// Seconds since the epoch, for a commit that has to be made up.
    pub(crate) at_s: i64,
}

const ENTRIES_MAX: usize = 500_000;
const TOTAL_LIMIT_BYTES: u64 = 2 << 30;

const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = false\n\
                      [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";

/// One tag of the private repository; `annotated` is the tag object's content.
struct TagRef {
    name: String,
    annotated: Option<Vec<u8>>,
}

struct Head {
    branch: Option<String>,
    commit: Vec<u8>,
    flat: Flat,
    tags: Vec<TagRef>,
    shallow: bool,
    /// Where objects come from that Atoll's store hasn't got.
    odb: Option<Odb>,
    note: Option<String>,
}

/// Writes `.git` into `copy`, which has none. Says what a person should know:
/// what was left out, or that the history is made up, and why.
pub(crate) fn private_git(how: &Private<'_>, copy: &Dir) -> Result<Option<String>> {
    let head = match how.repo {
        None => synthetic(how, None),
        // Anything unreadable in the user's repository only costs its history.
        Some(repo) => real(how, repo).unwrap_or_else(|e| synthetic(how, Some(e.to_string()))),
    };
    let note = head.note.clone();
    match write(how, &head, copy) {
        Err(e) if head.odb.is_some() => {
            super::remove_tree(copy, ".git")?;
            let made_up = synthetic(how, Some(e.to_string()));
            write(how, &made_up, copy)?;
            Ok(made_up.note)
        }
        other => other.map(|()| note),
    }
}

fn synthetic(how: &Private<'_>, why: Option<String>) -> Head {
    let rest = Commit::signed(
        "Atoll",
        "atoll@localhost",
        how.at_s,
        "The workspace as it was found",
    );
    let why = why.unwrap_or_else(|| "the workspace is no git repository".into());
    Head {
        branch: Some("main".into()),
        commit: Commit {
            tree: how.base,
            parents: vec![],
            rest,
        }
        .encode(),
        flat: how.flat.clone(),
        tags: vec![],
        shallow: false,
        odb: None,
        note: Some(format!("git history in the box is made up: {why}")),
    }
}

fn real(how: &Private<'_>, repo: &Repo) -> Result<Head> {
    let odd = |why: &str| Error::corrupt("the repository", why);
    let named = repo.head();
    let id = named.commit.ok_or_else(|| odd("HEAD names no commit"))?;
    let odb = repo
        .odb(how.object_limit_bytes)
        .ok_or_else(|| odd("its objects cannot be opened"))?;
    let mut commit = Commit::decode(id, &odb.read_kind(id, Kind::Commit)?)?;
    let mut refused = Vec::new();
    let mut flat = tree::read(&odb, commit.tree, ENTRIES_MAX, &mut refused)?;
    let before = flat.len();
    let mut large = 0;
    let mut failed = None;
    flat.retain(|path, leaf| match keep(how.store, &odb, path, *leaf) {
        Ok(kept) => kept,
        Err(Error::Limit { .. }) => {
            large += 1;
            false
        }
        Err(e) => {
            failed.get_or_insert(e);
            true
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    let left_out = before - flat.len() + refused.len();
    let mut tags: Vec<TagRef> = repo
        .tags_at(id, &odb)
        .into_iter()
        .map(|t| TagRef {
            name: t.name,
            annotated: odb.read_kind(t.target, Kind::Tag).ok(),
        })
        .collect();
    let mut note = None;
    // Another tree also where old modes (100664) were normalised.
    let root = tree::write_with(&flat, &mut |c| Ok(name_of(Kind::Tree, c)))?;
    if root != commit.tree {
        commit.tree = root;
        let renamed = name_of(Kind::Commit, &commit.encode());
        for content in tags.iter_mut().filter_map(|t| t.annotated.as_mut()) {
            retarget(content, renamed);
        }
        let plural = if left_out == 1 { "" } else { "s" };
        let why = match large {
            0 => "credentials".to_owned(),
            large => format!("credentials; {large} too large"),
        };
        note = Some(format!(
            "HEAD in the box leaves out {left_out} file{plural} ({why}), so it has another id"
        ));
    }
    let shallow = !commit.parents.is_empty();
    Ok(Head {
        branch: named.branch,
        commit: commit.encode(),
        flat,
        tags,
        shallow,
        odb: Some(odb),
        note,
    })
}

/// Is this file of HEAD's tree for agents to see? Fails when it can't be read.
fn keep(store: &Store, odb: &Odb, path: &RelPath, leaf: Leaf) -> Result<bool> {
    if leaf.mode == Mode::Gitlink {
        return Ok(true);
    }
    match mask(path) {
        Mask::Yes => return Ok(false),
        Mask::IfToken if holds_token(&odb.read_kind(leaf.id, Kind::Blob)?) => return Ok(false),
        _ => {}
    }
    // What the store has was readable; the rest is looked at now, for its size.
    if store.contains(leaf.id) {
        return Ok(true);
    }
    odb.read_kind(leaf.id, Kind::Blob).map(|_| true)
}

// A tag object's first line names what it tags.
fn retarget(content: &mut Vec<u8>, to: ObjectId) {
    if content.starts_with(b"object ") && content.len() > 47 {
        content.splice(7..47, to.to_string().bytes());
    }
}

fn write(how: &Private<'_>, head: &Head, copy: &Dir) -> Result<()> {
    let fail = |e: rustix::io::Errno| Error::io("write", ".git", e);
    let dir = |path: &str| -> Result<Dir> {
        copy.parent_made(&RelPath::parse(path)?, None).map_err(fail)
    };
    for folder in [
        ".git/refs/heads/x",
        ".git/refs/tags/x",
        ".git/objects/info/x",
        ".git/info/x",
    ] {
        dir(folder)?;
    }
    let packs = dir(".git/objects/pack/x")?;
    let packed = objects(how, head, &packs)?;
    let (commit, tags) = (packed.commit, &packed.tags);

    let put = |path: &str, content: &[u8]| -> Result<()> {
        let path = RelPath::parse(path)?;
        copy.parent(&path)
            .and_then(|d| d.replace(path.name(), content, 0o644, None, Sync::No))
            .map_err(fail)
    };
    let crlf = match how.autocrlf {
        AutoCrlf::False => "",
        AutoCrlf::Input => "[core]\n\tautocrlf = input\n",
        AutoCrlf::True => "[core]\n\tautocrlf = true\n",
    };
    put(".git/config", format!("{CONFIG}{crlf}").as_bytes())?;
    let head_text = head.branch.as_ref().map_or_else(
        || format!("{commit}\n"),
        |b| format!("ref: refs/heads/{b}\n"),
    );
    put(".git/HEAD", head_text.as_bytes())?;
    put(
        ".git/packed-refs",
        packed_refs(head, commit, tags).as_bytes(),
    )?;
    if head.shallow {
        put(".git/shallow", format!("{commit}\n").as_bytes())?;
    }
    // The user's own patterns, for all their repositories, stay outside.
    if let Some(exclude) = how.repo.and_then(Repo::exclude) {
        put(".git/info/exclude", &exclude)?;
    }
    let same = |path: &RelPath, leaf: &Leaf| how.flat.get(path) == Some(leaf);
    let filtered = |path: &RelPath| packed.pointers.contains(path) && how.flat.contains_key(path);
    let index = super::index::encode(&head.flat, copy, &same, &filtered);
    put(".git/index", &index)?;
    if let Some(owner) = how.owner {
        let git = copy.sub_name(b".git").map_err(fail)?;
        give_all(&git, owner, 0).map_err(fail)?;
    }
    Ok(())
}

struct Packed {
    commit: ObjectId,
    tags: Vec<Option<ObjectId>>,
    /// Files of HEAD that stand for others, which a filter puts into the working tree.
    pointers: BTreeSet<RelPath>,
}

/// Writes the pack, with everything that HEAD's commit needs.
fn objects(how: &Private<'_>, head: &Head, packs: &Dir) -> Result<Packed> {
    let mut pack = Loosened::begin(packs)?;
    let mut pointers = BTreeSet::new();
    for (path, leaf) in head.flat.iter().filter(|(_, l)| l.mode != Mode::Gitlink) {
        if !pack.copy(how.store, leaf.id)? {
            let odb = head.odb.as_ref().ok_or(Error::NoObject(leaf.id))?;
            let content = odb.read_kind(leaf.id, Kind::Blob)?;
            if is_pointer(&content) {
                pointers.insert(path.clone());
            }
            pack.put(Kind::Blob, &content)?;
        }
        if pack.bytes() > TOTAL_LIMIT_BYTES {
            return Err(Error::Limit {
                what: "the size of HEAD's files".into(),
                limit: TOTAL_LIMIT_BYTES,
                hint: "the box has no git history",
            });
        }
    }
    tree::write_with(&head.flat, &mut |content| pack.put(Kind::Tree, content))?;
    let commit = pack.put(Kind::Commit, &head.commit)?;
    let tags = head.tags.iter().map(|t| {
        t.annotated
            .as_ref()
            .map(|c| pack.put(Kind::Tag, c))
            .transpose()
    });
    let tags = tags.collect::<Result<Vec<_>>>()?;
    pack.finish()?;
    Ok(Packed {
        commit,
        tags,
        pointers,
    })
}

/// Is this what Git LFS keeps in place of a file (its `docs/spec.md`)?
pub(crate) fn is_pointer(content: &[u8]) -> bool {
    content.len() < 1024 && content.starts_with(b"version https://git-lfs.github.com/spec/v1\n")
}

fn packed_refs(head: &Head, commit: ObjectId, tags: &[Option<ObjectId>]) -> String {
    let mut refs = std::collections::BTreeMap::new();
    if let Some(branch) = &head.branch {
        refs.insert(
            format!("refs/heads/{branch}"),
            format!("{commit} refs/heads/{branch}\n"),
        );
    }
    for (tag, object) in head.tags.iter().zip(tags) {
        let name = format!("refs/tags/{}", tag.name);
        let line = match object {
            Some(object) => format!("{object} {name}\n^{commit}\n"),
            None => format!("{commit} {name}\n"),
        };
        refs.insert(name, line);
    }
    let lines: String = refs.into_values().collect();
    format!("# pack-refs with: peeled fully-peeled sorted \n{lines}")
}

fn give_all(dir: &Dir, owner: Owner, depth: usize) -> rustix::io::Result<()> {
    owner.give(dir.fd())?;
    for entry in dir.entries(100_000).unwrap_or_default() {
        match entry.kind {
            rustix::fs::FileType::Directory if depth < 8 => {
                give_all(&dir.sub_name(&entry.name)?, owner, depth + 1)?
            }
            _ => owner.give_link(dir, &entry.name)?,
        }
    }
    Ok(())
}
